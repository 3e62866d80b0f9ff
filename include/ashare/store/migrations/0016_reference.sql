-- Members of indices, industries and names, week by week. Lists hardly change from one week to the next, so they are kept
-- as spans, beside the snapshots that the spans come from.

CREATE TABLE ashare.snapshot (
    dataset     text NOT NULL,
    as_of       date NOT NULL CHECK (extract(isodow FROM as_of) = 1),
    rows        integer NOT NULL,
    update_date date NOT NULL CHECK (update_date <= as_of),
    fetched_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id      text,
    PRIMARY KEY (dataset, as_of)
);
COMMENT ON TABLE ashare.snapshot IS 'Facts: the weekly lists that were loaded, and how many rows each of them had. The view coverage adds how many rows of the spans cover the week now.';
COMMENT ON COLUMN ashare.snapshot.dataset IS 'index_member (the lists of all indices together), industry or security_name.';
COMMENT ON COLUMN ashare.snapshot.as_of IS 'The Monday that was asked for.';
COMMENT ON COLUMN ashare.snapshot.rows IS 'Rows of the list, counted from the spans in the transaction that loaded it.';
COMMENT ON COLUMN ashare.snapshot.update_date IS 'updateDate as sent: the Monday on which Baostock loaded the list. Older than as_of only if the Mondays since are holidays.';
COMMENT ON COLUMN ashare.snapshot.fetched_at IS 'When it was loaded here.';
COMMENT ON COLUMN ashare.snapshot.run_id IS 'The Airflow run that loaded it.';

CREATE TABLE ashare.index_member (
    index_code text NOT NULL,
    code       text NOT NULL,
    start_date date NOT NULL,
    end_date   date CHECK (end_date > start_date),
    PRIMARY KEY (index_code, code, start_date)
);
CREATE INDEX index_member_code ON ashare.index_member (code);
COMMENT ON TABLE ashare.index_member IS 'Who was a member of an index, as of the Mondays on which Baostock loaded the lists: a change takes effect up to a week before its Monday.';
COMMENT ON COLUMN ashare.index_member.index_code IS 'sh.000300 (CSI 300), sh.000016 (SSE 50) or sh.000905 (CSI 500).';
COMMENT ON COLUMN ashare.index_member.code IS 'The stock.';
COMMENT ON COLUMN ashare.index_member.start_date IS 'The Monday of the first list that has the stock.';
COMMENT ON COLUMN ashare.index_member.end_date IS 'The Monday of the first list without it, exclusive; NULL: the newest list has it.';

CREATE TABLE ashare.industry (
    classification text NOT NULL,
    code           text NOT NULL,
    industry       text,
    start_date     date NOT NULL,
    end_date       date CHECK (end_date > start_date),
    PRIMARY KEY (classification, code, start_date)
);
CREATE INDEX industry_code ON ashare.industry (code);
COMMENT ON TABLE ashare.industry IS 'The industry of each stock, as of the Mondays on which Baostock loaded the list. Baostock has one classification at a time, and has changed it.';
COMMENT ON COLUMN ashare.industry.classification IS 'industryClassification as sent: Shenwan level 1 in earlier years, the CSRC''s in later ones.';
COMMENT ON COLUMN ashare.industry.code IS 'The stock; delisted ones stay in the list.';
COMMENT ON COLUMN ashare.industry.industry IS 'The industry as sent; NULL: Baostock has none, as for most delisted stocks.';
COMMENT ON COLUMN ashare.industry.start_date IS 'The Monday of the first list with this industry.';
COMMENT ON COLUMN ashare.industry.end_date IS 'The Monday of the first list without it, exclusive; NULL: the newest list has it.';

CREATE TABLE ashare.security_name (
    code       text NOT NULL,
    name       text NOT NULL,
    start_date date NOT NULL,
    end_date   date CHECK (end_date > start_date),
    PRIMARY KEY (code, start_date)
);
COMMENT ON TABLE ashare.security_name IS 'The name of each stock, as of the Mondays on which Baostock loaded the list of industries, which has the names of its week. The table security has the names of today.';
COMMENT ON COLUMN ashare.security_name.code IS 'The stock.';
COMMENT ON COLUMN ashare.security_name.name IS 'The short name, with ST or *ST in front while it holds.';
COMMENT ON COLUMN ashare.security_name.start_date IS 'The Monday of the first list with this name.';
COMMENT ON COLUMN ashare.security_name.end_date IS 'The Monday of the first list without it, exclusive; NULL: the newest list has it.';

CREATE FUNCTION ashare.is_weekly(dataset text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT dataset IN ('index_member', 'industry', 'security_name')
$$;
COMMENT ON FUNCTION ashare.is_weekly IS 'Whether the partitions of a dataset are weeks, each written as its Monday, and not trade dates.';

CREATE OR REPLACE FUNCTION ashare.first_partition(dataset text)
RETURNS date
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE dataset WHEN 'etf_bar' THEN date '2026-01-05'
                        WHEN 'index_member' THEN date '2006-01-02'
                        WHEN 'industry' THEN date '2009-01-05'
                        WHEN 'security_name' THEN date '2009-01-05'
                        ELSE date '-infinity' END
$$;

CREATE FUNCTION ashare.snapshot_rows(first date, last date)
RETURNS TABLE (dataset text, as_of date, loaded integer)
LANGUAGE sql STABLE
AS $$
    -- Joining each snapshot with the spans that cover it would take millions of pairs. So the starts and ends of spans are
    -- summed up in the order of their dates.
    WITH change AS (
        SELECT 'index_member' AS dataset, start_date AS at, 1 AS rows FROM ashare.index_member
        UNION ALL SELECT 'index_member', end_date, -1 FROM ashare.index_member WHERE end_date IS NOT NULL
        UNION ALL SELECT 'industry', start_date, 1 FROM ashare.industry
        UNION ALL SELECT 'industry', end_date, -1 FROM ashare.industry WHERE end_date IS NOT NULL
        UNION ALL SELECT 'security_name', start_date, 1 FROM ashare.security_name
        UNION ALL SELECT 'security_name', end_date, -1 FROM ashare.security_name WHERE end_date IS NOT NULL
    ), moment AS (
        SELECT c.dataset, c.at, sum(c.rows) AS rows, false AS is_snapshot
        FROM change c WHERE c.at <= last GROUP BY 1, 2
        UNION ALL
        SELECT s.dataset, s.as_of, 0, true FROM ashare.snapshot s WHERE s.as_of BETWEEN first AND last
    )
    SELECT x.dataset, x.at, x.rows::integer
    FROM (
        SELECT m.dataset, m.at, m.is_snapshot, sum(m.rows) OVER (PARTITION BY m.dataset ORDER BY m.at) AS rows
        FROM moment m
    ) AS x
    WHERE x.is_snapshot
$$;
COMMENT ON FUNCTION ashare.snapshot_rows IS 'How many rows of the spans cover each snapshot now, from the first to the last Monday.';

CREATE FUNCTION ashare.week_coverage(first date, last date)
RETURNS TABLE (dataset text, partition date, expected integer, loaded integer, absent integer, rejected integer,
               suspended integer, missing integer, is_complete boolean, problem text, note text,
               counted_at timestamptz, verified_at timestamptz, run_id text)
LANGUAGE sql STABLE
AS $$
    SELECT s.dataset, s.as_of, s.rows, r.loaded, 0, 0, NULL::integer, greatest(s.rows - r.loaded, 0),
           r.loaded >= s.rows,
           CASE WHEN r.loaded < s.rows
                THEN s.rows - r.loaded || ' rows that were counted are gone: run the week again.' END,
           CASE WHEN s.update_date < s.as_of
                THEN 'A holiday: it is Baostock''s list of ' || to_char(s.update_date, 'YYYY-MM-DD') || '.' END,
           s.fetched_at, s.fetched_at, s.run_id
    FROM ashare.snapshot s
    JOIN ashare.snapshot_rows(first, last) r ON r.dataset = s.dataset AND r.as_of = s.as_of
$$;
COMMENT ON FUNCTION ashare.week_coverage IS 'The view coverage of the weekly datasets, from the first to the last Monday.';

CREATE OR REPLACE VIEW ashare.coverage AS
SELECT * FROM ashare.partition_coverage('-infinity', 'infinity')
UNION ALL
SELECT * FROM ashare.week_coverage('-infinity', 'infinity');
COMMENT ON COLUMN ashare.coverage.dataset IS 'stock_bar, index_bar, etf_bar, adjust_factor, index_member, industry or security_name.';
COMMENT ON COLUMN ashare.coverage.partition IS 'Trade date; of adjust_factor, the ex-date; of index_member, industry and security_name, the Monday of the week.';
COMMENT ON COLUMN ashare.coverage.expected IS 'Securities that should have a row, or rows of the week''s list; NULL: the partition was never counted.';

CREATE FUNCTION ashare.week_state(datasets text[], first date, last date, newest date, running text[])
RETURNS TABLE (dataset text, partition date, state text, expected integer, loaded integer, missing integer,
               problem text, note text, error text, waits_for text, run_id text, counted_at timestamptz)
LANGUAGE sql STABLE
AS $$
    WITH week AS (
        SELECT own.name, w.at::date AS at,
               -- On the holidays before its first session, Baostock cannot have loaded a dataset's first list.
               coalesce((SELECT min(c.calendar_date) FROM ashare.trade_calendar c
                         WHERE c.calendar_date >= ashare.first_partition(own.name) AND c.is_trading_day
                           AND extract(isodow FROM c.calendar_date) = 1
                           AND c.calendar_date < ashare.first_partition(own.name) + 28),
                        ashare.first_partition(own.name)) AS begin,
               (SELECT min(s.as_of) FROM ashare.snapshot s WHERE s.dataset = own.name) AS since
        FROM unnest(datasets) AS own (name)
        CROSS JOIN generate_series(date_trunc('week', first + interval '6 days'), last, interval '7 days') AS w (at)
    ), work AS (
        SELECT k.dataset, k.partition,
               bool_or(k.ended_at IS NULL AND (running IS NULL OR k.run_id = ANY (running)
                                               OR k.started_at > statement_timestamp() - interval '1 minute')) AS is_alive,
               bool_or(k.ended_at IS NULL) AS is_open,
               (array_agg(k.waits_for ORDER BY k.waits_for IS NULL, k.started_at DESC)
                FILTER (WHERE k.ended_at IS NULL))[1] AS waits_for,
               (array_agg(k.error ORDER BY k.ended_at DESC) FILTER (WHERE k.ended_at IS NOT NULL))[1] AS error,
               (array_agg(k.run_id ORDER BY k.started_at DESC))[1] AS run_id
        FROM ashare.work k WHERE k.partition BETWEEN first AND last AND k.dataset = ANY (datasets) GROUP BY 1, 2
    )
    SELECT w.name, w.at,
           CASE WHEN c.is_complete THEN 'complete'
                WHEN k.is_alive THEN CASE WHEN k.waits_for IS NOT NULL THEN 'waiting' ELSE 'running' END
                WHEN c.dataset IS NOT NULL THEN 'partial'
                WHEN w.at < w.begin THEN 'none'
                WHEN k.dataset IS NOT NULL THEN 'failed'
                WHEN w.at > newest THEN 'unpublished'
                WHEN w.since IS NULL OR w.at < w.since THEN 'before'
                ELSE 'missing' END,
           c.expected, coalesce(c.loaded, 0), c.missing, c.problem, c.note,
           CASE WHEN k.is_open AND NOT k.is_alive
                THEN concat_ws(' ', 'Its run has ended without a record: run the week again.', 'It waited: ' || k.waits_for)
                ELSE k.error END,
           k.waits_for, coalesce(k.run_id, c.run_id), c.counted_at
    FROM week w
    LEFT JOIN ashare.week_coverage(first, last) c ON c.dataset = w.name AND c.partition = w.at
    LEFT JOIN work k ON k.dataset = w.name AND k.partition = w.at
$$;
COMMENT ON FUNCTION ashare.week_state IS 'The state of each week of the given weekly datasets, from the first to the last day: complete, partial (rows are gone since the count), missing, failed, running, waiting, unpublished (after the newest week), before (the dataset''s first snapshot), none (Baostock has no such list). `running` are the Airflow runs that are under way; NULL: not known, every work without an end goes on.';

COMMENT ON COLUMN ashare.work.dataset IS 'As in coverage.';
COMMENT ON COLUMN ashare.work.partition IS 'As in coverage.';

ALTER TABLE ashare.batch
    DROP CONSTRAINT sync_batch_kind_check,
    ADD CONSTRAINT batch_kind_check CHECK (kind IN ('stock', 'index', 'etf', 'factor', 'week')),
    DROP CONSTRAINT sync_batch_by_check,
    ADD CONSTRAINT batch_by_check CHECK (by IN ('market_day', 'code', 'week'));
COMMENT ON COLUMN ashare.batch.kind IS 'stock, index, etf, factor, or week: weekly lists.';
COMMENT ON COLUMN ashare.batch.codes IS 'Of a batch by code, the codes; of a batch of weeks, the Mondays (YYYY-MM-DD); NULL: the whole market.';

-- Who was allowed to read the bars may read the lists.
DO $$
DECLARE command text;
BEGIN
    FOR command IN
        SELECT format('GRANT SELECT ON ashare.snapshot, ashare.index_member, ashare.industry, ashare.security_name TO %s',
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
        WHERE c.oid = 'ashare.daily_bar'::regclass AND g.privilege_type = 'SELECT'
    LOOP
        EXECUTE command;
    END LOOP;
END $$;
