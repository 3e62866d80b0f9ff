-- One table of batches: those of a trade date's plan, and those of a history's. sync_batch and history_batch become views.

-- A view of somebody else would follow the renamed table, and show the batches of histories, too.
DO $$
DECLARE others text;
BEGIN
    SELECT string_agg(DISTINCT format('view %s depends on table ashare.sync_batch', r.ev_class::regclass), ', ') INTO others
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = 'ashare.sync_batch'::regclass;
    IF others IS NOT NULL THEN
        RAISE 'views depend on ashare.sync_batch' USING ERRCODE = 'dependent_objects_still_exist', DETAIL = others;
    END IF;
END $$;

ALTER TABLE ashare.sync_batch RENAME TO batch;
ALTER TABLE ashare.batch
    DROP CONSTRAINT sync_batch_pkey,
    ADD COLUMN plan text,
    ALTER COLUMN trade_date DROP NOT NULL,
    ALTER COLUMN rows TYPE bigint;
UPDATE ashare.batch SET plan = to_char(trade_date, 'YYYY-MM-DD');
INSERT INTO ashare.batch (plan, batch_no, kind, by, codes, label, status, rows, requests, error, run_id, started_at, finished_at)
SELECT 'history ' || run_id, batch_no, kind, 'code', codes, label, status, rows, requests, error, run_id, started_at, finished_at
FROM ashare.history_batch;
ALTER TABLE ashare.batch ADD PRIMARY KEY (plan, batch_no);
CREATE INDEX batch_trade_date ON ashare.batch (trade_date, batch_no) WHERE trade_date IS NOT NULL;
ALTER TABLE ashare.history_batch RENAME TO old_history_batch;

COMMENT ON TABLE ashare.batch IS 'The pieces of work of a plan: of a trade date, or of a run of ashare_history.';
COMMENT ON COLUMN ashare.batch.plan IS 'Whose batch: the trade date (YYYY-MM-DD), or "history" and the id of a run of ashare_history, which may look like a date.';
COMMENT ON COLUMN ashare.batch.trade_date IS 'Session, in Asia/Shanghai; NULL: the batch is of a history.';
COMMENT ON COLUMN ashare.batch.batch_no IS 'Number within the plan, never used again. Batch 0 of a trade date is its adjust factors.';

CREATE VIEW ashare.sync_batch AS
SELECT trade_date, batch_no, kind, by, codes, label, status, rows, requests, error, run_id, started_at, finished_at,
       again, heals
FROM ashare.batch WHERE trade_date IS NOT NULL;
COMMENT ON VIEW ashare.sync_batch IS 'The batches of trade dates.';

CREATE VIEW ashare.history_batch AS
SELECT run_id, batch_no, kind, codes, label, status, coalesce(rows, 0) AS rows, coalesce(requests, 0) AS requests, error,
       started_at, finished_at
FROM ashare.batch WHERE trade_date IS NULL;
COMMENT ON VIEW ashare.history_batch IS 'The batches of runs of ashare_history.';

-- The columns of a view are described as those of its table. Who was allowed to read a table may read its view.
DO $$
DECLARE command text;
BEGIN
    FOR command IN
        SELECT format('COMMENT ON COLUMN %s.%I IS %L', v.attrelid::regclass, v.attname, col_description(t.attrelid, t.attnum))
        FROM pg_attribute v JOIN pg_attribute t ON t.attrelid = 'ashare.batch'::regclass AND t.attname = v.attname
        WHERE v.attrelid IN ('ashare.sync_batch'::regclass, 'ashare.history_batch'::regclass) AND v.attnum > 0
        UNION ALL
        SELECT format('GRANT SELECT ON %s TO %s', o.view,
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM (VALUES ('ashare.batch'::regclass, 'ashare.sync_batch'),
                     ('ashare.old_history_batch'::regclass, 'ashare.history_batch')) AS o (was, view)
        JOIN pg_class c ON c.oid = o.was
        CROSS JOIN aclexplode(c.relacl) g
        WHERE g.privilege_type = 'SELECT'
    LOOP
        EXECUTE command;
    END LOOP;
END $$;

DROP TABLE ashare.old_history_batch;
