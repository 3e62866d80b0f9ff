-- name: count
-- What the tables hold of some days, by kind. Set-based: the same statement counts one day or a year.
WITH day AS MATERIALIZED (
    SELECT unnest(%(days)s::date[]) AS at
), listed AS MATERIALIZED (
    SELECT l.code, l.kind, l.first_day, l.last_day,
           l.kind = 'index' AND EXISTS (SELECT FROM ashare.absent_range r WHERE r.code = l.code) AS has_ranges
    FROM ashare.listed_security(%(first)s, %(last)s, %(kinds)s, %(indices)s) l
), expected AS (
    SELECT l.kind, d.at, count(*) AS codes
    FROM day d JOIN listed l ON d.at BETWEEN l.first_day AND l.last_day
    WHERE NOT (l.has_ranges AND EXISTS (SELECT FROM ashare.absent_range r
                                        WHERE r.code = l.code AND d.at BETWEEN r.first_date AND r.last_date))
    GROUP BY 1, 2
), bar AS (
    -- A code that the list of securities lacks (yet) counts as a stock.
    SELECT coalesce(s.kind, 'stock') AS kind, b.trade_date AS at, count(*) AS rows,
           count(*) FILTER (WHERE NOT b.is_trading) AS suspended,
           count(*) FILTER (WHERE l.code IS NOT NULL
                            AND NOT (l.has_ranges AND EXISTS (
                                SELECT FROM ashare.absent_range r
                                WHERE r.code = l.code AND b.trade_date BETWEEN r.first_date AND r.last_date))) AS wanted
    FROM ashare.daily_bar b
    LEFT JOIN ashare.security s USING (code)
    LEFT JOIN listed l ON l.code = b.code AND b.trade_date BETWEEN l.first_day AND l.last_day
    WHERE b.trade_date = ANY (%(days)s::date[])
    GROUP BY 1, 2
), reason AS (
    SELECT l.kind, x.at, x.code, bool_or(x.is_absent) AS is_absent
    FROM (
        SELECT a.trade_date AS at, a.code, true AS is_absent FROM ashare.absent_bar a
        WHERE a.trade_date = ANY (%(days)s::date[])
          -- A bar that was absent on the trade date itself may have come later.
          AND (a.trade_date = %(today)s OR (a.recorded_at AT TIME ZONE 'Asia/Shanghai')::date > a.trade_date)
        UNION ALL
        SELECT r.trade_date, r.code, false FROM ashare.rejected_bar r
        WHERE r.trade_date = ANY (%(days)s::date[]) AND r.superseded_at IS NULL
    ) AS x
    JOIN listed l ON l.code = x.code AND x.at BETWEEN l.first_day AND l.last_day
    WHERE NOT EXISTS (SELECT FROM ashare.daily_bar b WHERE b.trade_date = x.at AND b.code = x.code)
    GROUP BY 1, 2, 3
), explained AS (
    SELECT kind, at, count(*) FILTER (WHERE is_absent) AS absent, count(*) FILTER (WHERE NOT is_absent) AS rejected
    FROM reason GROUP BY 1, 2
), blanked AS (
    SELECT coalesce(s.kind, 'stock') AS kind, v.trade_date AS at, count(*) AS bars
    FROM ashare.blanked_value v LEFT JOIN ashare.security s USING (code)
    WHERE v.trade_date = ANY (%(days)s::date[]) GROUP BY 1, 2
)
SELECT k.kind, d.at, coalesce(e.codes, 0), coalesce(b.rows, 0), coalesce(b.suspended, 0), coalesce(x.absent, 0),
       coalesce(x.rejected, 0),
       coalesce(e.codes, 0) - coalesce(b.wanted, 0) - coalesce(x.absent, 0)
       - CASE WHEN x.rejected <= %(rejected_limit)s THEN x.rejected ELSE 0 END,
       coalesce(v.bars, 0)
FROM day d
CROSS JOIN unnest(%(kinds)s::text[]) AS k (kind)
LEFT JOIN expected e ON e.kind = k.kind AND e.at = d.at
LEFT JOIN bar b ON b.kind = k.kind AND b.at = d.at
LEFT JOIN explained x ON x.kind = k.kind AND x.at = d.at
LEFT JOIN blanked v ON v.kind = k.kind AND v.at = d.at
ORDER BY d.at

-- name: odd_securities
-- Rows of the list of securities that broke a rule, of kinds that are loaded or may be: not types 3 and 4.
SELECT count(*) FILTER (WHERE NOT is_taken) AS aside, count(*) FILTER (WHERE is_taken) AS taken
FROM ashare.rejected_row
WHERE dataset = 'security' AND superseded_at IS NULL AND coalesce(raw ->> 'type', '') NOT IN ('3', '4')

-- name: record
-- Without a run, the facts stay those of the run that counted before: rows have changed.
INSERT INTO ashare.counted_partition AS c
    (dataset, partition, expected, rows, suspended, absent, rejected, missing, problem, note, is_closed, is_asked,
     started_at, counted_at, run_id)
SELECT f.dataset, f.partition, f.expected, f.rows, f.suspended, f.absent, f.rejected, f.missing, f.problem, f.note,
       f.is_closed,
       f.is_asked OR NOT bool_or(f.is_asked) OVER (PARTITION BY f.partition) AND NOT EXISTS (
           SELECT FROM ashare.counted_partition o
           WHERE o.partition = f.partition AND o.dataset <> f.dataset
             AND ashare.table_of(o.dataset) = 'daily_bar' AND o.counted_at IS NOT NULL),
       (SELECT started_at FROM ashare.work w
        WHERE w.dataset = f.dataset AND w.partition = f.partition AND w.run_id = %(run_id)s),
       clock_timestamp(), %(run_id)s
FROM unnest(%(dataset)s::text[], %(partition)s::date[], %(expected)s::integer[], %(rows)s::integer[],
            %(suspended)s::integer[], %(absent)s::integer[], %(rejected)s::integer[], %(missing)s::integer[],
            %(problem)s::text[], %(note)s::text[], %(is_closed)s::boolean[], %(is_asked)s::boolean[])
     AS f (dataset, partition, expected, rows, suspended, absent, rejected, missing, problem, note, is_closed, is_asked)
ON CONFLICT (dataset, partition) DO UPDATE
SET expected = excluded.expected, rows = excluded.rows, suspended = excluded.suspended,
    absent = excluded.absent, rejected = excluded.rejected, missing = excluded.missing, problem = excluded.problem,
    note = excluded.note, is_closed = excluded.is_closed, is_asked = c.is_asked OR excluded.is_asked,
    started_at = CASE WHEN excluded.run_id IS NULL THEN c.started_at
                      ELSE coalesce(excluded.started_at, excluded.counted_at) END,
    counted_at = CASE WHEN excluded.run_id IS NULL THEN c.counted_at ELSE excluded.counted_at END,
    run_id = coalesce(excluded.run_id, c.run_id), verified_at = nullif(c.verified_at, '-infinity')

-- name: record_factors
-- As `record`, for the adjust factors of a day, in the transaction that loads them.
INSERT INTO ashare.counted_partition AS c
    (dataset, partition, expected, rows, missing, note, started_at, counted_at, run_id)
SELECT 'adjust_factor', %(day)s, %(expected)s,
       (SELECT count(*) FROM ashare.adjust_factor a WHERE a.ex_date = %(day)s), 0, %(note)s,
       coalesce((SELECT started_at FROM ashare.work w
                 WHERE w.dataset = 'adjust_factor' AND w.partition = %(day)s AND w.run_id = %(run_id)s),
                clock_timestamp()),
       clock_timestamp(), %(run_id)s
ON CONFLICT (dataset, partition) DO UPDATE
SET expected = excluded.expected, rows = excluded.rows, missing = 0, problem = NULL, note = excluded.note,
    is_closed = false, started_at = excluded.started_at, counted_at = excluded.counted_at,
    run_id = coalesce(excluded.run_id, c.run_id), verified_at = NULL

-- name: contradict
UPDATE ashare.counted_partition SET problem = %(problem)s
WHERE partition = %(day)s AND dataset = %(dataset)s AND problem IS NULL

-- name: verified
INSERT INTO ashare.counted_partition (dataset, partition, is_asked, verified_at)
VALUES (%(dataset)s, %(day)s, false, clock_timestamp())
ON CONFLICT (dataset, partition) DO UPDATE SET verified_at = excluded.verified_at

-- name: doubt
UPDATE ashare.counted_partition SET verified_at = '-infinity'
WHERE partition = %(day)s AND dataset = ANY (%(datasets)s) AND counted_at IS NOT NULL

-- name: days_with_factors
-- An empty answer of the day itself counts on that day only: ex-dates may have come later.
SELECT partition
FROM ashare.partition_coverage((SELECT min(d) FROM unnest(%(days)s::date[]) d),
                               (SELECT max(d) FROM unnest(%(days)s::date[]) d))
WHERE dataset = 'adjust_factor' AND is_complete
  AND verified_at IS DISTINCT FROM '-infinity'
  AND (loaded > 0 OR partition = %(today)s
       OR (counted_at AT TIME ZONE 'Asia/Shanghai')::date > partition)

-- name: recorded_kinds
SELECT replace(dataset, '_bar', '') FROM ashare.counted_partition
WHERE partition = %(day)s AND ashare.table_of(dataset) = 'daily_bar' AND counted_at IS NOT NULL AND NOT is_closed
ORDER BY array_position('{stock_bar,index_bar,etf_bar}', dataset)

-- name: held
SELECT dataset, loaded, coalesce(missing, 0) FROM ashare.partition_coverage(%(day)s, %(day)s)
WHERE dataset = ANY (%(datasets)s) AND counted_at IS NOT NULL

-- name: problems
SELECT dataset, problem FROM ashare.counted_partition WHERE partition = %(day)s AND problem IS NOT NULL

-- name: dates
SELECT trade_date, status, coverage, kinds, complete_kinds, expected, loaded, missing, rejected,
       (SELECT count(*) FROM ashare.bar_revision r WHERE r.trade_date = s.trade_date), reason, run_id, started_at
FROM ashare.trade_date_state(%(datasets)s, %(start)s, %(end)s, %(since)s, %(newest)s, %(running)s) s
WHERE is_recorded OR NOT %(recorded_only)s
ORDER BY trade_date

-- name: open_dates
-- The sessions among the last ones up to a day that are not complete and that no running run works on.
SELECT s.trade_date
FROM ashare.trade_date_state(%(datasets)s, (
    SELECT min(last.day) FROM (
        SELECT known.day FROM (
            SELECT calendar_date FROM ashare.trade_calendar WHERE is_trading_day
            UNION SELECT partition FROM ashare.work WHERE NOT ashare.is_weekly(dataset)
        ) AS known (day) WHERE known.day <= %(newest)s ORDER BY known.day DESC LIMIT %(most)s) AS last
    ), %(newest)s, %(since)s, %(newest)s, %(running)s) s
WHERE s.coverage IN ('missing', 'partial', 'failed') AND (s.trade_date >= %(since)s OR s.is_recorded)
ORDER BY s.trade_date

-- name: live_runs
-- Runs that have worked within the last hours, or wait for a moment to come.
SELECT w.run_id FROM ashare.work w
WHERE w.ended_at IS NULL
  AND (w.started_at > clock_timestamp() - make_interval(hours => %(hours)s) OR w.until > clock_timestamp())
UNION
SELECT b.run_id FROM ashare.batch b
WHERE b.trade_date IS NULL AND greatest(b.started_at, b.finished_at) > clock_timestamp() - make_interval(hours => %(hours)s)

-- name: fold
-- Readers of the counts would add the changes up each time.
SELECT ashare.fold_row_count_changes()

-- name: first_counted
SELECT min(partition) FROM ashare.counted_partition

-- name: complete_dates
SELECT trade_date FROM ashare.counted_dates(%(datasets)s, '-infinity', %(last)s) WHERE is_complete ORDER BY trade_date
