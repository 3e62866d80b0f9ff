-- name: rows_of_dates
-- As loaded_rows, without its sums of every partition: few partitions have changed since the last fold.
SELECT dataset, sum(loaded)::bigint, min(partition), max(partition)
FROM (
    SELECT dataset, partition, coalesce(c.rows, 0) + coalesce(u.rows, 0) AS loaded
    FROM ashare.row_count c FULL JOIN ashare.unfolded_rows u USING (dataset, partition)
) AS held
WHERE loaded <> 0 AND dataset = ANY (%(datasets)s) GROUP BY dataset

-- name: complete_dates
-- A few rows a year instead of a row for each date and dataset.
SELECT name, coalesce(sum(cardinality(y.days)), 0)::integer
FROM unnest(%(datasets)s::text[]) AS name
LEFT JOIN ashare.year_summaries('-infinity', 'infinity') y ON name = ANY (y.complete)
GROUP BY name

-- name: other_dates
-- Of some dates, those that are accepted as they are, and those that are not complete and should be.
SELECT dataset, count(*) FILTER (WHERE state = 'accepted'),
       count(*) FILTER (WHERE state IN ('missing', 'partial', 'failed', 'running', 'waiting'))
FROM ashare.partition_state(%(datasets)s, %(start)s, %(end)s, %(since)s, %(newest)s, %(running)s, %(days)s)
GROUP BY dataset

-- name: weeks
SELECT dataset, count(*) FILTER (WHERE loaded >= rows), min(as_of), max(as_of) FROM ashare.snapshot GROUP BY dataset

-- name: count
SELECT count(*) FROM {table}

-- name: calendar_range
SELECT min(calendar_date), max(calendar_date) FROM ashare.trade_calendar

-- name: read_at
SELECT 'trade_calendar', max(fetched_at) FROM ashare.trade_calendar
UNION ALL SELECT 'security', max(updated_at) FROM ashare.security

-- name: tables
WITH RECURSIVE part (dataset, name, oid) AS (
    SELECT own, ashare.table_of(own), c.oid
    FROM unnest(%(datasets)s::text[]) AS own
    JOIN pg_class c ON c.relname = ashare.table_of(own) AND c.relnamespace = 'ashare'::regnamespace
    UNION ALL
    SELECT p.dataset, p.name, i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid
)
SELECT dataset, name, sum(pg_total_relation_size(oid))::bigint FROM part GROUP BY dataset, name

-- name: last_runs
-- The run that worked last on each dataset, and when.
WITH newest AS (
    SELECT dataset, max(at) AS at FROM (
        SELECT dataset, max(counted_at) FROM ashare.counted_partition WHERE run_id <> '' GROUP BY 1
        UNION ALL SELECT dataset, max(fetched_at) FROM ashare.snapshot WHERE run_id <> '' GROUP BY 1
        UNION ALL SELECT dataset, max(coalesce(ended_at, started_at)) FROM ashare.work GROUP BY 1
    ) AS act (dataset, at)
    GROUP BY 1
)
SELECT n.dataset, r.run_id, n.at, EXISTS (SELECT FROM ashare.history_run h WHERE h.run_id = r.run_id)
FROM newest n CROSS JOIN LATERAL (
    SELECT c.run_id FROM ashare.counted_partition c
    WHERE c.dataset = n.dataset AND c.counted_at = n.at AND c.run_id <> ''
    UNION ALL SELECT s.run_id FROM ashare.snapshot s
    WHERE s.dataset = n.dataset AND s.fetched_at = n.at AND s.run_id <> ''
    UNION ALL SELECT w.run_id FROM ashare.work w
    WHERE w.dataset = n.dataset AND coalesce(w.ended_at, w.started_at) = n.at
    LIMIT 1
) AS r
WHERE n.at > '-infinity'
