-- name: asked
SELECT count(*), coalesce(sum(seconds), 0) FROM ashare.source_request
WHERE who = %(who)s AND requested_at >= clock_timestamp() - make_interval(secs => %(seconds)s)

-- name: date
SELECT loaded, missing, rejected, revised FROM ashare.sync_status WHERE trade_date = %(day)s
