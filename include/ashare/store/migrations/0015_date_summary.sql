-- What follows from the facts of each date, in one row: a reader that wants to know which of thousands of dates are
-- complete reads these rows, and works out anew only those whose facts or rows have changed since.

-- A session that folds by the old function would not touch the summaries.
SELECT pg_advisory_xact_lock(hashtextextended('ashare fold of row counts', 0));

CREATE TABLE ashare.date_summary (
    trade_date date PRIMARY KEY,
    complete   text[] NOT NULL,
    expected   integer,
    loaded     integer,
    suspended  integer,
    rejected   integer,
    is_counted boolean NOT NULL,
    is_closed  boolean NOT NULL,
    holds_bars boolean NOT NULL
);
COMMENT ON TABLE ashare.date_summary IS 'What follows from counted_partition and row_count of each date: readers learn at once which of thousands of dates are complete. A cache: the row of a date in row_count_change is not valid. The function date_summaries leaves such rows out.';
COMMENT ON COLUMN ashare.date_summary.trade_date IS 'Trade date, or ex-date of adjust factors.';
COMMENT ON COLUMN ashare.date_summary.complete IS 'The datasets that the date is complete for, sorted.';
COMMENT ON COLUMN ashare.date_summary.expected IS 'The sum of expected over the complete datasets of bars.';
COMMENT ON COLUMN ashare.date_summary.loaded IS 'The sum of rows over the complete datasets of bars.';
COMMENT ON COLUMN ashare.date_summary.suspended IS 'The sum of suspended over the complete datasets of bars.';
COMMENT ON COLUMN ashare.date_summary.rejected IS 'The sum of rejected over the complete datasets of bars.';
COMMENT ON COLUMN ashare.date_summary.is_counted IS 'Whether counted_partition has the date.';
COMMENT ON COLUMN ashare.date_summary.is_closed IS 'Whether the date was counted as closed, and has no row.';
COMMENT ON COLUMN ashare.date_summary.holds_bars IS 'Whether the date has bars of stocks or ETFs.';

CREATE FUNCTION ashare.summary_of(days date[])
RETURNS SETOF ashare.date_summary
LANGUAGE sql STABLE
AS $$
    SELECT p.partition, coalesce(array_agg(p.dataset ORDER BY p.dataset) FILTER (WHERE p.is_complete), '{}'),
           sum(p.expected) FILTER (WHERE p.is_complete AND p.is_bar)::integer,
           sum(p.loaded) FILTER (WHERE p.is_complete AND p.is_bar)::integer,
           sum(p.suspended) FILTER (WHERE p.is_complete AND p.is_bar)::integer,
           sum(p.rejected) FILTER (WHERE p.is_complete AND p.is_bar)::integer,
           bool_or(p.is_counted), bool_and(p.is_closed AND p.loaded = 0),
           bool_or(p.dataset IN ('stock_bar', 'etf_bar') AND p.loaded > 0)
    FROM (
        SELECT coalesce(c.dataset, l.dataset) AS dataset, coalesce(c.partition, l.partition) AS partition,
               coalesce(c.dataset, l.dataset) <> 'adjust_factor' AS is_bar, c.dataset IS NOT NULL AS is_counted,
               coalesce(c.is_closed, false) AS is_closed, coalesce(l.loaded, 0) AS loaded,
               c.expected, c.suspended, c.rejected, ashare.is_complete(c.counted, coalesce(l.loaded, 0)) AS is_complete
        FROM (SELECT f.*, f AS counted FROM ashare.counted_partition f WHERE f.partition = ANY (days)) AS c
        FULL JOIN (
            SELECT * FROM ashare.loaded_rows((SELECT min(day) FROM unnest(days) AS day),
                                             (SELECT max(day) FROM unnest(days) AS day))
            WHERE partition = ANY (days)
        ) AS l ON l.dataset = c.dataset AND l.partition = c.partition
        OFFSET 0  -- is_complete is worked out once a row, not once in each aggregate
    ) AS p
    GROUP BY p.partition
$$;
COMMENT ON FUNCTION ashare.summary_of IS 'The summaries of some dates, from counted_partition and the rows that are there now; dates without either are left out.';

CREATE FUNCTION ashare.date_summaries(first date, last date)
RETURNS SETOF ashare.date_summary
LANGUAGE sql STABLE
AS $$
    WITH changed AS MATERIALIZED (
        SELECT DISTINCT day FROM ashare.row_count_change c, unnest(c.partitions) AS day WHERE day BETWEEN first AND last
    )
    SELECT s.* FROM ashare.date_summary s
    WHERE s.trade_date BETWEEN first AND last AND s.trade_date NOT IN (SELECT day FROM changed)
    UNION ALL
    SELECT n.* FROM ashare.summary_of(ARRAY(SELECT day FROM changed)) n WHERE (SELECT count(*) > 0 FROM changed)
$$;
COMMENT ON FUNCTION ashare.date_summaries IS 'The summaries of a range of dates, as of now.';

-- It lacked is_closed, and read every partition.
DROP FUNCTION ashare.counted_dates;

CREATE FUNCTION ashare.counted_dates(datasets text[], first date, last date)
RETURNS TABLE (trade_date date, is_complete boolean, is_closed boolean, expected integer, loaded integer,
               suspended integer, rejected integer)
LANGUAGE sql STABLE
AS $$
    WITH asked AS MATERIALIZED (SELECT array_agg(name ORDER BY name) AS names FROM unnest(datasets) AS name)
    SELECT s.trade_date, s.is_complete, x.is_closed IS NOT NULL,
           CASE WHEN s.is_exact THEN s.expected ELSE o.expected END,
           CASE WHEN s.is_exact THEN s.loaded ELSE o.loaded END,
           CASE WHEN s.is_exact THEN s.suspended ELSE o.suspended END,
           CASE WHEN s.is_exact THEN s.rejected ELSE o.rejected END
    FROM (
        SELECT d.*,
               -- Mostly all of the datasets are complete. Else those do not count that Baostock does not have yet.
               d.complete = a.names
               OR d.complete @> ARRAY(SELECT name FROM unnest(datasets) AS name
                                      WHERE ashare.first_partition(name) <= d.trade_date) AS is_complete,
               -- A date may be complete for more than the given datasets: then the summary's figures are too high.
               d.complete = a.names OR d.complete <@ datasets AS is_exact
        FROM ashare.date_summaries(first, last) d CROSS JOIN asked a
        WHERE d.is_counted
        OFFSET 0
    ) AS s
    LEFT JOIN LATERAL (
        SELECT sum(c.expected)::integer AS expected, sum(c.loaded)::integer AS loaded,
               sum(c.suspended)::integer AS suspended, sum(c.rejected)::integer AS rejected
        FROM ashare.partition_coverage(s.trade_date, s.trade_date) c
        WHERE s.is_complete AND NOT s.is_exact
          AND c.dataset = ANY (datasets) AND c.dataset <> 'adjust_factor' AND c.is_complete
    ) AS o ON true
    LEFT JOIN LATERAL (
        SELECT true FROM ashare.trade_calendar k
        WHERE s.is_closed AND k.calendar_date = s.trade_date AND NOT k.is_trading_day
          AND NOT EXISTS (SELECT FROM ashare.work w WHERE w.partition = s.trade_date)
        LIMIT 1
    ) AS x (is_closed) ON true
$$;
COMMENT ON FUNCTION ashare.counted_dates IS 'The trade dates of a range that were counted, whether each is complete for all of the given datasets, as trade_date_state has it, and the figures of the complete ones. is_closed: trade_date_state says closed, too; it may say so of other dates.';

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
            DELETE FROM ashare.row_count_change RETURNING dataset, partitions, changes
        ), change AS (
            SELECT f.dataset, p.day, sum(p.change) AS rows
            FROM folded f, unnest(f.partitions, f.changes) AS p (day, change)
            GROUP BY 1, 2
        ), counted AS (
            INSERT INTO ashare.row_count AS c (dataset, partition, rows)
            SELECT * FROM change WHERE rows <> 0 ORDER BY dataset, day
            ON CONFLICT (dataset, partition) DO UPDATE SET rows = c.rows + excluded.rows
        )
        SELECT array_agg(DISTINCT day) INTO days FROM change;
        DELETE FROM ashare.date_summary WHERE trade_date = ANY (days);
        INSERT INTO ashare.date_summary SELECT * FROM ashare.summary_of(days);
    END IF;
END
$$;
COMMENT ON FUNCTION ashare.fold_row_count_changes IS 'Adds the changes to row_count, deletes them, and makes the summaries of their dates anew.';

CREATE OR REPLACE FUNCTION ashare.forget_row_counts()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE days date[];
BEGIN
    DELETE FROM ashare.row_count WHERE ashare.table_of(dataset) = TG_TABLE_NAME;
    WITH forgotten AS (
        DELETE FROM ashare.row_count_change WHERE ashare.table_of(dataset) = TG_TABLE_NAME RETURNING partitions
    )
    SELECT array_agg(day) INTO days
    FROM (SELECT trade_date FROM ashare.date_summary UNION SELECT unnest(partitions) FROM forgotten) AS known (day);
    INSERT INTO ashare.row_count_change (dataset, partitions, changes)
    SELECT 'stock_bar', array_agg(day), array_agg(0) FROM unnest(days) AS day HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION ashare.note_changed_facts()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- A change of no rows: the summaries of these dates are made anew.
    INSERT INTO ashare.row_count_change (dataset, partitions, changes)
    SELECT dataset, array_agg(partition), array_agg(0) FROM changed GROUP BY dataset;
    PERFORM ashare.fold_if_many();
    RETURN NULL;
END
$$;

CREATE TRIGGER note_inserted AFTER INSERT ON ashare.counted_partition
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.note_changed_facts();
CREATE TRIGGER note_updated AFTER UPDATE ON ashare.counted_partition
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.note_changed_facts();
CREATE TRIGGER note_deleted AFTER DELETE ON ashare.counted_partition
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.note_changed_facts();
CREATE TRIGGER forget_facts AFTER TRUNCATE ON ashare.counted_partition
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.forget_row_counts();

-- Who was allowed to read the counts of rows may read the summaries.
DO $$
DECLARE command text;
BEGIN
    FOR command IN
        SELECT format('GRANT SELECT ON ashare.date_summary TO %s',
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
        WHERE c.oid = 'ashare.row_count'::regclass AND g.privilege_type = 'SELECT'
    LOOP
        EXECUTE command;
    END LOOP;
END $$;

INSERT INTO ashare.date_summary
SELECT * FROM ashare.summary_of(ARRAY(
    SELECT partition FROM ashare.row_count UNION SELECT partition FROM ashare.counted_partition
    UNION SELECT unnest(partitions) FROM ashare.row_count_change));
ANALYZE ashare.date_summary;
