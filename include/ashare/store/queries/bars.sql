-- name: stage
CREATE TEMPORARY TABLE incoming (LIKE ashare.daily_bar) ON COMMIT DROP;
ALTER TABLE incoming DROP COLUMN loaded_at

-- name: copy
COPY incoming
    (trade_date, code, open, high, low, close, preclose, volume, amount, turn, pct_chg,
     is_trading, is_st, pe_ttm, pb_mrq, ps_ttm, pcf_ncf_ttm)
FROM STDIN

-- name: unstage
DROP TABLE incoming

-- name: analyze
-- For the joins with the absent and the rejected bars; the other columns would take ten times as long.
ANALYZE incoming (trade_date, code)

-- name: lock
-- Two batches may bring the same bar: serialized merges cannot deadlock.
SELECT pg_advisory_xact_lock(hashtextextended('ashare merge', 0))

-- name: merge
-- Each incoming row is looked up once. A new row is inserted, an identical one is skipped. A changed row is
-- updated, and bar_revision keeps its old values.
WITH found AS MATERIALIZED (
    SELECT i.*, b.*
    -- Two replies may hold the same bar.
    FROM (SELECT DISTINCT ON (trade_date, code) * FROM incoming) AS i
    -- LIMIT 1 makes the planner look up row by row. Otherwise, without statistics, it would scan the whole table
    -- for each page of a history.
    LEFT JOIN LATERAL (
        SELECT true AS is_there, CASE WHEN e.equal IS NOT NULL THEN to_jsonb(x) - e.equal END AS old,
               CASE WHEN e.equal IS NOT NULL THEN to_jsonb(i) - e.equal END AS new
        FROM ashare.daily_bar x
        -- Names of the unchanged columns, with those not compared; NULL if the row is identical.
        CROSS JOIN LATERAL (SELECT CASE WHEN
            (x.open, x.high, x.low, x.close, x.preclose, x.volume, x.amount, x.turn, x.pct_chg,
             x.is_trading, x.is_st, x.pe_ttm, x.pb_mrq, x.ps_ttm, x.pcf_ncf_ttm)
            IS DISTINCT FROM
            (i.open, i.high, i.low, i.close, i.preclose, i.volume, i.amount, i.turn, i.pct_chg,
             i.is_trading, i.is_st, i.pe_ttm, i.pb_mrq, i.ps_ttm, i.pcf_ncf_ttm)
            THEN ARRAY[
                'trade_date', 'code', 'loaded_at',
                CASE WHEN x.open IS NOT DISTINCT FROM i.open THEN 'open' END,
                CASE WHEN x.high IS NOT DISTINCT FROM i.high THEN 'high' END,
                CASE WHEN x.low IS NOT DISTINCT FROM i.low THEN 'low' END,
                CASE WHEN x.close IS NOT DISTINCT FROM i.close THEN 'close' END,
                CASE WHEN x.preclose IS NOT DISTINCT FROM i.preclose THEN 'preclose' END,
                CASE WHEN x.volume IS NOT DISTINCT FROM i.volume THEN 'volume' END,
                CASE WHEN x.amount IS NOT DISTINCT FROM i.amount THEN 'amount' END,
                CASE WHEN x.turn IS NOT DISTINCT FROM i.turn THEN 'turn' END,
                CASE WHEN x.pct_chg IS NOT DISTINCT FROM i.pct_chg THEN 'pct_chg' END,
                CASE WHEN x.is_trading IS NOT DISTINCT FROM i.is_trading THEN 'is_trading' END,
                CASE WHEN x.is_st IS NOT DISTINCT FROM i.is_st THEN 'is_st' END,
                CASE WHEN x.pe_ttm IS NOT DISTINCT FROM i.pe_ttm THEN 'pe_ttm' END,
                CASE WHEN x.pb_mrq IS NOT DISTINCT FROM i.pb_mrq THEN 'pb_mrq' END,
                CASE WHEN x.ps_ttm IS NOT DISTINCT FROM i.ps_ttm THEN 'ps_ttm' END,
                CASE WHEN x.pcf_ncf_ttm IS NOT DISTINCT FROM i.pcf_ncf_ttm THEN 'pcf_ncf_ttm' END
            ] END AS equal OFFSET 0
        ) AS e
        WHERE x.trade_date = i.trade_date AND x.code = i.code LIMIT 1
    ) AS b ON true
), inserted AS (
    INSERT INTO ashare.daily_bar
        (trade_date, code, open, high, low, close, preclose, volume, amount, turn, pct_chg,
         is_trading, is_st, pe_ttm, pb_mrq, ps_ttm, pcf_ncf_ttm)
    SELECT trade_date, code, open, high, low, close, preclose, volume, amount, turn, pct_chg,
           is_trading, is_st, pe_ttm, pb_mrq, ps_ttm, pcf_ncf_ttm
    FROM found WHERE is_there IS NULL
), recorded AS (
    INSERT INTO ashare.bar_revision (trade_date, code, old, new, run_id)
    SELECT trade_date, code, old, new, %(run_id)s FROM found WHERE old IS NOT NULL
), revised AS (
    UPDATE ashare.daily_bar b
    SET open = f.open, high = f.high, low = f.low, close = f.close, preclose = f.preclose, volume = f.volume,
        amount = f.amount, turn = f.turn, pct_chg = f.pct_chg, is_trading = f.is_trading, is_st = f.is_st,
        pe_ttm = f.pe_ttm, pb_mrq = f.pb_mrq, ps_ttm = f.ps_ttm, pcf_ncf_ttm = f.pcf_ncf_ttm, loaded_at = now()
    FROM found f
    WHERE f.old IS NOT NULL AND b.trade_date = f.trade_date AND b.code = f.code
), no_longer_accepted AS (
    UPDATE ashare.accepted_date a SET ended_at = clock_timestamp(), ended_because = %(because)s
    WHERE a.ended_at IS NULL
      AND EXISTS (SELECT FROM found f LEFT JOIN ashare.security s USING (code)
                  WHERE f.trade_date = a.trade_date AND (f.is_there IS NULL OR f.old IS NOT NULL)
                    AND (s.kind IS NULL OR s.kind = ANY (a.kinds)))
    RETURNING a.trade_date
)
SELECT count(*) FILTER (WHERE is_there IS NULL), count(old),
       (SELECT array_agg(trade_date) FROM no_longer_accepted)
FROM found

-- name: reject
INSERT INTO ashare.rejected_bar (trade_date, code, rule, raw, run_id)
VALUES (%(trade_date)s, %(code)s, %(rule)s, %(raw)s, %(run_id)s)
ON CONFLICT (trade_date, code, rule, md5(raw::text)) DO UPDATE
SET rejected_at = now(), run_id = excluded.run_id, superseded_at = NULL

-- name: record_absent
INSERT INTO ashare.absent_bar (trade_date, code, reason, run_id)
SELECT %(day)s, s.code, %(reason)s, %(run_id)s
FROM unnest(%(codes)s::text[]) AS s (code)
WHERE NOT EXISTS (SELECT FROM ashare.daily_bar b WHERE b.trade_date = %(day)s AND b.code = s.code)
ON CONFLICT (trade_date, code) DO UPDATE
SET reason = excluded.reason, recorded_at = now(), run_id = excluded.run_id

-- name: no_longer_absent
DELETE FROM ashare.absent_bar a USING incoming i WHERE a.trade_date = i.trade_date AND a.code = i.code
RETURNING a.trade_date

-- name: no_longer_rejected
UPDATE ashare.rejected_bar r SET superseded_at = now()
FROM incoming i
WHERE r.trade_date = i.trade_date AND r.code = i.code AND r.superseded_at IS NULL

-- name: no_longer_blanked
DELETE FROM ashare.blanked_value v USING incoming i WHERE v.trade_date = i.trade_date AND v.code = i.code

-- name: blanked
INSERT INTO ashare.blanked_value (trade_date, code, raw, run_id)
VALUES (%(trade_date)s, %(code)s, %(raw)s, %(run_id)s)
ON CONFLICT (trade_date, code) DO UPDATE SET raw = excluded.raw, blanked_at = now(), run_id = excluded.run_id

-- name: record_absent_range
-- Merges the range with recorded ranges that overlap it, or that no session separates from it.
WITH beside AS (
    DELETE FROM ashare.absent_range r
    WHERE r.code = %(code)s AND r.last_date >= %(first)s::date - 31 AND r.first_date <= %(last)s::date + 31
      AND NOT EXISTS (SELECT FROM ashare.trade_calendar c
                      WHERE c.is_trading_day
                        AND (c.calendar_date > r.last_date AND c.calendar_date < %(first)s
                             OR c.calendar_date > %(last)s AND c.calendar_date < r.first_date))
    RETURNING r.first_date, r.last_date
)
INSERT INTO ashare.absent_range (code, first_date, last_date, reason, run_id)
SELECT %(code)s, least(%(first)s, min(first_date)), greatest(%(last)s, max(last_date)), %(reason)s, %(run_id)s
FROM beside

-- name: drop_wrong_factors
-- A day's reply names all stocks that go ex. A known factor that the reply lacks is deleted only if the cross-check
-- of the day's ex-dates found deviations.
DELETE FROM ashare.adjust_factor
WHERE ex_date = %(day)s AND NOT code = ANY (%(codes)s::text[]) AND %(codes)s::text[] <> '{}'
  AND EXISTS (SELECT FROM ashare.cross_check WHERE trade_date = %(day)s AND rule = 'ex_dates' AND deviating > 0)

-- name: save_factors
INSERT INTO ashare.adjust_factor (code, ex_date, fore_factor, back_factor)
SELECT * FROM unnest(%(codes)s::text[], %(ex_dates)s::date[], %(fore)s::numeric[], %(back)s::numeric[])
ON CONFLICT (code, ex_date) DO UPDATE
SET fore_factor = excluded.fore_factor, back_factor = excluded.back_factor
WHERE (adjust_factor.fore_factor, adjust_factor.back_factor)
   IS DISTINCT FROM (excluded.fore_factor, excluded.back_factor)

-- name: first_bar
SELECT min(trade_date) FROM ashare.daily_bar WHERE code = %(code)s

-- name: has_bars
SELECT EXISTS (SELECT FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code)
               WHERE b.trade_date = %(day)s AND (%(kind)s::text IS NULL OR s.kind = %(kind)s))
