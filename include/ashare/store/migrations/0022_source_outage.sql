-- When Baostock could not be connected to. Such a failure sends no message, so the request ledger does not have it.

CREATE TABLE ashare.source_outage (
    began_at timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    last_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    error    text NOT NULL
);
COMMENT ON TABLE ashare.source_outage IS 'Each time during which Baostock could not be connected to. It is over when a later message is in the request ledger.';
COMMENT ON COLUMN ashare.source_outage.began_at IS 'The first failed try.';
COMMENT ON COLUMN ashare.source_outage.last_at IS 'The last failed try.';
COMMENT ON COLUMN ashare.source_outage.error IS 'Why the last try failed.';

-- Who was allowed to read the request ledger may read when it could not grow.
DO $$
DECLARE command text;
BEGIN
    FOR command IN
        SELECT format('GRANT SELECT ON ashare.source_outage TO %s',
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
        WHERE c.oid = 'ashare.source_request'::regclass AND g.privilege_type = 'SELECT'
    LOOP
        EXECUTE command;
    END LOOP;
END $$;
