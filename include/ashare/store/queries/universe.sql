-- name: known_kinds
SELECT code, kind FROM ashare.security

-- name: listed_codes_beside
-- Known securities that are listed today, but are not in this list.
SELECT code FROM ashare.security
WHERE kind IN ('stock', 'index', 'etf') AND code NOT LIKE 'bj.%%' AND gone_from IS NULL
  AND (out_date IS NULL OR out_date > %(today)s) AND NOT code = ANY (%(codes)s::text[])

-- name: count_missed_lists
-- Counts the lists in a row that lack a code; a list that has the code resets the count. At two, the code is gone.
UPDATE ashare.security s
SET missed_lists = m.missed,
    gone_from = CASE WHEN m.missed = 2 THEN coalesce(
        (SELECT max(b.trade_date) FROM ashare.daily_bar b WHERE b.code = s.code),
        (s.updated_at AT TIME ZONE 'Asia/Shanghai')::date) + 1 END
FROM (SELECT code, CASE WHEN NOT code = ANY (%(codes)s::text[]) THEN missed_lists + 1 ELSE 0 END AS missed
      FROM ashare.security) AS m
WHERE m.code = s.code AND m.missed <= 2 AND m.missed <> s.missed_lists

-- name: supersede_rejected
-- The rejected rows of a stock, of a day, or of the whole dataset, that was just read again.
UPDATE ashare.rejected_row SET superseded_at = now()
WHERE dataset = %(dataset)s AND superseded_at IS NULL
  AND (code = %(code)s OR day = %(day)s OR %(code)s::text IS NULL AND %(day)s::date IS NULL)

-- name: save
INSERT INTO ashare.security (code, name, kind, ipo_date, out_date)
SELECT * FROM unnest(%(codes)s::text[], %(names)s::text[], %(kinds)s::text[],
                     %(ipo_dates)s::date[], %(out_dates)s::date[])
ON CONFLICT (code) DO UPDATE
SET name = excluded.name, kind = excluded.kind, ipo_date = excluded.ipo_date, out_date = excluded.out_date,
    updated_at = now()

-- name: record_unlisted_indices
-- An index that was noticed before keeps its trade date. An index that the list does not lack any more is deleted.
WITH unlisted AS (
    SELECT i.code FROM unnest(%(indices)s::text[]) AS i (code)
    WHERE NOT EXISTS (SELECT FROM ashare.security s WHERE s.code = i.code AND s.kind = 'index')
      AND EXISTS (SELECT FROM ashare.security s WHERE s.kind = 'index')
), forgotten AS (
    DELETE FROM ashare.unlisted_index WHERE code NOT IN (TABLE unlisted)
)
INSERT INTO ashare.unlisted_index (code, trade_date) SELECT code, %(day)s FROM unlisted
ON CONFLICT (code) DO NOTHING

-- name: unlisted_indices
SELECT trade_date, array_agg(code ORDER BY code) FROM ashare.unlisted_index GROUP BY trade_date

-- name: expected
SELECT code FROM ashare.expected_security(%(day)s, %(kinds)s, %(indices)s) WHERE kind = %(kind)s ORDER BY code

-- name: remaining
-- Expected codes that are neither loaded nor explained. Rejected rows explain only up to a limit of codes per kind.
WITH lacking AS MATERIALIZED (
    SELECT e.kind, e.code,
           EXISTS (SELECT FROM ashare.absent_bar a WHERE a.trade_date = %(day)s AND a.code = e.code
                   -- A bar that was absent on the trade date itself may have come later.
                   AND (a.trade_date = %(today)s
                        OR (a.recorded_at AT TIME ZONE 'Asia/Shanghai')::date > a.trade_date)) AS is_absent,
           EXISTS (SELECT FROM ashare.rejected_bar r
                   WHERE r.trade_date = %(day)s AND r.code = e.code AND r.superseded_at IS NULL) AS is_rejected
    FROM ashare.expected_security(%(day)s, %(kinds)s, %(indices)s) e
    WHERE NOT EXISTS (SELECT FROM ashare.daily_bar b WHERE b.trade_date = %(day)s AND b.code = e.code)
)
SELECT l.kind, array_agg(l.code ORDER BY l.code) AS codes
FROM lacking l
JOIN (SELECT kind, count(*) FILTER (WHERE is_rejected AND NOT is_absent) AS rejected FROM lacking GROUP BY kind) AS k
    USING (kind)
WHERE NOT l.is_absent AND NOT (l.is_rejected AND k.rejected <= %(rejected_limit)s)
GROUP BY l.kind

-- name: sample
-- Securities that have a bar on every session, suspended or not: the longest listed first, indices last.
SELECT code FROM ashare.expected_security(%(day)s, %(kinds)s, %(indices)s)
JOIN ashare.security USING (code, kind)
ORDER BY kind = 'index', ipo_date, code
LIMIT %(most)s

-- name: reject
INSERT INTO ashare.rejected_row (dataset, code, day, rule, is_taken, raw, run_id)
VALUES (%(dataset)s, %(code)s, %(day)s, %(rule)s, %(is_taken)s, %(raw)s, %(run_id)s)
ON CONFLICT (dataset, code, coalesce(day, '-infinity'), rule, md5(raw::text)) DO UPDATE
SET rejected_at = now(), run_id = excluded.run_id, superseded_at = NULL
