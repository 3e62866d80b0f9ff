-- Facts apart from work: what a partition of a dataset held when it was last counted, what runs are doing about it, and
-- one function that derives its state from both. sync_status goes on as a view.

CREATE TABLE ashare.counted_partition (
    dataset     text NOT NULL,
    partition   date NOT NULL,
    expected    integer,
    rows        integer,
    suspended   integer,
    absent      integer,
    rejected    integer,
    missing     integer,
    problem     text,
    note        text,
    is_closed   boolean NOT NULL DEFAULT false,
    is_asked    boolean NOT NULL DEFAULT true,
    started_at  timestamptz,
    counted_at  timestamptz,
    verified_at timestamptz,
    run_id      text,
    PRIMARY KEY (dataset, partition)
);
CREATE INDEX counted_partition_partition ON ashare.counted_partition (partition);
COMMENT ON TABLE ashare.counted_partition IS 'Facts: what each partition of a dataset held when it was last counted. Written by counting rows only; the view coverage adds what the partition holds now.';
COMMENT ON COLUMN ashare.counted_partition.dataset IS 'stock_bar, index_bar, etf_bar or adjust_factor.';
COMMENT ON COLUMN ashare.counted_partition.partition IS 'Trade date; of adjust_factor, the ex-date.';
COMMENT ON COLUMN ashare.counted_partition.expected IS 'Securities that should have a row.';
COMMENT ON COLUMN ashare.counted_partition.rows IS 'Rows at the count.';
COMMENT ON COLUMN ashare.counted_partition.suspended IS 'Of the bars: of securities suspended that day.';
COMMENT ON COLUMN ashare.counted_partition.absent IS 'Expected securities without a row at Baostock (absent_bar, absent_range).';
COMMENT ON COLUMN ashare.counted_partition.rejected IS 'Expected securities without a row because theirs broke a rule (rejected_bar).';
COMMENT ON COLUMN ashare.counted_partition.missing IS 'Expected securities with neither a row nor a recorded reason.';
COMMENT ON COLUMN ashare.counted_partition.problem IS 'Why the partition is not complete, beside missing rows; NULL: nothing.';
COMMENT ON COLUMN ashare.counted_partition.note IS 'What is worth knowing of a complete partition.';
COMMENT ON COLUMN ashare.counted_partition.is_closed IS 'Whether the day was no session by the calendar of the count.';
COMMENT ON COLUMN ashare.counted_partition.is_asked IS 'Whether ASHARE_KINDS named the dataset, or nothing else of the date was counted. sync_status judges a date by these datasets.';
COMMENT ON COLUMN ashare.counted_partition.started_at IS 'When the work of the run that counted began.';
COMMENT ON COLUMN ashare.counted_partition.counted_at IS 'When; NULL: bars were verified, and the partition was not counted yet.';
COMMENT ON COLUMN ashare.counted_partition.verified_at IS 'When the whole partition was last read from Baostock and held against the table; -infinity: it is in doubt, and is read again.';
COMMENT ON COLUMN ashare.counted_partition.run_id IS 'The Airflow run that counted.';

CREATE TABLE ashare.work (
    dataset    text NOT NULL,
    partition  date NOT NULL,
    run_id     text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    waits_for  text,
    until      timestamptz,
    error      text,
    ended_at   timestamptz,
    is_asked   boolean NOT NULL DEFAULT true,
    PRIMARY KEY (dataset, partition, run_id)
);
CREATE INDEX work_partition ON ashare.work (partition);
COMMENT ON TABLE ashare.work IS 'What runs are doing: a row goes when its run has completed the partition, or another run takes the partition over.';
COMMENT ON COLUMN ashare.work.dataset IS 'As in counted_partition.';
COMMENT ON COLUMN ashare.work.partition IS 'As in counted_partition.';
COMMENT ON COLUMN ashare.work.run_id IS 'The Airflow run.';
COMMENT ON COLUMN ashare.work.started_at IS 'Since when.';
COMMENT ON COLUMN ashare.work.waits_for IS 'What the work waits for; NULL: nothing.';
COMMENT ON COLUMN ashare.work.until IS 'Until when it waits, if that is known.';
COMMENT ON COLUMN ashare.work.error IS 'Why the work failed.';
COMMENT ON COLUMN ashare.work.ended_at IS 'When it failed; NULL: it goes on, or its process was killed.';
COMMENT ON COLUMN ashare.work.is_asked IS 'As in counted_partition.';

ALTER TABLE ashare.sync_batch ADD COLUMN heals date;
COMMENT ON COLUMN ashare.sync_batch.heals IS 'An earlier trade date that is not complete, which this batch syncs as its own run would; NULL: the batch is of the trade date itself.';

ALTER TABLE ashare.history_run ADD COLUMN kinds text[] NOT NULL DEFAULT '{}', ADD COLUMN ended_at timestamptz;
COMMENT ON COLUMN ashare.history_run.kinds IS 'The kinds of securities that the run loads as a whole; empty: some codes only.';
COMMENT ON COLUMN ashare.history_run.ended_at IS 'When the run recorded its end; NULL: it goes on, or was stopped.';

-- Nobody writes sync_status from here on, and nobody waits long for this file: a table of some thousand rows is copied.
LOCK TABLE ashare.sync_status IN ACCESS EXCLUSIVE MODE;

-- The figures of a row are sums over its kinds. They go to the first of them, less what the others hold: the sums stay.
-- What a run under way, or one that failed before it counted, had found complete stays so: its figures are still those
-- of the count before.
WITH status AS (
    SELECT s.*, a.problem AS accepted_problem, coalesce(a.kinds, '{}') AS accepted_kinds, c.is_counted,
           CASE WHEN NOT c.is_counted THEN s.complete_kinds WHEN s.kinds = '{}' THEN '{stock}' ELSE s.kinds END
               AS counted_kinds
    FROM ashare.sync_status s
    CROSS JOIN LATERAL (
        SELECT s.status IN ('success', 'skipped') OR s.status = 'failed' AND s.expected IS NOT NULL
    ) AS c (is_counted)
    LEFT JOIN ashare.accepted_date a ON a.trade_date = s.trade_date AND a.ended_at IS NULL
), kind AS (
    SELECT s.*, k.kind, o.is_own, coalesce(l.loaded, 0) AS bars,
           -- The problem of a failed date is not that of a kind which a person accepted.
           first_value(k.kind) OVER (PARTITION BY s.trade_date
                                     ORDER BY NOT o.is_own, k.kind = ANY (s.accepted_kinds) = (s.status = 'failed'), k.n)
               AS first_kind,
           sum(coalesce(l.loaded, 0)) FILTER (WHERE o.is_own) OVER (PARTITION BY s.trade_date)
           - coalesce(l.loaded, 0) AS of_others,
           CASE WHEN s.status = 'failed' AND s.is_counted AND o.is_own THEN coalesce(s.reason, 'No reason was recorded.')
                WHEN s.status <> 'skipped' AND k.kind = ANY (s.accepted_kinds) THEN s.accepted_problem END
               AS shared_problem
    FROM status s
    JOIN (VALUES ('stock', 1), ('index', 2), ('etf', 3)) AS k (kind, n)
        ON k.kind = ANY (s.counted_kinds) OR k.kind = ANY (s.complete_kinds) AND s.status <> 'skipped'
    CROSS JOIN LATERAL (SELECT k.kind = ANY (s.counted_kinds)) AS o (is_own)
    LEFT JOIN ashare.loaded_rows('-infinity', 'infinity') l
        ON l.dataset = k.kind || '_bar' AND l.partition = s.trade_date
)
INSERT INTO ashare.counted_partition
    (dataset, partition, expected, rows, suspended, absent, rejected, missing, problem, note, is_closed, started_at,
     counted_at, verified_at, run_id)
SELECT k.kind || '_bar', k.trade_date,
       CASE WHEN k.status = 'skipped' THEN NULL
            WHEN f.is_first THEN coalesce(k.expected, k.loaded) - k.of_others ELSE k.bars END,
       CASE WHEN f.is_first THEN coalesce(k.loaded - k.of_others, k.bars) ELSE k.bars END,
       CASE WHEN f.is_first THEN k.suspended WHEN k.status <> 'skipped' THEN 0 END,
       CASE WHEN k.status = 'skipped' THEN NULL
            WHEN f.is_first THEN greatest(k.expected - k.loaded - coalesce(k.missing, 0) - coalesce(k.rejected, 0), 0)
            ELSE 0 END,
       CASE WHEN f.is_first THEN k.rejected WHEN k.status <> 'skipped' THEN 0 END,
       CASE WHEN k.status = 'skipped' THEN NULL WHEN f.is_first THEN coalesce(k.missing, 0) ELSE 0 END,
       -- Which of the kinds the problem is of, the row does not say: none of them is complete.
       CASE WHEN f.is_first THEN k.shared_problem
            WHEN k.shared_problem IS NOT NULL THEN 'counted together with ' || k.first_kind END,
       CASE WHEN f.is_first AND k.status IN ('success', 'skipped') AND k.shared_problem IS NULL THEN k.reason END,
       k.status = 'skipped', k.started_at,
       -- A syncing date that was complete before has no end yet.
       coalesce(k.finished_at, k.started_at, '-infinity'),
       CASE WHEN k.kind <> 'index' THEN k.checked_at END, k.run_id
FROM kind k CROSS JOIN LATERAL (SELECT k.is_own AND k.kind = k.first_kind) AS f (is_first);

-- Bars that were verified before the date was counted.
INSERT INTO ashare.counted_partition (dataset, partition, is_asked, verified_at)
SELECT k.kind || '_bar', s.trade_date, false, s.checked_at
FROM ashare.sync_status s CROSS JOIN LATERAL unnest(s.kinds) AS k (kind)
WHERE s.checked_at IS NOT NULL AND k.kind <> 'index' AND s.complete_kinds = '{}'
ON CONFLICT DO NOTHING;

INSERT INTO ashare.counted_partition
    (dataset, partition, expected, rows, missing, started_at, counted_at, run_id)
SELECT DISTINCT ON (b.trade_date) 'adjust_factor', b.trade_date, coalesce(b.rows, 0),
       (SELECT count(*) FROM ashare.adjust_factor a WHERE a.ex_date = b.trade_date), 0,
       b.started_at, coalesce(b.finished_at, b.started_at, '-infinity'), b.run_id
FROM ashare.sync_batch b WHERE b.kind = 'factor' AND b.status = 'success'
ORDER BY b.trade_date, b.finished_at DESC NULLS LAST;

-- A date that was taken for complete without a batch of factors, or with one that a run has begun anew.
INSERT INTO ashare.counted_partition (dataset, partition, rows, missing, started_at, counted_at, run_id)
SELECT 'adjust_factor', s.trade_date,
       (SELECT count(*) FROM ashare.adjust_factor a WHERE a.ex_date = s.trade_date), 0, s.started_at,
       coalesce(s.finished_at, s.started_at, '-infinity'), s.run_id
FROM ashare.sync_status s
WHERE s.status = 'success' OR s.status <> 'skipped' AND s.complete_kinds <> '{}'
ON CONFLICT DO NOTHING;

INSERT INTO ashare.work (dataset, partition, run_id, started_at, waits_for, error, ended_at)
SELECT k.kind || '_bar', s.trade_date, coalesce(s.run_id, ''), coalesce(s.started_at, '-infinity'),
       CASE WHEN s.status = 'syncing' THEN s.reason END, CASE WHEN s.status = 'failed' THEN coalesce(s.reason, '') END,
       CASE WHEN s.status = 'failed' THEN coalesce(s.finished_at, '-infinity') END
FROM ashare.sync_status s
CROSS JOIN LATERAL unnest(CASE WHEN s.kinds = '{}' THEN '{stock}' ELSE s.kinds END) AS k (kind)
WHERE s.status IN ('syncing', 'failed');
ANALYZE ashare.counted_partition;
ANALYZE ashare.work;

DROP FUNCTION ashare.trade_date_state(date, text[]);
ALTER TABLE ashare.sync_status RENAME TO former_sync_status;

CREATE FUNCTION ashare.first_partition(dataset text)
RETURNS date
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE dataset WHEN 'etf_bar' THEN date '2026-01-05' ELSE date '-infinity' END
$$;
COMMENT ON FUNCTION ashare.first_partition IS 'The first partition that Baostock has of a dataset; -infinity: as far back as there are securities.';

CREATE FUNCTION ashare.is_complete(counted ashare.counted_partition, loaded integer)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    SELECT coalesce((counted).counted_at IS NOT NULL AND NOT (counted).is_closed AND (counted).missing = 0
                    AND (counted).problem IS NULL AND loaded >= (counted).rows, false)
$$;
COMMENT ON FUNCTION ashare.is_complete IS 'Whether a partition is complete: it was counted, nothing was missing and nothing contradicted, and no row is gone since.';

CREATE FUNCTION ashare.partition_coverage(first date, last date)
RETURNS TABLE (dataset text, partition date, expected integer, loaded integer, absent integer, rejected integer,
               suspended integer, missing integer, is_complete boolean, problem text, note text,
               counted_at timestamptz, verified_at timestamptz, run_id text)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(c.dataset, l.dataset), coalesce(c.partition, l.partition), c.expected, coalesce(l.loaded, 0),
           c.absent, c.rejected, c.suspended, c.missing + greatest(c.rows - coalesce(l.loaded, 0), 0),
           ashare.is_complete(c.counted, coalesce(l.loaded, 0)),
           c.problem, c.note, nullif(c.counted_at, '-infinity'), c.verified_at, c.run_id
    FROM (SELECT p.*, p AS counted FROM ashare.counted_partition p WHERE p.partition BETWEEN first AND last) AS c
    FULL JOIN ashare.loaded_rows(first, last) l ON l.dataset = c.dataset AND l.partition = c.partition
$$;
COMMENT ON FUNCTION ashare.partition_coverage IS 'The view coverage from the first to the last day.';

CREATE VIEW ashare.coverage AS SELECT * FROM ashare.partition_coverage('-infinity', 'infinity');
COMMENT ON VIEW ashare.coverage IS 'What each partition of each dataset holds: facts, counted from rows. A run adds facts and takes none away.';
COMMENT ON COLUMN ashare.coverage.dataset IS 'stock_bar, index_bar, etf_bar or adjust_factor.';
COMMENT ON COLUMN ashare.coverage.partition IS 'Trade date; of adjust_factor, the ex-date.';
COMMENT ON COLUMN ashare.coverage.expected IS 'Securities that should have a row; NULL: the partition was never counted.';
COMMENT ON COLUMN ashare.coverage.loaded IS 'Rows now.';
COMMENT ON COLUMN ashare.coverage.absent IS 'Expected securities without a row at Baostock (absent_bar).';
COMMENT ON COLUMN ashare.coverage.rejected IS 'Expected securities without a row because theirs broke a rule (rejected_bar).';
COMMENT ON COLUMN ashare.coverage.suspended IS 'Of the bars: of securities suspended that day.';
COMMENT ON COLUMN ashare.coverage.problem IS 'Why the partition is not complete, beside missing rows.';
COMMENT ON COLUMN ashare.coverage.note IS 'What is worth knowing of a complete partition.';
COMMENT ON COLUMN ashare.coverage.counted_at IS 'When the partition was counted.';
COMMENT ON COLUMN ashare.coverage.verified_at IS 'When the whole partition was last read from Baostock and held against the table; -infinity: it is in doubt.';
COMMENT ON COLUMN ashare.coverage.run_id IS 'The Airflow run that counted.';
COMMENT ON COLUMN ashare.coverage.missing IS 'Expected securities with neither a row nor a recorded reason, and rows that are gone since the count.';
COMMENT ON COLUMN ashare.coverage.is_complete IS 'Whether the partition was counted, nothing was missing and nothing contradicted, and no row is gone since.';

CREATE FUNCTION ashare.partition_state(datasets text[], first date, last date, since date, newest date, running text[],
                                       only_days date[] DEFAULT NULL)
RETURNS TABLE (dataset text, partition date, state text, is_recorded boolean, expected integer, loaded integer,
               suspended integer, missing integer, rejected integer, problem text, note text, error text,
               waits_for text, is_asked boolean, is_counted boolean, run_id text, started_at timestamptz,
               finished_at timestamptz, checked_at timestamptz)
LANGUAGE sql STABLE
AS $$
    WITH doing AS (
        -- A run that started since `running` was read is alive.
        SELECT w.*, w.ended_at IS NULL
                    AND (running IS NULL OR w.run_id = ANY (running)
                         OR w.started_at > statement_timestamp() - interval '1 minute') AS is_alive
        FROM ashare.work w WHERE w.partition BETWEEN first AND last
    ), work AS (
        SELECT d.dataset, d.partition, bool_or(d.is_alive) AS is_alive,
               bool_or(NOT d.is_alive AND d.ended_at IS NULL) AS is_dead, bool_or(d.is_asked) AS is_asked,
               (array_agg(d.waits_for ORDER BY d.waits_for IS NULL, d.started_at DESC)
                FILTER (WHERE d.ended_at IS NULL))[1] AS waits_for,
               (array_agg(d.error ORDER BY d.ended_at DESC) FILTER (WHERE d.ended_at IS NOT NULL))[1] AS error,
               (array_agg(d.run_id ORDER BY d.is_alive DESC, d.started_at DESC))[1] AS run_id,
               (array_agg(d.started_at ORDER BY d.is_alive DESC, d.started_at DESC))[1] AS started_at,
               (array_agg(d.ended_at ORDER BY d.is_alive DESC, d.started_at DESC))[1] AS ended_at
        FROM doing d GROUP BY 1, 2
    ), history AS (
        -- One history runs at a time.
        SELECT h.run_id, h.first_date, h.last_date, h.planned_at, h.kinds,
               running IS NULL OR h.run_id = ANY (running) AS is_alive
        FROM ashare.history_run h
        WHERE h.ended_at IS NULL AND h.kinds <> '{}' AND h.first_date <= last AND h.last_date >= first
        ORDER BY is_alive DESC, h.planned_at DESC LIMIT 1
    ), day AS (
        SELECT c.calendar_date AS at, c.is_trading_day AS is_open FROM ashare.trade_calendar c
        WHERE c.calendar_date BETWEEN first AND last AND (only_days IS NULL OR c.calendar_date = ANY (only_days))
        UNION ALL
        -- A first run may fail before it has read the calendar.
        SELECT x.at, NOT bool_or(x.is_closed) FROM (
            SELECT w.partition, false FROM ashare.work w WHERE w.partition BETWEEN first AND last
            UNION ALL
            SELECT c.partition, c.is_closed FROM ashare.counted_partition c WHERE c.partition BETWEEN first AND last
        ) AS x (at, is_closed)
        WHERE (only_days IS NULL OR x.at = ANY (only_days))
          AND NOT EXISTS (SELECT FROM ashare.trade_calendar k WHERE k.calendar_date = x.at)
        GROUP BY x.at
    ), fact AS (
        SELECT name, d.at, d.is_open, c.expected, c.suspended, c.rejected, c.problem, c.note, c.run_id, c.started_at,
               c.counted_at, c.verified_at, c.is_closed, c.is_asked,
               c.counted_at IS NOT NULL AND NOT c.is_closed AS is_counted,
               -- Requests for other dates bring bars of indices, too: those alone say nothing of a date.
               name NOT IN ('adjust_factor', 'index_bar') AS is_sought,
               coalesce(l.loaded, 0) AS loaded, greatest(coalesce(c.rows, 0) - coalesce(l.loaded, 0), 0) AS gone,
               c.missing + greatest(c.rows - coalesce(l.loaded, 0), 0) AS missing,
               ashare.is_complete(c, coalesce(l.loaded, 0)) AS is_complete,
               a.trade_date IS NOT NULL
               AND (a.kinds @> ARRAY[replace(name, '_bar', '')] OR name = 'adjust_factor') AS is_accepted,
               'accepted by ' || a.accepted_by || ' on '
               || to_char(a.accepted_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD') || ': ' || a.reason || '; '
               || a.problem || '.' AS acceptance
        FROM day d
        CROSS JOIN unnest(datasets) AS own (name)
        -- For some days of many years, only_days again: the planner does not conclude it from d.at.
        LEFT JOIN ashare.counted_partition c ON c.dataset = name AND c.partition = d.at
            AND (only_days IS NULL OR c.partition = ANY (only_days))
        LEFT JOIN ashare.loaded_rows(first, last) l ON l.dataset = name AND l.partition = d.at
            AND (only_days IS NULL OR l.partition = ANY (only_days))
        LEFT JOIN ashare.accepted_date a ON a.trade_date = d.at AND a.ended_at IS NULL
    )
    SELECT f.name, f.at,
           CASE WHEN f.is_complete THEN 'complete'
                WHEN NOT f.is_open AND (f.loaded = 0 OR f.name = 'adjust_factor') AND NOT coalesce(w.is_alive, false)
                THEN 'closed'
                WHEN f.is_accepted AND f.gone = 0 THEN 'accepted'
                WHEN w.is_alive OR h.is_alive
                THEN CASE WHEN w.waits_for IS NOT NULL THEN 'waiting' ELSE 'running' END
                WHEN f.at < ashare.first_partition(f.name) THEN 'none'
                WHEN f.missing > 0 OR f.rejected > 0 AND f.problem IS NOT NULL
                     OR f.loaded > 0 AND NOT f.is_counted AND f.is_sought THEN 'partial'
                WHEN f.is_counted OR w.dataset IS NOT NULL OR h.run_id IS NOT NULL THEN 'failed'
                WHEN f.at > newest THEN 'unpublished'
                WHEN f.at < since OR since IS NULL THEN 'before'
                ELSE 'missing' END,
           f.counted_at IS NOT NULL AND NOT (f.is_open AND f.is_closed) OR w.dataset IS NOT NULL
           OR h.run_id IS NOT NULL AND f.is_open
           -- A day that is closed for one kind is closed for all.
           OR NOT f.is_open
              AND EXISTS (SELECT FROM ashare.counted_partition k WHERE k.partition = f.at AND k.is_closed),
           f.expected, f.loaded, f.suspended, f.missing, f.rejected,
           CASE WHEN f.gone > 0 THEN concat_ws('; ', rtrim(f.problem, '.'), f.gone || CASE f.name WHEN 'adjust_factor'
                     THEN ' adjust factors' ELSE ' bars' END
                     || ' that were counted are gone: run the date again.')
                WHEN f.is_closed AND f.is_open
                THEN 'Skipped as closed, but a session by the calendar as it is known now.'
                WHEN f.loaded > 0 AND NOT f.is_counted AND f.is_sought
                THEN f.loaded || ' bars are loaded, and no run has recorded the date: run the date.'
                ELSE f.problem END,
           CASE WHEN f.is_accepted AND f.gone = 0 AND NOT f.is_complete THEN f.acceptance ELSE f.note END,
           CASE WHEN w.is_dead AND NOT w.is_alive OR w.dataset IS NULL AND NOT h.is_alive AND NOT f.is_counted
                THEN concat_ws(' ', 'Its run has ended without a record: run the date again.',
                               'It waited: ' || w.waits_for)
                ELSE w.error END,
           w.waits_for, coalesce(f.is_asked, false) OR coalesce(w.is_asked, h.run_id IS NOT NULL), f.is_counted,
           CASE WHEN f.is_complete OR w.run_id IS NULL THEN coalesce(f.run_id, h.run_id) ELSE w.run_id END,
           CASE WHEN f.is_complete OR w.run_id IS NULL THEN coalesce(f.started_at, h.planned_at) ELSE w.started_at END,
           CASE WHEN f.is_complete OR w.run_id IS NULL THEN f.counted_at ELSE w.ended_at END,
           f.verified_at
    FROM fact f
    LEFT JOIN work w ON w.dataset = f.name AND w.partition = f.at
    LEFT JOIN history h ON f.at BETWEEN h.first_date AND h.last_date
        AND (h.kinds @> ARRAY[replace(f.name, '_bar', '')] OR f.name = 'adjust_factor')
$$;
COMMENT ON FUNCTION ashare.partition_state IS 'The state of each partition of the given datasets, from the first to the last day: complete, accepted (a person takes it as it is), partial, missing, failed, running, waiting, closed, unpublished (after the newest day), before (the day since when the database is meant to be complete), none (Baostock has no such partition). only_days: of the range, these days alone. `running` are the Airflow runs that are under way; NULL: not known, every work without an end goes on. What is complete stays complete while a run works on it.';

CREATE FUNCTION ashare.trade_date_state(datasets text[], first date, last date, since date, newest date, running text[],
                                        only_days date[] DEFAULT NULL)
RETURNS TABLE (trade_date date, status text, coverage text, is_recorded boolean, kinds text[], complete_kinds text[],
               expected integer, loaded integer, suspended integer, missing integer, rejected integer, reason text,
               run_id text, started_at timestamptz, finished_at timestamptz, checked_at timestamptz)
LANGUAGE sql STABLE
AS $$
    WITH part AS (
        SELECT p.*, p.dataset <> 'adjust_factor' AS is_bar, replace(p.dataset, '_bar', '') AS kind,
               array_position('{stock_bar,index_bar,etf_bar,adjust_factor}', p.dataset) AS n,
               p.state = 'complete' AS is_complete
        FROM ashare.partition_state(coalesce(datasets, '{stock_bar,index_bar,etf_bar,adjust_factor}'), first, last,
                                    since, newest, running, only_days) p
    ), own AS (
        SELECT p.* FROM (
            SELECT q.*, bool_or(q.is_bar AND q.is_recorded) OVER day AS some_bars,
                   bool_or(q.is_bar AND q.is_recorded AND q.is_asked) OVER day AS some_asked
            FROM part q
            -- The window also sorts: the aggregates below take a date's datasets in this order.
            WINDOW day AS (PARTITION BY q.partition ORDER BY q.n
                           ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
        ) AS p
        -- Without a list of datasets: those that were asked for, and others that are complete; if none was asked
        -- for, those that are recorded.
        WHERE datasets IS NOT NULL
           OR p.some_bars AND (NOT p.is_bar
                               OR p.is_recorded AND (p.is_asked OR p.is_complete OR NOT p.some_asked))
    ), day AS (
        SELECT o.partition,
               CASE WHEN bool_and(o.is_complete OR o.state = 'none') AND bool_or(o.is_complete) THEN 'complete'
                    WHEN bool_and(o.state IN ('complete', 'accepted', 'none')) AND bool_or(o.state = 'accepted')
                    THEN 'accepted'
                    WHEN bool_and(o.state = 'closed') THEN 'closed'
                    WHEN bool_or(o.state IN ('running', 'waiting')) THEN 'running'
                    WHEN bool_or(o.is_bar AND o.loaded > 0 AND o.state IN ('complete', 'accepted', 'partial'))
                         AND bool_or(o.is_bar AND o.state NOT IN ('complete', 'accepted', 'failed', 'none'))
                    THEN 'partial'
                    WHEN bool_or(o.state IN ('failed', 'partial') OR o.is_bar AND o.is_complete) THEN 'failed'
                    WHEN bool_or(o.state = 'missing') THEN 'missing'
                    WHEN bool_or(o.state = 'before') THEN 'before'
                    WHEN bool_or(o.state = 'unpublished') THEN 'unpublished'
                    ELSE 'closed' END AS coverage,
               bool_or(o.is_bar AND o.is_recorded) AS is_recorded,
               coalesce(array_agg(o.kind) FILTER (WHERE o.is_bar AND o.is_recorded), '{}') AS kinds,
               coalesce(array_agg(o.kind) FILTER (WHERE o.is_bar AND o.is_complete), '{}') AS complete_kinds,
               bool_or(o.is_bar AND NOT o.is_recorded AND o.state <> 'none') AS lacks_kinds,
               sum(o.expected) FILTER (WHERE o.is_bar AND o.state <> 'closed')::integer AS expected,
               CASE WHEN bool_or(o.is_bar AND (o.is_counted OR o.is_recorded AND o.loaded > 0))
                    THEN sum(o.loaded) FILTER (WHERE o.is_bar)::integer END AS loaded,
               sum(o.suspended) FILTER (WHERE o.is_bar AND o.state <> 'closed')::integer AS suspended,
               sum(o.missing) FILTER (WHERE o.is_bar AND o.state <> 'closed')::integer AS missing,
               sum(o.rejected) FILTER (WHERE o.is_bar AND o.state <> 'closed')::integer AS rejected,
               array_agg(rtrim(o.problem, '.'))
                   FILTER (WHERE o.problem IS NOT NULL AND o.state <> 'accepted') AS problems,
               max(o.note) FILTER (WHERE o.state = 'accepted') AS acceptance,
               max(o.note) FILTER (WHERE o.state = 'closed') AS closed_note,
               string_agg(o.note, '; ') AS notes,
               (array_agg(o.error) FILTER (WHERE o.error IS NOT NULL AND NOT o.is_complete))[1] AS error,
               (array_agg(o.waits_for) FILTER (WHERE o.waits_for IS NOT NULL AND o.state = 'waiting'))[1] AS waits_for,
               bool_or(NOT o.is_bar AND o.state IN ('missing', 'before', 'unpublished', 'failed')) AS lacks_factors,
               -- What is not complete comes before what is.
               coalesce(max(o.run_id) FILTER (WHERE o.is_bar AND NOT o.is_complete),
                        max(o.run_id) FILTER (WHERE o.is_bar)) AS run_id,
               coalesce(max(o.started_at) FILTER (WHERE o.is_bar AND NOT o.is_complete),
                        max(o.started_at) FILTER (WHERE o.is_bar)) AS started_at,
               coalesce(max(o.finished_at) FILTER (WHERE o.is_bar AND NOT o.is_complete),
                        max(o.finished_at) FILTER (WHERE o.is_bar)) AS finished_at,
               min(o.checked_at) AS checked_at
        FROM own o GROUP BY o.partition
    )
    SELECT d.partition,
           CASE WHEN d.coverage IN ('complete', 'accepted') THEN 'success' WHEN d.coverage = 'running' THEN 'syncing'
                WHEN d.coverage = 'closed' THEN 'skipped' WHEN d.coverage IN ('partial', 'failed') AND d.is_recorded THEN 'failed'
                ELSE 'pending' END,
           d.coverage, d.is_recorded, d.kinds, d.complete_kinds, d.expected, d.loaded, d.suspended, d.missing,
           d.rejected,
           CASE d.coverage
                WHEN 'complete' THEN d.notes WHEN 'accepted' THEN d.acceptance
                WHEN 'closed' THEN d.closed_note WHEN 'running' THEN d.waits_for
                ELSE nullif(concat_ws(' ',
                         CASE WHEN d.is_recorded AND d.lacks_kinds AND d.kinds = d.complete_kinds
                              THEN 'Only ' || array_to_string(d.kinds, ', ') || ' was asked for.' END,
                         coalesce(d.error, nullif(concat_ws('; ',
                             -- Datasets may share a problem.
                             (SELECT string_agg(u.problem, '; ' ORDER BY u.n) FROM (
                                  SELECT x.problem, min(x.n) AS n
                                  FROM unnest(d.problems) WITH ORDINALITY AS x (problem, n) GROUP BY 1) AS u),
                             CASE WHEN d.is_recorded AND d.lacks_factors
                                  THEN 'the adjust factors of the date are not in' END), '') || '.')), '') END,
           -- Of rows of earlier versions, a moment may not be known.
           nullif(d.run_id, ''), nullif(d.started_at, '-infinity'),
           CASE WHEN d.coverage <> 'running' THEN nullif(d.finished_at, '-infinity') END, d.checked_at
    FROM day d
$$;
COMMENT ON FUNCTION ashare.trade_date_state IS 'The state of each trade date over the given datasets, by partition_state: coverage is complete, accepted, partial, missing, failed, running, closed, before or unpublished; status is what sync_status calls it. Datasets NULL: those that were asked for on the date, and others that it is complete for.';

CREATE FUNCTION ashare.counted_dates(datasets text[], first date, last date)
RETURNS TABLE (trade_date date, is_complete boolean, expected integer, loaded integer, suspended integer,
               rejected integer)
LANGUAGE sql STABLE
AS $$
    SELECT c.partition,
           -- Mostly all of the datasets are complete. Else those do not count that Baostock does not have yet.
           count(*) FILTER (WHERE c.is_complete) >= cardinality(datasets)
           OR count(*) FILTER (WHERE c.is_complete)
              >= (SELECT count(*) FROM unnest(datasets) AS d (name) WHERE ashare.first_partition(d.name) <= c.partition),
           sum(c.expected) FILTER (WHERE c.is_bar)::integer, sum(c.loaded) FILTER (WHERE c.is_bar)::integer,
           sum(c.suspended) FILTER (WHERE c.is_bar)::integer, sum(c.rejected) FILTER (WHERE c.is_bar)::integer
    FROM (
        SELECT p.partition, p.expected, l.loaded, p.suspended, p.rejected,
               p.dataset = ANY (datasets) AND p.dataset <> 'adjust_factor' AND NOT p.is_closed AS is_bar,
               p.dataset = ANY (datasets) AND ashare.is_complete(p, l.loaded)
               AND ashare.first_partition(p.dataset) <= p.partition AS is_complete
        FROM ashare.counted_partition p
        LEFT JOIN ashare.row_count r ON r.dataset = p.dataset AND r.partition = p.partition
        LEFT JOIN ashare.unfolded_rows u ON u.dataset = p.dataset AND u.partition = p.partition
        CROSS JOIN LATERAL (SELECT coalesce(r.rows, 0) + coalesce(u.rows, 0)) AS l (loaded)
        WHERE p.partition BETWEEN first AND last
        OFFSET 0  -- is_complete is worked out once a row, not once in each aggregate
    ) AS c
    GROUP BY c.partition
$$;
COMMENT ON FUNCTION ashare.counted_dates IS 'The trade dates of a range that were counted, whether each is complete for all of the given datasets, as trade_date_state has it, at a fifth of its cost, and the figures of the complete ones.';

CREATE VIEW ashare.sync_status AS
SELECT s.trade_date, s.status, s.kinds, s.expected, s.loaded, s.suspended, s.missing, s.rejected,
       CASE WHEN s.loaded IS NOT NULL THEN
           (SELECT count(*) FROM ashare.bar_revision r WHERE r.trade_date = s.trade_date)::integer END AS revised,
       CASE WHEN s.status <> 'skipped' THEN
           (SELECT count(*) FROM ashare.source_request q WHERE q.trade_date = s.trade_date)::integer END AS requests,
       s.reason, s.run_id, s.started_at, s.finished_at, s.checked_at, s.complete_kinds
FROM ashare.trade_date_state(NULL, '-infinity', 'infinity', NULL, NULL, NULL) s
WHERE s.is_recorded;
COMMENT ON VIEW ashare.sync_status IS 'What is known of each trade date, derived from the facts (coverage) and the work of runs (work).';
COMMENT ON COLUMN ashare.sync_status.trade_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.sync_status.status IS 'syncing, success (every expected security has a row or a recorded reason), failed, skipped (no session).';
COMMENT ON COLUMN ashare.sync_status.kinds IS 'The kinds of securities that the status speaks of.';
COMMENT ON COLUMN ashare.sync_status.expected IS 'Securities of those kinds that should have a bar that day.';
COMMENT ON COLUMN ashare.sync_status.loaded IS 'Bars of those kinds in daily_bar, now.';
COMMENT ON COLUMN ashare.sync_status.suspended IS 'Of the loaded: suspended that day.';
COMMENT ON COLUMN ashare.sync_status.missing IS 'Expected securities with neither a row nor a recorded reason, and rows that are gone since the count.';
COMMENT ON COLUMN ashare.sync_status.rejected IS 'Securities without a row because theirs broke a rule (rejected_bar).';
COMMENT ON COLUMN ashare.sync_status.revised IS 'Bars of that day that Baostock corrected after they were loaded (bar_revision).';
COMMENT ON COLUMN ashare.sync_status.requests IS 'Messages sent to Baostock on behalf of that date, over all runs.';
COMMENT ON COLUMN ashare.sync_status.reason IS 'Why the date is failed or skipped, what it waits for, or what is worth knowing of a success.';
COMMENT ON COLUMN ashare.sync_status.run_id IS 'The Airflow run that works on the date or counted it.';
COMMENT ON COLUMN ashare.sync_status.started_at IS 'When that run started to work on the date.';
COMMENT ON COLUMN ashare.sync_status.finished_at IS 'When that run recorded its end.';
COMMENT ON COLUMN ashare.sync_status.checked_at IS 'When the whole market of that day was last read from Baostock and held against the table.';
COMMENT ON COLUMN ashare.sync_status.complete_kinds IS 'The kinds that the date is complete for.';

-- In place: its comments, the rights on it and others' views of it stay.
CREATE OR REPLACE VIEW ashare.daily_sync_status AS
SELECT trade_date AS sync_date, status, coalesce(expected, 0) AS total_records, coalesce(loaded, 0) AS success_count,
       coalesce(missing, 0) AS failed_count, started_at AS start_time, finished_at AS end_time, reason AS remarks
FROM ashare.sync_status;
COMMENT ON COLUMN ashare.daily_sync_status.total_records IS 'Securities that should have a bar that day; 0 while not counted.';

-- A function in a view reads with the reader's rights: who was allowed to read the status may read what it is derived from.
DO $$
DECLARE command text;
BEGIN
    FOR command IN
        SELECT format('GRANT SELECT ON ashare.sync_status, ashare.counted_partition, ashare.row_count, '
                      'ashare.row_count_change, ashare.unfolded_rows, ashare.work, ashare.history_run, '
                      'ashare.trade_calendar, ashare.accepted_date, ashare.bar_revision, ashare.source_request TO %s',
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
        WHERE c.oid IN ('ashare.former_sync_status'::regclass, 'ashare.daily_sync_status'::regclass)
          AND g.privilege_type = 'SELECT'
    LOOP
        EXECUTE command;
    END LOOP;
END $$;

DROP TABLE ashare.former_sync_status;
