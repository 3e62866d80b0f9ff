-- name: start
INSERT INTO ashare.sync_status (trade_date, status, kinds, run_id, started_at)
VALUES (%(day)s, 'syncing', %(kinds)s, %(run_id)s, clock_timestamp())
ON CONFLICT (trade_date) DO UPDATE
SET status = 'syncing', kinds = excluded.kinds, reason = NULL, run_id = excluded.run_id,
    started_at = excluded.started_at, finished_at = NULL

-- name: fail
INSERT INTO ashare.sync_status (trade_date, status, kinds, reason, run_id, started_at, finished_at)
VALUES (%(day)s, 'failed', %(kinds)s, %(reason)s, %(run_id)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (trade_date) DO UPDATE
SET status = 'failed', reason = excluded.reason, run_id = excluded.run_id, finished_at = excluded.finished_at,
    expected = NULL, missing = NULL

-- name: postpone
INSERT INTO ashare.sync_status (trade_date, status, kinds, reason, run_id, started_at)
VALUES (%(day)s, 'syncing', %(kinds)s, %(reason)s, %(run_id)s, clock_timestamp())
ON CONFLICT (trade_date) DO UPDATE
SET status = 'syncing', reason = excluded.reason, run_id = excluded.run_id, finished_at = NULL

-- name: resume
-- The reason stays if another batch still waits.
UPDATE ashare.sync_status SET reason = NULL
WHERE trade_date = %(day)s AND status = 'syncing' AND reason IS NOT NULL
  AND NOT EXISTS (SELECT FROM ashare.sync_batch b
                  WHERE b.trade_date = %(day)s AND b.status = 'pending' AND b.error IS NOT NULL)

-- name: step_failure
-- Why a step failed. A failure that the last step counted has `expected`.
SELECT reason FROM ashare.sync_status WHERE trade_date = %(day)s AND status = 'failed' AND expected IS NULL

-- name: finish
INSERT INTO ashare.sync_status
    (trade_date, status, kinds, complete_kinds, expected, loaded, suspended, missing, rejected, revised, requests,
     reason, run_id, started_at, finished_at)
VALUES (%(day)s, %(status)s, %(kinds)s, CASE WHEN %(status)s = 'success' THEN %(kinds)s::text[] ELSE '{}' END, %(expected)s, %(loaded)s, %(suspended)s, %(missing)s, %(rejected)s,
        %(revised)s, %(requests)s, %(reason)s, %(run_id)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (trade_date) DO UPDATE
SET status = excluded.status, kinds = excluded.kinds, complete_kinds = excluded.complete_kinds,
    expected = excluded.expected, loaded = excluded.loaded,
    suspended = excluded.suspended, missing = excluded.missing, rejected = excluded.rejected,
    revised = excluded.revised, requests = excluded.requests, reason = excluded.reason, run_id = excluded.run_id,
    finished_at = excluded.finished_at, checked_at = nullif(sync_status.checked_at, '-infinity')

-- name: get
SELECT status, kinds FROM ashare.sync_status WHERE trade_date = %(day)s

-- name: complete_kinds
SELECT complete_kinds FROM ashare.sync_status WHERE trade_date = %(day)s

-- name: recount
UPDATE ashare.sync_status
SET expected = %(expected)s, loaded = %(loaded)s, suspended = %(suspended)s, rejected = %(rejected)s,
    revised = %(revised)s, reason = %(reason)s
WHERE trade_date = %(day)s AND status = 'success'

-- name: contradict
UPDATE ashare.sync_status SET status = 'failed', complete_kinds = '{}', reason = %(reason)s
WHERE trade_date = %(day)s AND status = 'success'

-- name: settled
-- Dates of a range that are recorded as closed, or as complete for at least these kinds and still have their rows.
SELECT trade_date FROM ashare.sync_status s
WHERE trade_date BETWEEN %(start)s AND %(end)s
  AND (status = 'skipped' OR status = 'success' AND kinds @> %(kinds)s::text[]
       AND loaded <= (SELECT count(*) FROM ashare.daily_bar b WHERE b.trade_date = s.trade_date))

-- name: is_settled
-- Whether the date is recorded as complete for at least these kinds.
SELECT EXISTS (SELECT FROM ashare.sync_status
               WHERE trade_date = %(day)s AND status = 'success' AND kinds @> %(kinds)s)

-- name: count_poll
INSERT INTO ashare.publication_look (trade_date, waits_for, looks) VALUES (%(day)s, %(waits_for)s, 1)
ON CONFLICT (trade_date, waits_for) DO UPDATE SET looks = publication_look.looks + 1, looked_at = clock_timestamp()
RETURNING looks

-- name: record
-- The record of a date, and its number of bars now.
SELECT status, kinds, loaded, reason, run_id,
       (SELECT count(*) FROM ashare.daily_bar b WHERE b.trade_date = s.trade_date) AS bars
FROM ashare.sync_status s WHERE trade_date = %(day)s

-- name: waiting
SELECT trade_date, reason FROM ashare.sync_status
WHERE trade_date = ANY (%(days)s::date[]) AND status = 'syncing' AND reason IS NOT NULL
ORDER BY trade_date LIMIT 1

-- name: figures
SELECT loaded, missing, rejected, revised FROM ashare.sync_status WHERE trade_date = %(day)s
