-- name: stage
CREATE TEMPORARY TABLE incoming (LIKE ashare.daily_bar) ON COMMIT DROP;
ALTER TABLE incoming DROP COLUMN loaded_at

-- name: copy
COPY {table} (trade_date, code, {columns}) FROM STDIN

-- name: unstage
DROP TABLE incoming

-- name: analyze
-- For the joins with the absent and the rejected bars; the other columns would take ten times as long.
ANALYZE incoming (trade_date, code)

-- name: merge
-- Each incoming row is looked up once. A new row is inserted, an identical one is skipped. A changed row is
-- updated, and bar_revision keeps its old values.
WITH found AS MATERIALIZED (
    SELECT i.*, b.*
    -- Two replies may hold the same bar.
    FROM (SELECT DISTINCT ON (trade_date, code) * FROM incoming) AS i
    -- LIMIT 1 makes the planner look up row by row. Otherwise, without statistics, it would scan the whole table
    -- for each page of a history.
    LEFT JOIN LATERAL (
        -- The changed columns as JSON; NULL if the row is identical. Written as text: to_jsonb of two whole rows, less
        -- the equal columns, takes three times as long.
        SELECT true AS is_there,
               CASE WHEN e.differs THEN '{{' || concat_ws(', ', {old_values}) || '}}' END AS old,
               CASE WHEN e.differs THEN '{{' || concat_ws(', ', {new_values}) || '}}' END AS new
        FROM ashare.daily_bar x
        CROSS JOIN LATERAL (SELECT ({columns_of_x}) IS DISTINCT FROM ({columns_of_i}) AS differs OFFSET 0) AS e
        WHERE x.trade_date = i.trade_date AND x.code = i.code LIMIT 1
    ) AS b ON true
), inserted AS (
    INSERT INTO ashare.daily_bar (trade_date, code, {columns})
    SELECT trade_date, code, {columns} FROM found WHERE is_there IS NULL
), recorded AS (
    INSERT INTO ashare.bar_revision (trade_date, code, old, new, run_id)
    SELECT trade_date, code, old::jsonb, new::jsonb, %(run_id)s FROM found WHERE old IS NOT NULL
), revised AS (
    UPDATE ashare.daily_bar b SET {assignments}, loaded_at = now()
    FROM found f
    WHERE f.old IS NOT NULL AND b.trade_date = f.trade_date AND b.code = f.code
), no_longer_accepted AS (
    {no_longer_accepted}
)
SELECT count(*) FILTER (WHERE is_there IS NULL), count(old),
       (SELECT array_agg(trade_date) FROM no_longer_accepted)
FROM found

-- name: reject
INSERT INTO ashare.rejected_bar (trade_date, code, rule, raw, run_id)
VALUES (%(trade_date)s, %(code)s, %(rule)s, %(raw)s, %(run_id)s)
ON CONFLICT (trade_date, code, rule, md5(raw::text)) DO UPDATE
SET rejected_at = now(), run_id = excluded.run_id, superseded_at = NULL

-- name: record_absent
INSERT INTO ashare.absent_bar (trade_date, code, reason, run_id)
SELECT t.trade_date, t.code, %(reason)s, %(run_id)s
FROM unnest(%(days)s::date[], %(codes)s::text[]) AS t (trade_date, code)
WHERE NOT EXISTS (SELECT FROM ashare.daily_bar b WHERE b.trade_date = t.trade_date AND b.code = t.code)
ON CONFLICT (trade_date, code) DO UPDATE
SET reason = excluded.reason, recorded_at = now(), run_id = excluded.run_id

-- name: absent_beside
SELECT count(*) FROM ashare.absent_bar
WHERE trade_date = %(day)s AND NOT code = ANY (%(codes)s::text[])
  AND (trade_date = %(today)s OR (recorded_at AT TIME ZONE 'Asia/Shanghai')::date > trade_date)

-- name: no_longer_absent
DELETE FROM ashare.absent_bar a USING {bars} i WHERE a.trade_date = i.trade_date AND a.code = i.code
RETURNING a.trade_date

-- name: no_longer_rejected
UPDATE ashare.rejected_bar r SET superseded_at = now()
FROM {bars} i
WHERE r.trade_date = i.trade_date AND r.code = i.code AND r.superseded_at IS NULL

-- name: no_longer_blanked
DELETE FROM ashare.blanked_value v USING {bars} i WHERE v.trade_date = i.trade_date AND v.code = i.code

-- name: no_longer_accepted
UPDATE ashare.accepted_date a SET ended_at = clock_timestamp(), ended_because = %(because)s
WHERE a.ended_at IS NULL
  AND EXISTS (SELECT FROM {bars} i LEFT JOIN ashare.security s USING (code)
              WHERE i.trade_date = a.trade_date AND (s.kind IS NULL OR s.kind = ANY (a.kinds)))
RETURNING a.trade_date

-- name: changed
(SELECT trade_date, code FROM found WHERE is_there IS NULL OR old IS NOT NULL)

-- name: has_bar
SELECT EXISTS (SELECT FROM ashare.daily_bar WHERE trade_date = %(day)s AND code = %(code)s)

-- name: of_date
SELECT trade_date, code FROM ashare.daily_bar WHERE trade_date = %(first)s

-- name: of_code
SELECT trade_date, code FROM ashare.daily_bar WHERE code = %(code)s AND trade_date BETWEEN %(first)s AND %(last)s

-- name: some
{place} LIMIT %(limit)s

-- name: copied
-- The bars of the place without those that were there before.
(SELECT b.* FROM ({place}) AS b
 WHERE (b.trade_date, b.code) NOT IN (SELECT * FROM unnest(%(days)s::date[], %(codes)s::text[])))

-- name: blanked
INSERT INTO ashare.blanked_value (trade_date, code, raw, run_id)
VALUES (%(trade_date)s, %(code)s, %(raw)s, %(run_id)s)
ON CONFLICT (trade_date, code) DO UPDATE SET raw = excluded.raw, blanked_at = now(), run_id = excluded.run_id

-- name: record_absent_range
-- Merges the range with recorded ranges that overlap it, or that no session separates from it.
WITH beside AS (
    DELETE FROM ashare.absent_range r
    WHERE r.code = %(code)s AND r.last_date >= %(first)s::date - 31 AND r.first_date <= %(last)s::date + 31
      AND NOT EXISTS (SELECT FROM ashare.trade_calendar c
                      WHERE c.is_trading_day
                        AND (c.calendar_date > r.last_date AND c.calendar_date < %(first)s
                             OR c.calendar_date > %(last)s AND c.calendar_date < r.first_date))
    RETURNING r.first_date, r.last_date
)
INSERT INTO ashare.absent_range (code, first_date, last_date, reason, run_id)
SELECT %(code)s, least(%(first)s, min(first_date)), greatest(%(last)s, max(last_date)), %(reason)s, %(run_id)s
FROM beside

-- name: drop_wrong_factors
-- A day's reply names all stocks that go ex. A known factor that the reply lacks is deleted only if the cross-check
-- of the day's ex-dates found deviations.
DELETE FROM ashare.adjust_factor
WHERE ex_date = %(day)s AND NOT code = ANY (%(codes)s::text[]) AND %(codes)s::text[] <> '{}'
  AND EXISTS (SELECT FROM ashare.cross_check WHERE trade_date = %(day)s AND rule = 'ex_dates' AND deviating > 0)

-- name: save_factors
INSERT INTO ashare.adjust_factor (code, ex_date, fore_factor, back_factor)
SELECT * FROM unnest(%(codes)s::text[], %(ex_dates)s::date[], %(fore)s::numeric[], %(back)s::numeric[])
ON CONFLICT (code, ex_date) DO UPDATE
SET fore_factor = excluded.fore_factor, back_factor = excluded.back_factor
WHERE (adjust_factor.fore_factor, adjust_factor.back_factor)
   IS DISTINCT FROM (excluded.fore_factor, excluded.back_factor)

-- name: first_bar
SELECT min(trade_date) FROM ashare.daily_bar WHERE code = %(code)s

-- name: days_with_bars
SELECT day FROM unnest(%(days)s::date[]) AS d (day)
WHERE EXISTS (SELECT FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code)
              WHERE b.trade_date = d.day AND (%(kind)s::text IS NULL OR s.kind = %(kind)s))
