-- name: supersede
UPDATE ashare.sync_batch SET status = 'superseded'
WHERE trade_date = %(day)s AND kind <> 'factor' AND status IN ('pending', 'running', 'failed')

-- name: lock
-- Without the lock, two sessions that number a date's batches at once would take the same number.
SELECT pg_advisory_xact_lock(hashtextextended('ashare batches ' || %(day)s::date, 0))

-- name: add
INSERT INTO ashare.sync_batch (trade_date, batch_no, kind, by, codes, label, again, heals, status, run_id)
SELECT %(day)s, greatest(coalesce(max(batch_no), 0), 0) + 1, %(kind)s, %(by)s, %(codes)s, %(label)s, %(again)s,
       %(heals)s, 'pending', %(run_id)s
FROM ashare.sync_batch WHERE trade_date = %(day)s
RETURNING batch_no

-- name: add_factor
INSERT INTO ashare.sync_batch (trade_date, batch_no, kind, by, label, status, run_id)
VALUES (%(day)s, 0, 'factor', 'market_day', %(label)s, 'pending', %(run_id)s)
ON CONFLICT (trade_date, batch_no) DO NOTHING

-- name: get
SELECT kind, by, codes, label, batch_no, again, heals FROM ashare.sync_batch
WHERE trade_date = %(day)s AND batch_no = %(batch_no)s

-- name: start
UPDATE ashare.sync_batch
SET status = 'running', started_at = clock_timestamp(), finished_at = NULL, error = NULL
WHERE trade_date = %(day)s AND batch_no = %(batch_no)s
RETURNING kind

-- name: finish
UPDATE ashare.sync_batch
SET status = %(status)s, rows = coalesce(rows + %(rows)s, rows, %(rows)s),
    requests = coalesce(requests, 0) + %(requests)s, error = %(error)s,
    finished_at = clock_timestamp()
WHERE trade_date = %(day)s AND batch_no = %(batch_no)s

-- name: errors
-- A batch whose process was killed has no error: the text says when work on it began. A batch of another run may be
-- under way.
SELECT label || ': ' || coalesce(error, CASE
           WHEN run_id = %(run_id)s
           THEN 'work on it began at ' || to_char(started_at AT TIME ZONE 'Asia/Shanghai', 'HH24:MI:SS')
                || ' and did not end: its process was killed, or the database went away'
           ELSE 'the run ' || run_id || ' has been at work on it since '
                || to_char(started_at AT TIME ZONE 'Asia/Shanghai', 'HH24:MI:SS') END)
FROM ashare.sync_batch
WHERE trade_date = %(day)s AND (status IN ('failed', 'running') OR status = 'pending' AND error IS NOT NULL)
  AND (again IS NOT NULL OR heals IS NOT NULL OR NOT %(only_earlier)s)
ORDER BY batch_no

-- name: earliest_waiting
-- Only dates that a run works on: the open batches of a dead run do not wait.
SELECT min(b.trade_date)
FROM ashare.sync_batch b
JOIN ashare.work w ON w.partition = b.trade_date AND w.dataset = %(dataset)s
WHERE b.trade_date BETWEEN %(since)s AND %(day)s AND b.kind = %(kind)s AND b.by = 'code'
  AND b.status IN ('pending', 'running') AND b.codes && %(codes)s::text[]
  AND w.ended_at IS NULL AND w.started_at > now() - interval '1 day'
