-- Lists, factors and values that are not as they should be; codes that are gone from the lists; indices from their own
-- first day, ETFs from Baostock's.

CREATE TABLE ashare.rejected_row (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset       text NOT NULL CHECK (dataset IN ('security', 'factor')),
    code          text NOT NULL,
    day           date,
    rule          text NOT NULL,
    is_taken      boolean NOT NULL DEFAULT false,
    raw           jsonb NOT NULL,
    rejected_at   timestamptz NOT NULL DEFAULT now(),
    run_id        text,
    superseded_at timestamptz
);
CREATE UNIQUE INDEX rejected_row_once
    ON ashare.rejected_row (dataset, code, coalesce(day, '-infinity'), rule, md5(raw::text));
CREATE INDEX rejected_row_open ON ashare.rejected_row (dataset, day) WHERE superseded_at IS NULL;
COMMENT ON TABLE ashare.rejected_row IS 'Rows of Baostock''s list of securities and of its adjust factors that broke a rule; what was known of the same security or ex-date stays.';
COMMENT ON COLUMN ashare.rejected_row.id IS 'Running number.';
COMMENT ON COLUMN ashare.rejected_row.dataset IS 'security: the list of securities; factor: adjust factors.';
COMMENT ON COLUMN ashare.rejected_row.code IS 'The code in the row; of a stock''s own factors, the code that was asked for.';
COMMENT ON COLUMN ashare.rejected_row.day IS 'Of a factor: the ex-date that was asked for or that is in the row, NULL: it is no date. NULL for a security.';
COMMENT ON COLUMN ashare.rejected_row.rule IS 'The rule that it broke, in words.';
COMMENT ON COLUMN ashare.rejected_row.is_taken IS 'True: the row was loaded all the same, as the rule says; false: it was set aside.';
COMMENT ON COLUMN ashare.rejected_row.raw IS 'The row as sent, by column name.';
COMMENT ON COLUMN ashare.rejected_row.rejected_at IS 'When it came last.';
COMMENT ON COLUMN ashare.rejected_row.run_id IS 'The Airflow run that asked last.';
COMMENT ON COLUMN ashare.rejected_row.superseded_at IS 'When a later answer no longer had it; NULL: the last one has.';

CREATE TABLE ashare.blanked_value (
    trade_date date NOT NULL,
    code       text NOT NULL,
    raw        jsonb NOT NULL,
    blanked_at timestamptz NOT NULL DEFAULT now(),
    run_id     text,
    PRIMARY KEY (trade_date, code)
);
COMMENT ON TABLE ashare.blanked_value IS 'Bars of which a valuation came as something that is no number, and is NULL in daily_bar.';
COMMENT ON COLUMN ashare.blanked_value.trade_date IS 'Session of the bar.';
COMMENT ON COLUMN ashare.blanked_value.code IS 'Baostock''s code with the exchange.';
COMMENT ON COLUMN ashare.blanked_value.raw IS 'The values as sent, by Baostock''s column names (peTTM, pbMRQ, psTTM, pcfNcfTTM).';
COMMENT ON COLUMN ashare.blanked_value.blanked_at IS 'When it came last; the row goes when the bar comes with numbers.';
COMMENT ON COLUMN ashare.blanked_value.run_id IS 'The Airflow run that asked.';

CREATE TABLE ashare.absent_range (
    code        text NOT NULL,
    first_date  date NOT NULL,
    last_date   date NOT NULL CHECK (last_date >= first_date),
    reason      text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    run_id      text,
    PRIMARY KEY (code, first_date)
);
COMMENT ON TABLE ashare.absent_range IS 'Days before an index''s first bar at Baostock, as found out once: it is neither expected nor asked for in them. Delete a row to have it asked for again.';
COMMENT ON COLUMN ashare.absent_range.code IS 'Baostock''s code with the exchange.';
COMMENT ON COLUMN ashare.absent_range.first_date IS 'The first day without a bar.';
COMMENT ON COLUMN ashare.absent_range.last_date IS 'The last such day, included.';
COMMENT ON COLUMN ashare.absent_range.reason IS 'Why there is none.';
COMMENT ON COLUMN ashare.absent_range.recorded_at IS 'When that was found out.';
COMMENT ON COLUMN ashare.absent_range.run_id IS 'The Airflow run that found it out.';

ALTER TABLE ashare.security ADD COLUMN missed_lists smallint NOT NULL DEFAULT 0, ADD COLUMN gone_from date;
COMMENT ON COLUMN ashare.security.missed_lists IS 'How many of Baostock''s last lists in a row lack the code, counted to 2; 0: the last one has it.';
COMMENT ON COLUMN ashare.security.gone_from IS 'Set when two lists in a row lack the code, NULL again when a list has it: the first day on which it is no longer expected, which is the day after its newest bar (without a bar: after the last list that had it). What was complete before stays complete, and bars are never deleted.';
COMMENT ON COLUMN ashare.security.updated_at IS 'When a list of Baostock last had a good row of it.';

CREATE OR REPLACE FUNCTION ashare.listed_security(since date, until date, kinds text[], indices text[])
RETURNS TABLE (code text, kind text, first_day date, last_day date)
LANGUAGE sql STABLE
AS $$
    WITH known AS NOT MATERIALIZED (
        SELECT s.code, s.kind, s.ipo_date, least(s.out_date, s.gone_from) AS out_date FROM ashare.security s
    )
    -- Baostock lists the Beijing exchange (bj.) but has no bars for it.
    SELECT s.code, s.kind, greatest(s.ipo_date, since), least(s.out_date - 1, until)
    FROM known s
    WHERE s.kind = ANY (kinds) AND s.kind = 'stock' AND s.code NOT LIKE 'bj.%'
      AND (s.ipo_date IS NULL OR s.ipo_date <= until) AND (s.out_date IS NULL OR s.out_date > since)
    UNION ALL
    -- Its bars of ETFs begin on this day, for whichever call.
    SELECT s.code, s.kind, greatest(s.ipo_date, since, date '2026-01-05'), least(s.out_date - 1, until)
    FROM known s
    WHERE s.kind = ANY (kinds) AND s.kind = 'etf' AND until >= date '2026-01-05'
      AND (s.ipo_date IS NULL OR s.ipo_date <= until)
      AND (s.out_date IS NULL OR s.out_date > greatest(since, date '2026-01-05'))
    UNION ALL
    SELECT i.code, 'index', greatest(s.ipo_date, since), least(s.out_date - 1, until)
    FROM (SELECT DISTINCT unnest(indices)) AS i (code)
    LEFT JOIN known s ON s.code = i.code
    WHERE 'index' = ANY (kinds)
      -- A list without any index says nothing of one.
      AND (s.kind = 'index' OR s.code IS NULL AND NOT EXISTS (SELECT FROM ashare.security x WHERE x.kind = 'index'))
      AND (s.ipo_date IS NULL OR s.ipo_date <= until) AND (s.out_date IS NULL OR s.out_date > since)
$$;
COMMENT ON FUNCTION ashare.listed_security IS 'The securities of the given kinds (and, of indices, the given ones) that were listed at any time of a range, and from when to when within it; ETFs from 2026-01-05 on.';

CREATE OR REPLACE FUNCTION ashare.expected_security(day date, kinds text[], indices text[])
RETURNS TABLE (code text, kind text)
LANGUAGE sql STABLE
AS $$
    SELECT l.code, l.kind FROM ashare.listed_security(day, day, kinds, indices) l
    WHERE l.kind <> 'index'
       OR NOT EXISTS (SELECT FROM ashare.absent_range r
                      WHERE r.code = l.code AND day BETWEEN r.first_date AND r.last_date)
$$;
COMMENT ON FUNCTION ashare.expected_security IS 'The securities of the given kinds (and, of indices, the given ones) that should have a bar on a day.';

CREATE OR REPLACE FUNCTION ashare.explained_bar(rejected_limit integer)
RETURNS TABLE (trade_date date, code text)
LANGUAGE sql STABLE
AS $$
    -- What was not there on the very evening may have come later.
    SELECT a.trade_date, a.code FROM ashare.absent_bar a
    WHERE (a.recorded_at AT TIME ZONE 'Asia/Shanghai')::date > a.trade_date
    UNION
    SELECT r.trade_date, r.code FROM ashare.rejected_bar r
    WHERE r.superseded_at IS NULL
      AND (SELECT count(DISTINCT x.code) FROM ashare.rejected_bar x
           WHERE x.trade_date = r.trade_date AND x.superseded_at IS NULL
             AND NOT EXISTS (SELECT FROM ashare.daily_bar b WHERE b.trade_date = x.trade_date AND b.code = x.code)
          ) <= rejected_limit
    UNION
    SELECT c.calendar_date, r.code
    FROM ashare.absent_range r
    JOIN ashare.trade_calendar c ON c.calendar_date BETWEEN r.first_date AND r.last_date
    WHERE c.is_trading_day
$$;
COMMENT ON FUNCTION ashare.explained_bar IS 'Bars that need not be there: absent at the source, before an index''s first bar, or rejected where no more than so many are on that day.';
