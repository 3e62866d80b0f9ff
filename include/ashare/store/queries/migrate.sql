-- name: is_recorded
SELECT to_regclass('ashare.schema_migration')

-- name: version
SELECT coalesce(max(version), 0) FROM ashare.schema_migration

-- name: create_schema
DO $$
BEGIN
    -- CREATE SCHEMA IF NOT EXISTS needs the CREATE privilege even if the schema exists.
    IF to_regnamespace('ashare') IS NULL THEN
        CREATE SCHEMA ashare;
    END IF;
    CREATE TABLE IF NOT EXISTS ashare.schema_migration (
        version    integer PRIMARY KEY,
        name       text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    );
    COMMENT ON TABLE ashare.schema_migration IS 'The schema changes that were applied to this database.';
END
$$

-- name: record
INSERT INTO ashare.schema_migration (version, name) VALUES (%(version)s, %(name)s)
