-- name: settings
-- COPY formats dates and times by the session's settings.
SELECT set_config('datestyle', 'ISO, YMD', true), set_config('timezone', 'UTC', true),
       set_config('client_encoding', 'UTF8', true),
       set_config('lock_timeout', coalesce(nullif(current_setting('lock_timeout'), '0'), %(lock_timeout)s), true)

-- name: csv
COPY (
{query}
) TO STDOUT (FORMAT csv, ENCODING 'UTF8')

-- name: bars
SELECT {columns} FROM {bars} b
WHERE b.trade_date BETWEEN %(start)s AND %(end)s
  AND (%(codes)s::text[] IS NULL OR b.code = ANY (%(codes)s::text[]))
ORDER BY b.code, b.trade_date

-- name: member_bars
-- The range stands there for the bars, too: from the spans alone, the planner does not see that a day is little to read.
SELECT {columns}
FROM ashare.index_member m
JOIN {bars} b ON b.code = m.code AND b.trade_date >= m.start_date AND (m.end_date IS NULL OR b.trade_date < m.end_date)
WHERE b.trade_date BETWEEN %(start)s AND %(end)s
  AND m.index_code = %(index)s AND m.start_date <= %(end)s AND (m.end_date IS NULL OR m.end_date > %(start)s)
  AND (%(codes)s::text[] IS NULL OR m.code = ANY (%(codes)s::text[]))
ORDER BY b.code, b.trade_date

-- name: unknown
SELECT code FROM unnest(%(codes)s::text[]) WITH ORDINALITY AS asked (code, n)
WHERE NOT EXISTS (SELECT FROM ashare.security s WHERE s.code = asked.code)
  AND NOT EXISTS (SELECT FROM ashare.daily_bar b WHERE b.code = asked.code)
ORDER BY n

-- name: list_read_at
SELECT max(updated_at) FROM ashare.security

-- name: universe
-- With or without a bar of that day. The Beijing exchange is left out: Baostock has no bars of it.
SELECT code, name, kind, ipo_date, out_date FROM ashare.security
WHERE kind = ANY (%(kinds)s) AND code NOT LIKE 'bj.%%'
  AND (ipo_date IS NULL OR ipo_date <= %(day)s)
  AND (least(out_date, gone_from) IS NULL OR least(out_date, gone_from) > %(day)s)
ORDER BY code

-- name: listed_span
-- The kinds of some securities, and from when to when any of them was listed. One that the list of securities lacks
-- counts as a stock, as in the counts of trade dates.
SELECT array_agg(DISTINCT coalesce(s.kind, 'stock')),
       CASE WHEN count(s.ipo_date) = count(*) THEN min(s.ipo_date) END AS first_day,
       CASE WHEN count(s.out_date) = count(*) THEN max(s.out_date) - 1 END AS last_day
FROM unnest(%(codes)s::text[]) AS asked (code) LEFT JOIN ashare.security s ON s.code = asked.code

-- name: incomplete
-- The trade dates of a range that are neither complete nor accepted, in one row. Dates on which no run has worked count
-- from the start that the caller gave; without a start, from where the database is meant to be complete.
WITH first_bar AS (
    SELECT min(l.partition) AS day FROM ashare.loaded_rows('-infinity', 'infinity') l
    WHERE l.dataset = ANY (%(datasets)s::text[] || %(if_asked)s::text[]) AND l.dataset <> 'adjust_factor'
      AND NOT %(has_start)s
), span AS (
    SELECT CASE WHEN %(has_start)s THEN %(start)s::date
                ELSE greatest(f.day, %(start)s::date) END AS first_day, f.day IS NOT NULL AS has_bars
    FROM first_bar f
), since AS (
    SELECT CASE WHEN %(has_start)s THEN s.first_day
                WHEN s.has_bars THEN greatest(s.first_day, %(since)s::date) END AS day
    FROM span s
), dataset AS (
    SELECT unnest(%(datasets)s::text[]) AS name
    UNION SELECT c.dataset FROM ashare.counted_partition c WHERE c.is_asked AND c.dataset = ANY (%(if_asked)s)
    UNION SELECT w.dataset FROM ashare.work w WHERE w.is_asked AND w.dataset = ANY (%(if_asked)s)
    UNION SELECT k.kind || '_bar' FROM ashare.history_run h, unnest(h.kinds) AS k (kind)
    WHERE h.ended_at IS NULL AND k.kind || '_bar' = ANY (%(if_asked)s)
), fact AS MATERIALIZED (
    SELECT c.partition AS day, c.is_complete, c.dataset <> 'adjust_factor' OR c.counted_at IS NOT NULL AS is_trade_date
    FROM ashare.partition_coverage((SELECT first_day FROM span), %(end)s) c
    WHERE c.dataset IN (SELECT name FROM dataset)
), unfinished AS (
    -- The state is derived from the first to the last day that is not complete at sight: mostly a few days.
    SELECT min(x.day) AS first_day, max(x.day) AS last_day
    FROM (
        SELECT k.calendar_date AS day FROM ashare.trade_calendar k
        WHERE k.is_trading_day AND k.calendar_date BETWEEN (SELECT first_day FROM span) AND %(last)s
        UNION ALL SELECT day FROM fact WHERE is_trade_date
        UNION ALL SELECT w.partition FROM ashare.work w
        WHERE w.partition BETWEEN (SELECT first_day FROM span) AND %(end)s AND NOT ashare.is_weekly(w.dataset)
    ) AS x
    WHERE x.day NOT IN (SELECT day FROM fact WHERE is_complete
                        GROUP BY day HAVING count(*) = (SELECT count(*) FROM dataset))
), open_partition AS (
    SELECT p.partition AS day, p.dataset, p.state IN ('running', 'waiting') AS is_running, p.is_recorded
    FROM ashare.partition_state((SELECT array_agg(name) FROM dataset), (SELECT first_day FROM unfinished),
                                (SELECT last_day FROM unfinished), NULL, %(newest)s, NULL) p
    LEFT JOIN ashare.trade_calendar c ON c.calendar_date = p.partition
    -- Without a bar and a start, the first day is NULL, which is no limit to least() and greatest().
    WHERE p.partition >= (SELECT first_day FROM span WHERE has_bars OR %(has_start)s)
      AND (p.dataset = ANY (%(datasets)s) OR p.is_asked)
      AND (p.state IN ('partial', 'failed', 'running', 'waiting')
           OR p.state = 'before' AND p.partition >= (SELECT day FROM since))
      AND (p.partition <= %(newest)s AND c.is_trading_day IS NOT FALSE
           OR p.loaded > 0 AND p.dataset <> 'adjust_factor')
    UNION ALL
    -- Outside of the calendar, as before the first run: any weekday may be a session, but 1 January never is.
    SELECT g.at::date, name, false, false
    FROM (SELECT min(calendar_date) AS first_day, max(calendar_date) AS last_day FROM ashare.trade_calendar) AS k,
         generate_series((SELECT day FROM since WHERE %(has_start)s
                          OR NOT EXISTS (SELECT FROM ashare.trade_calendar WHERE calendar_date = %(last)s)),
                         %(last)s::date, interval '1 day') AS g (at),
         unnest(%(datasets)s::text[]) AS name
    WHERE (k.first_day IS NULL OR g.at::date NOT BETWEEN k.first_day AND k.last_day)
      AND extract(isodow FROM g.at) < 6 AND to_char(g.at, 'MM-DD') <> '01-01'
      AND NOT EXISTS (SELECT FROM ashare.counted_partition c WHERE c.partition = g.at::date)
), day AS (
    SELECT o.day, array_agg(o.dataset) AS datasets, bool_or(o.is_running) AS is_running,
           bool_or(o.is_recorded) AS is_recorded
    FROM open_partition o GROUP BY o.day
)
SELECT count(*), coalesce((array_agg(d.day ORDER BY d.day))[:%(named)s], '{}'), max(d.day),
       count(*) FILTER (WHERE d.is_running), coalesce(bool_or(d.is_recorded), false),
       coalesce((SELECT array_agg(DISTINCT name) FROM day, unnest(datasets) AS name), '{}')
FROM day d
