-- name: sessions
-- The sessions before and after.
SELECT (SELECT max(calendar_date) FROM ashare.trade_calendar
        WHERE is_trading_day AND calendar_date BETWEEN %(day)s::date - 31 AND %(day)s::date - 1),
       (SELECT min(calendar_date) FROM ashare.trade_calendar
        WHERE is_trading_day AND calendar_date BETWEEN %(day)s::date + 1 AND %(day)s::date + 31)

-- name: figures
WITH today AS (
    SELECT b.* FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code)
    WHERE b.trade_date = %(day)s AND coalesce(s.kind, %(kind)s) = %(kind)s AND b.code NOT LIKE 'bj.%%'
), before AS (
    SELECT b.* FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code)
    WHERE b.trade_date = %(before)s AND coalesce(s.kind, %(kind)s) = %(kind)s AND b.code NOT LIKE 'bj.%%'
), expected AS (
    SELECT code FROM ashare.expected_security(%(day)s, ARRAY[%(kind)s], '{}')
), expected_before AS (
    SELECT code FROM ashare.expected_security(%(before)s, ARRAY[%(kind)s], '{}')
), unlisted AS (
    SELECT code FROM today WHERE code NOT IN (SELECT code FROM expected)
), side_by_side AS (
    -- Grouped, not joined: of rows that have just been loaded the planner expects one, and would loop over all pairs.
    SELECT code,
           bool_or(is_trading) FILTER (WHERE trade_date = %(day)s) AS is_trading,
           max(preclose) FILTER (WHERE trade_date = %(day)s) AS preclose,
           max(close) FILTER (WHERE trade_date = %(before)s) AS last_close,
           max(volume) FILTER (WHERE trade_date = %(day)s) AS volume,
           max(volume) FILTER (WHERE trade_date = %(before)s) AS volume_before
    FROM (SELECT * FROM today UNION ALL SELECT * FROM before) b
    GROUP BY code HAVING count(*) = 2
), pair AS (
    SELECT *, preclose IS DISTINCT FROM last_close AS moved,
           EXISTS (SELECT FROM ashare.adjust_factor f WHERE f.code = p.code AND f.ex_date = %(day)s) AS goes_ex
    FROM side_by_side p
), pct AS (
    SELECT code, abs(pct_chg - (close / preclose - 1) * 100) > 0.01 AS deviates
    FROM today WHERE is_trading AND preclose > 0 AND pct_chg IS NOT NULL
)
SELECT (SELECT count(*) FROM today) AS rows,
       (SELECT count(*) FROM expected) AS expected,
       (SELECT count(*) FROM before) AS rows_before,
       (SELECT count(*) FROM expected_before) AS expected_before,
       (SELECT EXISTS (SELECT FROM ashare.sync_status
                       WHERE trade_date = %(before)s AND status = 'success' AND kinds @> ARRAY[%(kind)s])) AS before_is_complete,
       ARRAY(SELECT code FROM unlisted ORDER BY code) AS unlisted,
       (SELECT count(*) FROM pair) AS pairs,
       (SELECT count(*) FROM pair WHERE goes_ex AND is_trading) AS ex_dates,
       ARRAY(SELECT code FROM pair WHERE moved AND NOT goes_ex ORDER BY code) AS moved_without_factor,
       ARRAY(SELECT code FROM pair WHERE goes_ex AND is_trading AND NOT moved ORDER BY code) AS factor_without_move,
       (SELECT count(*) FROM pct) AS pct,
       ARRAY(SELECT code FROM pct WHERE deviates ORDER BY code) AS pct_deviating,
       (SELECT coalesce(sum(volume), 0) FROM pair) AS volume,
       (SELECT coalesce(sum(volume_before), 0) FROM pair) AS volume_before

-- name: record
INSERT INTO ashare.cross_check
    (trade_date, kind, rule, compared_with, compared, deviating, allowed, passed, figures, examples, checked_at, run_id)
VALUES (%(day)s, %(kind)s, %(rule)s, %(compared_with)s, %(compared)s, %(deviating)s, %(allowed)s, %(passed)s,
        %(figures)s, %(examples)s, clock_timestamp(), %(run_id)s)
ON CONFLICT (trade_date, kind, rule) DO UPDATE
SET compared_with = excluded.compared_with, compared = excluded.compared, deviating = excluded.deviating,
    allowed = excluded.allowed, passed = excluded.passed, figures = excluded.figures, examples = excluded.examples,
    checked_at = excluded.checked_at, run_id = excluded.run_id

-- name: contradicted
-- Kinds of the date whose last cross-checks failed, or all of one that is doubted.
SELECT kind FROM ashare.cross_check
WHERE trade_date = %(day)s AND kind = ANY (%(kinds)s) AND NOT passed
UNION
SELECT kind FROM ashare.sync_status CROSS JOIN unnest(%(kinds)s::text[]) AS k (kind)
WHERE trade_date = %(day)s AND checked_at = '-infinity' AND kind IN ('stock', 'etf')

-- name: universe_found_wrong
SELECT max(checked_at) FROM ashare.cross_check WHERE rule = 'universe' AND NOT passed

-- name: due
-- Complete dates among the last sessions before the day whose market was not read for a day; runs of two days are not
-- exactly a day apart.
SELECT trade_date, kinds FROM ashare.sync_status
WHERE trade_date IN (SELECT calendar_date FROM ashare.trade_calendar
                     WHERE is_trading_day AND calendar_date < %(day)s ORDER BY calendar_date DESC LIMIT %(days)s)
  AND trade_date >= %(since)s AND status = 'success' AND kinds && %(kinds)s::text[]
  AND coalesce(checked_at, finished_at) < clock_timestamp() - interval '20 hours'
ORDER BY trade_date

-- name: checked
UPDATE ashare.sync_status SET checked_at = clock_timestamp() WHERE trade_date = %(day)s

-- name: doubt
-- The next run after it reads it again.
UPDATE ashare.sync_status SET checked_at = '-infinity' WHERE trade_date = %(day)s

-- name: complete_since
SELECT min(trade_date) FROM ashare.sync_status
WHERE trade_date IN (SELECT calendar_date FROM ashare.trade_calendar
                     WHERE is_trading_day AND calendar_date < %(day)s ORDER BY calendar_date DESC LIMIT %(days)s)
  AND status = 'success' AND kinds @> ARRAY[%(kind)s]

-- name: factors_may_be_late
SELECT EXISTS (SELECT FROM ashare.cross_check WHERE trade_date = %(day)s AND rule = 'ex_dates'
               AND (figures ->> 'moved_without_factor')::integer > 0)
