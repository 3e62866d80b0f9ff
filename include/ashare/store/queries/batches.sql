-- name: supersede
UPDATE ashare.batch SET status = 'superseded'
WHERE plan = %(plan)s AND kind <> 'factor' AND status IN ('pending', 'running', 'failed')

-- name: add
INSERT INTO ashare.batch (plan, trade_date, batch_no, kind, by, codes, label, again, heals, status, run_id)
SELECT %(plan)s, %(day)s, greatest(coalesce(max(batch_no), 0), 0) + 1, %(kind)s, %(by)s, %(codes)s, %(label)s,
       %(again)s, %(heals)s, 'pending', %(run_id)s
FROM ashare.batch WHERE plan = %(plan)s
RETURNING batch_no

-- name: add_factor
INSERT INTO ashare.batch (plan, trade_date, batch_no, kind, by, label, status, run_id)
VALUES (%(plan)s, %(day)s, 0, 'factor', 'market_day', %(label)s, 'pending', %(run_id)s)
ON CONFLICT (plan, batch_no) DO NOTHING

-- name: start
UPDATE ashare.batch
SET status = 'running', started_at = clock_timestamp(), finished_at = NULL, error = NULL
WHERE plan = %(plan)s AND batch_no = %(batch_no)s
RETURNING kind, by, codes, label, batch_no, again, heals

-- name: add_rows
UPDATE ashare.batch SET rows = coalesce(rows, 0) + %(rows)s WHERE plan = %(plan)s AND batch_no = %(batch_no)s

-- name: finish
UPDATE ashare.batch
SET status = %(status)s, requests = coalesce(requests, 0) + %(requests)s, error = %(error)s,
    finished_at = clock_timestamp()
WHERE plan = %(plan)s AND batch_no = %(batch_no)s

-- name: errors
-- A batch whose process was killed has no error: the text says when work on it began. A batch of another run may be
-- under way.
SELECT label || ': ' || coalesce(error, CASE
           WHEN status = 'pending' THEN 'it was not begun'
           WHEN run_id = %(run_id)s
           THEN 'work on it began at ' || to_char(started_at AT TIME ZONE 'Asia/Shanghai', 'HH24:MI:SS')
                || ' and did not end: its process was killed, or the database went away'
           ELSE 'the run ' || run_id || ' has been at work on it since '
                || to_char(started_at AT TIME ZONE 'Asia/Shanghai', 'HH24:MI:SS') END)
FROM ashare.batch
WHERE plan = %(plan)s AND status NOT IN ('success', 'superseded')
  AND (again IS NOT NULL OR heals IS NOT NULL OR NOT %(only_earlier)s)
  AND (again = ARRAY[trade_date] OR NOT %(only_verification)s)
ORDER BY batch_no

-- name: earliest_waiting
-- Only dates that a run works on: the open batches of a dead run do not wait.
SELECT min(b.trade_date)
FROM ashare.batch b
JOIN ashare.work w ON w.partition = b.trade_date AND w.dataset = %(dataset)s
WHERE b.trade_date BETWEEN %(since)s AND %(day)s AND b.kind = %(kind)s AND b.by = 'code'
  AND b.status IN ('pending', 'running') AND b.codes && %(codes)s::text[]
  AND w.ended_at IS NULL AND w.started_at > now() - interval '1 day'
