-- name: settings
-- Enough memory to sort a year of the whole market.
SELECT set_config('work_mem', '256MB', true)

-- name: schema
SELECT to_char(min(applied_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), max(version)
FROM ashare.schema_migration

-- name: claim
-- The lock of a lake that lies elsewhere than in a local directory; it ends with the transaction.
SELECT pg_try_advisory_xact_lock(hashtextextended('ashare lake ' || %(name)s, 0))

-- name: versions
-- What identifies the rows of each trade date.
SELECT v.partition, v.dataset, v.rows, v.version
FROM ashare.row_versions(%(start)s, %(end)s) v
WHERE ashare.table_of(v.dataset) = 'daily_bar'
  AND (%(kinds)s::text[] IS NULL OR replace(v.dataset, '_bar', '') = ANY (%(kinds)s::text[]))
ORDER BY 1, 2

-- name: rules
SELECT sum(hash_record_extended(r, 0))::text FROM ashare.price_limit_rule r

-- name: leaving
-- The stocks whose first day of a delisting period may have moved, as one of the days has other rows: the bar before is
-- looked at, from the last one before the window on.
SELECT s.code, s.out_date - 45 AS first_day, s.out_date - 15 AS last_day
FROM ashare.security s
CROSS JOIN LATERAL (
    SELECT max(b.trade_date) AS day FROM ashare.daily_bar b WHERE b.code = s.code AND b.trade_date < s.out_date - 45
) AS before
WHERE s.kind = 'stock'
  AND EXISTS (SELECT FROM unnest(%(days)s::date[]) AS d (day)
              WHERE d.day < s.out_date - 15 AND d.day >= coalesce(before.day, '-infinity'))

-- name: states
-- The partitions of daily datasets, with what a reader judges by.
SELECT p.dataset, p.partition, p.state, p.is_asked, p.is_recorded
FROM ashare.partition_state(%(datasets)s, %(start)s, %(end)s, NULL, %(newest)s, NULL) p
WHERE p.state NOT IN ('before', 'unpublished', 'closed', 'none') OR p.is_asked

-- name: weeks
SELECT w.dataset, w.partition, w.state, w.loaded, w.run_id IS NOT NULL
FROM ashare.week_state(%(datasets)s, (SELECT min(ashare.first_partition(name)) FROM unnest(%(datasets)s::text[]) AS name),
                       %(end)s, %(newest)s, NULL) w
WHERE w.state NOT IN ('before', 'unpublished', 'none')

-- name: factor_rows
SELECT v.partition, v.rows FROM ashare.row_versions('-infinity', 'infinity') v WHERE v.dataset = 'adjust_factor'

-- name: bars
SELECT {columns}, l.limit_up, l.limit_down, l.rule AS limit_rule, b.back_factor AS hfq_factor
FROM ashare.daily_bar_factor b
-- The choice stands there twice: for the view, the planner does not take it from the bars.
LEFT JOIN (
    SELECT d.trade_date, d.code, d.limit_up, d.limit_down, d.rule FROM ashare.daily_limit d
    WHERE {limits_chosen}
) AS l ON l.trade_date = b.trade_date AND l.code = b.code
WHERE {bars_chosen}
  AND (%(kinds)s::text[] IS NULL
       OR b.code NOT IN (SELECT s.code FROM ashare.security s WHERE s.kind <> ALL (%(kinds)s::text[]))
          AND ('stock' = ANY (%(kinds)s::text[]) OR b.code IN (SELECT s.code FROM ashare.security s)))
ORDER BY b.code, b.trade_date

-- name: of_range
{rows}.trade_date BETWEEN %(start)s AND %(end)s

-- name: of_days
{rows}.trade_date = ANY (%(days)s::date[])

-- name: of_codes
{rows}.code = ANY (%(codes)s::text[]) AND {rows}.trade_date BETWEEN %(start)s AND %(end)s
    AND NOT {rows}.trade_date = ANY (%(days)s::date[])

-- name: adjust_factor
SELECT code, ex_date, fore_factor, back_factor FROM ashare.adjust_factor ORDER BY code, ex_date

-- name: factor_step
SELECT code, start_date, hfq_factor FROM ashare.factor_step ORDER BY code, start_date

-- name: security
SELECT code, name, kind, ipo_date, out_date, gone_from, updated_at FROM ashare.security ORDER BY code

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
