-- For psql: see psql_scripts.py.

-- name: schema_state
-- 0: no schema ashare; 3: this package's schema; 1 or 2: a schema of somebody else.
SELECT (to_regnamespace('ashare') IS NOT NULL)::int + (to_regclass('ashare.schema_migration') IS NOT NULL)::int
       + (to_regclass('ashare.daily_bar') IS NOT NULL)::int

-- name: encoding
SHOW server_encoding

-- name: contents
SELECT (SELECT coalesce(max(version), 0) FROM ashare.schema_migration),
       (SELECT count(*) FROM ashare.daily_bar),
       (SELECT to_char(max(trade_date), 'YYYY-MM-DD') FROM ashare.daily_bar)

-- name: snapshot
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL lock_timeout = '60s';
SELECT pg_export_snapshot()

-- name: dependent_objects
-- Objects outside the schema that depend on it: views, foreign keys, functions.
WITH ours AS (
    SELECT 'pg_class'::regclass AS class, oid FROM pg_class WHERE relnamespace = 'ashare'::regnamespace
    UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = 'ashare'::regnamespace
    UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = 'ashare'::regnamespace
)
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0)
FROM ours
JOIN pg_depend d ON d.refclassid = ours.class AND d.refobjid = ours.oid AND d.deptype IN ('n', 'a')
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) o
WHERE coalesce(o.schema, '') <> 'ashare' AND o.identity !~ '(^| )(on|for) ashare[.]'
ORDER BY 1

-- name: begin
BEGIN;
-- Longest wait for sessions that read or write the tables.
SET LOCAL lock_timeout = '60s';
DO $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('ashare baostock', 0)) THEN
        RAISE 'the connection to Baostock is in use';
    END IF;
END
$$;

-- name: drop
DO $$
BEGIN
    IF to_regclass('ashare.source_request') IS NOT NULL THEN
        CREATE TEMP TABLE ashare_ledger ON COMMIT DROP AS
        SELECT requested_at, method, detail, trade_date, who, outcome, seconds, reply_chars
        FROM ashare.source_request;
    END IF;
END
$$;
DROP SCHEMA ashare CASCADE;

-- name: end
DO $$
BEGIN
    -- Requests since the backup still count against the day's budget, and a ban stays in force.
    IF to_regclass('pg_temp.ashare_ledger') IS NOT NULL THEN
        INSERT INTO ashare.source_request
            (requested_at, method, detail, trade_date, who, outcome, seconds, reply_chars)
        SELECT requested_at, method, detail, trade_date, who, outcome, seconds, reply_chars
        FROM pg_temp.ashare_ledger
        WHERE requested_at > coalesce((SELECT max(requested_at) FROM ashare.source_request), '-infinity')
        ORDER BY requested_at;
    END IF;
END
$$;
SELECT format('ANALYZE %s', oid::regclass) FROM pg_class
WHERE relnamespace = 'ashare'::regnamespace AND relkind = 'r' ORDER BY relname \gexec
COMMIT;
