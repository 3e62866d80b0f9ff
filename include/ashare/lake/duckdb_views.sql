-- Views of a lake for DuckDB, by the names that the database has. Prices and volumes are adjusted with floats and rounded.
CREATE OR REPLACE VIEW daily_bar AS
SELECT * EXCLUDE (limit_up, limit_down, limit_rule, hfq_factor)
FROM read_parquet('{root}/daily_bar/*/*.parquet', hive_partitioning = false);

CREATE OR REPLACE VIEW daily_bar_hfq AS
SELECT * EXCLUDE (limit_up, limit_down, limit_rule, hfq_factor)
       REPLACE (round(open * hfq_factor, 8) AS open, round(high * hfq_factor, 8) AS high,
                round(low * hfq_factor, 8) AS low, round(close * hfq_factor, 8) AS close,
                round(preclose * hfq_factor, 8) AS preclose),
       hfq_factor AS factor, round(volume / hfq_factor, 4) AS adjusted_volume
FROM read_parquet('{root}/daily_bar/*/*.parquet', hive_partitioning = false);

CREATE OR REPLACE VIEW daily_bar_qfq AS
SELECT * EXCLUDE (limit_up, limit_down, limit_rule, hfq_factor, factor)
       REPLACE (round(open * factor, 8) AS open, round(high * factor, 8) AS high, round(low * factor, 8) AS low,
                round(close * factor, 8) AS close, round(preclose * factor, 8) AS preclose),
       factor, round(volume / factor, 4) AS adjusted_volume
FROM (
    SELECT b.*, round(b.hfq_factor / coalesce(n.back_factor, 1), 12) AS factor
    FROM read_parquet('{root}/daily_bar/*/*.parquet', hive_partitioning = false) b
    LEFT JOIN (
        SELECT code, arg_max(back_factor, ex_date) AS back_factor
        FROM read_parquet('{root}/adjust_factor.parquet') GROUP BY code
    ) AS n ON n.code = b.code
) AS bar;

CREATE OR REPLACE VIEW daily_limit AS
SELECT trade_date, code, limit_up, limit_down, is_limit_up, is_limit_down,
       (is_limit_up OR is_limit_down) AND coalesce(high = low, false) AS is_one_price,
       is_trading AND NOT is_limit_up AS can_buy, is_trading AND NOT is_limit_down AS can_sell, is_outside, rule
FROM (
    SELECT *, is_trading AND NOT is_outside AND coalesce(close = limit_up, false) AS is_limit_up,
           is_trading AND NOT is_outside AND coalesce(close = limit_down, false) AS is_limit_down
    FROM (
        SELECT b.*, b.limit_rule AS rule,
               b.is_trading AND coalesce(b.high > b.limit_up OR b.low < b.limit_down, false) AS is_outside
        FROM read_parquet('{root}/daily_bar/*/*.parquet', hive_partitioning = false) b
        JOIN read_parquet('{root}/security.parquet') s ON s.code = b.code AND s.kind = 'stock'
    ) AS bar
) AS flagged;

