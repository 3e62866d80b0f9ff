-- name: limit_time
SELECT set_config('statement_timeout', '15s', false)

-- name: server
SELECT current_setting('server_version'), current_setting('server_version_num')::integer, current_database(),
       current_setting('transaction_read_only')::boolean

-- name: calendar_reach
SELECT max(calendar_date), max(fetched_at) FROM ashare.trade_calendar

-- name: gone_codes
SELECT code FROM ashare.security
WHERE gone_from IS NOT NULL AND kind IN ('stock', 'index', 'etf') AND (out_date IS NULL OR out_date > gone_from)
ORDER BY gone_from DESC, code

-- name: first_of_last_sessions
SELECT coalesce(min(last.day), %(newest)s) FROM (
    SELECT known.day FROM (
        SELECT calendar_date FROM ashare.trade_calendar WHERE is_trading_day
        UNION SELECT partition FROM ashare.work WHERE NOT ashare.is_weekly(dataset)
    ) AS known (day) WHERE known.day <= %(newest)s ORDER BY known.day DESC LIMIT %(most)s) AS last

-- name: active_at
SELECT max(greatest(started_at, finished_at)) FROM ashare.sync_batch WHERE trade_date = %(day)s

-- name: factor_mismatches
-- The number of mismatches, and the newest of them in words.
SELECT count(*), (array_agg(code || ' ' || trade_date || ': ' || problem ORDER BY trade_date DESC, code))[:%(most)s]
FROM ashare.factor_mismatch(%(since)s, %(until)s)
