-- name: has_bars
SELECT to_regclass('ashare.daily_bar') IS NOT NULL

-- name: sample
SELECT b.trade_date, b.code, b.close, b.volume
FROM (SELECT min(trade_date) AS oldest, max(trade_date) AS newest FROM ashare.daily_bar) AS ends
CROSS JOIN LATERAL (
    (SELECT * FROM ashare.daily_bar WHERE trade_date = oldest AND code ~ '^(sh\.6|sz\.[03]0)' ORDER BY code LIMIT 100)
    UNION ALL
    (SELECT * FROM ashare.daily_bar WHERE trade_date = newest AND code ~ '^(sh\.6|sz\.[03]0)' ORDER BY code LIMIT 100)
) AS b
