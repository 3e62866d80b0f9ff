-- name: following
-- The Monday of the next snapshot: up to there a list holds. NULL: it is the newest.
SELECT min(as_of) FROM ashare.snapshot WHERE dataset = %(dataset)s AND as_of > %(as_of)s

-- name: end_spans
-- Takes the week, up to the next snapshot, out of the spans that the list does not have, or has with another value.
WITH listed AS (
    SELECT * FROM unnest({given}) AS x ({key}, value)
), ended AS (
    DELETE FROM {table} t
    WHERE t.start_date <= %(as_of)s AND (t.end_date IS NULL OR t.end_date > %(as_of)s)
      AND NOT EXISTS (SELECT FROM listed l WHERE {key_of_l} = {key_of_t} AND {value_of_t} IS NOT DISTINCT FROM l.value)
    RETURNING *
)
INSERT INTO {table} ({columns}, start_date, end_date)
SELECT {columns}, start_date, %(as_of)s::date FROM ended WHERE start_date < %(as_of)s
UNION ALL
SELECT {columns}, %(following)s::date, end_date FROM ended
WHERE end_date > %(following)s::date OR end_date IS NULL AND %(following)s::date IS NOT NULL

-- name: begin_spans
-- Adds spans for what the list has and no span covers, and joins them with equal spans before and after.
WITH listed AS (
    SELECT * FROM unnest({given}) AS x ({key}, value)
), begun AS (
    SELECT * FROM listed l
    WHERE NOT EXISTS (SELECT FROM {table} t WHERE {key_of_l} = {key_of_t} AND t.start_date <= %(as_of)s
                      AND (t.end_date IS NULL OR t.end_date > %(as_of)s))
), touching AS (
    DELETE FROM {table} t USING begun l
    WHERE {key_of_l} = {key_of_t} AND {value_of_t} IS NOT DISTINCT FROM l.value
      AND (t.end_date = %(as_of)s OR t.start_date = %(following)s::date)
    RETURNING t.*
)
INSERT INTO {table} ({columns}, start_date, end_date)
SELECT {begun_columns}, coalesce(before.start_date, %(as_of)s),
       CASE WHEN after.start_date IS NULL THEN %(following)s::date ELSE after.end_date END
FROM begun l
LEFT JOIN touching before ON {key_of_before} = {key_of_l} AND before.end_date = %(as_of)s
LEFT JOIN touching after ON {key_of_after} = {key_of_l} AND after.start_date = %(following)s::date

-- name: count
INSERT INTO ashare.snapshot AS s (dataset, as_of, rows, update_date, run_id)
SELECT %(dataset)s, %(as_of)s, count(*), %(update_date)s, %(run_id)s
FROM {table} t WHERE t.start_date <= %(as_of)s AND (t.end_date IS NULL OR t.end_date > %(as_of)s)
ON CONFLICT (dataset, as_of) DO UPDATE
SET rows = excluded.rows, update_date = excluded.update_date, fetched_at = clock_timestamp(), run_id = excluded.run_id
RETURNING rows

-- name: nearest
-- The nearest other snapshot of a dataset that is not further away than some days.
SELECT as_of FROM ashare.snapshot
WHERE dataset = %(dataset)s AND as_of <> %(as_of)s
  AND as_of BETWEEN %(as_of)s::date - %(days)s::integer AND %(as_of)s::date + %(days)s::integer
ORDER BY abs(as_of - %(as_of)s::date) LIMIT 1

-- name: list
SELECT {columns} FROM {table}
WHERE start_date <= %(as_of)s AND (end_date IS NULL OR end_date > %(as_of)s)

-- name: listed_stocks
-- The stocks that were listed on a day, by the list of securities, as of today.
SELECT code FROM ashare.security
WHERE kind = 'stock' AND code NOT LIKE 'bj.%%' AND ipo_date <= %(day)s
  AND (least(out_date, gone_from) IS NULL OR least(out_date, gone_from) > %(day)s)

-- name: stocks_until
-- How many stocks were ever listed up to each of some days: the list of industries keeps the delisted ones.
SELECT d.day, (SELECT count(*) FROM ashare.security s
               WHERE s.kind = 'stock' AND s.code NOT LIKE 'bj.%%' AND s.ipo_date <= d.day)::integer
FROM unnest(%(days)s::date[]) AS d (day)

-- name: states
SELECT dataset, partition, state, expected, loaded, missing, problem, note, error, waits_for, run_id, counted_at
FROM ashare.week_state(%(datasets)s, %(first)s, %(last)s, %(newest)s, %(running)s)
ORDER BY partition, dataset
