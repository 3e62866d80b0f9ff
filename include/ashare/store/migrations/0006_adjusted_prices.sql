-- Adjusted prices, computed when they are read: an ex-date changes all earlier ones, and what is stored goes stale.

-- Reading all factors in order, as a day of the whole market does, without looking at the table.
CREATE INDEX adjust_factor_back_factor ON ashare.adjust_factor (code, ex_date) INCLUDE (back_factor);

CREATE VIEW ashare.adjust_factor_series AS
SELECT a.code, min(a.ex_date) AS first_ex_date, array_agg(a.ex_date ORDER BY a.ex_date) AS ex_dates,
       CASE WHEN EXISTS (SELECT FROM ashare.factor_history h WHERE h.code = a.code) THEN 1 END
           || array_agg(a.back_factor ORDER BY a.ex_date) AS back_factors
FROM ashare.adjust_factor a
GROUP BY a.code;
COMMENT ON VIEW ashare.adjust_factor_series IS 'All factors of a stock in one row, so that a bar is joined with one row and never with two.';
COMMENT ON COLUMN ashare.adjust_factor_series.code IS 'Baostock''s code with the exchange.';
COMMENT ON COLUMN ashare.adjust_factor_series.first_ex_date IS 'The first known ex-date.';
COMMENT ON COLUMN ashare.adjust_factor_series.ex_dates IS 'All known ex-dates, in order.';
COMMENT ON COLUMN ashare.adjust_factor_series.back_factors IS 'The factor before the first of them (NULL where earlier ones may not be known: see factor_history), then that from each of them on.';

-- OFFSET 0: computed once for each bar, and not once for each of its prices.
CREATE VIEW ashare.daily_bar_factor AS
SELECT b.trade_date, b.code, b.open, b.high, b.low, b.close, b.preclose, b.volume, b.amount, b.turn, b.pct_chg,
       b.is_trading, b.is_st, b.pe_ttm, b.pb_mrq, b.ps_ttm, b.pcf_ncf_ttm, f.back_factor, f.latest_back_factor
FROM ashare.daily_bar b
LEFT JOIN ashare.adjust_factor_series s ON s.code = b.code
CROSS JOIN LATERAL (
    SELECT s.back_factors[1] IS NULL AND b.trade_date < s.first_ex_date AS is_unknown OFFSET 0
) AS before
-- Beside that condition it depends on the code alone, and is looked up once for all of a stock's bars.
LEFT JOIN LATERAL (
    SELECT CASE WHEN e.trade_date = s.first_ex_date
                THEN e.preclose / nullif(lead(e.close) OVER (ORDER BY e.trade_date DESC), 0) END AS ratio
    FROM ashare.daily_bar e
    WHERE before.is_unknown AND e.code = s.code AND e.trade_date <= s.first_ex_date
    ORDER BY e.trade_date DESC LIMIT 1
) AS first_ex ON true
CROSS JOIN LATERAL (
    SELECT coalesce(s.back_factors[1 + width_bucket(b.trade_date, s.ex_dates)],
                    round(s.back_factors[2] * coalesce(first_ex.ratio, 1), 6), 1) AS back_factor,
           coalesce(s.back_factors[cardinality(s.back_factors)], 1) AS latest_back_factor
    OFFSET 0
) AS f;
COMMENT ON VIEW ashare.daily_bar_factor IS 'Every row of daily_bar with its adjust factors; what the adjusted views are made of.';
COMMENT ON COLUMN ashare.daily_bar_factor.back_factor IS 'That of the last ex-date up to the day. Before the first known one: 1 for stocks in factor_history; for others that first factor x preclose / last close of its day (x 1 without those bars), 6 decimals as Baostock''s. 1 for whatever has no ex-date.';
COMMENT ON COLUMN ashare.daily_bar_factor.latest_back_factor IS 'That of the newest ex-date.';

-- Eight decimals: at 0.05 CNY that is a ten-millionth, finer than pct_chg is given.
CREATE VIEW ashare.daily_bar_hfq AS
SELECT b.trade_date, b.code, round(b.open * b.back_factor, 8) AS open, round(b.high * b.back_factor, 8) AS high,
       round(b.low * b.back_factor, 8) AS low, round(b.close * b.back_factor, 8) AS close,
       round(b.preclose * b.back_factor, 8) AS preclose, b.volume,
       round(b.volume / b.back_factor, 4) AS adjusted_volume, b.amount, b.turn, b.pct_chg, b.is_trading, b.is_st,
       b.pe_ttm, b.pb_mrq, b.ps_ttm, b.pcf_ncf_ttm, b.back_factor AS factor
FROM ashare.daily_bar_factor b;
COMMENT ON VIEW ashare.daily_bar_hfq IS 'Every row of daily_bar, prices adjusted backward (hfq): what is bought on the first day and never sold. A later ex-date changes none of them.';
COMMENT ON COLUMN ashare.daily_bar_hfq.factor IS 'Adjusted price = price as traded x factor: the back_factor of the last ex-date up to the day; 1 for indices, ETFs and stocks without an ex-date.';

CREATE VIEW ashare.daily_bar_qfq AS
SELECT b.trade_date, b.code, round(b.open * f.factor, 8) AS open, round(b.high * f.factor, 8) AS high,
       round(b.low * f.factor, 8) AS low, round(b.close * f.factor, 8) AS close,
       round(b.preclose * f.factor, 8) AS preclose, b.volume,
       round(b.volume / f.factor, 4) AS adjusted_volume, b.amount, b.turn, b.pct_chg, b.is_trading, b.is_st,
       b.pe_ttm, b.pb_mrq, b.ps_ttm, b.pcf_ncf_ttm, f.factor
FROM ashare.daily_bar_factor b
CROSS JOIN LATERAL (SELECT round(b.back_factor / b.latest_back_factor, 12) AS factor OFFSET 0) AS f;
COMMENT ON VIEW ashare.daily_bar_qfq IS 'Every row of daily_bar, prices adjusted forward (qfq): those since the newest ex-date are as traded, and each new ex-date changes all before it.';
COMMENT ON COLUMN ashare.daily_bar_qfq.factor IS 'Adjusted price = price as traded x factor: the back_factor of the day over that of the newest ex-date; 1 for indices, ETFs and stocks without an ex-date.';

DO $$
DECLARE
    name text;
    said text;
BEGIN
    -- What is passed on as it is means what it means in the table.
    FOR name, said IN
        SELECT attname, col_description(attrelid, attnum) FROM pg_attribute
        WHERE attrelid = 'ashare.daily_bar'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'loaded_at'
    LOOP
        EXECUTE format('COMMENT ON COLUMN ashare.daily_bar_factor.%I IS %L', name, said);
        EXECUTE format('COMMENT ON COLUMN ashare.daily_bar_hfq.%I IS %L', name, said);
        EXECUTE format('COMMENT ON COLUMN ashare.daily_bar_qfq.%I IS %L', name, said);
    END LOOP;
    FOREACH name IN ARRAY '{open,high,low,close}'::text[] LOOP
        EXECUTE format('COMMENT ON COLUMN ashare.daily_bar_hfq.%I IS %L', name, 'CNY, adjusted backward.');
        EXECUTE format('COMMENT ON COLUMN ashare.daily_bar_qfq.%I IS %L', name, 'CNY, adjusted forward.');
    END LOOP;
END
$$;
COMMENT ON COLUMN ashare.daily_bar_hfq.preclose IS 'The reference price x the same day''s factor: being ex rights already, it is the last adjusted close; close / preclose - 1 is pct_chg.';
COMMENT ON COLUMN ashare.daily_bar_qfq.preclose IS 'The reference price x the same day''s factor: being ex rights already, it is the last adjusted close; close / preclose - 1 is pct_chg.';
COMMENT ON COLUMN ashare.daily_bar_hfq.volume IS 'Shares as traded: amount and turn are about these.';
COMMENT ON COLUMN ashare.daily_bar_qfq.volume IS 'Shares as traded: amount and turn are about these.';
COMMENT ON COLUMN ashare.daily_bar_hfq.adjusted_volume IS 'volume / factor: amount / adjusted_volume is the adjusted average price, and a split leaves no step.';
COMMENT ON COLUMN ashare.daily_bar_qfq.adjusted_volume IS 'volume / factor: amount / adjusted_volume is the adjusted average price, and a split leaves no step.';

CREATE FUNCTION ashare.factor_mismatch(since date, until date)
RETURNS TABLE (code text, trade_date date, problem text, preclose numeric, last_close numeric, back_factor numeric)
LANGUAGE sql STABLE
AS $$
    WITH session AS (
        SELECT c.calendar_date AS day, lag(c.calendar_date) OVER (ORDER BY c.calendar_date) AS before,
               lead(c.calendar_date) OVER (ORDER BY c.calendar_date) AS after
        FROM ashare.trade_calendar c
        WHERE c.is_trading_day AND c.calendar_date BETWEEN since - 31 AND until + 31
    ), stock AS (
        SELECT s.code, s.ipo_date, s.out_date FROM ashare.security s WHERE s.kind = 'stock' AND s.code NOT LIKE 'bj.%'
    ), moved AS (
        -- Date by date, and grouped, not joined: fast however few bars the planner expects.
        SELECT pair.code, d.day, d.before, pair.preclose, pair.last_close
        FROM session d
        CROSS JOIN LATERAL (
            SELECT b.code, max(b.preclose) FILTER (WHERE b.trade_date = d.day) AS preclose,
                   max(b.close) FILTER (WHERE b.trade_date = d.before) AS last_close
            FROM ashare.daily_bar b WHERE b.trade_date IN (d.day, d.before)
            GROUP BY b.code HAVING count(*) = 2
        ) AS pair
        WHERE d.day BETWEEN since AND until AND pair.preclose IS DISTINCT FROM pair.last_close
    ), known AS (
        SELECT f.code, d.day, d.before, d.after, f.back_factor, b.code IS NOT NULL AS has_bar, b.is_trading, b.preclose
        FROM session d
        JOIN ashare.adjust_factor f ON f.ex_date = d.day
        LEFT JOIN ashare.daily_bar b ON b.code = f.code AND b.trade_date = f.ex_date
        WHERE d.day BETWEEN since AND until
    )
    SELECT m.code, m.day, 'moved without a factor', m.preclose, m.last_close, NULL
    FROM moved m JOIN stock USING (code)
    -- Also one of a day without a session: the first bar after it is the first at the new price.
    WHERE NOT EXISTS (SELECT FROM ashare.adjust_factor f
                      WHERE f.code = m.code AND f.ex_date > m.before AND f.ex_date <= m.day)
    UNION ALL
    SELECT k.code, k.day, 'factor without a move', k.preclose, p.close, k.back_factor
    FROM known k JOIN stock USING (code) JOIN ashare.daily_bar p ON p.code = k.code AND p.trade_date = k.before
    WHERE k.is_trading AND k.preclose IS NOT DISTINCT FROM p.close
    UNION ALL
    SELECT k.code, k.day, 'factor without a bar', NULL, p.close, k.back_factor
    FROM known k JOIN stock s USING (code) JOIN ashare.daily_bar p ON p.code = k.code AND p.trade_date = k.before
    WHERE NOT k.has_bar AND (s.ipo_date IS NULL OR s.ipo_date <= k.day) AND (s.out_date IS NULL OR s.out_date > k.day)
      AND EXISTS (SELECT FROM ashare.daily_bar n WHERE n.code = k.code AND n.trade_date = k.after)
    ORDER BY 2, 1
$$;
COMMENT ON FUNCTION ashare.factor_mismatch IS 'Where stocks'' prices and adjust factors disagree: a preclose that is not the close of the session before, without a factor; a factor on a day of trading whose preclose is that close; a factor on a day without a bar between days with one. A bar whose session before has none is not judged. As the cross-check of each trade date counts them (rules preclose and ex_dates).';

CREATE VIEW ashare.daily_stock_data AS
SELECT substr(s.code, 4) AS stock_code, s.name AS stock_name, b.trade_date, b.open AS open_price,
       b.close AS close_price, b.high AS high_price, b.low AS low_price, b.volume, b.amount, b.pct_chg AS change_pct,
       b.close - b.preclose AS change_amount, b.turn AS turnover_rate,
       round((b.high - b.low) / nullif(b.preclose, 0) * 100, 4) AS amplitude
FROM ashare.security s
JOIN ashare.daily_bar b ON b.code = s.code
WHERE s.kind = 'stock';
COMMENT ON VIEW ashare.daily_stock_data IS 'The stocks'' rows of daily_bar under the names that StockGuru''s queries use; prices as traded. Stocks only: without its exchange an index''s code is some stock''s.';
COMMENT ON COLUMN ashare.daily_stock_data.stock_code IS 'Six digits, without the exchange.';
COMMENT ON COLUMN ashare.daily_stock_data.stock_name IS 'Short name of today.';
COMMENT ON COLUMN ashare.daily_stock_data.trade_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.daily_stock_data.open_price IS 'CNY, unadjusted.';
COMMENT ON COLUMN ashare.daily_stock_data.close_price IS 'CNY, unadjusted.';
COMMENT ON COLUMN ashare.daily_stock_data.high_price IS 'CNY, unadjusted.';
COMMENT ON COLUMN ashare.daily_stock_data.low_price IS 'CNY, unadjusted.';
COMMENT ON COLUMN ashare.daily_stock_data.volume IS 'Shares.';
COMMENT ON COLUMN ashare.daily_stock_data.amount IS 'CNY.';
COMMENT ON COLUMN ashare.daily_stock_data.change_pct IS 'close / preclose - 1, percent: the true return, ex-days included.';
COMMENT ON COLUMN ashare.daily_stock_data.change_amount IS 'close - preclose, CNY.';
COMMENT ON COLUMN ashare.daily_stock_data.turnover_rate IS 'Percent of the floating shares.';
COMMENT ON COLUMN ashare.daily_stock_data.amplitude IS '(high - low) / preclose, percent.';

CREATE VIEW ashare.daily_sync_status AS
SELECT trade_date AS sync_date, status, coalesce(expected, 0) AS total_records, coalesce(loaded, 0) AS success_count,
       coalesce(missing, 0) AS failed_count, started_at AS start_time, finished_at AS end_time, reason AS remarks
FROM ashare.sync_status;
COMMENT ON VIEW ashare.daily_sync_status IS 'sync_status under the names that StockGuru''s queries use.';
COMMENT ON COLUMN ashare.daily_sync_status.sync_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.daily_sync_status.status IS 'syncing, success, failed or skipped; a date without a row is pending.';
COMMENT ON COLUMN ashare.daily_sync_status.total_records IS 'Securities that were listed that day; 0 while not counted.';
COMMENT ON COLUMN ashare.daily_sync_status.success_count IS 'Bars of that day in the table; 0 while not counted.';
COMMENT ON COLUMN ashare.daily_sync_status.failed_count IS 'Securities with neither a bar nor a recorded reason; 0 while not counted.';
COMMENT ON COLUMN ashare.daily_sync_status.start_time IS 'When the last run started to work on the date.';
COMMENT ON COLUMN ashare.daily_sync_status.end_time IS 'When that run recorded its end.';
COMMENT ON COLUMN ashare.daily_sync_status.remarks IS 'Why the date is failed or skipped, or what is worth knowing of a success.';
