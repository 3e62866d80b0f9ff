-- A version of the rows of each partition, so that a copy of the bars learns at once which dates have changed since.

ALTER TABLE ashare.row_count_change
    ADD COLUMN salt bigint NOT NULL DEFAULT (random() * 1e12)::bigint;
COMMENT ON TABLE ashare.row_count_change IS 'Changes of row_count, one row per statement and dataset: an upsert of thousands of counters per page of a history would cost a third of its load.';
COMMENT ON COLUMN ashare.row_count_change.changes IS 'For each of them: rows inserted, less rows deleted; 0 for updated rows.';
COMMENT ON COLUMN ashare.row_count_change.salt IS 'A random number: what the change adds to the version of each of the partitions; 0 if no row has changed.';

ALTER TABLE ashare.row_count
    ADD COLUMN version bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN ashare.row_count.version IS 'The sum of the random numbers of all changes. Two states of a partition with the same version have the same rows. It cannot be a running number: a transaction that commits late brings an older one, and a restored backup brings former ones again.';

CREATE OR REPLACE VIEW ashare.unfolded_rows AS
SELECT c.dataset, p.day AS partition, sum(p.change)::integer AS rows, sum(c.salt)::bigint AS version
FROM ashare.row_count_change c, unnest(c.partitions, c.changes) AS p (day, change)
GROUP BY 1, 2;
COMMENT ON COLUMN ashare.unfolded_rows.version IS 'What these changes add to the version of row_count.';

CREATE FUNCTION ashare.row_versions(first date, last date)
RETURNS TABLE (dataset text, partition date, rows integer, version bigint)
LANGUAGE sql STABLE
AS $$
    SELECT c.dataset, c.partition, sum(c.rows)::integer, sum(c.version)::bigint
    FROM (
        SELECT b.dataset, b.partition, b.rows, b.version FROM ashare.row_count b WHERE b.partition BETWEEN first AND last
        UNION ALL
        SELECT u.dataset, u.partition, u.rows, u.version FROM ashare.unfolded_rows u WHERE u.partition BETWEEN first AND last
    ) AS c
    GROUP BY 1, 2
    HAVING sum(c.rows) <> 0
$$;
COMMENT ON FUNCTION ashare.row_versions IS 'The number and the version of the rows of each dataset now, by partition, from the first to the last day; partitions without rows are left out.';

CREATE OR REPLACE FUNCTION ashare.count_changed_bars()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- Another session may change the kind of a security: each of the two would count without the other's rows.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('ashare kinds of bars', 0));
    INSERT INTO ashare.row_count_change (dataset, partitions, changes)
    SELECT dataset, array_agg(trade_date), array_agg(bars)
    FROM (
        SELECT coalesce(s.kind, 'stock') || '_bar' AS dataset, c.trade_date,
               count(*)::integer * CASE TG_OP WHEN 'DELETE' THEN -1 WHEN 'UPDATE' THEN 0 ELSE 1 END AS bars
        FROM changed c LEFT JOIN ashare.security s ON s.code = c.code
        GROUP BY 1, 2
    ) AS counted
    GROUP BY dataset;
    PERFORM ashare.fold_if_many();
    RETURN NULL;
END
$$;

-- Rows whose date or code changes are counted by count_moved, too, by their old date and code.
CREATE TRIGGER count_updated AFTER UPDATE ON ashare.daily_bar
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_changed_bars();

CREATE OR REPLACE FUNCTION ashare.fold_row_count_changes()
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE days date[];
BEGIN
    -- One session folds at a time: two could update the same counters in another order. What another session has
    -- changed and not committed yet is not in the summaries that are made here: its changes are folded later.
    IF pg_try_advisory_xact_lock(hashtextextended('ashare fold of row counts', 0)) THEN
        WITH folded AS (
            DELETE FROM ashare.row_count_change RETURNING dataset, partitions, changes, salt
        ), change AS (
            SELECT f.dataset, p.day, sum(p.change) AS rows, sum(f.salt) AS version
            FROM folded f, unnest(f.partitions, f.changes) AS p (day, change)
            GROUP BY 1, 2
        ), counted AS (
            INSERT INTO ashare.row_count AS c (dataset, partition, rows, version)
            SELECT * FROM change WHERE rows <> 0 OR version <> 0 ORDER BY dataset, day
            ON CONFLICT (dataset, partition) DO UPDATE
            SET rows = c.rows + excluded.rows, version = c.version + excluded.version
        )
        SELECT array_agg(DISTINCT day) INTO days FROM change;
        DELETE FROM ashare.date_summary WHERE trade_date = ANY (days);
        INSERT INTO ashare.date_summary SELECT * FROM ashare.summary_of(days);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION ashare.note_changed_facts()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- A change of no rows: the summaries of these dates are made anew.
    INSERT INTO ashare.row_count_change (dataset, partitions, changes, salt)
    SELECT dataset, array_agg(partition), array_agg(0), 0 FROM changed GROUP BY dataset;
    PERFORM ashare.fold_if_many();
    RETURN NULL;
END
$$;

CREATE VIEW ashare.factor_step AS
SELECT s.code, x.start_date, x.hfq_factor
FROM ashare.adjust_factor_series s
CROSS JOIN LATERAL (
    SELECT date '1990-12-19' AS start_date, f.back_factor AS hfq_factor
    FROM (SELECT b.back_factor, b.trade_date FROM ashare.daily_bar_factor b
          WHERE b.code = s.code ORDER BY b.trade_date LIMIT 1) AS f
    WHERE f.trade_date < s.first_ex_date
    UNION ALL
    SELECT a.ex_date, a.back_factor FROM ashare.adjust_factor a WHERE a.code = s.code
) AS x;
COMMENT ON VIEW ashare.factor_step IS 'The factors of daily_bar_hfq as steps: few rows for all bars of a stock. A code without a row has the factor 1.';
COMMENT ON COLUMN ashare.factor_step.code IS 'Baostock''s code with the exchange.';
COMMENT ON COLUMN ashare.factor_step.start_date IS 'The first day with this factor: an ex-date, or 1990-12-19 for the bars before the first one.';
COMMENT ON COLUMN ashare.factor_step.hfq_factor IS 'hfq price = price as traded x hfq_factor, up to the day before the code''s next start_date.';

-- Who was allowed to read the bars may read what follows from them.
DO $$
DECLARE command text;
BEGIN
    FOR command IN
        SELECT format('GRANT SELECT ON ashare.factor_step TO %s',
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
        WHERE c.oid = 'ashare.daily_bar'::regclass AND g.privilege_type = 'SELECT'
    LOOP
        EXECUTE command;
    END LOOP;
END $$;
