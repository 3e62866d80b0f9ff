-- Many years at a time, by code: the pieces of a history run, and whose adjust factors are known from the first on.

CREATE TABLE ashare.history_run (
    run_id     text PRIMARY KEY,
    first_date date NOT NULL,
    last_date  date NOT NULL,
    plan       text NOT NULL,
    planned_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ashare.history_run IS 'Runs of ashare_history whose plan was made.';
COMMENT ON COLUMN ashare.history_run.run_id IS 'The Airflow run.';
COMMENT ON COLUMN ashare.history_run.first_date IS 'The range''s first day.';
COMMENT ON COLUMN ashare.history_run.last_date IS 'The range''s last day.';
COMMENT ON COLUMN ashare.history_run.plan IS 'In words: what is lacking, and what it costs.';
COMMENT ON COLUMN ashare.history_run.planned_at IS 'When.';

CREATE TABLE ashare.history_batch (
    run_id      text NOT NULL,
    batch_no    integer NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('stock', 'index', 'etf')),
    codes       text[] NOT NULL,
    label       text NOT NULL,
    status      text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'running', 'success', 'failed')),
    rows        bigint NOT NULL DEFAULT 0,
    requests    integer NOT NULL DEFAULT 0,
    error       text,
    started_at  timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (run_id, batch_no)
);
COMMENT ON TABLE ashare.history_batch IS 'The pieces of a run of ashare_history: some codes over the whole range each.';
COMMENT ON COLUMN ashare.history_batch.run_id IS 'The Airflow run.';
COMMENT ON COLUMN ashare.history_batch.batch_no IS 'From 1 on, in the order of the plan.';
COMMENT ON COLUMN ashare.history_batch.kind IS 'stock, index or etf.';
COMMENT ON COLUMN ashare.history_batch.codes IS 'The securities of the piece.';
COMMENT ON COLUMN ashare.history_batch.label IS 'Shown in the Airflow UI.';
COMMENT ON COLUMN ashare.history_batch.status IS 'pending, running, success or failed.';
COMMENT ON COLUMN ashare.history_batch.rows IS 'Bars that came, over all tries.';
COMMENT ON COLUMN ashare.history_batch.requests IS 'Messages sent, over all tries.';
COMMENT ON COLUMN ashare.history_batch.error IS 'What went wrong at the last try.';
COMMENT ON COLUMN ashare.history_batch.started_at IS 'Start of the last try.';
COMMENT ON COLUMN ashare.history_batch.finished_at IS 'End of the last try.';

CREATE TABLE ashare.factor_history (
    code    text PRIMARY KEY,
    read_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ashare.factor_history IS 'Stocks whose adjust factors were read from 1990-01-01 on: before their first ex-date the factor is 1.';
COMMENT ON COLUMN ashare.factor_history.code IS 'Baostock''s code with the exchange.';
COMMENT ON COLUMN ashare.factor_history.read_at IS 'When: all ex-dates up to then are in adjust_factor.';

CREATE FUNCTION ashare.listed_security(since date, until date, kinds text[], indices text[])
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
    WHERE 'index' = ANY (kinds) AND until >= date '2006-01-01' AND coalesce(s.kind, 'index') = 'index'
      AND (s.ipo_date IS NULL OR s.ipo_date <= until) AND (s.out_date IS NULL OR s.out_date > since)
$$;
COMMENT ON FUNCTION ashare.listed_security IS 'The securities of the given kinds (and, of indices, the given ones) that were listed at any time of a range, and from when to when within it.';

CREATE OR REPLACE FUNCTION ashare.expected_security(day date, kinds text[], indices text[])
RETURNS TABLE (code text, kind text)
LANGUAGE sql STABLE
AS $$
    SELECT code, kind FROM ashare.listed_security(day, day, kinds, indices)
$$;

CREATE FUNCTION ashare.explained_bar(rejected_limit integer)
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
$$;
COMMENT ON FUNCTION ashare.explained_bar IS 'Bars that need not be there: absent at the source, or rejected where no more than so many are on that day.';
CREATE INDEX absent_bar_code ON ashare.absent_bar (code);
CREATE INDEX rejected_bar_code ON ashare.rejected_bar (code) WHERE superseded_at IS NULL;
