-- name: history_failures
SELECT r.first_date, r.last_date, array_agg(b.error ORDER BY b.batch_no) FILTER (WHERE b.error IS NOT NULL),
       (SELECT count(*) FROM ashare.trade_date_state(NULL, r.first_date, r.last_date, NULL, NULL, NULL) s
        WHERE s.is_recorded AND s.status = 'failed')
FROM ashare.history_run r
LEFT JOIN ashare.batch b ON b.plan = 'history ' || r.run_id AND b.status <> 'superseded'
WHERE r.run_id = %(run_id)s
GROUP BY r.run_id

-- name: add
INSERT INTO ashare.alert (subject, about, run_id, trade_date, first_date, last_date, title, text, end_title)
VALUES (%(subject)s, %(about)s, %(run_id)s, %(trade_date)s, %(first_date)s, %(last_date)s, %(title)s, %(text)s,
        %(end_title)s)
ON CONFLICT (subject) WHERE resolved_at IS NULL DO NOTHING
RETURNING id

-- name: has_open
SELECT EXISTS (SELECT FROM ashare.alert WHERE resolved_at IS NULL AND trade_date = %(day)s)

-- name: days_without_alert
SELECT d.day FROM unnest(%(days)s::date[]) AS d (day)
WHERE NOT EXISTS (SELECT FROM ashare.alert a
                  WHERE a.resolved_at IS NULL AND a.about = 'date' AND d.day BETWEEN a.first_date AND a.last_date)
ORDER BY 1

-- name: is_busy
-- Whether any alert is unresolved, or was sent and its end message was not.
SELECT EXISTS (SELECT FROM ashare.alert WHERE resolved_at IS NULL OR sent_at IS NOT NULL AND end_sent_at IS NULL)

-- name: resolve
UPDATE ashare.alert a
SET resolved_at = clock_timestamp(), end_sent_at = CASE WHEN sent_at IS NULL THEN clock_timestamp() END
WHERE resolved_at IS NULL
  AND (run_id = %(run_id)s AND about <> 'date'
       OR about = 'history' AND coalesce(last_date, '-infinity') <= %(history_until)s
       OR about = 'date'
          AND NOT EXISTS (
              SELECT FROM ashare.trade_calendar c
              LEFT JOIN ashare.trade_date_state(NULL, a.first_date, a.last_date, NULL, NULL, NULL) s
                  ON s.trade_date = c.calendar_date AND s.is_recorded
              WHERE c.is_trading_day AND c.calendar_date BETWEEN a.first_date AND a.last_date
                AND s.status IS DISTINCT FROM 'success')
          AND EXISTS (
              SELECT FROM ashare.trade_date_state(NULL, a.trade_date, a.trade_date, NULL, NULL, NULL) s
              WHERE s.is_recorded AND s.status IN ('success', 'skipped')))

-- name: next_unsent
-- The row lock lasts while the message is sent: of two concurrent senders, one sends the message.
SELECT id, title, text FROM ashare.alert
WHERE sent_at IS NULL AND resolved_at IS NULL AND id <> ALL (%(tried)s)
ORDER BY id LIMIT 1
FOR UPDATE SKIP LOCKED

-- name: record_sent
UPDATE ashare.alert SET sent_at = CASE WHEN %(is_delivered)s THEN clock_timestamp() END, error = %(error)s
WHERE id = %(id)s

-- name: unsent_ends
SELECT id, end_title, title, raised_at FROM ashare.alert
WHERE sent_at IS NOT NULL AND resolved_at IS NOT NULL AND end_sent_at IS NULL
ORDER BY id
FOR UPDATE SKIP LOCKED

-- name: record_end_sent
UPDATE ashare.alert SET end_sent_at = CASE WHEN %(is_delivered)s THEN clock_timestamp() END, error = %(error)s
WHERE id = ANY (%(ids)s)

-- name: clear_errors
UPDATE ashare.alert SET error = NULL WHERE error IS NOT NULL AND sent_at IS NOT NULL

-- name: state
SELECT (SELECT count(*) FROM ashare.alert
        WHERE sent_at IS NULL AND resolved_at IS NULL OR sent_at IS NOT NULL AND resolved_at IS NOT NULL AND end_sent_at IS NULL),
       (SELECT error FROM ashare.alert WHERE error IS NOT NULL AND raised_at > now() - interval '7 days'
        ORDER BY id DESC LIMIT 1),
       title, raised_at, resolved_at
FROM (SELECT) one
LEFT JOIN (SELECT title, raised_at, resolved_at FROM ashare.alert ORDER BY id DESC LIMIT 1) last ON true
