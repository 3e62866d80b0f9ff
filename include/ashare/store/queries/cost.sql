-- name: per_date
-- Median cost of the last complete dates with requests: requests, and seconds at Baostock.
WITH dates AS (
    SELECT c.partition AS trade_date FROM ashare.counted_partition c
    WHERE c.dataset = 'stock_bar' AND c.missing = 0 AND c.problem IS NULL
      AND EXISTS (SELECT FROM ashare.source_request r WHERE r.trade_date = c.partition)
    ORDER BY c.counted_at DESC NULLS LAST LIMIT 20
)
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY requests) AS requests,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds
FROM (SELECT count(*)::float8 AS requests, coalesce(sum(r.seconds), 0)::float8 AS seconds
      FROM dates JOIN ashare.source_request r USING (trade_date)
      -- To load a date costs no more because it was read again later.
      WHERE NOT EXISTS (SELECT FROM ashare.verification v
                        WHERE v.trade_date = r.trade_date AND right(r.who, length(v.run_id)) = v.run_id)
      GROUP BY trade_date) AS each

-- name: per_market
-- Median seconds of the last whole-market requests of some methods, the methods' medians summed up.
SELECT sum(seconds) FROM (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY lately.seconds::float8) AS seconds
    FROM unnest(%(methods)s::text[]) AS m (method)
    CROSS JOIN LATERAL (SELECT r.seconds FROM ashare.source_request r
                        WHERE r.method = m.method AND r.outcome = 'ok' AND r.seconds IS NOT NULL
                          AND r.requested_at > clock_timestamp() - interval '30 days'
                        ORDER BY r.requested_at DESC LIMIT 20) AS lately
    GROUP BY m.method) AS each

-- name: per_code
-- Median seconds of the last successful per-security requests.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds::float8)
FROM (SELECT seconds FROM ashare.source_request
      WHERE method = 'query_history_k_data_plus' AND outcome = 'ok' AND seconds IS NOT NULL
      ORDER BY requested_at DESC LIMIT 500) AS lately

-- name: stocks_and_requests
-- The number of stocks listed in a range, and of requests for their bars and adjust factors; 243 sessions a year.
SELECT count(*), coalesce(sum(1 + ceil((last_day - first_day + 1) * 243 / 365.25 / %(page_sessions)s)), 0)::integer
FROM ashare.listed_security(%(start)s, %(end)s, '{stock}', '{}')
