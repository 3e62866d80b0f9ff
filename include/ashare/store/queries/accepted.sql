-- name: latest
-- The fingerprint of the bars is computed only while the acceptance has not ended.
SELECT trade_date, kinds, reason, problem, accepted_by, accepted_at, ended_because,
       CASE WHEN ended_at IS NULL THEN fingerprint = ashare.bars_fingerprint(trade_date, kinds) ELSE false END AS counts
FROM ashare.accepted_date WHERE trade_date = %(day)s ORDER BY id DESC LIMIT 1

-- name: all
SELECT trade_date, kinds, reason, problem, accepted_by, accepted_at, ended_because, true AS counts
FROM ashare.accepted_date WHERE ended_at IS NULL ORDER BY trade_date

-- name: days
SELECT DISTINCT trade_date FROM ashare.accepted_date

-- name: accept
INSERT INTO ashare.accepted_date (trade_date, kinds, reason, problem, fingerprint, accepted_by)
VALUES (%(day)s, %(kinds)s, %(reason)s, %(problem)s, ashare.bars_fingerprint(%(day)s, %(kinds)s), %(who)s)
RETURNING trade_date, kinds, reason, problem, accepted_by, accepted_at, ended_because, true AS counts

-- name: end
UPDATE ashare.accepted_date SET ended_at = clock_timestamp(), ended_because = %(because)s
WHERE trade_date = %(day)s AND ended_at IS NULL
