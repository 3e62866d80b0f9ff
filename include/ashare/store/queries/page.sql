-- name: read_only
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL statement_timeout = '10s'

-- name: ends
-- The first recorded date, and the calendar's end.
SELECT (SELECT min(partition) FROM ashare.counted_partition WHERE counted_at IS NOT NULL) AS first_date,
       (SELECT max(calendar_date) FROM ashare.trade_calendar) AS calendar_end

-- name: counted_dates
SELECT trade_date, is_complete, is_closed, expected, loaded, suspended, rejected
FROM ashare.counted_dates(%(datasets)s, %(start)s, %(end)s)

-- name: known_days
-- The days of a range of which something is known: those that are complete or closed at sight are counted, a row a year;
-- the others are named.
WITH sight AS MATERIALIZED (
    SELECT year, state, days, days[1] AS first_day, days[cardinality(days)] AS last_day
    FROM ashare.dates_at_sight(%(datasets)s, %(start)s, %(end)s) WHERE days <> '{}'
), wanted AS MATERIALIZED (
    -- Sessions of which nothing is recorded: they should be complete, or a history loads them.
    SELECT %(since)s::date AS first_day, %(newest)s::date AS last_day
    UNION ALL SELECT first_date, last_date FROM ashare.history_run WHERE ended_at IS NULL AND kinds <> '{}'
)
SELECT year, state, sum(cardinality(days))::integer, max(last_day), NULL
FROM sight WHERE state IN ('complete', 'closed') GROUP BY year, state
UNION ALL
SELECT NULL, 'other', count(*), max(day), coalesce(array_agg(day), '{}')
FROM (
    SELECT day FROM sight, unnest(days) AS day WHERE state = 'recorded'
    UNION
    SELECT day FROM sight s
    JOIN wanted w ON w.first_day <= s.last_day AND w.last_day >= s.first_day, unnest(s.days) AS day
    WHERE s.state = 'session' AND day BETWEEN w.first_day AND w.last_day
    UNION
    SELECT w.partition FROM ashare.work w
    WHERE w.partition BETWEEN %(start)s AND %(end)s AND NOT ashare.is_weekly(w.dataset)
      AND NOT EXISTS (SELECT FROM sight s WHERE s.state = 'complete' AND s.year = extract(year FROM w.partition)
                                            AND w.partition = ANY (s.days))
) AS other (day)

-- name: days_at_sight
SELECT day FROM ashare.dates_at_sight(%(datasets)s, %(start)s, %(end)s) s, unnest(s.days) AS day
WHERE s.state = ANY (%(states)s)

-- name: newest_session
SELECT max(calendar_date) FROM ashare.trade_calendar WHERE is_trading_day AND calendar_date <= %(newest)s

-- name: dates
SELECT trade_date, status, coverage, kinds, expected, loaded, suspended, missing, rejected,
       CASE WHEN loaded IS NOT NULL THEN
           (SELECT count(*) FROM ashare.bar_revision r WHERE r.trade_date = s.trade_date) END AS revised,
       CASE WHEN is_recorded AND coverage <> 'closed' THEN
           (SELECT count(*) FROM ashare.source_request q WHERE q.trade_date = s.trade_date) END AS requests,
       reason, run_id, started_at, finished_at,
       CASE WHEN EXISTS (SELECT FROM ashare.history_run h WHERE h.run_id = s.run_id) THEN 'ashare_history'
            ELSE 'ashare_daily' END AS dag_id
FROM ashare.trade_date_state(%(datasets)s, %(start)s, %(end)s, NULL, %(newest)s, %(running)s, %(days)s) s
ORDER BY trade_date DESC

-- name: states
SELECT trade_date, status, coverage, expected, loaded, missing, rejected, is_recorded
FROM ashare.trade_date_state(%(datasets)s, %(start)s, %(end)s, NULL, %(newest)s, %(running)s, %(days)s)

-- name: coverage
-- The complete and the closed dates of a range.
SELECT c.trade_date, CASE WHEN c.is_complete THEN 'complete' ELSE 'closed' END, c.expected, c.loaded,
       CASE WHEN c.is_complete THEN 0 END, c.rejected, CASE WHEN c.is_complete THEN coalesce(r.revised, 0) END
FROM ashare.counted_dates(%(datasets)s, %(start)s, %(end)s) c
LEFT JOIN (SELECT trade_date, count(*) AS revised FROM ashare.bar_revision
           WHERE trade_date BETWEEN %(start)s AND %(end)s GROUP BY 1) AS r USING (trade_date)
WHERE c.is_complete OR c.is_closed

-- name: revised
SELECT trade_date, count(*) FROM ashare.bar_revision WHERE trade_date = ANY (%(days)s) GROUP BY 1

-- name: sessions
-- The known part of a range's calendar.
SELECT calendar_date, is_trading_day FROM ashare.trade_calendar
WHERE calendar_date BETWEEN %(start)s AND %(end)s

-- name: neighbours
SELECT (SELECT max(calendar_date) FROM ashare.trade_calendar
        WHERE is_trading_day AND calendar_date < %(day)s AND calendar_date <= %(today)s) AS before,
       (SELECT min(calendar_date) FROM ashare.trade_calendar
        WHERE is_trading_day AND calendar_date > %(day)s AND calendar_date <= %(today)s) AS after

-- name: batches
SELECT batch_no, kind, by, label, cardinality(codes) AS codes, status, rows, requests, error, run_id, started_at,
       finished_at, round(extract(epoch FROM finished_at - started_at), 1)::float8 AS seconds,
       EXISTS (SELECT FROM ashare.history_run h WHERE h.run_id = sync_batch.run_id) AS is_history
FROM ashare.sync_batch
WHERE trade_date = %(day)s AND status <> 'superseded'
ORDER BY batch_no

-- name: reasons
-- Why a security has no bar of the date: the error of the last batch that asked for the security.
SELECT m.code, coalesce(s.kind, 'other') AS kind,
       (SELECT b.error FROM ashare.sync_batch b
        WHERE b.trade_date = %(day)s AND b.again IS NULL AND b.heals IS NULL AND b.kind = s.kind AND b.error IS NOT NULL
          AND (b.codes IS NULL OR m.code = ANY (b.codes))
        ORDER BY b.batch_no DESC LIMIT 1) AS reason
FROM unnest(%(codes)s::text[]) AS m (code)
LEFT JOIN ashare.security s ON s.code = m.code
ORDER BY m.code

-- name: absent
SELECT a.code, coalesce(s.kind, 'other') AS kind, a.reason, count(*) OVER () AS total
FROM ashare.absent_bar a LEFT JOIN ashare.security s USING (code)
WHERE a.trade_date = %(day)s
ORDER BY a.code LIMIT %(most)s

-- name: rejected
SELECT r.code, r.rule, r.raw, r.rejected_at, r.superseded_at, count(*) OVER () AS total
FROM ashare.rejected_bar r
WHERE r.trade_date = %(day)s
ORDER BY r.superseded_at IS NOT NULL, r.code, r.id LIMIT %(most)s

-- name: revisions
SELECT r.code, r.old, r.new, r.revised_at, r.run_id, count(*) OVER () AS total
FROM ashare.bar_revision r
WHERE r.trade_date = %(day)s
ORDER BY r.revised_at DESC, r.code LIMIT %(most)s

-- name: securities_on
-- Some securities as of a day: the name by the weekly lists, and what the day's bar says. An open span holds up to the end
-- of the newest list's week; for later days, and before the first list, only the name of today is known.
SELECT m.code, coalesce(n.name, s.name) AS name, n.name IS NULL AND s.name IS NOT NULL AS is_name_of_today,
       coalesce(b.is_st, false) AS is_st,
       CASE WHEN l.is_limit_up THEN 'up' WHEN l.is_limit_down THEN 'down' END AS at_limit
FROM unnest(%(codes)s::text[]) AS m (code)
LEFT JOIN ashare.security s ON s.code = m.code
LEFT JOIN ashare.security_name n ON n.code = m.code AND n.start_date <= %(day)s
      AND coalesce(n.end_date, (SELECT max(x.as_of) + 7 FROM ashare.snapshot x WHERE x.dataset = 'security_name')) > %(day)s
LEFT JOIN ashare.daily_bar b ON b.code = m.code AND b.trade_date = %(day)s
LEFT JOIN ashare.daily_limit l ON l.code = m.code AND l.trade_date = %(day)s

-- name: at_limit
-- How many stocks closed at a price limit of the day. The view takes ten times as long for a bar as the table: only bars
-- that closed at their highest or lowest price can be at a limit.
SELECT count(*) FILTER (WHERE is_limit_up) AS up, count(*) FILTER (WHERE is_limit_down) AS down
FROM ashare.daily_limit
WHERE trade_date = %(day)s AND code = ANY (ARRAY(
    SELECT b.code FROM ashare.daily_bar b
    WHERE b.trade_date = %(day)s AND b.is_trading
      AND (b.close >= b.high OR b.close <= b.low OR b.high IS NULL OR b.low IS NULL)))

-- name: accepted
SELECT reason, problem, accepted_by, accepted_at FROM ashare.accepted_date
WHERE trade_date = %(day)s AND ended_at IS NULL

-- name: checks
SELECT kind, rule, compared_with, compared, deviating, allowed, passed, examples
FROM ashare.cross_check WHERE trade_date = %(day)s ORDER BY kind, rule

-- name: work_of_weeks
-- Rows and requests of some weeks' lists that were loaded since a moment, and rows of the last minute. A session of a trade
-- date may be of a Monday, too: only the calls of lists count.
SELECT coalesce(sum(s.rows), 0)::bigint AS rows,
       coalesce(sum(s.rows) FILTER (WHERE s.fetched_at > clock_timestamp() - interval '1 minute'), 0)::bigint AS lately,
       (SELECT count(*)::integer FROM ashare.source_request q
        WHERE q.trade_date = ANY (%(weeks)s::date[]) AND q.requested_at >= %(since)s
          AND q.method = ANY (%(methods)s)) AS requests
FROM ashare.snapshot s
WHERE s.as_of = ANY (%(weeks)s::date[]) AND s.fetched_at >= %(since)s

-- name: open_weeks
-- The states of the weeks since the first list that are not complete at sight, of the newest list of each dataset, and of
-- the newest week that should be loaded.
WITH own AS MATERIALIZED (
    SELECT name, min(s.as_of) AS since, max(s.as_of) FILTER (WHERE s.as_of <= %(last)s) AS newest,
           count(*) FILTER (WHERE s.as_of <= %(newest)s) AS lists
    FROM unnest(%(datasets)s::text[]) AS name JOIN ashare.snapshot s ON s.dataset = name GROUP BY name
), week AS MATERIALIZED (
    SELECT array_agg(DISTINCT at) AS weeks
    FROM (
        SELECT %(newest)s::date
        UNION ALL SELECT newest FROM own
        UNION ALL SELECT s.as_of FROM ashare.snapshot s WHERE s.loaded < s.rows
        UNION ALL SELECT w.partition FROM ashare.work w WHERE ashare.is_weekly(w.dataset)
        UNION ALL SELECT g.at::date FROM own o, generate_series(o.since, %(newest)s, interval '7 days') AS g (at)
                  WHERE o.lists <= (%(newest)s - o.since) / 7
                    AND NOT EXISTS (SELECT FROM ashare.snapshot s WHERE s.dataset = o.name AND s.as_of = g.at)
    ) AS open (at)
    WHERE at <= %(last)s AND at >= least((SELECT min(since) FROM own), %(newest)s)
)
SELECT w.dataset, w.partition, w.state, w.expected, w.loaded, w.missing, w.problem, w.note, w.error, w.waits_for, w.run_id,
       w.counted_at
FROM week, ashare.week_state(%(datasets)s, '-infinity', 'infinity', %(newest)s, %(running)s, week.weeks) w
ORDER BY w.partition, w.dataset

-- name: source_errors
SELECT outcome, method, requested_at, who FROM ashare.source_request
WHERE requested_at > clock_timestamp() - interval '7 days' AND outcome IS DISTINCT FROM 'ok'
  -- A request without an outcome is under way for its first 10 minutes; later, it counts as an error.
  AND (outcome IS NOT NULL OR requested_at < clock_timestamp() - interval '10 minutes')
ORDER BY requested_at DESC LIMIT 10

-- name: source_times
-- Since when Baostock answers nothing: since the first failed connection of an outage that goes on, or since the first
-- request without an answer after the last one that Baostock has answered, however. The second is looked for only if the
-- newest request has no answer: else the planner would read the ledger for the minimum.
WITH ledger AS (
    SELECT (SELECT requested_at FROM ashare.source_request ORDER BY requested_at DESC LIMIT 1) AS last_request_at,
           (SELECT outcome FROM ashare.source_request WHERE outcome IS NOT NULL
            ORDER BY requested_at DESC LIMIT 1) AS last_outcome
), outage AS (
    SELECT o.began_at, o.error FROM ashare.source_outage o, ledger
    WHERE o.last_at > coalesce(last_request_at, '-infinity') ORDER BY o.began_at DESC LIMIT 1
)
SELECT last_request_at,
       (SELECT requested_at FROM ashare.source_request WHERE outcome = 'ok' AND method NOT IN ('login', 'logout')
        ORDER BY requested_at DESC LIMIT 1) AS last_success_at,
       least((SELECT began_at FROM outage), CASE WHEN last_outcome = ANY (%(out_of_reach)s) THEN
           (SELECT min(requested_at) FROM ashare.source_request
            WHERE outcome = ANY (%(out_of_reach)s) AND requested_at > coalesce(
                (SELECT requested_at FROM ashare.source_request WHERE outcome <> ALL (%(out_of_reach)s)
                 ORDER BY requested_at DESC LIMIT 1), '-infinity')) END) AS unreachable_since,
       (SELECT error FROM outage) AS unreachable_why
FROM ledger

-- name: work
-- Rows and requests of some dates' batches that are done since a moment, and rows of the last minute.
SELECT coalesce(sum(b.rows), 0)::bigint AS rows, coalesce(sum(b.requests), 0)::integer AS requests,
       coalesce(sum(b.rows) FILTER (WHERE b.finished_at > clock_timestamp() - interval '1 minute'), 0)::bigint AS lately,
       max(b.finished_at) AS last_at
FROM ashare.sync_batch b
WHERE b.trade_date = ANY (%(days)s::date[]) AND b.finished_at >= %(since)s AND b.status = 'success'

-- name: security
SELECT code, name, kind, ipo_date, out_date FROM ashare.security WHERE code = %(code)s

-- name: listed_securities
-- The former names are one text, a name a line: the driver takes longer for an array.
SELECT s.code, s.name, s.kind, s.out_date IS NOT NULL, coalesce(n.names, '')
FROM ashare.security s
LEFT JOIN (
    SELECT f.code, string_agg(f.name, E'\n' ORDER BY f.start_date DESC) AS names
    FROM ashare.security_name f JOIN ashare.security t ON t.code = f.code AND t.name IS DISTINCT FROM f.name
    GROUP BY f.code
) AS n ON n.code = s.code
WHERE s.kind = ANY (%(kinds)s)

-- name: first_listed
SELECT code FROM ashare.security WHERE code = ANY (%(codes)s)
ORDER BY array_position(%(kinds)s::text[], kind), code LIMIT 1

-- name: sessions_of
-- Every session of a range, and what is known of the security's bar. If nothing says why it has none, that is empty.
-- Both joins with daily_bar are index-only: the security's rows lie on a different page each.
SELECT c.calendar_date, CASE WHEN b.code IS NOT NULL THEN u.code IS NULL END AS is_trading,
       CASE WHEN b.code IS NULL THEN coalesce(
           'absent: ' || a.reason,
           -- A subquery runs for the few missing sessions only; a join would run for every session.
           (SELECT 'rejected: ' || x.rule FROM ashare.rejected_bar x
            WHERE x.trade_date = c.calendar_date AND x.code = %(code)s AND x.superseded_at IS NULL LIMIT 1),
           '') END AS why
FROM ashare.trade_calendar c
LEFT JOIN ashare.daily_bar b ON b.code = %(code)s AND b.trade_date = c.calendar_date
LEFT JOIN ashare.daily_bar u ON u.code = %(code)s AND u.trade_date = c.calendar_date AND NOT u.is_trading
LEFT JOIN ashare.absent_bar a ON a.code = %(code)s AND a.trade_date = c.calendar_date
WHERE c.is_trading_day AND c.calendar_date BETWEEN %(start)s AND %(end)s
ORDER BY c.calendar_date

-- name: holes
-- Why a security has no bar of some sessions, by the state of all bars of its kind.
SELECT partition, CASE state WHEN 'complete' THEN 'hole' WHEN 'accepted' THEN 'hole'
                             WHEN 'partial' THEN 'date failed' WHEN 'failed' THEN 'date failed'
                             WHEN 'running' THEN 'date syncing' WHEN 'waiting' THEN 'date syncing'
                             ELSE 'date missing' END
FROM ashare.partition_state(ARRAY[%(dataset)s::text], %(start)s, %(end)s, NULL, %(newest)s, %(running)s, %(days)s)

-- name: first_and_last_bar
SELECT min(trade_date) AS first_bar, max(trade_date) AS last_bar, count(*) AS bars FROM ashare.daily_bar WHERE code = %(code)s

-- name: events_of
SELECT ARRAY(SELECT ex_date FROM ashare.adjust_factor WHERE code = %(code)s ORDER BY ex_date DESC) AS ex_dates,
       (SELECT count(*) FROM ashare.bar_revision r WHERE r.code = %(code)s) AS revisions

-- name: names_of
SELECT name, start_date, end_date FROM ashare.security_name WHERE code = %(code)s ORDER BY start_date DESC

-- name: memberships_of
SELECT m.index_code, s.name AS index_name, m.start_date, m.end_date
FROM ashare.index_member m LEFT JOIN ashare.security s ON s.code = m.index_code
WHERE m.code = %(code)s
ORDER BY m.end_date DESC NULLS FIRST, m.start_date DESC, m.index_code

-- name: industries_of
SELECT industry, classification, start_date, end_date FROM ashare.industry
WHERE code = %(code)s
ORDER BY end_date DESC NULLS FIRST, start_date DESC, classification

-- name: newest_limit
-- The price limits of a stock's newest bar. Indices and ETFs have none.
SELECT l.trade_date, l.limit_up, l.limit_down, coalesce(b.is_st, false) AS is_st,
       CASE WHEN l.is_limit_up THEN 'up' WHEN l.is_limit_down THEN 'down' END AS at_limit
FROM ashare.daily_limit l JOIN ashare.daily_bar b USING (trade_date, code)
WHERE l.code = %(code)s AND l.trade_date = (SELECT max(trade_date) FROM ashare.daily_bar WHERE code = %(code)s)

-- name: bars_of
-- The planner drops the two branches whose condition is false.
SELECT trade_date, round(open, 4)::float8, round(close, 4)::float8, round(low, 4)::float8, round(high, 4)::float8, volume,
       is_trading
FROM (
    SELECT trade_date, code, open, close, low, high, volume, is_trading FROM ashare.daily_bar
    WHERE %(adjust)s::text = 'none'
    UNION ALL
    SELECT trade_date, code, open, close, low, high, volume, is_trading FROM ashare.daily_bar_qfq
    WHERE %(adjust)s::text = 'qfq'
    UNION ALL
    SELECT trade_date, code, open, close, low, high, volume, is_trading FROM ashare.daily_bar_hfq
    WHERE %(adjust)s::text = 'hfq'
) AS bar
WHERE code = %(code)s
ORDER BY trade_date

-- name: history
SELECT r.first_date AS start, r.last_date AS "end", r.plan, r.planned_at,
       count(b.batch_no)::integer AS batches, count(*) FILTER (WHERE b.status = 'success')::integer AS done,
       count(*) FILTER (WHERE b.status = 'failed')::integer AS failed,
       coalesce(sum(b.rows), 0)::bigint AS rows, coalesce(sum(b.requests), 0)::integer AS requests,
       coalesce(sum(b.rows) FILTER (WHERE b.finished_at > clock_timestamp() - interval '1 minute'), 0)::bigint AS lately,
       min(b.error) FILTER (WHERE b.status = 'pending') AS waits_for
FROM ashare.history_run r LEFT JOIN ashare.batch b ON b.plan = 'history ' || r.run_id AND b.status <> 'superseded'
WHERE r.run_id = %(run_id)s
GROUP BY r.run_id

-- name: history_errors
SELECT label, error FROM ashare.batch
WHERE plan = 'history ' || %(run_id)s AND status = 'failed' AND error IS NOT NULL ORDER BY batch_no LIMIT %(most)s
