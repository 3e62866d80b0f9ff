-- The evening of a trade date: how often it was looked for, and what a date stays complete for.

CREATE TABLE ashare.publication_look (
    trade_date date NOT NULL,
    waits_for  text NOT NULL,
    looks      integer NOT NULL,
    looked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (trade_date, waits_for)
);
COMMENT ON TABLE ashare.publication_look IS 'What was looked for on a trade date''s own evening and was not out yet; the pauses between two looks grow with their number.';
COMMENT ON COLUMN ashare.publication_look.trade_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.publication_look.waits_for IS 'What was looked for: the calendar, the market, the last codes of a batch, the adjust factors.';
COMMENT ON COLUMN ashare.publication_look.looks IS 'How often it was not out.';
COMMENT ON COLUMN ashare.publication_look.looked_at IS 'When it was looked for last.';

CREATE TABLE ashare.unlisted_index (
    code       text PRIMARY KEY,
    trade_date date NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ashare.unlisted_index IS 'Codes of ASHARE_INDICES that Baostock''s list of securities does not have as indices: neither asked for nor expected.';
COMMENT ON COLUMN ashare.unlisted_index.code IS 'The code as it was set.';
COMMENT ON COLUMN ashare.unlisted_index.trade_date IS 'The trade date in whose note it is said.';
COMMENT ON COLUMN ashare.unlisted_index.noticed_at IS 'When it was noticed.';

ALTER TABLE ashare.sync_status ADD COLUMN complete_kinds text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ashare.sync_status.complete_kinds IS 'The kinds that the date was complete for when it was last counted; a run of other kinds takes none away.';
UPDATE ashare.sync_status SET complete_kinds = kinds WHERE status = 'success';
