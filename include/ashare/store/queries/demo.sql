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

-- name: members
-- The most traded members of the CSI 300 on the last trade date, with names and industries of the week, and how many
-- members there are.
SELECT b.trade_date, m.code, n.name, i.industry, trim_scale(b.close) AS close, trim_scale(b.pct_chg) AS pct_chg,
       count(*) OVER () AS members
FROM ashare.index_member m
JOIN ashare.daily_bar b ON b.code = m.code
LEFT JOIN ashare.security_name n ON n.code = m.code AND n.start_date <= b.trade_date
    AND (n.end_date IS NULL OR n.end_date > b.trade_date)
LEFT JOIN ashare.industry i ON i.code = m.code AND i.start_date <= b.trade_date
    AND (i.end_date IS NULL OR i.end_date > b.trade_date)
WHERE m.index_code = 'sh.000300' AND m.start_date <= b.trade_date AND (m.end_date IS NULL OR m.end_date > b.trade_date)
  AND b.trade_date = (SELECT max(trade_date) FROM ashare.daily_bar WHERE trade_date BETWEEN %(start)s AND %(end)s)
ORDER BY b.amount DESC NULLS LAST, m.code
LIMIT 5

-- name: limit_up
-- Stocks that closed at their upper price limit on the last trade date, the most traded first, and how many there are.
SELECT l.trade_date, l.code, n.name, trim_scale(b.preclose) AS preclose, trim_scale(b.close) AS close,
       trim_scale(l.limit_up) AS limit_up, l.is_one_price, l.rule, count(*) OVER () AS stocks
FROM ashare.daily_limit l
JOIN ashare.daily_bar b ON b.trade_date = l.trade_date AND b.code = l.code
LEFT JOIN ashare.security_name n ON n.code = l.code AND n.start_date <= l.trade_date
    AND (n.end_date IS NULL OR n.end_date > l.trade_date)
WHERE l.is_limit_up
  AND l.trade_date = (SELECT max(trade_date) FROM ashare.daily_bar WHERE trade_date BETWEEN %(start)s AND %(end)s)
ORDER BY b.amount DESC NULLS LAST, l.code
LIMIT 5
