-- name: settings
-- Enough memory to sort a year of the whole market.
SELECT set_config('work_mem', '256MB', true)

-- name: made_at
SELECT to_char(min(applied_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM ashare.schema_migration

-- name: years
-- A hash of each year's bars, of its factors, and of what its price limits follow from beside the bars.
WITH bar AS MATERIALIZED (
    SELECT extract(year FROM b.trade_date)::integer AS year, b.code, count(*) AS rows,
           min(b.trade_date) AS trade_date,
           -- Over all bars, not the newest loaded_at: a transaction that commits late brings an older loaded_at.
           sum(hash_record_extended(ROW(b.trade_date, b.loaded_at), 0)) AS hash
    FROM ashare.daily_bar b
    WHERE b.trade_date BETWEEN %(start)s AND %(end)s
      AND (%(kinds)s::text[] IS NULL
           OR b.code IN (SELECT s.code FROM ashare.security s WHERE s.kind = ANY (%(kinds)s::text[])))
    GROUP BY 1, 2
), step AS (
    -- A factor holds from an ex-date to the next: the year's first bar, and the first bar from each ex-date on,
    -- give all factors of the year.
    SELECT year, code, trade_date FROM bar
    UNION
    SELECT y.year, y.code, n.trade_date
    FROM ashare.adjust_factor a
    CROSS JOIN LATERAL (SELECT b.trade_date FROM ashare.daily_bar b
                        WHERE b.code = a.code AND b.trade_date >= a.ex_date ORDER BY b.trade_date LIMIT 1) n
    JOIN bar y ON y.code = a.code AND y.year = extract(year FROM n.trade_date)
), factor AS (
    SELECT s.year, sum(hash_record_extended(ROW(s.code, s.trade_date, f.back_factor), 0)) AS hash
    FROM step s JOIN ashare.daily_bar_factor f ON f.code = s.code AND f.trade_date = s.trade_date
    GROUP BY s.year
), rule AS (
    SELECT sum(hash_record_extended(r, 0)) AS hash FROM ashare.price_limit_rule r
), listing AS (
    -- Limits differ in the weeks after a listing and before a delisting, which may be of the year before or after.
    SELECT y.year, sum(hash_record_extended(ROW(s.code, s.ipo_date, s.out_date), 0)) AS hash
    FROM (SELECT DISTINCT year FROM bar) AS y
    JOIN ashare.security s ON s.kind = 'stock' AND (extract(year FROM s.ipo_date) IN (y.year - 1, y.year)
                                                    OR extract(year FROM s.out_date) IN (y.year, y.year + 1))
    GROUP BY y.year
)
SELECT year, sum(b.rows)::bigint AS bars,
       sum(hash_record_extended(ROW(b.code, b.rows, b.hash), 0))::text AS bars_hash, f.hash::text AS factors_hash,
       concat_ws(' ', (SELECT hash FROM rule), l.hash) AS limits_hash
FROM bar b LEFT JOIN factor f USING (year) LEFT JOIN listing l USING (year)
GROUP BY year, f.hash, l.hash
ORDER BY year

-- name: bars
SELECT {columns}, l.limit_up, l.limit_down, b.back_factor AS hfq_factor
FROM ashare.daily_bar_factor b
-- The range stands there twice: for the view, the planner does not take it from the bars.
LEFT JOIN (
    SELECT d.trade_date, d.code, d.limit_up, d.limit_down FROM ashare.daily_limit d
    WHERE d.trade_date BETWEEN %(start)s AND %(end)s
) AS l ON l.trade_date = b.trade_date AND l.code = b.code
WHERE b.trade_date BETWEEN %(start)s AND %(end)s
  AND (%(kinds)s::text[] IS NULL
       OR b.code IN (SELECT s.code FROM ashare.security s WHERE s.kind = ANY (%(kinds)s::text[])))
ORDER BY b.code, b.trade_date

-- name: adjust_factor
SELECT code, ex_date, fore_factor, back_factor FROM ashare.adjust_factor ORDER BY code, ex_date

-- name: security
SELECT code, name, kind, ipo_date, out_date, updated_at FROM ashare.security ORDER BY code

-- name: snapshot
SELECT dataset, as_of, rows, update_date, fetched_at, run_id FROM ashare.snapshot ORDER BY dataset, as_of

-- name: index_member
SELECT index_code, code, start_date, end_date FROM ashare.index_member ORDER BY index_code, code, start_date

-- name: industry
SELECT classification, code, industry, start_date, end_date FROM ashare.industry ORDER BY classification, code, start_date

-- name: security_name
SELECT code, name, start_date, end_date FROM ashare.security_name ORDER BY code, start_date

-- name: trade_calendar
SELECT calendar_date, is_trading_day, fetched_at FROM ashare.trade_calendar ORDER BY calendar_date

-- name: sync_status
SELECT trade_date, status, array_to_string(kinds, ',') AS kinds, expected, loaded, suspended, missing, rejected,
       revised, requests, reason, run_id, started_at, finished_at, checked_at
FROM ashare.sync_status ORDER BY trade_date
