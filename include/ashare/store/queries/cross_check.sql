-- name: sessions
-- The sessions before and after, within 31 days.
SELECT (SELECT max(calendar_date) FROM ashare.trade_calendar
        WHERE is_trading_day AND calendar_date BETWEEN %(day)s::date - 31 AND %(day)s::date - 1),
       (SELECT min(calendar_date) FROM ashare.trade_calendar
        WHERE is_trading_day AND calendar_date BETWEEN %(day)s::date + 1 AND %(day)s::date + 31)

-- name: figures
WITH listed AS (
    SELECT code FROM ashare.expected_security(%(day)s, ARRAY[%(kind)s], '{}')
), goes_ex AS MATERIALIZED (
    SELECT code FROM ashare.adjust_factor WHERE ex_date = %(day)s
), usual_rule AS MATERIALIZED (
    SELECT code_prefix, is_st, 1 + up_pct * 0.01 AS up, 1 - down_pct * 0.01 AS down FROM ashare.price_limit_rule
    WHERE listing_sessions IS NULL AND NOT is_delisting_start
      AND %(day)s BETWEEN first_day AND coalesce(last_day, 'infinity')
), side_by_side AS MATERIALIZED (
    -- A full join: the planner expects one row where many were just loaded, and would run an inner join as a nested
    -- loop over all pairs.
    SELECT code, b.code IS NOT NULL AS is_now, p.code IS NOT NULL AS was, b.code = p.code AS is_pair, b.is_trading,
           b.volume, p.volume AS volume_before, b.preclose IS DISTINCT FROM p.close AS moved,
           -- A session in between that the source lacks explains at most one day's move, and only if the row's
           -- pct_chg fits its prices.
           coalesce(g.may_lack AND abs(b.preclose - p.close) <= %(days_move)s * p.close
                    AND abs((b.pct_chg + 100) * b.preclose - b.close * 100) <= 0.01 * b.preclose
                    AND b.preclose <> 0, false) AS is_explained,
           code IN (TABLE goes_ex) AS goes_ex,
           CASE WHEN b.is_trading AND b.preclose > 0
                -- pct_chg against (close / preclose - 1) * 100, without a division: it takes longer than all the rest.
                THEN abs((b.pct_chg + 100) * b.preclose - b.close * 100) > 0.01 * b.preclose END AS pct_deviates,
           -- Most bars are within the limits of any day, rounded to the inside; no special rule is as narrow. The view
           -- daily_limit decides about the others, and about stocks that are new or about to leave.
           CASE WHEN b.is_trading AND s.kind = 'stock' THEN
               coalesce(b.high <= trunc(b.preclose * u.up, 2) AND b.low - 0.01 >= trunc(b.preclose * u.down, 2)
                        AND s.ipo_date < b.trade_date - 31 AND coalesce(s.out_date > b.trade_date + 45, true), false)
           END AS is_inside,
           u.is_st IS TRUE AS is_st_rule
    FROM (SELECT * FROM ashare.daily_bar WHERE trade_date = %(day)s) AS b
    FULL JOIN (SELECT * FROM ashare.daily_bar WHERE trade_date = %(before)s) AS p USING (code)
    LEFT JOIN ashare.security s USING (code)
    LEFT JOIN usual_rule u ON u.code_prefix = left(b.code, 5) AND (u.is_st IS NULL OR u.is_st = coalesce(b.is_st, false))
    CROSS JOIN (SELECT ashare.may_lack_session(%(before)s, %(day)s) AS may_lack) AS g
    WHERE code NOT LIKE 'bj.%%' AND coalesce(s.kind, %(kind)s) = %(kind)s
), looked_up AS MATERIALIZED (
    SELECT l.code, l.is_outside
    FROM ashare.daily_limit l JOIN ashare.price_limit_rule r USING (rule)
    WHERE l.trade_date = %(day)s AND l.code = ANY (ARRAY(SELECT code FROM side_by_side WHERE NOT is_inside))
      AND l.limit_up IS NOT NULL AND (l.can_buy OR l.can_sell) AND r.is_st IS NOT TRUE
)
SELECT count(*) FILTER (WHERE is_now) AS rows,
       (SELECT count(*) FROM listed) AS expected,
       count(*) FILTER (WHERE was) AS rows_before,
       (SELECT count(*) FROM ashare.expected_security(%(before)s, ARRAY[%(kind)s], '{}')) AS expected_before,
       -- An accepted date does not count as complete here: it may lack any number of bars.
       (SELECT EXISTS (SELECT FROM ashare.partition_coverage(%(before)s, %(before)s)
                       WHERE dataset = %(dataset)s AND is_complete)
               AND NOT EXISTS (SELECT FROM ashare.accepted_date
                               WHERE trade_date = %(before)s AND ended_at IS NULL)) AS before_is_complete,
       coalesce(array_agg(code) FILTER (WHERE is_now AND code NOT IN (TABLE listed)), '{}') AS unlisted,
       count(*) FILTER (WHERE is_pair) AS pairs,
       count(*) FILTER (WHERE is_pair AND goes_ex AND is_trading) AS ex_dates,
       coalesce(array_agg(code) FILTER (WHERE is_pair AND moved AND NOT goes_ex AND NOT is_explained), '{}') AS moved_without_factor,
       count(*) FILTER (WHERE is_pair AND moved AND NOT goes_ex AND is_explained) AS moved_over_gap,
       coalesce(array_agg(code) FILTER (WHERE is_pair AND goes_ex AND is_trading AND NOT moved), '{}') AS factor_without_move,
       count(pct_deviates) AS pct,
       coalesce(array_agg(code) FILTER (WHERE pct_deviates), '{}') AS pct_deviating,
       -- A bar of the main board under special treatment is not compared: Baostock's flag can be of a later day, and
       -- the limits of such a stock are half as wide.
       count(*) FILTER (WHERE is_inside AND NOT is_st_rule) + (SELECT count(*) FROM looked_up) AS limited,
       (SELECT coalesce(array_agg(code) FILTER (WHERE is_outside), '{}') FROM looked_up) AS outside_limits,
       -- A suspended stock's row may repeat the volume of the day before.
       coalesce(sum(volume) FILTER (WHERE is_pair AND is_trading), 0) AS volume,
       coalesce(sum(volume_before) FILTER (WHERE is_pair AND is_trading), 0) AS volume_before
FROM side_by_side

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
-- Kinds whose last cross-check of the date failed; for a date in doubt, stock and etf, too.
SELECT kind FROM ashare.cross_check
WHERE trade_date = %(day)s AND kind = ANY (%(kinds)s) AND NOT passed
UNION
SELECT k.kind FROM ashare.counted_partition c JOIN unnest(%(kinds)s::text[]) AS k (kind) ON c.dataset = k.kind || '_bar'
WHERE c.partition = %(day)s AND c.verified_at = '-infinity'

-- name: universe_found_wrong
SELECT max(checked_at) FROM ashare.cross_check WHERE rule = 'universe' AND NOT passed

-- name: due_rereads
-- Complete dates among the last sessions before the day whose market was last read over 20 hours ago: the runs of
-- two days are not exactly 24 hours apart. Accepted dates are not read again.
SELECT c.partition, array_agg(replace(c.dataset, '_bar', ''))
FROM ashare.partition_coverage(%(since)s, %(day)s) c
WHERE c.partition IN (SELECT calendar_date FROM ashare.trade_calendar
                      WHERE is_trading_day AND calendar_date < %(day)s ORDER BY calendar_date DESC LIMIT %(days)s)
  AND c.dataset = ANY (%(datasets)s) AND c.is_complete
  AND NOT EXISTS (SELECT FROM ashare.accepted_date a WHERE a.trade_date = c.partition AND a.ended_at IS NULL)
  AND (c.verified_at = '-infinity'
       OR NOT %(only_doubted)s
          AND coalesce(c.verified_at, c.counted_at) < clock_timestamp() - interval '20 hours')
GROUP BY c.partition
ORDER BY c.partition

-- name: earliest_complete
SELECT min(partition) FROM ashare.partition_coverage(%(day)s::date - 366, %(day)s)
WHERE partition IN (SELECT calendar_date FROM ashare.trade_calendar
                    WHERE is_trading_day AND calendar_date < %(day)s ORDER BY calendar_date DESC LIMIT %(days)s)
  AND dataset = %(dataset)s AND is_complete

-- name: factors_may_be_late
SELECT EXISTS (SELECT FROM ashare.cross_check WHERE trade_date = %(day)s AND rule = 'ex_dates'
               AND (figures ->> 'moved_without_factor')::integer > 0)
