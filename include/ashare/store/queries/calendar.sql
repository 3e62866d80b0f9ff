-- name: session
SELECT is_trading_day, fetched_at FROM ashare.trade_calendar WHERE calendar_date = %(day)s

-- name: save
INSERT INTO ashare.trade_calendar (calendar_date, is_trading_day)
SELECT * FROM unnest(%(days)s::date[], %(is_open)s::boolean[])
ON CONFLICT (calendar_date) DO UPDATE SET is_trading_day = excluded.is_trading_day, fetched_at = now()
