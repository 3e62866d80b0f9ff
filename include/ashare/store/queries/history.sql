-- name: calendar_is_known
-- Whether the calendar has every day of the range, each session read after its own published time: exchanges close
-- at short notice.
SELECT count(*) = %(end)s::date - %(start)s::date + 1
       AND bool_and(NOT is_trading_day
                    OR fetched_at >= (calendar_date + %(published)s::time) AT TIME ZONE 'Asia/Shanghai')
FROM ashare.trade_calendar WHERE calendar_date BETWEEN %(start)s AND %(end)s

-- name: first_day
SELECT min(trade_date) FROM ashare.daily_bar

-- name: closed_days
-- Weekdays without a session that are not recorded as skipped.
SELECT c.calendar_date FROM ashare.trade_calendar c
WHERE NOT c.is_trading_day AND c.calendar_date BETWEEN %(start)s AND %(end)s
  AND extract(isodow FROM c.calendar_date) < 6
  AND NOT EXISTS (SELECT FROM ashare.counted_partition p WHERE p.partition = c.calendar_date AND p.is_closed)
ORDER BY c.calendar_date

-- name: wanted
-- The number of missing sessions of each security of the range: sessions with neither a bar nor a recorded reason,
-- on dates that are neither accepted nor in apart_from. The statement counts sessions: to list them would mean tens of
-- millions of rows. Counting also works well on a table without statistics.
WITH listed AS MATERIALIZED (
    SELECT * FROM ashare.listed_security(%(start)s, %(end)s, %(kinds)s, %(indices)s)
    WHERE %(codes)s::text[] IS NULL OR code = ANY (%(codes)s::text[])
), session AS MATERIALIZED (
    SELECT calendar_date AS day FROM ashare.trade_calendar
    WHERE is_trading_day AND calendar_date BETWEEN %(start)s AND %(end)s
      AND calendar_date NOT IN (SELECT trade_date FROM ashare.accepted_date
                                WHERE ended_at IS NULL AND kinds @> %(kinds)s::text[])
      AND calendar_date <> ALL (%(apart_from)s::date[])
), calendar AS MATERIALIZED (
    SELECT coalesce(array_agg(day ORDER BY day), '{}') AS days FROM session
), there AS (
    SELECT b.code, count(*) FILTER (WHERE b.trade_date IN (SELECT day FROM session)) AS bars
    FROM listed l JOIN ashare.daily_bar b ON b.code = l.code AND b.trade_date BETWEEN l.first_day AND l.last_day
    GROUP BY b.code
), explained AS (
    SELECT e.code, count(*) FILTER (WHERE e.trade_date IN (SELECT day FROM session)) AS bars
    FROM ashare.explained_bar(%(rejected_limit)s) e
    JOIN listed l ON l.code = e.code AND e.trade_date BETWEEN l.first_day AND l.last_day
    WHERE NOT EXISTS (SELECT FROM ashare.daily_bar b WHERE b.trade_date = e.trade_date AND b.code = e.code)
    GROUP BY e.code
)
SELECT l.code, l.kind,
       (width_bucket(l.last_day, c.days) - width_bucket(l.first_day - 1, c.days)
        - coalesce(t.bars, 0) - coalesce(e.bars, 0))::integer AS missing
FROM listed l
CROSS JOIN calendar c
LEFT JOIN there t ON t.code = l.code
LEFT JOIN explained e ON e.code = l.code
ORDER BY l.kind = 'stock' DESC, l.kind, l.code

-- name: wants_factors
-- Stocks whose whole factor history was never read, or was read before the range's end and a session since then has
-- neither a factor batch that is done nor an acceptance.
SELECT l.code
FROM ashare.listed_security(%(start)s, %(end)s, %(kinds)s, '{}') l
LEFT JOIN ashare.factor_history h ON h.code = l.code
WHERE l.kind = 'stock' AND (%(codes)s::text[] IS NULL OR l.code = ANY (%(codes)s::text[]))
  AND (h.read_at IS NULL OR EXISTS (
      SELECT FROM ashare.trade_calendar c
      WHERE c.is_trading_day AND c.calendar_date <= l.last_day
        AND c.calendar_date >= (h.read_at AT TIME ZONE 'Asia/Shanghai')::date
        AND NOT EXISTS (SELECT FROM ashare.counted_partition f
                        WHERE f.partition = c.calendar_date AND f.dataset = 'adjust_factor' AND f.problem IS NULL
                          AND f.verified_at IS DISTINCT FROM '-infinity')
        AND NOT EXISTS (SELECT FROM ashare.accepted_date a
                        WHERE a.trade_date = c.calendar_date AND a.ended_at IS NULL)))

-- name: gaps
-- The missing sessions of some securities, as spans of consecutive sessions. A session with a rejected row is missing:
-- it is asked for again. LATERAL: one security after the other, by the index, whatever the planner expects of a table
-- without statistics.
WITH listed AS MATERIALIZED (
    SELECT * FROM ashare.listed_security(%(start)s, %(end)s, %(kinds)s, %(indices)s)
    WHERE code = ANY (%(of)s::text[])
), session AS MATERIALIZED (
    SELECT calendar_date AS day, row_number() OVER (ORDER BY calendar_date) AS n
    FROM ashare.trade_calendar WHERE is_trading_day AND calendar_date BETWEEN %(start)s AND %(end)s
), absent AS MATERIALIZED (
    SELECT code, trade_date FROM ashare.absent_bar
    WHERE trade_date BETWEEN %(start)s AND %(end)s AND code = ANY (%(of)s::text[])
      AND (recorded_at AT TIME ZONE 'Asia/Shanghai')::date > trade_date
)
SELECT l.code, g.first_day, g.last_day
FROM listed l
CROSS JOIN LATERAL (
    SELECT min(day) AS first_day, max(day) AS last_day
    FROM (
        SELECT s.day, s.n - row_number() OVER (ORDER BY s.n) AS span
        FROM session s
        WHERE s.day BETWEEN l.first_day AND l.last_day
          AND s.day NOT IN (SELECT b.trade_date FROM ashare.daily_bar b
                            WHERE b.code = l.code AND b.trade_date BETWEEN %(start)s AND %(end)s)
          AND s.day NOT IN (SELECT a.trade_date FROM absent a WHERE a.code = l.code)
          AND NOT EXISTS (SELECT FROM ashare.absent_range r
                          WHERE r.code = l.code AND s.day BETWEEN r.first_date AND r.last_date)
          AND s.day NOT IN (SELECT trade_date FROM ashare.accepted_date
                            WHERE ended_at IS NULL AND kinds @> %(kinds)s::text[])
    ) AS lacking
    GROUP BY span
) AS g
ORDER BY l.code, g.first_day

-- name: forget
DELETE FROM ashare.history_run WHERE run_id = %(run_id)s

-- name: plan
-- One history runs at a time: an earlier one without an end was stopped, and this one takes over.
WITH stopped AS (
    UPDATE ashare.history_run SET ended_at = clock_timestamp() WHERE ended_at IS NULL AND run_id <> %(run_id)s
)
INSERT INTO ashare.history_run (run_id, first_date, last_date, plan, kinds)
VALUES (%(run_id)s, %(start)s, %(end)s, %(plan)s, CASE WHEN %(codes)s::text[] IS NULL THEN %(kinds)s::text[] ELSE '{}' END)

-- name: planned_start
SELECT first_date FROM ashare.history_run WHERE run_id = %(run_id)s

-- name: absences
-- The dates on which this run recorded absences. Of the bars, no more are counted than the comparison needs.
SELECT a.trade_date, count(*)::integer,
       (SELECT count(*) FROM (SELECT FROM ashare.daily_bar b WHERE b.trade_date = a.trade_date
                              LIMIT %(most)s) AS bar)::integer
FROM ashare.absent_bar a
WHERE a.trade_date BETWEEN %(start)s AND %(end)s
GROUP BY a.trade_date HAVING bool_or(a.run_id = %(run_id)s)

-- name: forget_absences
DELETE FROM ashare.absent_bar WHERE trade_date = ANY (%(days)s::date[]) AND run_id = %(run_id)s

-- name: known_factors
SELECT ex_date FROM ashare.adjust_factor WHERE code = %(code)s ORDER BY ex_date

-- name: has_bars_since_listing
SELECT EXISTS (SELECT FROM ashare.security s
               WHERE s.code = %(code)s
                 AND s.ipo_date >= (SELECT min(b.trade_date) FROM ashare.daily_bar b WHERE b.code = s.code))

-- name: implied_ex_dates
-- Sessions on which a stock's preclose is not the close of the session before. A session after a gap does not
-- count, nor does a day's move where the source may lack a session.
SELECT trade_date FROM (
    SELECT trade_date, preclose, lag(close) OVER (ORDER BY trade_date) AS last_close,
           lag(trade_date) OVER (ORDER BY trade_date) AS last_date
    FROM ashare.daily_bar WHERE code = %(code)s
) AS b
WHERE preclose <> last_close
  AND last_date = (SELECT max(c.calendar_date) FROM ashare.trade_calendar c
                   WHERE c.is_trading_day AND c.calendar_date < b.trade_date)
  AND NOT (abs(preclose - last_close) <= %(days_move)s * last_close
           AND ashare.may_lack_session(last_date, trade_date))

-- name: drop_factors
DELETE FROM ashare.adjust_factor WHERE code = %(code)s AND NOT ex_date = ANY (%(ex_dates)s::date[])

-- name: factors_read
INSERT INTO ashare.factor_history (code) VALUES (%(code)s) ON CONFLICT (code) DO UPDATE SET read_at = now()

-- name: record_factors
-- Returns the dates that had no complete adjust factors before. A date's factors are read if those of all stocks listed that day, except a few, were read on a later day.
WITH listed AS (
    SELECT l.code, l.first_day, l.last_day, (h.read_at AT TIME ZONE 'Asia/Shanghai')::date AS read_on
    FROM ashare.listed_security(%(start)s, %(end)s, '{stock}', '{}') l LEFT JOIN ashare.factor_history h USING (code)
), gap AS (
    SELECT greatest(first_day, coalesce(read_on, first_day)) AS since, last_day AS until FROM listed
    WHERE read_on IS NULL OR read_on <= last_day
), day AS (
    SELECT c.calendar_date AS at, coalesce(f.factors, 0) AS factors
    FROM ashare.trade_calendar c
    LEFT JOIN (SELECT ex_date, count(*) AS factors FROM ashare.adjust_factor GROUP BY 1) AS f
        ON f.ex_date = c.calendar_date
    WHERE c.is_trading_day AND c.calendar_date BETWEEN %(start)s AND %(end)s
)
INSERT INTO ashare.counted_partition AS c
    (dataset, partition, expected, rows, missing, started_at, counted_at, run_id)
SELECT 'adjust_factor', d.at, d.factors, d.factors, 0, clock_timestamp(), clock_timestamp(), %(run_id)s
FROM day d
WHERE (SELECT count(*) FROM gap WHERE d.at BETWEEN since AND until) <= %(most)s
ON CONFLICT (dataset, partition) DO UPDATE
SET expected = excluded.expected, rows = excluded.rows, missing = 0, problem = NULL, is_closed = false,
    started_at = excluded.started_at, counted_at = excluded.counted_at, run_id = excluded.run_id, verified_at = NULL
WHERE c.problem IS NOT NULL OR c.verified_at = '-infinity' OR c.counted_at IS NULL OR c.is_closed
   OR c.rows > excluded.rows
RETURNING partition

-- name: unsettled
-- Sessions that are not complete for the datasets.
SELECT trade_date FROM ashare.trade_date_state(%(datasets)s, %(start)s, %(end)s, %(start)s, %(end)s, '{}')
WHERE coverage NOT IN ('complete', 'accepted', 'closed') AND (is_recorded OR NOT %(recorded_only)s)
ORDER BY trade_date

-- name: miscounted
-- Complete dates whose rows have changed since the count.
SELECT DISTINCT c.partition
FROM ashare.counted_partition c
LEFT JOIN ashare.loaded_rows(%(start)s, %(end)s) l ON l.dataset = c.dataset AND l.partition = c.partition
WHERE c.partition BETWEEN %(start)s AND %(end)s AND c.dataset = ANY (%(datasets)s) AND c.dataset <> 'adjust_factor'
  AND c.counted_at IS NOT NULL AND c.missing = 0 AND c.problem IS NULL
  AND (c.rows <> coalesce(l.loaded, 0)
       OR EXISTS (SELECT FROM ashare.bar_revision r WHERE r.trade_date = c.partition AND r.run_id = %(run_id)s))
ORDER BY 1

-- name: end
UPDATE ashare.history_run SET ended_at = clock_timestamp() WHERE run_id = %(run_id)s

-- name: analyze
-- Without new statistics, the planner takes a table that was just filled for empty.
ANALYZE ashare.daily_bar, ashare.adjust_factor, ashare.factor_history, ashare.security, ashare.trade_calendar,
        ashare.counted_partition, ashare.row_count, ashare.date_summary
