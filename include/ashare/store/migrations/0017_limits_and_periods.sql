-- Views of what the bars hold already: price limits, floating shares, weeks and months. No request is needed for them.

CREATE TABLE ashare.price_limit_rule (
    rule               text PRIMARY KEY,
    board              text NOT NULL CHECK (board IN ('main', 'star', 'chinext')),
    code_prefix        text NOT NULL CHECK (code_prefix IN ('sh.60', 'sz.00', 'sh.68', 'sz.30')),
    is_st              boolean,
    listing_sessions   smallint CHECK (listing_sessions > 0),
    is_delisting_start boolean NOT NULL DEFAULT false,
    first_day          date NOT NULL,
    last_day           date,
    up_pct             numeric CHECK (up_pct > 0),
    down_pct           numeric CHECK (down_pct > 0 AND down_pct < 100),
    source             text NOT NULL,
    CHECK ((up_pct IS NULL) = (down_pct IS NULL)),
    CHECK (last_day >= first_day),
    CHECK (is_st IS NULL OR listing_sessions IS NULL AND NOT is_delisting_start),
    CHECK (listing_sessions IS NULL OR NOT is_delisting_start)
);
COMMENT ON TABLE ashare.price_limit_rule IS 'The price limits of A shares, with the dates from which and to which each applies. A rule of a delisting period''s start goes before a rule of the first sessions since listing, and that before all others. B shares and the Beijing exchange have no rule: Baostock has no bars of them.';
COMMENT ON COLUMN ashare.price_limit_rule.rule IS 'Name of the rule.';
COMMENT ON COLUMN ashare.price_limit_rule.board IS 'main (sh.60 and sz.00, the former SME board included), star (sh.68) or chinext (sz.30).';
COMMENT ON COLUMN ashare.price_limit_rule.code_prefix IS 'The first five characters of the codes that it applies to.';
COMMENT ON COLUMN ashare.price_limit_rule.is_st IS 'true: bars under special treatment (ST, *ST) only; false: other bars only; NULL: both.';
COMMENT ON COLUMN ashare.price_limit_rule.listing_sessions IS 'It applies to so many first sessions of a stock, the listing day included; NULL: to any session.';
COMMENT ON COLUMN ashare.price_limit_rule.is_delisting_start IS 'true: it applies to the first day of a delisting period.';
COMMENT ON COLUMN ashare.price_limit_rule.first_day IS 'First trade date; with listing_sessions, first listing day.';
COMMENT ON COLUMN ashare.price_limit_rule.last_day IS 'Last trade date (with listing_sessions, last listing day), included; NULL while the rule is in force.';
COMMENT ON COLUMN ashare.price_limit_rule.up_pct IS 'How far a price may be above preclose (on the listing day, above the issue price), percent; NULL: no limit.';
COMMENT ON COLUMN ashare.price_limit_rule.down_pct IS 'How far a price may be below it, percent; NULL: no limit.';
COMMENT ON COLUMN ashare.price_limit_rule.source IS 'The exchange''s rule or announcement, with its date, and what is not sure.';

INSERT INTO ashare.price_limit_rule
    (rule, board, code_prefix, is_st, listing_sessions, is_delisting_start, first_day, last_day, up_pct, down_pct, source)
VALUES
    -- Any session.
    ('main_sh_free', 'main', 'sh.60', NULL, NULL, false, '1990-12-19', '1996-12-15', NULL, NULL,
     'No limit before the ±10 % of 1996-12-16. The Shanghai exchange had limits of 0.5 to 10 %, changed several times, up to 1992-05-20; these are not kept here.'),
    ('main_sh_before_st', 'main', 'sh.60', NULL, NULL, false, '1996-12-16', '1998-04-21', 10, 10,
     'CSRC and Shanghai exchange, December 1996 (上证交〔96〕036号): ±10 %. There was no special treatment yet.'),
    ('main_sh', 'main', 'sh.60', false, NULL, false, '1998-04-22', NULL, 10, 10,
     '上海证券交易所交易规则: ±10 % since 1996-12-16.'),
    ('main_sh_st_5', 'main', 'sh.60', true, NULL, false, '1998-04-22', '2026-07-05', 5, 5,
     'Shanghai exchange, chronicle of 1998: special treatment from 1998-04-22; ±5 %. The Shenzhen exchange gives 1998-04-27; the first such stock is of 1998-04-28.'),
    ('main_sh_st_10', 'main', 'sh.60', true, NULL, false, '2026-07-06', NULL, 10, 10,
     '上海证券交易所交易规则（2026年修订）, 2026-04-24, in force from 2026-07-06: ±10 % for ST stocks of the main board.'),
    ('main_sz_free', 'main', 'sz.00', NULL, NULL, false, '1990-12-19', '1996-12-15', NULL, NULL,
     'No limit before the ±10 % of 1996-12-16. The Shenzhen exchange had limits of its own up to 1991; these are not kept here.'),
    ('main_sz_before_st', 'main', 'sz.00', NULL, NULL, false, '1996-12-16', '1998-04-21', 10, 10,
     'Shenzhen exchange, 《深市涨跌停板制度的由来》, 2018-03-28: ±10 % from 1996-12-16. There was no special treatment yet.'),
    ('main_sz', 'main', 'sz.00', false, NULL, false, '1998-04-22', NULL, 10, 10,
     '深圳证券交易所交易规则: ±10 % since 1996-12-16.'),
    ('main_sz_st_5', 'main', 'sz.00', true, NULL, false, '1998-04-22', '2026-07-05', 5, 5,
     'Shenzhen exchange, 《深市涨跌停板制度的由来》, 2018-03-28: ±5 % for ST stocks from 1998-04-27. The day here is the Shanghai exchange''s, 1998-04-22; the first ST stock is of 1998-04-28.'),
    ('main_sz_st_10', 'main', 'sz.00', true, NULL, false, '2026-07-06', NULL, 10, 10,
     '深圳证券交易所交易规则（2026年修订）(深证上〔2026〕551号), 2026-04-24, in force from 2026-07-06: ±10 % for ST stocks of the main board.'),
    ('chinext_10', 'chinext', 'sz.30', false, NULL, false, '2009-10-30', '2020-08-23', 10, 10,
     'Shenzhen exchange, 2009-09-24: ChiNext trades by the rules of the main board; first listings on 2009-10-30.'),
    ('chinext_st_5', 'chinext', 'sz.30', true, NULL, false, '2009-10-30', '2020-08-23', 5, 5,
     '深证上〔2020〕620号, 2020-07-10, confirms ±5 % for ST stocks of ChiNext before 2020-08-24.'),
    ('chinext_20', 'chinext', 'sz.30', NULL, NULL, false, '2020-08-24', NULL, 20, 20,
     '深圳证券交易所创业板交易特别规定 2.1, 2020-06-12, in force from 2020-08-24; ST stocks, too: 深证上〔2020〕620号. Stocks that were in their delisting period on that day (千山退, 神雾退, 盛运退) kept ±10 %; this table does not.'),
    ('star_20', 'star', 'sh.68', NULL, NULL, false, '2019-07-22', NULL, 20, 20,
     '上海证券交易所科创板股票交易特别规定 (上证发〔2019〕23号), article 18, 2019-03-01; first listings on 2019-07-22. ST stocks, too.'),
    -- The first sessions since listing.
    ('main_sh_listing_free', 'main', 'sh.60', NULL, 1, false, '1990-12-19', '2013-12-12', NULL, NULL,
     '上海证券交易所交易规则 3.4.13: no limit on the listing day.'),
    ('main_sh_listing_44', 'main', 'sh.60', NULL, 1, false, '2013-12-13', '2023-04-09', 44, 36,
     '上证发〔2013〕47号, 2013-12-13: prices of the listing day are within 64 and 144 % of the issue price. preclose of that day is the issue price.'),
    ('main_sh_listing_5', 'main', 'sh.60', NULL, 5, false, '2023-04-10', NULL, NULL, NULL,
     '上海证券交易所交易规则（2023年修订）(上证发〔2023〕32号), 2023-02-17, applied from the first listing by registration, 2023-04-10. A stock that was approved before and listed later is not told apart.'),
    ('main_sz_listing_free', 'main', 'sz.00', NULL, 1, false, '1990-12-19', '2014-06-12', NULL, NULL,
     '深圳证券交易所交易规则 3.3.17: no limit on the listing day. 深证会〔2013〕142号, 2013-12-13, has halts and a range for the opening auction, and no limit for the whole day.'),
    ('main_sz_listing_44', 'main', 'sz.00', NULL, 1, false, '2014-06-13', '2023-04-09', 44, 36,
     '深证会〔2014〕54号, 2014-06-13: orders of the listing day are within 64 and 144 % of the issue price. preclose of that day is the issue price.'),
    ('main_sz_listing_5', 'main', 'sz.00', NULL, 5, false, '2023-04-10', NULL, NULL, NULL,
     '深圳证券交易所交易规则（2023年修订）, 2023-02-17, applied from the first listing by registration, 2023-04-10. A stock that was approved before and listed later is not told apart.'),
    ('chinext_listing_free', 'chinext', 'sz.30', NULL, 1, false, '2009-10-30', '2014-06-12', NULL, NULL,
     '深圳证券交易所交易规则 3.3.17: no limit on the listing day; halts by the notice of 2009-09-24 and by 深证会〔2013〕142号.'),
    ('chinext_listing_44', 'chinext', 'sz.30', NULL, 1, false, '2014-06-13', '2020-08-23', 44, 36,
     '深证会〔2014〕54号, 2014-06-13: orders of the listing day are within 64 and 144 % of the issue price. preclose of that day is the issue price.'),
    ('chinext_listing_5', 'chinext', 'sz.30', NULL, 5, false, '2020-08-24', NULL, NULL, NULL,
     '深圳证券交易所创业板交易特别规定, 2020-06-12, in force from 2020-08-24. A stock that was approved before and listed later is not told apart.'),
    ('star_listing_5', 'star', 'sh.68', NULL, 5, false, '2019-07-22', NULL, NULL, NULL,
     '上海证券交易所科创板股票交易特别规定 (上证发〔2019〕23号), article 18, 2019-03-01.'),
    -- The first day of a delisting period. Before, it had the limits of any other day.
    ('main_sh_delisting_start', 'main', 'sh.60', NULL, NULL, true, '2020-12-31', NULL, NULL, NULL,
     '上海证券交易所风险警示板股票交易管理办法（2020年12月修订）(上证发〔2020〕103号), article 8, 2020-12-31.'),
    ('main_sz_delisting_start', 'main', 'sz.00', NULL, NULL, true, '2020-12-31', NULL, NULL, NULL,
     '深圳证券交易所股票上市规则（2020年修订）, 2020-12-31; the exchange''s answer of 2021-01-27.'),
    ('chinext_delisting_start', 'chinext', 'sz.30', NULL, NULL, true, '2020-12-31', NULL, NULL, NULL,
     '深圳证券交易所创业板股票上市规则（2020年12月修订）, 2020-12-31; the exchange''s answer of 2021-01-27.'),
    ('star_delisting_start', 'star', 'sh.68', NULL, NULL, true, '2020-12-31', NULL, NULL, NULL,
     '上海证券交易所科创板股票上市规则（2020年12月修订）, 2020-12-31; 上海证券交易所交易规则（2023年修订）, chapter 6. Which article of 2020 says it was not looked up.');

-- OFFSET 0: computed once for each bar, and not once for each column.
CREATE VIEW ashare.daily_limit AS
SELECT b.trade_date, b.code, l.limit_up, l.limit_down, f.is_limit_up, f.is_limit_down,
       (f.is_limit_up OR f.is_limit_down) AND coalesce(b.high = b.low, false) AS is_one_price,
       b.is_trading AND NOT f.is_limit_up AS can_buy, b.is_trading AND NOT f.is_limit_down AS can_sell, o.is_outside, r.rule
FROM ashare.daily_bar b
JOIN ashare.security s ON s.code = b.code AND s.kind = 'stock'
CROSS JOIN LATERAL (
    SELECT x.is_new, x.is_leaving, CASE WHEN x.is_new THEN s.ipo_date ELSE b.trade_date END AS first_day,
           CASE WHEN x.is_new THEN b.trade_date ELSE s.out_date - 1 END AS last_day
    FROM (SELECT b.trade_date - s.ipo_date BETWEEN 0 AND 30 AS is_new,
                 b.is_trading AND s.out_date - b.trade_date BETWEEN 15 AND 45 AS is_leaving) AS x
    OFFSET 0
) AS near
-- Sessions since listing or up to delisting, both ends included: only where few days are to be counted. A day that the
-- calendar does not have counts as a session from Monday to Friday.
CROSS JOIN LATERAL (
    SELECT count(*) AS sessions
    FROM generate_series(0, 45) AS g (days)
    LEFT JOIN ashare.trade_calendar c ON c.calendar_date = near.first_day + g.days
    WHERE near.first_day + g.days <= near.last_day AND (near.is_new OR near.is_leaving)
      AND coalesce(c.is_trading_day, extract(isodow FROM near.first_day + g.days) < 6)
) AS n
-- A delisting period has 15 sessions, follows a suspension, and ends up to five sessions before out_date.
CROSS JOIN LATERAL (
    SELECT CASE WHEN near.is_leaving AND NOT near.is_new AND n.sessions BETWEEN 15 AND 20 THEN (
               SELECT NOT e.is_trading FROM ashare.daily_bar e
               WHERE e.code = b.code AND e.trade_date < b.trade_date
               ORDER BY e.trade_date DESC LIMIT 1
           ) END AS is_start OFFSET 0
) AS delisting
LEFT JOIN LATERAL (
    SELECT x.rule, x.up_pct, x.down_pct
    FROM ashare.price_limit_rule x
    WHERE (near.is_new OR delisting.is_start) AND x.code_prefix = left(b.code, 5)
      AND (x.is_delisting_start AND delisting.is_start AND b.trade_date BETWEEN x.first_day AND coalesce(x.last_day, 'infinity')
           OR near.is_new AND x.listing_sessions >= n.sessions
              AND s.ipo_date BETWEEN x.first_day AND coalesce(x.last_day, 'infinity'))
    ORDER BY x.is_delisting_start DESC LIMIT 1
) AS special ON true
-- Not an equality: the planner takes a hash join of so small a table for cheap where it is built anew for each bar.
LEFT JOIN ashare.price_limit_rule usual
    ON starts_with(b.code, usual.code_prefix) AND usual.listing_sessions IS NULL AND NOT usual.is_delisting_start
   AND (usual.is_st IS NULL OR usual.is_st = coalesce(b.is_st, false))
   AND b.trade_date BETWEEN usual.first_day AND coalesce(usual.last_day, 'infinity')
CROSS JOIN LATERAL (
    SELECT coalesce(special.rule, usual.rule) AS rule,
           CASE WHEN special.rule IS NULL THEN usual.up_pct ELSE special.up_pct END AS up_pct,
           CASE WHEN special.rule IS NULL THEN usual.down_pct ELSE special.down_pct END AS down_pct OFFSET 0
) AS r
-- A limit is at least one tick from preclose.
CROSS JOIN LATERAL (
    SELECT CASE WHEN b.preclose > 0 AND r.up_pct IS NOT NULL
                THEN greatest(round(b.preclose * (1 + r.up_pct * 0.01), 2), b.preclose + 0.01) END AS limit_up,
           CASE WHEN b.preclose > 0 AND r.down_pct IS NOT NULL
                THEN greatest(least(round(b.preclose * (1 - r.down_pct * 0.01), 2), b.preclose - 0.01), 0.01) END AS limit_down
    OFFSET 0
) AS l
CROSS JOIN LATERAL (
    SELECT b.is_trading AND coalesce(b.high > l.limit_up OR b.low < l.limit_down, false) AS is_outside OFFSET 0
) AS o
CROSS JOIN LATERAL (
    SELECT b.is_trading AND NOT o.is_outside AND coalesce(b.close = l.limit_up, false) AS is_limit_up,
           b.is_trading AND NOT o.is_outside AND coalesce(b.close = l.limit_down, false) AS is_limit_down OFFSET 0
) AS f;
COMMENT ON VIEW ashare.daily_limit IS 'The price limits of each bar of a stock, by price_limit_rule. Sessions since listing are counted from ipo_date by the calendar. The first day of a delisting period is known afterwards only, when Baostock gives out_date: the first bar after a suspension, 15 to 20 sessions before out_date; up to then such a bar is_outside. Not known, and outside, too: the first day after a resumption of listing or a share reform (2005 to 2007), and stocks whose flag is_st is wrong.';
COMMENT ON COLUMN ashare.daily_limit.trade_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.daily_limit.code IS 'Baostock''s code with the exchange, for example sh.600000; stocks only.';
COMMENT ON COLUMN ashare.daily_limit.limit_up IS 'The highest price allowed: preclose x (1 + up_pct), rounded half up to 0.01, at least one tick above preclose; CNY, unadjusted. NULL: no limit, or preclose is blank. Suspended days have one, too.';
COMMENT ON COLUMN ashare.daily_limit.limit_down IS 'The lowest price allowed: preclose x (1 - down_pct), rounded half up to 0.01, at least one tick below preclose and at least 0.01; CNY, unadjusted. NULL: as limit_up.';
COMMENT ON COLUMN ashare.daily_limit.is_limit_up IS 'It traded, and the close is limit_up. false without a limit and for a bar that is_outside.';
COMMENT ON COLUMN ashare.daily_limit.is_limit_down IS 'It traded, and the close is limit_down. false without a limit and for a bar that is_outside.';
COMMENT ON COLUMN ashare.daily_limit.is_one_price IS 'It traded at one price all day, and that price is a limit: open = high = low = close = limit_up or limit_down.';
COMMENT ON COLUMN ashare.daily_limit.can_buy IS 'For a backtest that trades at the close: false if suspended, or if the close is limit_up, where a buy order may wait in the queue. A close below it counts as tradable, whatever the day was before. A close at limit_down can be bought.';
COMMENT ON COLUMN ashare.daily_limit.can_sell IS 'As can_buy: false if suspended, or if the close is limit_down. A close at limit_up can be sold, on a one-price day, too.';
COMMENT ON COLUMN ashare.daily_limit.is_outside IS 'It traded above limit_up or below limit_down: another rule than this one applied, or a value is wrong.';
COMMENT ON COLUMN ashare.daily_limit.rule IS 'The rule of price_limit_rule; a blank is_st counts as not ST. NULL: the table has none, as for the Beijing exchange.';

CREATE VIEW ashare.daily_float AS
SELECT b.trade_date, b.code, f.float_shares, f.float_shares * b.close AS float_market_cap, f.known_on
FROM ashare.daily_bar b
JOIN ashare.security s ON s.code = b.code AND s.kind = 'stock'
-- Looked up only for a bar that does not say it itself.
LEFT JOIN LATERAL (
    SELECT e.trade_date, e.volume, e.turn
    FROM ashare.daily_bar e
    WHERE (b.is_trading AND b.turn > 0 AND b.volume > 0) IS NOT TRUE
      AND e.code = b.code AND e.trade_date < b.trade_date AND e.is_trading AND e.turn > 0 AND e.volume > 0
    ORDER BY e.trade_date DESC LIMIT 1
) AS last ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN b.is_trading AND b.turn > 0 AND b.volume > 0 THEN round(b.volume / b.turn * 100)
                ELSE round(last.volume / last.turn * 100) END AS float_shares,
           CASE WHEN b.is_trading AND b.turn > 0 AND b.volume > 0 THEN b.trade_date ELSE last.trade_date END AS known_on
    OFFSET 0
) AS f;
COMMENT ON VIEW ashare.daily_float IS 'The floating shares of each bar of a stock, from its volume and turnover rate. The rate is rounded: with 4 decimals, as Baostock has it since at least 2024, the relative error is up to 0.00005 / turn (turn in percent; 0.005 % at a turnover of 1 %, 0.5 % at 0.01 %); with 6 decimals, as in 1993 and 2015, a hundredth of that. Average several days where that is too much.';
COMMENT ON COLUMN ashare.daily_float.trade_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.daily_float.code IS 'Baostock''s code with the exchange, for example sh.600000; stocks only.';
COMMENT ON COLUMN ashare.daily_float.float_shares IS 'Floating shares: volume / turn; on a day without trading those of the newest earlier day with a turnover (known_on), so that a change during a suspension shows on the first day after it. NULL: no such day is loaded.';
COMMENT ON COLUMN ashare.daily_float.float_market_cap IS 'float_shares x close, CNY.';
COMMENT ON COLUMN ashare.daily_float.known_on IS 'The trade date whose volume and turnover give float_shares.';

DO $do$
DECLARE
    name text;
    unit text;
    said text;
    command text;
BEGIN
    -- The week and the month are one statement: they differ in the unit alone. The sessions of the periods come first, so that
    -- a condition on the period, its first or its last date chooses the bars' dates, and one on the code the stock.
    FOREACH unit IN ARRAY '{week,month}'::text[] LOOP
        EXECUTE format($view$
CREATE VIEW ashare.%1$sly_bar AS
SELECT a.%1$s, a.code, a.first_date, a.last_date, c.open, c.high, c.low, c.close, a.precloses[1] AS preclose,
       a.volume, a.amount, a.turn, a.pct_chg,
       round(c.open * c.open_factor, 8) AS hfq_open, round(coalesce(a.hfq_high, c.close * c.close_factor), 8) AS hfq_high,
       round(coalesce(a.hfq_low, c.close * c.close_factor), 8) AS hfq_low, round(c.close * c.close_factor, 8) AS hfq_close,
       round(a.precloses[1] * a.factors[1], 8) AS hfq_preclose,
       round(c.open * round(c.open_factor / a.latest, 12), 8) AS qfq_open,
       round(coalesce(a.qfq_high, c.close * round(c.close_factor / a.latest, 12)), 8) AS qfq_high,
       round(coalesce(a.qfq_low, c.close * round(c.close_factor / a.latest, 12)), 8) AS qfq_low,
       round(c.close * round(c.close_factor / a.latest, 12), 8) AS qfq_close,
       round(a.precloses[1] * round(a.factors[1] / a.latest, 12), 8) AS qfq_preclose,
       a.sessions, a.bars, a.trading_days,
       coalesce(a.last_date <= newest.counted AND newest.known >= (a.%1$s + interval '1 %1$s')::date - 1, false) AS is_finished
FROM (
    SELECT p.%1$s, p.first_date, p.last_date, p.sessions, b.code, count(*)::integer AS bars,
           count(*) FILTER (WHERE b.is_trading)::integer AS trading_days,
           array_agg(b.open ORDER BY b.trade_date) FILTER (WHERE b.is_trading) AS opens,
           array_agg(b.back_factor ORDER BY b.trade_date) FILTER (WHERE b.is_trading) AS open_factors,
           array_agg(b.close ORDER BY b.trade_date) AS closes, array_agg(b.preclose ORDER BY b.trade_date) AS precloses,
           array_agg(b.back_factor ORDER BY b.trade_date) AS factors, max(b.latest_back_factor) AS latest,
           max(b.high) FILTER (WHERE b.is_trading) AS high, min(b.low) FILTER (WHERE b.is_trading) AS low,
           max(b.high * b.back_factor) FILTER (WHERE b.is_trading) AS hfq_high,
           min(b.low * b.back_factor) FILTER (WHERE b.is_trading) AS hfq_low,
           max(b.high * f.factor) FILTER (WHERE b.is_trading) AS qfq_high,
           min(b.low * f.factor) FILTER (WHERE b.is_trading) AS qfq_low,
           coalesce(sum(b.volume) FILTER (WHERE b.is_trading), 0) AS volume,
           coalesce(sum(b.amount) FILTER (WHERE b.is_trading), 0) AS amount,
           coalesce(sum(b.turn) FILTER (WHERE b.is_trading), 0) AS turn,
           -- A product, by logarithms: exact to far more than the six decimals that are kept.
           round(((exp(sum(ln((b.close / b.preclose)::double precision)) FILTER (WHERE b.close > 0 AND b.preclose > 0)) - 1) * 100)::numeric, 6) AS pct_chg
    FROM (
        SELECT date_trunc('%1$s', k.calendar_date::timestamp)::date AS %1$s, min(k.calendar_date) AS first_date,
               max(k.calendar_date) AS last_date, count(*)::integer AS sessions, array_agg(k.calendar_date) AS days
        FROM ashare.trade_calendar k
        WHERE k.is_trading_day
        GROUP BY 1
    ) AS p
    CROSS JOIN LATERAL unnest(p.days) AS d (day)
    JOIN ashare.daily_bar_factor b ON b.trade_date = d.day
    CROSS JOIN LATERAL (SELECT round(b.back_factor / b.latest_back_factor, 12) AS factor OFFSET 0) AS f
    GROUP BY p.%1$s, p.first_date, p.last_date, p.sessions, b.code
) AS a
CROSS JOIN LATERAL (
    SELECT coalesce(a.opens[1], a.closes[a.bars]) AS open, coalesce(a.high, a.closes[a.bars]) AS high,
           coalesce(a.low, a.closes[a.bars]) AS low, a.closes[a.bars] AS close, a.factors[a.bars] AS close_factor,
           coalesce(a.open_factors[1], a.factors[a.bars]) AS open_factor OFFSET 0
) AS c
CROSS JOIN (
    SELECT (SELECT max(k.calendar_date) FROM ashare.trade_calendar k) AS known,
           (SELECT max(x.counted) FROM unnest('{stock_bar,index_bar,etf_bar}'::text[]) AS o (dataset)
            CROSS JOIN LATERAL (SELECT t.partition AS counted FROM ashare.counted_partition t
                                WHERE t.dataset = o.dataset AND NOT t.is_closed ORDER BY t.partition DESC LIMIT 1) AS x) AS counted
) AS newest$view$, unit);
    END LOOP;
    FOREACH name IN ARRAY '{weekly_bar,monthly_bar}'::text[] LOOP
        FOR said IN SELECT format('COMMENT ON COLUMN ashare.%I.%I IS %L', name, c.column_name, c.meaning) FROM (VALUES
            ('code', 'Baostock''s code with the exchange, for example sh.600000.'),
            ('first_date', 'The period''s first session by the calendar, whether the code has a bar of it or not.'),
            ('last_date', 'The period''s last session by the calendar; it is in the future while the period goes on.'),
            ('open', 'Open of the first day of trading, CNY (index points for an index), unadjusted. Without a day of trading: the close.'),
            ('high', 'Highest price of the days of trading, unadjusted: across an ex-date it mixes two bases. Without a day of trading: the close.'),
            ('low', 'Lowest price of the days of trading, unadjusted: across an ex-date it mixes two bases. Without a day of trading: the close.'),
            ('close', 'Close of the last bar; of a suspended day it is the last close. Unadjusted.'),
            ('preclose', 'Reference price of the first bar, unadjusted. close / preclose - 1 is not the return if there is an ex-date after the first bar: see pct_chg.'),
            ('volume', 'Shares, as traded; 0 without a day of trading.'),
            ('amount', 'CNY; 0 without a day of trading.'),
            ('turn', 'Sum of the days'' turnover rates, percent of the floating shares; 0 without a day of trading.'),
            ('pct_chg', 'The product of close / preclose over the bars, less 1, percent: the true return, ex-dates included. Bars without a close or preclose are left out.'),
            ('hfq_open', 'Adjusted backward as in daily_bar_hfq, CNY.'), ('hfq_high', 'The highest of the days'' backward adjusted highs, CNY.'),
            ('hfq_low', 'The lowest of the days'' backward adjusted lows, CNY.'), ('hfq_close', 'Adjusted backward as in daily_bar_hfq, CNY.'),
            ('hfq_preclose', 'Adjusted backward as in daily_bar_hfq, CNY: hfq_close / hfq_preclose - 1 is pct_chg.'),
            ('qfq_open', 'Adjusted forward as in daily_bar_qfq, CNY.'), ('qfq_high', 'The highest of the days'' forward adjusted highs, CNY.'),
            ('qfq_low', 'The lowest of the days'' forward adjusted lows, CNY.'), ('qfq_close', 'Adjusted forward as in daily_bar_qfq, CNY.'),
            ('qfq_preclose', 'Adjusted forward as in daily_bar_qfq, CNY: qfq_close / qfq_preclose - 1 is pct_chg.'),
            ('sessions', 'Sessions of the period by the calendar.'),
            ('bars', 'Bars of the code that are loaded, suspended days included. Fewer than sessions: it was not listed all the time, the period goes on, or bars are missing (see coverage).'),
            ('trading_days', 'Bars of days on which it traded.'),
            ('is_finished', 'false: the period goes on, or its last session was not counted yet: the newest counted trade date of bars is before last_date, or the calendar ends within the period. true says nothing of missing bars.')
        ) AS c (column_name, meaning) LOOP
            EXECUTE said;
        END LOOP;
    END LOOP;
    -- Who was allowed to read the bars may read what follows from them.
    FOR command IN
        SELECT format('GRANT SELECT ON ashare.price_limit_rule, ashare.daily_limit, ashare.daily_float, ashare.weekly_bar, ashare.monthly_bar TO %s',
                      CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) g
        WHERE c.oid = 'ashare.daily_bar'::regclass AND g.privilege_type = 'SELECT'
    LOOP
        EXECUTE command;
    END LOOP;
END
$do$;
COMMENT ON VIEW ashare.weekly_bar IS 'Bars of trading weeks, Monday to Sunday, of all codes that have a bar in the week. A suspended day carries the last close and no volume; a week of suspended days only has one price. A code, one week, or both ends of a range of week, first_date or last_date are fast.';
COMMENT ON VIEW ashare.monthly_bar IS 'Bars of calendar months, of all codes that have a bar in the month. A suspended day carries the last close and no volume; a month of suspended days only has one price. A code, one month, or both ends of a range of month, first_date or last_date are fast.';
COMMENT ON COLUMN ashare.weekly_bar.week IS 'The Monday of the ISO week; it need not be a session.';
COMMENT ON COLUMN ashare.monthly_bar.month IS 'The first day of the month; it need not be a session.';

ALTER TABLE ashare.cross_check DROP CONSTRAINT cross_check_rule_check;
ALTER TABLE ashare.cross_check ADD CONSTRAINT cross_check_rule_check
    CHECK (rule IN ('universe', 'rows', 'preclose', 'pct_chg', 'ex_dates', 'volume', 'limits'));
COMMENT ON COLUMN ashare.cross_check.rule IS 'universe: bars of securities not listed that day; rows: more or fewer bars than listings explain; preclose: not the last close, and no ex-date; pct_chg: not close / preclose - 1; ex_dates: adjust factors and prices disagree; volume: the sum of the day before; limits: prices outside of the day''s price limits.';
