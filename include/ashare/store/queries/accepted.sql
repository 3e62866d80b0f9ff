-- name: latest
-- The fingerprint of the bars is computed only while the acceptance has not ended.
SELECT trade_date, kinds, reason, problem, accepted_by, accepted_at, ended_because,
       CASE WHEN ended_at IS NULL THEN fingerprint = ashare.bars_fingerprint(trade_date, kinds) ELSE false END AS counts
FROM ashare.accepted_date WHERE trade_date = %(day)s ORDER BY id DESC LIMIT 1

-- name: all
SELECT trade_date, kinds, reason, problem, accepted_by, accepted_at, ended_because, true AS counts
FROM ashare.accepted_date WHERE ended_at IS NULL ORDER BY trade_date

-- name: problem
SELECT reason FROM ashare.sync_status WHERE trade_date = %(day)s

-- name: accept
INSERT INTO ashare.accepted_date (trade_date, kinds, reason, problem, fingerprint, accepted_by)
VALUES (%(day)s, %(kinds)s, %(reason)s, %(problem)s, ashare.bars_fingerprint(%(day)s, %(kinds)s), %(who)s)

-- name: record
-- run_id stays: the last run that worked on the date.
UPDATE ashare.sync_status
SET status = %(status)s, complete_kinds = CASE WHEN %(status)s = 'success' THEN kinds ELSE '{}' END,
    expected = %(expected)s, loaded = %(loaded)s, suspended = %(suspended)s, missing = %(missing)s,
    rejected = %(rejected)s, revised = %(revised)s, reason = %(reason)s
WHERE trade_date = %(day)s AND status <> 'syncing'

-- name: end
UPDATE ashare.accepted_date SET ended_at = clock_timestamp(), ended_because = %(because)s
WHERE trade_date = %(day)s AND ended_at IS NULL
