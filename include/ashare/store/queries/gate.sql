-- name: set_up
-- Whoever holds a lock and whose machine vanished must not keep it for hours.
SELECT set_config('tcp_keepalives_idle', '30', false),
       set_config('tcp_keepalives_interval', '10', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('timezone', 'Asia/Shanghai', false)

-- name: limit_wait
SELECT set_config('lock_timeout', %(milliseconds)s, false)

-- name: lock
SELECT pg_advisory_lock(hashtextextended('ashare baostock', 0))

-- name: name_holder
SELECT set_config('application_name', %(name)s, false), set_config('lock_timeout', '0', false)

-- name: holder
SELECT a.application_name, a.client_addr, coalesce(r.since, a.backend_start)
FROM pg_locks l
JOIN pg_stat_activity a ON a.pid = l.pid
-- The holder's login is the first thing it does with the lock.
LEFT JOIN LATERAL (
    SELECT max(requested_at) AS since FROM ashare.source_request
    WHERE method = 'login' AND requested_at >= a.backend_start
) r ON true
WHERE l.locktype = 'advisory' AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('ashare baostock', 0)

-- name: limit
SELECT used_today, day_ends, banned_at, bans, banned_until, is_banned FROM ashare.source_limit

-- name: begin
-- Only the holder of the lock gets here, so that nobody else can use the day up in between.
INSERT INTO ashare.source_request (method, detail, trade_date, who)
SELECT %(method)s, %(detail)s, %(trade_date)s, %(who)s
FROM ashare.source_limit WHERE used_today < %(budget)s AND NOT is_banned
RETURNING id

-- name: end
UPDATE ashare.source_request
SET outcome = %(outcome)s, seconds = %(seconds)s, reply_chars = %(reply_chars)s
WHERE id = %(id)s
RETURNING id

-- name: check
SELECT 1
