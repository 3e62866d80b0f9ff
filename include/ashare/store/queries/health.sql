-- name: server
SELECT current_setting('server_version'), current_setting('server_version_num')::integer, current_database(),
       to_regclass('ashare.schema_migration') IS NOT NULL

-- name: calendar
SELECT max(calendar_date), max(fetched_at),
       coalesce(bool_or(calendar_date = %(today)s), false)
FROM ashare.trade_calendar

-- name: last_sessions
SELECT c.calendar_date, s.status, s.expected, s.loaded, s.missing, s.reason, s.started_at,
       c.calendar_date < (SELECT min(trade_date) FROM ashare.sync_status) AS before_the_first
FROM ashare.trade_calendar c
LEFT JOIN ashare.sync_status s ON s.trade_date = c.calendar_date
WHERE c.is_trading_day AND c.calendar_date <= %(newest)s
ORDER BY c.calendar_date DESC
LIMIT %(dates)s
