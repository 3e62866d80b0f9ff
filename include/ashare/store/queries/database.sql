-- name: set_up
SELECT set_config('client_encoding', 'UTF8', false),
       set_config('datestyle', 'ISO, YMD', false),
       set_config('timezone', 'Asia/Shanghai', false),
       -- A statement under a lock must see the rows that are committed by then.
       set_config('default_transaction_isolation', 'read committed', false),
       -- A session whose machine has vanished must not keep its locks for hours.
       set_config('tcp_keepalives_idle', '30', false),
       set_config('tcp_keepalives_interval', '10', false),
       set_config('tcp_keepalives_count', '3', false),
       -- Compiling the statement that derives the states of trade dates takes longer than executing it.
       set_config('jit', 'off', false),
       -- The server must not end a session that waits for Baostock's reply.
       set_config('idle_session_timeout', '0', false),
       set_config('application_name', %(name)s, false),
       set_config('lock_timeout', %(lock_timeout)s, false)

-- name: limit_wait
-- For this transaction only. A statement timeout of the role would cut the wait short.
SELECT set_config('lock_timeout', %(lock_timeout)s, true), set_config('statement_timeout', '0', true)

-- name: try_lock
-- Fails also while other sessions wait for the lock: they came first.
SELECT pg_try_advisory_lock(hashtextextended(%(lock)s, 0))

-- name: lock
SELECT pg_advisory_lock(hashtextextended(%(lock)s, 0))

-- name: lock_transaction
SELECT pg_advisory_xact_lock(hashtextextended(%(lock)s, 0))

-- name: unlock
SELECT pg_advisory_unlock(hashtextextended(%(lock)s, 0))

-- name: lock_holders
-- The sessions that hold the advisory lock of this name. PostgreSQL hides the times of other users' sessions.
SELECT a.pid, a.application_name, a.usename, a.client_addr, a.state, coalesce(a.xact_start, a.state_change)
FROM pg_locks l
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(%(lock)s, 0)

-- name: table_lock_holders
-- The sessions that hold a lock on the schema's tables, oldest transaction first: those that write or alter tables,
-- and with `readers` those that only read, too.
SELECT a.pid, a.application_name, a.usename, a.client_addr, a.state, a.xact_start
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND c.relnamespace = to_regnamespace('ashare')
  AND (%(readers)s OR a.backend_xid IS NOT NULL OR a.backend_start IS NULL
       OR l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock'))
GROUP BY a.pid, a.application_name, a.usename, a.client_addr, a.state, a.xact_start
ORDER BY a.xact_start NULLS LAST, a.pid
