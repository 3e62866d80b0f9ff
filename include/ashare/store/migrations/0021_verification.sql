-- What each reading again of a trade date has found: how many rows were compared, and how many had changed.

CREATE TABLE ashare.verification (
    trade_date  date NOT NULL,
    dataset     text NOT NULL,
    verified_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    compared    integer NOT NULL,
    revised     integer NOT NULL,
    inserted    integer NOT NULL,
    lacking     integer NOT NULL,
    run_id      text,
    PRIMARY KEY (trade_date, dataset, verified_at)
);
COMMENT ON TABLE ashare.verification IS 'Each time when a loaded trade date was read from Baostock again and compared with the table: by the runs of the newest date, and by runs with the param verify.';
COMMENT ON COLUMN ashare.verification.trade_date IS 'Session, in Asia/Shanghai; of adjust_factor, the ex-date.';
COMMENT ON COLUMN ashare.verification.dataset IS 'stock_bar, etf_bar or adjust_factor.';
COMMENT ON COLUMN ashare.verification.verified_at IS 'When.';
COMMENT ON COLUMN ashare.verification.compared IS 'Rows of the answer that the table had before.';
COMMENT ON COLUMN ashare.verification.revised IS 'Of those: rows that had changed, and were updated. bar_revision has the old values of bars.';
COMMENT ON COLUMN ashare.verification.inserted IS 'Rows of the answer that the table lacked before.';
COMMENT ON COLUMN ashare.verification.lacking IS 'Rows of the table that the answer does not have. They stay.';
COMMENT ON COLUMN ashare.verification.run_id IS 'The Airflow run that read the date again.';

COMMENT ON COLUMN ashare.batch.again IS 'Loaded trade dates that are read again for corrections: earlier ones, or the trade date itself to be verified; NULL: what the trade date lacks is read.';
COMMENT ON COLUMN ashare.sync_batch.again IS 'Loaded trade dates that are read again for corrections: earlier ones, or the trade date itself to be verified; NULL: what the trade date lacks is read.';

-- Who was allowed to read the revisions may read what was compared.
DO $$
DECLARE command text;
BEGIN
    FOR command IN
        SELECT format('GRANT SELECT ON ashare.verification TO %s',
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
        WHERE c.oid = 'ashare.bar_revision'::regclass AND g.privilege_type = 'SELECT'
    LOOP
        EXECUTE command;
    END LOOP;
END $$;
