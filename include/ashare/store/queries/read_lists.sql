-- name: begin
-- From when on Baostock has a weekly list, and from when on it is loaded; with an index, since when that index has members.
SELECT ashare.first_partition(%(dataset)s), min(s.as_of),
       greatest(min(s.as_of), (SELECT min(m.start_date) FROM ashare.index_member m WHERE m.index_code = %(index)s))
FROM ashare.snapshot s WHERE s.dataset = %(dataset)s

-- name: open_weeks
-- The weeks of a range that are not complete, in one row. The range begins with the list that is in force on its first
-- day. After the newest list in it, weeks count only if that list is too old on the range's last day.
WITH loaded AS (
    SELECT coalesce(max(s.as_of) FILTER (WHERE s.as_of <= %(first)s), min(s.as_of)) AS first_week,
           max(s.as_of) AS last_week
    FROM ashare.snapshot s WHERE s.dataset = %(dataset)s AND s.as_of <= %(last)s
), week AS (
    SELECT w.partition AS day, w.state
    FROM ashare.week_state(ARRAY[%(dataset)s::text], (SELECT first_week FROM loaded), %(last)s, %(newest)s, NULL) w
    CROSS JOIN loaded l
    WHERE w.state IN ('partial', 'missing', 'failed', 'running', 'waiting')
      AND (w.partition <= l.last_week OR %(last)s - l.last_week > %(oldest)s AND w.partition <= %(newest)s)
)
SELECT count(*), coalesce((array_agg(day ORDER BY day))[:%(named)s], '{}'), max(day),
       coalesce(bool_or(state IN ('partial', 'failed')), false)
FROM week

-- name: universe
-- The securities of a day that are members of an index.
SELECT u.code, u.name, u.kind, u.ipo_date, u.out_date
FROM (
{listed}
) AS u
JOIN ashare.index_member m ON m.code = u.code AND m.index_code = %(index)s
WHERE m.start_date <= %(day)s AND (m.end_date IS NULL OR m.end_date > %(day)s)
ORDER BY u.code

-- name: members
SELECT index_code, code, start_date, end_date FROM ashare.index_member
WHERE index_code = %(index)s AND start_date <= %(last)s AND (end_date IS NULL OR end_date > %(first)s)
ORDER BY code, start_date

-- name: industry
SELECT i.code, i.industry, i.classification
FROM ashare.industry i JOIN (
{listed}
) AS u USING (code)
WHERE i.start_date <= %(day)s AND (i.end_date IS NULL OR i.end_date > %(day)s)
ORDER BY i.code

-- name: security_name
SELECT n.code, n.name
FROM ashare.security_name n JOIN (
{listed}
) AS u USING (code)
WHERE n.start_date <= %(day)s AND (n.end_date IS NULL OR n.end_date > %(day)s)
ORDER BY n.code
