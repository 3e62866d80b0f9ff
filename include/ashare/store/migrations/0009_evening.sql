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

CREATE OR REPLACE FUNCTION ashare.listed_security(since date, until date, kinds text[], indices text[])
RETURNS TABLE (code text, kind text, first_day date, last_day date)
LANGUAGE sql STABLE
AS $$
    -- Baostock lists the Beijing exchange (bj.) but has no bars for it.
    SELECT s.code, s.kind, greatest(s.ipo_date, since), least(s.out_date - 1, until)
    FROM ashare.security s
    WHERE s.kind = ANY (kinds) AND s.kind IN ('stock', 'etf') AND s.code NOT LIKE 'bj.%'
      AND (s.ipo_date IS NULL OR s.ipo_date <= until) AND (s.out_date IS NULL OR s.out_date > since)
    UNION ALL
    -- Its bars of indices start in 2006.
    SELECT i.code, 'index', greatest(s.ipo_date, since, date '2006-01-01'), least(s.out_date - 1, until)
    FROM (SELECT DISTINCT unnest(indices)) AS i (code)
    LEFT JOIN ashare.security s ON s.code = i.code
    WHERE 'index' = ANY (kinds) AND until >= date '2006-01-01'
      -- A list without any index says nothing of one.
      AND (s.kind = 'index' OR s.code IS NULL AND NOT EXISTS (SELECT FROM ashare.security x WHERE x.kind = 'index'))
      AND (s.ipo_date IS NULL OR s.ipo_date <= until) AND (s.out_date IS NULL OR s.out_date > since)
$$;

ALTER TABLE ashare.sync_status ADD COLUMN complete_kinds text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ashare.sync_status.complete_kinds IS 'The kinds that the date was complete for when it was last counted; a run of other kinds takes none away.';
UPDATE ashare.sync_status SET complete_kinds = kinds WHERE status = 'success';
