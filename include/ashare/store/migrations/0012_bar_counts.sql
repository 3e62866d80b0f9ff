-- The number of bars of each dataset and trade date, kept true by triggers: whoever adds or deletes bars, a run, a
-- person, a restore.

CREATE TABLE ashare.bar_count (
    dataset   text NOT NULL,
    partition date NOT NULL,
    bars      integer NOT NULL,
    PRIMARY KEY (dataset, partition)
) WITH (fillfactor = 70);
COMMENT ON TABLE ashare.bar_count IS 'Number of rows of daily_bar, without the changes that are still in bar_count_change. Read both by the function loaded_rows.';
COMMENT ON COLUMN ashare.bar_count.dataset IS 'stock_bar, index_bar or etf_bar, by the kind of the security; stock_bar for a code that the table security lacks.';
COMMENT ON COLUMN ashare.bar_count.partition IS 'Trade date of the bars.';
COMMENT ON COLUMN ashare.bar_count.bars IS 'Number of bars.';

CREATE TABLE ashare.bar_count_change (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset    text NOT NULL,
    partitions date[] NOT NULL,
    changes    integer[] NOT NULL
);
COMMENT ON TABLE ashare.bar_count_change IS 'Changes of bar_count, one row per statement and dataset: an upsert of thousands of counters per page of a history would cost a third of its load.';
COMMENT ON COLUMN ashare.bar_count_change.id IS 'Running number.';
COMMENT ON COLUMN ashare.bar_count_change.dataset IS 'As in bar_count.';
COMMENT ON COLUMN ashare.bar_count_change.partitions IS 'Trade dates whose number of bars has changed.';
COMMENT ON COLUMN ashare.bar_count_change.changes IS 'For each of them: bars inserted, less bars deleted.';

CREATE FUNCTION ashare.fold_bar_count_changes()
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    -- One session folds at a time: two could update the same counters in another order.
    IF pg_try_advisory_xact_lock(hashtextextended('ashare fold of bar counts', 0)) THEN
        WITH folded AS (
            DELETE FROM ashare.bar_count_change RETURNING dataset, partitions, changes
        )
        INSERT INTO ashare.bar_count AS c (dataset, partition, bars)
        SELECT f.dataset, p.day, sum(p.change)
        FROM folded f, unnest(f.partitions, f.changes) AS p (day, change)
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (dataset, partition) DO UPDATE SET bars = c.bars + excluded.bars;
    END IF;
END
$$;
COMMENT ON FUNCTION ashare.fold_bar_count_changes IS 'Adds the changes to bar_count and deletes them.';

CREATE FUNCTION ashare.count_changed_bars()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ashare.bar_count_change (dataset, partitions, changes)
    SELECT dataset, array_agg(trade_date), array_agg(bars)
    FROM (
        SELECT coalesce(s.kind, 'stock') || '_bar' AS dataset, c.trade_date,
               count(*)::integer * CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END AS bars
        FROM changed c LEFT JOIN ashare.security s ON s.code = c.code
        GROUP BY 1, 2
    ) AS counted
    GROUP BY dataset;
    -- A reader adds up to this many rows.
    IF (SELECT last_value - coalesce((SELECT min(id) FROM ashare.bar_count_change), last_value) >= 50
        FROM ashare.bar_count_change_id_seq) THEN
        PERFORM ashare.fold_bar_count_changes();
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.count_moved_bar()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ashare.bar_count_change (dataset, partitions, changes)
    SELECT coalesce((SELECT s.kind FROM ashare.security s WHERE s.code = moved.code), 'stock') || '_bar',
           ARRAY[moved.trade_date], ARRAY[moved.change]
    FROM (VALUES (OLD.code, OLD.trade_date, -1), (NEW.code, NEW.trade_date, 1)) AS moved (code, trade_date, change);
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.forget_bar_counts()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM ashare.bar_count;
    DELETE FROM ashare.bar_count_change;
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.count_bars_of_changed_kinds()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- LATERAL: each security's bars by the index, never by a scan of the whole table.
    INSERT INTO ashare.bar_count_change (dataset, partitions, changes)
    SELECT m.dataset, array_agg(b.trade_date), array_agg(m.change)
    FROM (
        SELECT code, coalesce(o.kind, 'stock') || '_bar' AS dataset, -1 AS change
        FROM old_rows o FULL JOIN new_rows n USING (code)
        WHERE coalesce(o.kind, 'stock') <> coalesce(n.kind, 'stock')
        UNION ALL
        SELECT code, coalesce(n.kind, 'stock') || '_bar', 1
        FROM old_rows o FULL JOIN new_rows n USING (code)
        WHERE coalesce(o.kind, 'stock') <> coalesce(n.kind, 'stock')
    ) AS m
    CROSS JOIN LATERAL (SELECT trade_date FROM ashare.daily_bar WHERE code = m.code OFFSET 0) AS b
    GROUP BY m.dataset, m.code;
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.count_bars_of_new_securities()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO ashare.bar_count_change (dataset, partitions, changes)
    SELECT m.dataset, array_agg(b.trade_date), array_agg(m.change)
    FROM (
        SELECT n.code, d.dataset, d.change * CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END AS change
        FROM new_rows n
        CROSS JOIN LATERAL (VALUES ('stock_bar', -1), (n.kind || '_bar', 1)) AS d (dataset, change)
        WHERE n.kind <> 'stock'
    ) AS m
    CROSS JOIN LATERAL (SELECT trade_date FROM ashare.daily_bar WHERE code = m.code OFFSET 0) AS b
    GROUP BY m.dataset, m.code;
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
    FOR EACH ROW EXECUTE FUNCTION ashare.count_moved_bar();
CREATE TRIGGER forget_counts AFTER TRUNCATE ON ashare.daily_bar
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.forget_bar_counts();
CREATE TRIGGER count_bars_inserted AFTER INSERT ON ashare.security
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_bars_of_new_securities();
CREATE TRIGGER count_bars_deleted AFTER DELETE ON ashare.security
    REFERENCING OLD TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_bars_of_new_securities();
CREATE TRIGGER count_bars_updated AFTER UPDATE ON ashare.security
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_bars_of_changed_kinds();

INSERT INTO ashare.bar_count (dataset, partition, bars)
SELECT coalesce(s.kind, 'stock') || '_bar', b.trade_date, count(*)
FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code)
GROUP BY 1, 2;

CREATE FUNCTION ashare.loaded_rows(first date, last date)
RETURNS TABLE (dataset text, partition date, loaded integer)
LANGUAGE sql STABLE
AS $$
    SELECT c.dataset, c.partition, sum(c.bars)::integer
    FROM (
        SELECT b.dataset, b.partition, b.bars FROM ashare.bar_count b WHERE b.partition BETWEEN first AND last
        UNION ALL
        SELECT d.dataset, p.day, p.change
        FROM ashare.bar_count_change d, unnest(d.partitions, d.changes) AS p (day, change)
        WHERE p.day BETWEEN first AND last
        UNION ALL
        SELECT 'adjust_factor', a.ex_date, 1 FROM ashare.adjust_factor a WHERE a.ex_date BETWEEN first AND last
    ) AS c
    GROUP BY 1, 2
    HAVING sum(c.bars) <> 0
$$;
COMMENT ON FUNCTION ashare.loaded_rows IS 'The number of rows that each dataset holds now, by partition, from the first to the last day; partitions without rows are left out.';
