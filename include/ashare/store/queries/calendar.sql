-- name: session
SELECT is_trading_day, fetched_at FROM ashare.trade_calendar WHERE calendar_date = %(day)s

-- name: days
SELECT calendar_date, is_trading_day FROM ashare.trade_calendar
WHERE calendar_date BETWEEN %(start)s AND %(end)s ORDER BY calendar_date

-- name: sessions
SELECT calendar_date FROM ashare.trade_calendar
WHERE is_trading_day AND calendar_date BETWEEN %(start)s AND %(end)s ORDER BY calendar_date

-- name: newest_session
SELECT coalesce((SELECT max(calendar_date) FROM ashare.trade_calendar
                 WHERE is_trading_day AND calendar_date <= %(until)s
                   AND EXISTS (SELECT FROM ashare.trade_calendar WHERE calendar_date = %(until)s)), %(until)s)

-- name: save
INSERT INTO ashare.trade_calendar (calendar_date, is_trading_day)
SELECT * FROM unnest(%(days)s::date[], %(is_open)s::boolean[])
ON CONFLICT (calendar_date) DO UPDATE SET is_trading_day = excluded.is_trading_day, fetched_at = now()
