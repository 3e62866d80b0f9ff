-- What the page reads of all years, in rows that do not grow with the years: the dates of a year that are alike are one
-- row, and each weekly list knows how many rows of the spans cover it.

-- A session that folds by the old function would not touch the summaries of years.
SELECT pg_advisory_xact_lock(hashtextextended('ashare fold of row counts', 0));

-- Writers of the calendar and of the lists are kept out from here on: the triggers come below.
LOCK TABLE ashare.trade_calendar, ashare.index_member, ashare.industry, ashare.security_name IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE ashare.snapshot, ashare.date_summary IN ACCESS EXCLUSIVE MODE;

ALTER TABLE ashare.date_summary ADD COLUMN is_session boolean NOT NULL DEFAULT false;
ALTER TABLE ashare.date_summary ALTER COLUMN is_session DROP DEFAULT;
COMMENT ON TABLE ashare.date_summary IS 'What follows from counted_partition, row_count and trade_calendar of each date: readers learn at once which of thousands of dates are complete. A cache: the row of a date in row_count_change is not valid. The function date_summaries leaves such rows out.';
COMMENT ON COLUMN ashare.date_summary.is_closed IS 'Whether the date was counted as closed, has no row, and is no session by the calendar.';
COMMENT ON COLUMN ashare.date_summary.is_session IS 'Whether the date is a session by the calendar.';

CREATE TABLE ashare.year_summary (
    year       integer NOT NULL,
    complete   text[] NOT NULL,
    is_counted boolean NOT NULL,
    is_closed  boolean NOT NULL,
    is_session boolean NOT NULL,
    holds_bars boolean NOT NULL,
    days       date[] NOT NULL,
    PRIMARY KEY (year, complete, is_counted, is_closed, is_session, holds_bars)
);
COMMENT ON TABLE ashare.year_summary IS 'The rows of date_summary, those of a year that are alike in one row: whoever counts dates reads a few rows a year. A cache: the rows of a year with a date in row_count_change are not valid. The function year_summaries leaves such rows out.';
COMMENT ON COLUMN ashare.year_summary.year IS 'The year of the dates.';
COMMENT ON COLUMN ashare.year_summary.complete IS 'As in date_summary.';
COMMENT ON COLUMN ashare.year_summary.is_counted IS 'As in date_summary.';
COMMENT ON COLUMN ashare.year_summary.is_closed IS 'As in date_summary.';
COMMENT ON COLUMN ashare.year_summary.is_session IS 'As in date_summary.';
COMMENT ON COLUMN ashare.year_summary.holds_bars IS 'As in date_summary.';
COMMENT ON COLUMN ashare.year_summary.days IS 'The dates, oldest first; never empty.';

CREATE OR REPLACE FUNCTION ashare.summary_of(days date[])
RETURNS SETOF ashare.date_summary
LANGUAGE sql STABLE
AS $$
    SELECT p.partition, coalesce(array_agg(p.dataset ORDER BY p.dataset) FILTER (WHERE p.is_complete), '{}'),
           sum(p.expected) FILTER (WHERE p.is_complete AND p.is_bar)::integer,
           sum(p.loaded) FILTER (WHERE p.is_complete AND p.is_bar)::integer,
           sum(p.suspended) FILTER (WHERE p.is_complete AND p.is_bar)::integer,
           sum(p.rejected) FILTER (WHERE p.is_complete AND p.is_bar)::integer,
           bool_or(p.is_counted),
           bool_and(p.is_closed AND p.loaded = 0)
           AND EXISTS (SELECT FROM ashare.trade_calendar k WHERE k.calendar_date = p.partition AND NOT k.is_trading_day),
           bool_or(p.dataset IN ('stock_bar', 'etf_bar') AND p.loaded > 0),
           bool_or(p.is_session)
    FROM (
        SELECT coalesce(c.dataset, l.dataset) AS dataset, coalesce(c.partition, l.partition) AS partition,
               coalesce(c.dataset, l.dataset) <> 'adjust_factor' AS is_bar, c.dataset IS NOT NULL AS is_counted,
               coalesce(c.is_closed, false) AS is_closed, false AS is_session, coalesce(l.loaded, 0) AS loaded,
               c.expected, c.suspended, c.rejected, ashare.is_complete(c.counted, coalesce(l.loaded, 0)) AS is_complete
        FROM (SELECT f.*, f AS counted FROM ashare.counted_partition f WHERE f.partition = ANY (days)) AS c
        FULL JOIN (
            SELECT * FROM ashare.loaded_rows((SELECT min(day) FROM unnest(days) AS day),
                                             (SELECT max(day) FROM unnest(days) AS day))
            WHERE partition = ANY (days)
        ) AS l ON l.dataset = c.dataset AND l.partition = c.partition
        UNION ALL
        SELECT NULL, k.calendar_date, false, false, false, true, 0, NULL, NULL, NULL, false
        FROM ashare.trade_calendar k WHERE k.is_trading_day AND k.calendar_date = ANY (days)
        OFFSET 0  -- is_complete is worked out once a row, not once in each aggregate
    ) AS p
    GROUP BY p.partition
$$;
COMMENT ON FUNCTION ashare.summary_of IS 'The summaries of some dates, from counted_partition, the rows that are there now and the calendar; dates that are no sessions and have neither a count nor a row are left out.';

CREATE FUNCTION ashare.year_summaries(first date, last date)
RETURNS SETOF ashare.year_summary
LANGUAGE sql STABLE
AS $$
    WITH changed AS MATERIALIZED (
        SELECT DISTINCT extract(year FROM day)::integer AS year
        FROM ashare.row_count_change c, unnest(c.partitions) AS day WHERE day BETWEEN first AND last
    )
    SELECT s.year, s.complete, s.is_counted, s.is_closed, s.is_session, s.holds_bars,
           CASE WHEN first <= s.days[1] AND s.days[cardinality(s.days)] <= last THEN s.days
                ELSE ARRAY(SELECT day FROM unnest(s.days) AS day WHERE day BETWEEN first AND last ORDER BY day) END
    FROM ashare.year_summary s
    WHERE s.days[1] <= last AND s.days[cardinality(s.days)] >= first AND s.year NOT IN (SELECT year FROM changed)
    UNION ALL
    SELECT y.year, d.complete, d.is_counted, d.is_closed, d.is_session, d.holds_bars,
           array_agg(d.trade_date ORDER BY d.trade_date)
    FROM changed y
    CROSS JOIN LATERAL ashare.date_summaries(greatest(first, make_date(y.year, 1, 1)),
                                             least(last, make_date(y.year, 12, 31))) d
    GROUP BY 1, 2, 3, 4, 5, 6
$$;
COMMENT ON FUNCTION ashare.year_summaries IS 'The summaries of the years of a range, as of now, with the dates of the range alone; of a year without such dates, days may be empty.';

CREATE FUNCTION ashare.dates_at_sight(datasets text[], first date, last date)
RETURNS TABLE (year integer, state text, days date[])
LANGUAGE sql STABLE
AS $$
    WITH worked AS MATERIALIZED (
        SELECT coalesce(array_agg(DISTINCT w.partition), '{}') AS days FROM ashare.work w
        WHERE w.partition BETWEEN first AND last
    )
    SELECT s.year, s.state,
           -- A closed date on which a run works may be running or failed.
           CASE WHEN s.state = 'closed' AND s.days && w.days THEN ARRAY(
                    SELECT day FROM unnest(s.days) AS day WHERE day <> ALL (w.days) ORDER BY day)
                ELSE s.days END
    FROM (
        SELECT y.year, y.days,
               -- A dataset that begins within the year is asked of all these dates: those before are derived one by one.
               CASE WHEN y.is_counted AND (
                        y.complete @> datasets
                        OR y.complete @> ARRAY(SELECT name FROM unnest(datasets) AS name
                                               WHERE ashare.first_partition(name) <= y.days[cardinality(y.days)]))
                    THEN 'complete'
                    WHEN y.is_closed THEN 'closed'
                    WHEN y.is_counted OR y.holds_bars THEN 'recorded'
                    WHEN y.is_session THEN 'session' END AS state
        FROM ashare.year_summaries(first, last) y WHERE y.days <> '{}'
        OFFSET 0
    ) AS s CROSS JOIN worked w
    WHERE s.state IS NOT NULL
$$;
COMMENT ON FUNCTION ashare.dates_at_sight IS 'The dates of a range by what is known of them without deriving their states, a few rows a year: complete (for all of the given datasets) and closed, as trade_date_state has them, though it may say so of others, too; recorded: counted or with bars, and neither of these; session: by the calendar alone. Without what is known of a date by its work alone, and without closed dates that a run works on.';

CREATE OR REPLACE FUNCTION ashare.counted_dates(datasets text[], first date, last date)
RETURNS TABLE (trade_date date, is_complete boolean, is_closed boolean, expected integer, loaded integer,
               suspended integer, rejected integer)
LANGUAGE sql STABLE
AS $$
    WITH asked AS MATERIALIZED (
        SELECT array_agg(name ORDER BY name) AS names FROM unnest(datasets) AS name
    ), summary AS MATERIALIZED (
        SELECT d.trade_date, d.expected, d.loaded, d.suspended, d.rejected,
               -- Mostly all of the datasets are complete. Else those do not count that Baostock does not have yet.
               d.is_same OR d.complete @> ARRAY(SELECT name FROM unnest(datasets) AS name
                                                WHERE ashare.first_partition(name) <= d.trade_date) AS is_complete,
               d.is_closed AND NOT EXISTS (SELECT FROM ashare.work w WHERE w.partition = d.trade_date) AS is_closed,
               -- A date may be complete for more than the given datasets: then the summary's figures are too high.
               d.is_same OR d.complete <@ datasets AS is_exact
        FROM (SELECT x.*, x.complete = a.names AS is_same
              FROM ashare.date_summaries(first, last) x CROSS JOIN asked a WHERE x.is_counted OFFSET 0) AS d
    )
    SELECT s.trade_date, s.is_complete, s.is_closed,
           CASE WHEN s.is_exact THEN s.expected END, CASE WHEN s.is_exact THEN s.loaded END,
           CASE WHEN s.is_exact THEN s.suspended END, CASE WHEN s.is_exact THEN s.rejected END
    FROM summary s WHERE s.is_exact OR NOT s.is_complete
    UNION ALL
    SELECT s.trade_date, true, false, o.expected, o.loaded, o.suspended, o.rejected
    FROM summary s
    CROSS JOIN LATERAL (
        SELECT sum(c.expected)::integer AS expected, sum(c.loaded)::integer AS loaded,
               sum(c.suspended)::integer AS suspended, sum(c.rejected)::integer AS rejected
        FROM ashare.partition_coverage(s.trade_date, s.trade_date) c
        WHERE c.dataset = ANY (datasets) AND c.dataset <> 'adjust_factor' AND c.is_complete
    ) AS o
    WHERE s.is_complete AND NOT s.is_exact
$$;

CREATE OR REPLACE FUNCTION ashare.fold_row_count_changes()
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    days date[];
    years integer[];
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
        SELECT array_agg(DISTINCT day), array_agg(DISTINCT extract(year FROM day)::integer) INTO days, years FROM change;
        DELETE FROM ashare.date_summary WHERE trade_date = ANY (days);
        INSERT INTO ashare.date_summary SELECT * FROM ashare.summary_of(days);
        DELETE FROM ashare.year_summary WHERE year = ANY (years);
        INSERT INTO ashare.year_summary SELECT * FROM ashare.summary_of_years(years);
    END IF;
END
$$;
COMMENT ON FUNCTION ashare.fold_row_count_changes IS 'Adds the changes to row_count, deletes them, and makes the summaries of their dates and years anew.';

CREATE FUNCTION ashare.summary_of_years(years integer[])
RETURNS SETOF ashare.year_summary
LANGUAGE sql STABLE
AS $$
    SELECT y.year, d.complete, d.is_counted, d.is_closed, d.is_session, d.holds_bars,
           array_agg(d.trade_date ORDER BY d.trade_date)
    FROM unnest(years) AS y (year)
    JOIN ashare.date_summary d ON d.trade_date BETWEEN make_date(y.year, 1, 1) AND make_date(y.year, 12, 31)
    GROUP BY 1, 2, 3, 4, 5, 6
$$;
COMMENT ON FUNCTION ashare.summary_of_years IS 'The summaries of some years, from date_summary.';

CREATE FUNCTION ashare.note_changed_calendar()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- A change of no rows: the summaries of these dates are made anew.
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO ashare.row_count_change (dataset, partitions, changes, salt)
        SELECT 'trade_calendar', array_agg(calendar_date), array_agg(0), 0
        FROM old_rows o FULL JOIN new_rows n USING (calendar_date)
        WHERE o.is_trading_day IS DISTINCT FROM n.is_trading_day
        HAVING count(*) > 0;
    ELSIF TG_OP = 'TRUNCATE' THEN
        INSERT INTO ashare.row_count_change (dataset, partitions, changes, salt)
        SELECT 'trade_calendar', array_agg(trade_date), array_agg(0), 0 FROM ashare.date_summary HAVING count(*) > 0;
    ELSE
        INSERT INTO ashare.row_count_change (dataset, partitions, changes, salt)
        SELECT 'trade_calendar', array_agg(calendar_date), array_agg(0), 0 FROM changed HAVING count(*) > 0;
    END IF;
    PERFORM ashare.fold_if_many();
    RETURN NULL;
END
$$;

CREATE TRIGGER note_inserted AFTER INSERT ON ashare.trade_calendar
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.note_changed_calendar();
CREATE TRIGGER note_deleted AFTER DELETE ON ashare.trade_calendar
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION ashare.note_changed_calendar();
CREATE TRIGGER note_updated AFTER UPDATE ON ashare.trade_calendar
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.note_changed_calendar();
CREATE TRIGGER note_truncated AFTER TRUNCATE ON ashare.trade_calendar
    FOR EACH STATEMENT EXECUTE FUNCTION ashare.note_changed_calendar();

UPDATE ashare.date_summary d SET is_session = true, is_closed = false
FROM ashare.trade_calendar k WHERE k.calendar_date = d.trade_date AND k.is_trading_day;
UPDATE ashare.date_summary d SET is_closed = false
WHERE d.is_closed AND NOT EXISTS (SELECT FROM ashare.trade_calendar k WHERE k.calendar_date = d.trade_date);
INSERT INTO ashare.date_summary
SELECT * FROM ashare.summary_of(ARRAY(
    SELECT calendar_date FROM ashare.trade_calendar k WHERE is_trading_day
    AND NOT EXISTS (SELECT FROM ashare.date_summary d WHERE d.trade_date = k.calendar_date)));
INSERT INTO ashare.year_summary
SELECT * FROM ashare.summary_of_years(ARRAY(
    SELECT DISTINCT extract(year FROM trade_date)::integer FROM ashare.date_summary));
ANALYZE ashare.date_summary;
ANALYZE ashare.year_summary;

-- What a date costs is told by the last ones that were counted.
CREATE INDEX counted_partition_last ON ashare.counted_partition (counted_at DESC NULLS LAST)
    WHERE dataset = 'stock_bar' AND missing = 0 AND problem IS NULL;

-- How many rows of the spans cover each weekly list. Whoever writes spans or snapshots does so one after another: each
-- counts what the other has committed.
ALTER TABLE ashare.snapshot ADD COLUMN loaded integer;
UPDATE ashare.snapshot s SET loaded = r.loaded
FROM ashare.snapshot_rows('-infinity', 'infinity') r WHERE r.dataset = s.dataset AND r.as_of = s.as_of;
ALTER TABLE ashare.snapshot ALTER COLUMN loaded SET NOT NULL;
CREATE INDEX snapshot_gone ON ashare.snapshot (dataset, as_of) WHERE loaded < rows;
COMMENT ON TABLE ashare.snapshot IS 'Facts: the weekly lists that were loaded, how many rows each of them had, and how many rows of the spans cover it now.';
COMMENT ON COLUMN ashare.snapshot.loaded IS 'Rows of the spans that cover the week now. Triggers write it, whatever is given.';

CREATE FUNCTION ashare.lock_lists()
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE 'Write the weekly lists in the isolation level READ COMMITTED: their rows are counted as of now.';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('ashare rows of weekly lists', 0));
END
$$;
COMMENT ON FUNCTION ashare.lock_lists IS 'Keeps other writers of the weekly lists out, up to the end of the transaction.';

CREATE FUNCTION ashare.count_list()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM ashare.lock_lists();
    EXECUTE format('SELECT count(*) FROM ashare.%I WHERE start_date <= $1 AND (end_date IS NULL OR end_date > $1)', NEW.dataset)
        INTO NEW.loaded USING NEW.as_of;
    RETURN NEW;
END
$$;
CREATE TRIGGER count_list BEFORE INSERT OR UPDATE OF dataset, as_of ON ashare.snapshot
    FOR EACH ROW EXECUTE FUNCTION ashare.count_list();

CREATE FUNCTION ashare.count_spans(of_dataset text, starts date[], ends date[], sign integer)
RETURNS void
LANGUAGE sql
AS $$
    -- Joining each snapshot with the spans that cover it would take millions of pairs. So the starts and ends of spans are
    -- summed up in the order of their dates.
    UPDATE ashare.snapshot s SET loaded = s.loaded + m.rows
    FROM (
        SELECT x.at, x.is_snapshot, sum(x.rows) OVER (ORDER BY x.at) AS rows
        FROM (
            SELECT at, sign, false FROM unnest(starts) AS at
            UNION ALL SELECT at, -sign, false FROM unnest(ends) AS at WHERE at IS NOT NULL
            UNION ALL SELECT as_of, 0, true FROM ashare.snapshot
                      WHERE dataset = of_dataset AND as_of >= (SELECT min(at) FROM unnest(starts) AS at)
        ) AS x (at, rows, is_snapshot)
    ) AS m
    WHERE m.is_snapshot AND m.rows <> 0 AND s.dataset = of_dataset AND s.as_of = m.at
$$;
COMMENT ON FUNCTION ashare.count_spans IS 'Adds (sign 1) or subtracts (sign -1) some spans of a weekly dataset to what its snapshots hold.';

CREATE FUNCTION ashare.count_changed_spans()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM ashare.lock_lists();
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE ashare.snapshot SET loaded = 0 WHERE dataset = TG_TABLE_NAME;
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        PERFORM ashare.count_spans(TG_TABLE_NAME, array_agg(start_date), array_agg(end_date), -1) FROM removed;
    END IF;
    IF TG_OP IN ('UPDATE', 'INSERT') THEN
        PERFORM ashare.count_spans(TG_TABLE_NAME, array_agg(start_date), array_agg(end_date), 1) FROM added;
    END IF;
    RETURN NULL;
END
$$;
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY '{index_member,industry,security_name}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER count_inserted AFTER INSERT ON ashare.%I REFERENCING NEW TABLE AS added '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_changed_spans()', name);
        EXECUTE format('CREATE TRIGGER count_deleted AFTER DELETE ON ashare.%I REFERENCING OLD TABLE AS removed '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_changed_spans()', name);
        EXECUTE format('CREATE TRIGGER count_updated AFTER UPDATE ON ashare.%I REFERENCING OLD TABLE AS removed '
                       'NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_changed_spans()', name);
        EXECUTE format('CREATE TRIGGER count_truncated AFTER TRUNCATE ON ashare.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ashare.count_changed_spans()', name);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION ashare.week_coverage(first date, last date)
RETURNS TABLE (dataset text, partition date, expected integer, loaded integer, absent integer, rejected integer,
               suspended integer, missing integer, is_complete boolean, problem text, note text,
               counted_at timestamptz, verified_at timestamptz, run_id text)
LANGUAGE sql STABLE
AS $$
    SELECT s.dataset, s.as_of, s.rows, s.loaded, 0, 0, NULL::integer, greatest(s.rows - s.loaded, 0),
           s.loaded >= s.rows,
           CASE WHEN s.loaded < s.rows
                THEN s.rows - s.loaded || ' rows that were counted are gone: run the week again.' END,
           CASE WHEN s.update_date < s.as_of
                THEN 'A holiday: it is Baostock''s list of ' || to_char(s.update_date, 'YYYY-MM-DD') || '.' END,
           s.fetched_at, s.fetched_at, s.run_id
    FROM ashare.snapshot s WHERE s.as_of BETWEEN first AND last
$$;
DROP FUNCTION ashare.snapshot_rows;

DROP FUNCTION ashare.week_state;
CREATE FUNCTION ashare.week_state(datasets text[], first date, last date, newest date, running text[],
                                  only_weeks date[] DEFAULT NULL)
RETURNS TABLE (dataset text, partition date, state text, expected integer, loaded integer, missing integer,
               problem text, note text, error text, waits_for text, run_id text, counted_at timestamptz)
LANGUAGE sql STABLE
AS $$
    WITH own AS MATERIALIZED (
        SELECT name,
               -- On the holidays before its first session, Baostock cannot have loaded a dataset's first list.
               coalesce((SELECT min(c.calendar_date) FROM ashare.trade_calendar c
                         WHERE c.calendar_date >= ashare.first_partition(name) AND c.is_trading_day
                           AND extract(isodow FROM c.calendar_date) = 1
                           AND c.calendar_date < ashare.first_partition(name) + 28),
                        ashare.first_partition(name)) AS begin,
               (SELECT min(s.as_of) FROM ashare.snapshot s WHERE s.dataset = name) AS since
        FROM unnest(datasets) AS name
    ), week AS (
        SELECT o.name, w.at, o.begin, o.since
        FROM own o
        CROSS JOIN unnest(coalesce(only_weeks, ARRAY(
            SELECT at::date FROM generate_series(date_trunc('week', first + interval '6 days'), last, interval '7 days') AS at
        ))) AS w (at)
    ), work AS (
        SELECT k.dataset, k.partition,
               bool_or(k.ended_at IS NULL AND (running IS NULL OR k.run_id = ANY (running)
                                               OR k.started_at > statement_timestamp() - interval '1 minute')) AS is_alive,
               bool_or(k.ended_at IS NULL) AS is_open,
               (array_agg(k.waits_for ORDER BY k.waits_for IS NULL, k.started_at DESC)
                FILTER (WHERE k.ended_at IS NULL))[1] AS waits_for,
               (array_agg(k.error ORDER BY k.ended_at DESC) FILTER (WHERE k.ended_at IS NOT NULL))[1] AS error,
               (array_agg(k.run_id ORDER BY k.started_at DESC))[1] AS run_id
        FROM ashare.work k WHERE k.partition BETWEEN first AND last AND k.dataset = ANY (datasets) GROUP BY 1, 2
    )
    SELECT w.name, w.at,
           CASE WHEN c.is_complete THEN 'complete'
                WHEN k.is_alive THEN CASE WHEN k.waits_for IS NOT NULL THEN 'waiting' ELSE 'running' END
                WHEN c.dataset IS NOT NULL THEN 'partial'
                WHEN w.at < w.begin THEN 'none'
                WHEN k.dataset IS NOT NULL THEN 'failed'
                WHEN w.at > newest THEN 'unpublished'
                WHEN w.since IS NULL OR w.at < w.since THEN 'before'
                ELSE 'missing' END,
           c.expected, coalesce(c.loaded, 0), c.missing, c.problem, c.note,
           CASE WHEN k.is_open AND NOT k.is_alive
                THEN concat_ws(' ', 'Its run has ended without a record: run the week again.', 'It waited: ' || k.waits_for)
                ELSE k.error END,
           k.waits_for, coalesce(k.run_id, c.run_id), c.counted_at
    FROM week w
    LEFT JOIN ashare.week_coverage(first, last) c ON c.dataset = w.name AND c.partition = w.at
        AND (only_weeks IS NULL OR c.partition = ANY (only_weeks))
    LEFT JOIN work k ON k.dataset = w.name AND k.partition = w.at
$$;
COMMENT ON FUNCTION ashare.week_state IS 'The state of each week of the given weekly datasets, from the first to the last day: complete, partial (rows are gone since the count), missing, failed, running, waiting, unpublished (after the newest week), before (the dataset''s first snapshot), none (Baostock has no such list). only_weeks: of the range, these Mondays alone. `running` are the Airflow runs that are under way; NULL: not known, every work without an end goes on.';

-- Who was allowed to read the summaries of dates may read those of years.
DO $$
DECLARE command text;
BEGIN
    FOR command IN
        SELECT format('GRANT SELECT ON ashare.year_summary TO %s',
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
        WHERE c.oid = 'ashare.date_summary'::regclass AND g.privilege_type = 'SELECT'
    LOOP
        EXECUTE command;
    END LOOP;
END $$;
