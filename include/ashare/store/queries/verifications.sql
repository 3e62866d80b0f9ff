-- name: record_bars
-- In the transaction that merges the answer's rows: what it has written carries its time. `rows` are those of the answer.
INSERT INTO ashare.verification (trade_date, dataset, compared, revised, inserted, lacking, run_id)
SELECT %(day)s, %(dataset)s, %(rows)s - (b.written - r.revised), r.revised, b.written - r.revised,
       greatest(b.loaded - %(rows)s, 0), %(run_id)s
FROM (SELECT count(*) AS loaded, count(*) FILTER (WHERE x.loaded_at = now()) AS written
      FROM ashare.daily_bar x LEFT JOIN ashare.security s USING (code)
      WHERE x.trade_date = %(day)s AND coalesce(s.kind, 'stock') = %(kind)s) AS b
CROSS JOIN (SELECT count(*) AS revised
            FROM ashare.bar_revision x LEFT JOIN ashare.security s USING (code)
            WHERE x.trade_date = %(day)s AND x.revised_at = now() AND coalesce(s.kind, 'stock') = %(kind)s) AS r

-- name: record_factors
-- Before the answer's factors are saved, in the same transaction. Baostock rebases fore factors at each later ex-date:
-- a change of them says nothing.
WITH compared AS (
    SELECT a.back_factor IS DISTINCT FROM i.back AS differs, a.code IS NOT NULL AS was, i.code IS NOT NULL AS is_now
    FROM (SELECT * FROM ashare.adjust_factor WHERE ex_date = %(day)s) AS a
    FULL JOIN unnest(%(codes)s::text[], %(back)s::numeric[]) AS i (code, back) USING (code)
)
INSERT INTO ashare.verification (trade_date, dataset, compared, revised, inserted, lacking, run_id)
SELECT %(day)s, 'adjust_factor', count(*) FILTER (WHERE was AND is_now),
       count(*) FILTER (WHERE was AND is_now AND differs), count(*) FILTER (WHERE NOT was),
       count(*) FILTER (WHERE NOT is_now), %(run_id)s
FROM compared

-- name: totals
-- By date, of the verifications since a moment. A date that was read twice is compared once.
SELECT trade_date, coalesce(sum(compared) FILTER (WHERE is_bar), 0)::integer AS compared,
       coalesce(sum(revised) FILTER (WHERE is_bar), 0)::integer AS revised,
       coalesce(sum(inserted) FILTER (WHERE is_bar), 0)::integer AS inserted,
       coalesce(sum(lacking) FILTER (WHERE is_bar), 0)::integer AS lacking,
       coalesce(sum(revised + inserted) FILTER (WHERE NOT is_bar), 0)::integer AS factors
FROM (SELECT trade_date, dataset <> 'adjust_factor' AS is_bar, max(compared) AS compared, sum(revised) AS revised,
             sum(inserted) AS inserted, max(lacking) AS lacking
      FROM ashare.verification
      WHERE trade_date = ANY (%(days)s::date[]) AND verified_at >= %(since)s
      GROUP BY trade_date, dataset) AS each
GROUP BY trade_date
HAVING bool_or(is_bar)
ORDER BY trade_date

-- name: of_range
SELECT trade_date, dataset, verified_at, compared, revised, inserted, lacking, run_id FROM ashare.verification
WHERE trade_date BETWEEN %(start)s AND %(end)s
ORDER BY trade_date DESC, verified_at DESC, dataset LIMIT %(most)s

-- name: waiting
-- The earliest of some dates whose reading again waits, and for what.
SELECT trade_date, error FROM ashare.batch
WHERE trade_date = ANY (%(days)s::date[]) AND again = ARRAY[trade_date] AND status = 'pending' AND error IS NOT NULL
ORDER BY trade_date LIMIT 1
