-- name: settings
-- COPY formats dates and times by the session's settings.
SELECT set_config('datestyle', 'ISO, YMD', true), set_config('timezone', 'UTC', true),
       set_config('client_encoding', 'UTF8', true),
       set_config('lock_timeout', coalesce(nullif(current_setting('lock_timeout'), '0'), %(lock_timeout)s), true)

-- name: bars
COPY (
    SELECT {columns} FROM {bars}
    WHERE trade_date BETWEEN %(start)s AND %(end)s
      AND (%(codes)s::text[] IS NULL OR code = ANY (%(codes)s::text[]))
    ORDER BY code, trade_date
) TO STDOUT (FORMAT csv, ENCODING 'UTF8')

-- name: unknown
SELECT code FROM unnest(%(codes)s::text[]) WITH ORDINALITY AS asked (code, n)
WHERE NOT EXISTS (SELECT FROM ashare.security s WHERE s.code = asked.code)
  AND NOT EXISTS (SELECT FROM ashare.daily_bar b WHERE b.code = asked.code)
ORDER BY n

-- name: list_read_at
SELECT max(updated_at) FROM ashare.security

-- name: universe
COPY (
    -- With or without a bar of that day. The Beijing exchange is left out: Baostock has no bars of it.
    SELECT code, name, kind, ipo_date, out_date FROM ashare.security
    WHERE kind = ANY (%(kinds)s) AND code NOT LIKE 'bj.%%'
      AND (ipo_date IS NULL OR ipo_date <= %(day)s)
      AND (least(out_date, gone_from) IS NULL OR least(out_date, gone_from) > %(day)s)
    ORDER BY code
) TO STDOUT (FORMAT csv, ENCODING 'UTF8')
