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
ANALYZE incoming

-- name: lock
-- Two batches may bring the same bar; merging one after the other keeps them from waiting for each other in a ring.
SELECT pg_advisory_xact_lock(hashtextextended('ashare merge', 0))

-- name: revise
WITH changed AS (
    SELECT i.trade_date, i.code, to_jsonb(b) AS old, to_jsonb(i) AS new
    FROM incoming i
    -- OFFSET 0: looked up row by row; a table without statistics would be read as a whole, for each page of a history.
    CROSS JOIN LATERAL (
        SELECT * FROM ashare.daily_bar x WHERE x.trade_date = i.trade_date AND x.code = i.code OFFSET 0
    ) AS b
    WHERE (b.open, b.high, b.low, b.close, b.preclose, b.volume, b.amount, b.turn, b.pct_chg,
           b.is_trading, b.is_st, b.pe_ttm, b.pb_mrq, b.ps_ttm, b.pcf_ncf_ttm)
       IS DISTINCT FROM
          (i.open, i.high, i.low, i.close, i.preclose, i.volume, i.amount, i.turn, i.pct_chg,
           i.is_trading, i.is_st, i.pe_ttm, i.pb_mrq, i.ps_ttm, i.pcf_ncf_ttm)
), recorded AS (
    INSERT INTO ashare.bar_revision (trade_date, code, old, new, run_id)
    SELECT c.trade_date, c.code, d.old, d.new, %(run_id)s
    FROM changed c
    CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(n.key, c.old -> n.key) AS old, jsonb_object_agg(n.key, n.value) AS new
        FROM jsonb_each(c.new) n
        WHERE n.value IS DISTINCT FROM c.old -> n.key
    ) d
)
UPDATE ashare.daily_bar b
SET open = i.open, high = i.high, low = i.low, close = i.close, preclose = i.preclose, volume = i.volume,
    amount = i.amount, turn = i.turn, pct_chg = i.pct_chg, is_trading = i.is_trading, is_st = i.is_st,
    pe_ttm = i.pe_ttm, pb_mrq = i.pb_mrq, ps_ttm = i.ps_ttm, pcf_ncf_ttm = i.pcf_ncf_ttm, loaded_at = now()
FROM changed c
JOIN incoming i USING (trade_date, code)
WHERE b.trade_date = c.trade_date AND b.code = c.code

-- name: count_revised
-- A complete date's own run has counted; what changes its bars later adds to the count.
UPDATE ashare.sync_status s
SET revised = (SELECT count(*) FROM ashare.bar_revision r WHERE r.trade_date = s.trade_date)
WHERE s.status = 'success' AND s.trade_date IN (SELECT DISTINCT trade_date FROM incoming)

-- name: insert
INSERT INTO ashare.daily_bar
    (trade_date, code, open, high, low, close, preclose, volume, amount, turn, pct_chg,
     is_trading, is_st, pe_ttm, pb_mrq, ps_ttm, pcf_ncf_ttm)
SELECT * FROM incoming
ORDER BY trade_date, code
ON CONFLICT (trade_date, code) DO NOTHING

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

-- name: drop_wrong_factors
-- A day's reply names all that go ex; what an earlier one named is dropped only where it was found wrong.
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

-- name: has_bars
SELECT EXISTS (SELECT FROM ashare.daily_bar WHERE trade_date = %(day)s)
