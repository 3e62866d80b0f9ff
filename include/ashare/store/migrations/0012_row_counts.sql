-- The number of rows of each dataset and trade date, kept true by triggers: whoever adds or deletes rows, a run, a
-- person, a restore.

CREATE TABLE ashare.row_count (
    dataset   text NOT NULL,
    partition date NOT NULL,
    rows      integer NOT NULL,
    PRIMARY KEY (dataset, partition)
) WITH (fillfactor = 70);
COMMENT ON TABLE ashare.row_count IS 'Number of rows of daily_bar and adjust_factor, without the changes that are still in row_count_change. Read both by the function loaded_rows.';
COMMENT ON COLUMN ashare.row_count.dataset IS 'stock_bar, index_bar or etf_bar, by the kind of the security (stock_bar for a code that the table security lacks); adjust_factor.';
COMMENT ON COLUMN ashare.row_count.partition IS 'Trade date of the bars; ex-date of the adjust factors.';
COMMENT ON COLUMN ashare.row_count.rows IS 'Number of rows.';

CREATE TABLE ashare.row_count_change (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset    text NOT NULL,
    partitions date[] NOT NULL,
    changes    integer[] NOT NULL
);
COMMENT ON TABLE ashare.row_count_change IS 'Changes of row_count, one row per statement and dataset: an upsert of thousands of counters per page of a history would cost a third of its load.';
COMMENT ON COLUMN ashare.row_count_change.id IS 'Running number.';
COMMENT ON COLUMN ashare.row_count_change.dataset IS 'As in row_count.';
COMMENT ON COLUMN ashare.row_count_change.partitions IS 'Partitions whose number of rows has changed.';
COMMENT ON COLUMN ashare.row_count_change.changes IS 'For each of them: rows inserted, less rows deleted.';

CREATE FUNCTION ashare.table_of(dataset text)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    -- A security of another kind may have bars: its kind has changed since they were loaded.
    SELECT CASE WHEN dataset IN ('stock_bar', 'index_bar', 'etf_bar', 'bond_bar', 'other_bar') THEN 'daily_bar'
                ELSE dataset END
$$;
COMMENT ON FUNCTION ashare.table_of IS 'The table that holds the rows of a dataset.';

CREATE FUNCTION ashare.fold_row_count_changes()
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    -- One session folds at a time: two could update the same counters in another order.
    IF pg_try_advisory_xact_lock(hashtextextended('ashare fold of row counts', 0)) THEN
        WITH folded AS (
            DELETE FROM ashare.row_count_change RETURNING dataset, partitions, changes
        )
        INSERT INTO ashare.row_count AS c (dataset, partition, rows)
        SELECT f.dataset, p.day, sum(p.change)
        FROM folded f, unnest(f.partitions, f.changes) AS p (day, change)
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (dataset, partition) DO UPDATE SET rows = c.rows + excluded.rows;
    END IF;
END
$$;
COMMENT ON FUNCTION ashare.fold_row_count_changes IS 'Adds the changes to row_count and deletes them.';

CREATE FUNCTION ashare.fold_if_many()
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    -- A reader adds up to this many rows.
    IF (SELECT last_value - coalesce((SELECT min(id) FROM ashare.row_count_change), last_value) >= 50
        FROM ashare.row_count_change_id_seq) THEN
        PERFORM ashare.fold_row_count_changes();
    END IF;
END
$$;

CREATE FUNCTION ashare.count_changed_bars()
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
               count(*)::integer * CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END AS bars
        FROM changed c LEFT JOIN ashare.security s ON s.code = c.code
        GROUP BY 1, 2
    ) AS counted
    GROUP BY dataset;
    PERFORM ashare.fold_if_many();
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.count_changed_factors()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ashare.row_count_change (dataset, partitions, changes)
    SELECT 'adjust_factor', array_agg(ex_date), array_agg(factors)
    FROM (
        SELECT ex_date, count(*)::integer * CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END AS factors
        FROM changed GROUP BY ex_date
    ) AS counted
    HAVING count(*) > 0;
    PERFORM ashare.fold_if_many();
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.count_moved_factor()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ashare.row_count_change (dataset, partitions, changes)
    VALUES ('adjust_factor', ARRAY[OLD.ex_date, NEW.ex_date], ARRAY[-1, 1]);
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.count_moved_bar()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('ashare kinds of bars', 0));
    INSERT INTO ashare.row_count_change (dataset, partitions, changes)
    SELECT coalesce((SELECT s.kind FROM ashare.security s WHERE s.code = moved.code), 'stock') || '_bar',
           ARRAY[moved.trade_date], ARRAY[moved.change]
    FROM (VALUES (OLD.code, OLD.trade_date, -1), (NEW.code, NEW.trade_date, 1)) AS moved (code, trade_date, change);
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.forget_row_counts()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM ashare.row_count WHERE ashare.table_of(dataset) = TG_TABLE_NAME;
    DELETE FROM ashare.row_count_change WHERE ashare.table_of(dataset) = TG_TABLE_NAME;
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.count_bars_anew(codes text[], old_kinds text[], new_kinds text[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF codes IS NULL THEN
        RETURN;
    END IF;
    -- Bars that other sessions have counted by the old kind are visible from here on.
    PERFORM pg_advisory_xact_lock(hashtextextended('ashare kinds of bars', 0));
    -- LATERAL: each security's bars by the index, never by a scan of the whole table.
    INSERT INTO ashare.row_count_change (dataset, partitions, changes)
    SELECT d.kind || '_bar', array_agg(b.trade_date), array_agg(d.change)
    FROM unnest(codes, old_kinds, new_kinds) AS s (code, old_kind, new_kind)
    CROSS JOIN LATERAL (VALUES (s.old_kind, -1), (s.new_kind, 1)) AS d (kind, change)
    CROSS JOIN LATERAL (SELECT trade_date FROM ashare.daily_bar WHERE code = s.code OFFSET 0) AS b
    GROUP BY d.kind, s.code;
END
$$;
COMMENT ON FUNCTION ashare.count_bars_anew IS 'Counts the bars of some securities by their new kinds, and no longer by the old ones. NULL: of no security.';

CREATE FUNCTION ashare.count_bars_of_changed_kinds()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM ashare.count_bars_anew(array_agg(code), array_agg(m.old_kind), array_agg(m.new_kind))
    FROM (SELECT code, coalesce(o.kind, 'stock') AS old_kind, coalesce(n.kind, 'stock') AS new_kind
          FROM old_rows o FULL JOIN new_rows n USING (code)) AS m
    WHERE m.old_kind <> m.new_kind;
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.count_bars_of_listed_kinds()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- Without its row in the table, a security counts as a stock.
    PERFORM ashare.count_bars_anew(array_agg(code), array_agg(CASE TG_OP WHEN 'DELETE' THEN kind ELSE 'stock' END),
                                   array_agg(CASE TG_OP WHEN 'DELETE' THEN 'stock' ELSE kind END))
    FROM changed WHERE kind <> 'stock';
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.count_bars_without_securities()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('ashare kinds of bars', 0));
    INSERT INTO ashare.row_count_change (dataset, partitions, changes)
    SELECT d.dataset, array_agg(l.partition), array_agg(d.sign * l.loaded)
    FROM ashare.loaded_rows('-infinity', 'infinity') l
    CROSS JOIN LATERAL (VALUES (l.dataset, -1), ('stock_bar', 1)) AS d (dataset, sign)
    WHERE l.dataset <> 'stock_bar' AND ashare.table_of(l.dataset) = 'daily_bar'
    GROUP BY d.dataset;
    RETURN NULL;
END
$$;

-- CREATE TRIGGER keeps writers out from here to the end of this file, and lets readers read.
CREATE TRIGGER count_inserted AFTER INSERT ON ashare.daily_bar
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_changed_bars();
CREATE TRIGGER count_deleted AFTER DELETE ON ashare.daily_bar
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_changed_bars();
-- A merge sets neither of these columns, so that the trigger does not fire for its rows.
CREATE TRIGGER count_moved AFTER UPDATE OF trade_date, code ON ashare.daily_bar
    FOR EACH ROW WHEN (OLD.trade_date <> NEW.trade_date OR OLD.code <> NEW.code)
    EXECUTE FUNCTION ashare.count_moved_bar();
CREATE TRIGGER forget_counts AFTER TRUNCATE ON ashare.daily_bar
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.forget_row_counts();
CREATE TRIGGER count_inserted AFTER INSERT ON ashare.adjust_factor
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_changed_factors();
CREATE TRIGGER count_deleted AFTER DELETE ON ashare.adjust_factor
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_changed_factors();
CREATE TRIGGER count_moved AFTER UPDATE OF ex_date ON ashare.adjust_factor
    FOR EACH ROW WHEN (OLD.ex_date <> NEW.ex_date) EXECUTE FUNCTION ashare.count_moved_factor();
CREATE TRIGGER forget_counts AFTER TRUNCATE ON ashare.adjust_factor
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.forget_row_counts();
CREATE TRIGGER count_bars_inserted AFTER INSERT ON ashare.security
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_bars_of_listed_kinds();
CREATE TRIGGER count_bars_deleted AFTER DELETE ON ashare.security
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_bars_of_listed_kinds();
CREATE TRIGGER count_bars_updated AFTER UPDATE ON ashare.security
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_bars_of_changed_kinds();
CREATE TRIGGER count_bars_truncated AFTER TRUNCATE ON ashare.security
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_bars_without_securities();

INSERT INTO ashare.row_count (dataset, partition, rows)
SELECT coalesce(s.kind, 'stock') || '_bar', b.trade_date, count(*)
FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code)
GROUP BY 1, 2;

INSERT INTO ashare.row_count (dataset, partition, rows)
SELECT 'adjust_factor', ex_date, count(*) FROM ashare.adjust_factor GROUP BY ex_date;
ANALYZE ashare.row_count;

CREATE VIEW ashare.unfolded_rows AS
SELECT c.dataset, p.day AS partition, sum(p.change)::integer AS rows
FROM ashare.row_count_change c, unnest(c.partitions, c.changes) AS p (day, change)
GROUP BY 1, 2;
COMMENT ON VIEW ashare.unfolded_rows IS 'The sum of row_count_change.';
COMMENT ON COLUMN ashare.unfolded_rows.dataset IS 'As in row_count.';
COMMENT ON COLUMN ashare.unfolded_rows.partition IS 'As in row_count.';
COMMENT ON COLUMN ashare.unfolded_rows.rows IS 'Rows inserted, less rows deleted, since row_count was brought up to date.';

CREATE FUNCTION ashare.loaded_rows(first date, last date)
RETURNS TABLE (dataset text, partition date, loaded integer)
LANGUAGE sql STABLE
AS $$
    SELECT c.dataset, c.partition, sum(c.rows)::integer
    FROM (
        SELECT b.dataset, b.partition, b.rows FROM ashare.row_count b WHERE b.partition BETWEEN first AND last
        UNION ALL
        SELECT u.dataset, u.partition, u.rows FROM ashare.unfolded_rows u WHERE u.partition BETWEEN first AND last
    ) AS c
    GROUP BY 1, 2
    HAVING sum(c.rows) <> 0
$$;
COMMENT ON FUNCTION ashare.loaded_rows IS 'The number of rows that each dataset holds now, by partition, from the first to the last day; partitions without rows are left out.';
