-- name: settings
-- COPY writes dates and times as the session shows them.
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
    SELECT code, s.name, kind, s.ipo_date, s.out_date
    FROM ashare.expected_security(%(day)s, %(kinds)s,
                                  ARRAY(SELECT i.code FROM ashare.security i WHERE i.kind = 'index'))
    JOIN ashare.security s USING (code, kind)
    ORDER BY code
) TO STDOUT (FORMAT csv, ENCODING 'UTF8')
