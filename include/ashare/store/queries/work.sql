-- name: start
-- What an earlier run left behind is taken over.
WITH taken_over AS (
    DELETE FROM ashare.work
    WHERE partition = %(day)s AND dataset = ANY (%(datasets)s) AND run_id <> %(run_id)s AND ended_at IS NOT NULL
)
INSERT INTO ashare.work (dataset, partition, run_id, is_asked)
SELECT dataset, %(day)s, %(run_id)s, dataset = ANY (%(asked)s) FROM unnest(%(datasets)s::text[]) AS own (dataset)
ON CONFLICT (dataset, partition, run_id) DO UPDATE
SET started_at = excluded.started_at, waits_for = NULL, until = NULL, error = NULL, ended_at = NULL

-- name: stop
-- With an error, the work has ended; without one, it waits.
INSERT INTO ashare.work (dataset, partition, run_id, is_asked, waits_for, until, error, ended_at)
SELECT dataset, %(day)s, %(run_id)s, dataset = ANY (%(asked)s), %(waits_for)s, %(until)s, %(error)s,
       CASE WHEN %(error)s::text IS NOT NULL THEN clock_timestamp() END
FROM unnest(%(datasets)s::text[]) AS own (dataset)
-- A person may have ended the history meanwhile: nothing of it has failed.
WHERE NOT EXISTS (SELECT FROM ashare.history_run h WHERE h.run_id = %(run_id)s AND h.ended_at IS NOT NULL)
ON CONFLICT (dataset, partition, run_id) DO UPDATE
SET waits_for = excluded.waits_for, until = excluded.until, error = excluded.error, ended_at = excluded.ended_at

-- name: resume
-- The reason stays if another batch of the dataset still waits.
UPDATE ashare.work SET waits_for = NULL, until = NULL
WHERE partition = %(day)s AND dataset = %(dataset)s AND waits_for IS NOT NULL AND ended_at IS NULL
  AND NOT EXISTS (SELECT FROM ashare.sync_batch b
                  WHERE b.trade_date = %(day)s AND b.kind = %(kind)s AND b.status = 'pending' AND b.error IS NOT NULL)

-- name: done
DELETE FROM ashare.work WHERE partition = ANY (%(days)s::date[]) AND dataset = ANY (%(datasets)s)

-- name: forget_failures
DELETE FROM ashare.work WHERE partition = %(day)s AND dataset = ANY (%(datasets)s) AND ended_at IS NOT NULL

-- name: give_up
WITH ended AS (
    UPDATE ashare.history_run SET ended_at = clock_timestamp() WHERE run_id = %(run_id)s AND ended_at IS NULL
)
DELETE FROM ashare.work WHERE run_id = %(run_id)s

-- name: errors
SELECT DISTINCT error FROM ashare.work
WHERE partition = %(day)s AND dataset = ANY (%(datasets)s) AND error IS NOT NULL ORDER BY 1

-- name: count_poll
INSERT INTO ashare.publication_look (trade_date, waits_for, looks) VALUES (%(day)s, %(waits_for)s, 1)
ON CONFLICT (trade_date, waits_for) DO UPDATE SET looks = publication_look.looks + 1, looked_at = clock_timestamp()
RETURNING looks
