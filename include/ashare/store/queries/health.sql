-- name: limit_time
SELECT set_config('statement_timeout', '15s', false)

-- name: server
SELECT current_setting('server_version'), current_setting('server_version_num')::integer, current_database(),
       current_setting('transaction_read_only')::boolean

-- name: calendar_reach
SELECT max(calendar_date), max(fetched_at) FROM ashare.trade_calendar

-- name: odd_securities
-- Rejected rows of kinds that are never loaded (types 3 and 4) do not count.
SELECT (SELECT count(*) FROM ashare.rejected_row
        WHERE dataset = 'security' AND superseded_at IS NULL AND coalesce(raw ->> 'type', '') NOT IN ('3', '4')),
       (SELECT array_agg(code ORDER BY gone_from DESC, code) FROM ashare.security
        WHERE gone_from IS NOT NULL AND kind IN ('stock', 'index', 'etf')
          AND (out_date IS NULL OR out_date > gone_from))

-- name: last_sessions
SELECT s.trade_date, s.status, s.coverage, s.expected, s.loaded, s.missing, s.reason, s.started_at,
       -- A run that continues after a wait keeps its first started_at.
       greatest(s.started_at, (SELECT max(greatest(b.started_at, b.finished_at))
                               FROM ashare.sync_batch b WHERE b.trade_date = s.trade_date)) AS active_at
FROM ashare.trade_date_state(%(datasets)s::text[], (SELECT min(last.day) FROM (
    SELECT known.day FROM (
        SELECT calendar_date FROM ashare.trade_calendar WHERE is_trading_day
        UNION SELECT partition FROM ashare.work
    ) AS known (day) WHERE known.day <= %(newest)s ORDER BY known.day DESC LIMIT %(most)s) AS last), %(newest)s,
    %(since)s, %(newest)s, NULL) s
LEFT JOIN ashare.trade_calendar c ON c.calendar_date = s.trade_date
WHERE coalesce(c.is_trading_day, true)
ORDER BY s.trade_date DESC
LIMIT %(most)s

-- name: factor_mismatches
-- The number of mismatches, and the newest of them in words.
SELECT count(*), (array_agg(code || ' ' || trade_date || ': ' || problem ORDER BY trade_date DESC, code))[:%(most)s]
FROM ashare.factor_mismatch(%(since)s, %(until)s)
