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

-- name: statuses
SELECT trade_date, status, expected, loaded, suspended, missing, rejected, requests, reason
FROM ashare.sync_status
WHERE trade_date BETWEEN %(start)s AND %(end)s
ORDER BY trade_date

-- name: most_traded
SELECT b.trade_date, b.code, s.name, trim_scale(b.open) AS open, trim_scale(b.high) AS high,
       trim_scale(b.low) AS low, trim_scale(b.close) AS close, b.volume, trim_scale(b.amount) AS amount,
       trim_scale(b.pct_chg) AS pct_chg
FROM ashare.daily_bar b
LEFT JOIN ashare.security s USING (code)
WHERE b.is_trading
  AND s.kind IS DISTINCT FROM 'index'
  AND b.trade_date = (SELECT max(trade_date) FROM ashare.daily_bar WHERE trade_date BETWEEN %(start)s AND %(end)s)
ORDER BY b.amount DESC NULLS LAST, b.code
LIMIT 3
