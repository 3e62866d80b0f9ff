-- name: state
SELECT status, reason, loaded, expected, started_at FROM ashare.sync_status WHERE trade_date = %(day)s

-- name: history
SELECT r.first_date, r.last_date, array_agg(b.error ORDER BY b.batch_no) FILTER (WHERE b.error IS NOT NULL),
       (SELECT count(*) FROM ashare.sync_status s
        WHERE s.trade_date BETWEEN r.first_date AND r.last_date AND s.status = 'failed')
FROM ashare.history_run r
LEFT JOIN ashare.history_batch b USING (run_id)
WHERE r.run_id = %(run_id)s
GROUP BY r.run_id

-- name: raise
-- Again where nobody was reached: it is to be sent now.
INSERT INTO ashare.alert (subject, trade_date, first_date, last_date, title, text)
VALUES (%(subject)s, %(trade_date)s, %(first_date)s, %(last_date)s, %(title)s, %(text)s)
ON CONFLICT (subject) WHERE resolved_at IS NULL DO UPDATE SET title = excluded.title, text = excluded.text
WHERE alert.sent_at IS NULL
RETURNING id

-- name: told
UPDATE ashare.alert
SET sent_at = CASE WHEN %(reached)s THEN clock_timestamp() ELSE sent_at END, error = %(error)s
WHERE id = %(id)s

-- name: is_open
SELECT EXISTS (SELECT FROM ashare.alert
               WHERE resolved_at IS NULL AND sent_at IS NOT NULL AND %(day)s BETWEEN first_date AND last_date)

-- name: any_open
SELECT EXISTS (SELECT FROM ashare.alert WHERE resolved_at IS NULL)

-- name: resolve
-- Over: its date is complete, or a history was of all its days, and no other of its days is red or being worked on.
UPDATE ashare.alert a SET resolved_at = clock_timestamp()
WHERE resolved_at IS NULL
  AND (EXISTS (SELECT FROM ashare.sync_status s
               WHERE s.trade_date = a.trade_date AND s.status IN ('success', 'skipped'))
       OR a.first_date >= %(first_date)s AND a.last_date <= %(last_date)s)
  AND NOT EXISTS (SELECT FROM ashare.sync_status s
                  WHERE s.trade_date BETWEEN a.first_date AND a.last_date AND s.status IN ('failed', 'syncing'))
RETURNING id, subject, first_date, last_date, raised_at, sent_at IS NOT NULL

-- name: last
SELECT title, raised_at, error, resolved_at FROM ashare.alert ORDER BY id DESC LIMIT 1
