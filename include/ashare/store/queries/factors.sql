-- name: mismatches
-- How many, and the newest of them in words.
SELECT count(*), (array_agg(code || ' ' || trade_date || ': ' || problem ORDER BY trade_date DESC, code))[:%(named)s]
FROM ashare.factor_mismatch(%(since)s, %(until)s)
