-- name: is_held_here
-- Whether this server process holds the lock.
SELECT EXISTS (SELECT FROM pg_locks l
               WHERE l.locktype = 'advisory' AND l.granted AND l.pid = pg_backend_pid() AND l.objsubid = 1
                 AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('ashare baostock', 0))

-- name: name_waiter
SELECT set_config('application_name', %(name)s, false)

-- name: name_holder
SELECT set_config('application_name', %(name)s, false), set_config('ashare.source_holder', %(token)s, false)

-- name: others_wait
-- Whether sessions of other parties wait for the lock; the party is the prefix of a session's name.
SELECT EXISTS (SELECT FROM pg_locks l
               LEFT JOIN pg_stat_activity a ON a.pid = l.pid
               WHERE l.locktype = 'advisory' AND NOT l.granted AND l.objsubid = 1
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('ashare baostock', 0)
                 AND NOT starts_with(coalesce(a.application_name, ''), %(party)s))

-- name: holder
SELECT a.application_name, a.client_addr, coalesce(r.since, a.backend_start), a.pid
FROM pg_locks l
JOIN pg_stat_activity a ON a.pid = l.pid
-- The holder's first request is a login, right after it takes the lock.
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
-- Only the holder of the lock may record a request, so no other session can use up the budget in between. The
-- server process proves that it holds the lock: a pooler may have given it, or the lock, to another client.
-- With it goes the end of the message before, if that was a good one: Baostock waits for each round trip and commit.
WITH ended AS (
    UPDATE ashare.source_request
    SET outcome = %(outcome)s, seconds = %(seconds)s, reply_chars = %(reply_chars)s
    WHERE id = %(id)s
), proof AS MATERIALIZED (
    SELECT coalesce(current_setting('ashare.source_holder', true) = %(token)s, false)
           AND EXISTS (SELECT FROM pg_locks l
                       WHERE l.locktype = 'advisory' AND l.granted AND l.pid = pg_backend_pid() AND l.objsubid = 1
                         AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('ashare baostock', 0))
           AS is_held
), begun AS (
    INSERT INTO ashare.source_request (method, detail, trade_date, who)
    SELECT %(method)s, %(detail)s, %(trade_date)s, %(who)s
    FROM ashare.source_limit, proof WHERE used_today < %(budget)s AND NOT is_banned AND is_held
    RETURNING id
)
SELECT (SELECT id FROM begun), is_held FROM proof

-- name: record_outage
-- An outage goes on if nothing was sent since its last failure.
WITH sent AS (
    SELECT coalesce((SELECT requested_at FROM ashare.source_request ORDER BY requested_at DESC LIMIT 1),
                    '-infinity') AS at
), going_on AS (
    UPDATE ashare.source_outage o SET last_at = clock_timestamp(), error = %(error)s
    FROM sent WHERE o.last_at > sent.at
    RETURNING 1
)
INSERT INTO ashare.source_outage (error) SELECT %(error)s WHERE NOT EXISTS (SELECT FROM going_on) RETURNING began_at

-- name: end
UPDATE ashare.source_request
SET outcome = %(outcome)s, seconds = %(seconds)s, reply_chars = %(reply_chars)s
WHERE id = %(id)s
RETURNING id

-- name: check
SELECT 1

-- name: requests_of
SELECT count(*), coalesce(sum(seconds), 0) FROM ashare.source_request
WHERE who = %(who)s AND requested_at >= clock_timestamp() - make_interval(secs => %(seconds)s)
