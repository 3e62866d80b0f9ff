-- The schema `ashare`: daily bars as Baostock has them, and the records that say how complete they are.

CREATE TABLE ashare.trade_calendar (
    calendar_date  date PRIMARY KEY,
    is_trading_day boolean NOT NULL,
    fetched_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ashare.trade_calendar IS 'The exchanges'' calendar, a row for each calendar day, as sent by Baostock.';
COMMENT ON COLUMN ashare.trade_calendar.calendar_date IS 'Day in Asia/Shanghai.';
COMMENT ON COLUMN ashare.trade_calendar.is_trading_day IS 'Whether the Shanghai and Shenzhen exchanges hold a session.';
COMMENT ON COLUMN ashare.trade_calendar.fetched_at IS 'When Baostock said so.';

CREATE TABLE ashare.security (
    code       text PRIMARY KEY,
    name       text,
    kind       text NOT NULL CHECK (kind IN ('stock', 'index', 'etf', 'bond', 'other')),
    ipo_date   date,
    out_date   date,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ashare.security IS 'Every security that Baostock has ever listed, delisted ones included.';
COMMENT ON COLUMN ashare.security.code IS 'Baostock''s code with the exchange, for example sh.600000.';
COMMENT ON COLUMN ashare.security.name IS 'Short name as of updated_at, not of any past date.';
COMMENT ON COLUMN ashare.security.kind IS 'stock, index, etf, bond (convertible) or other.';
COMMENT ON COLUMN ashare.security.ipo_date IS 'First day of listing.';
COMMENT ON COLUMN ashare.security.out_date IS 'Day of delisting: the first day without a bar; NULL while listed.';
COMMENT ON COLUMN ashare.security.updated_at IS 'When the list was last read from Baostock.';

CREATE TABLE ashare.daily_bar (
    trade_date  date NOT NULL,
    code        text NOT NULL,
    open        numeric,
    high        numeric,
    low         numeric,
    close       numeric,
    preclose    numeric,
    volume      bigint,
    amount      numeric,
    turn        numeric,
    pct_chg     numeric,
    is_trading  boolean NOT NULL,
    is_st       boolean,
    pe_ttm      numeric,
    pb_mrq      numeric,
    ps_ttm      numeric,
    pcf_ncf_ttm numeric,
    loaded_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (trade_date, code)
);
CREATE INDEX daily_bar_code_trade_date ON ashare.daily_bar (code, trade_date);
COMMENT ON TABLE ashare.daily_bar IS 'Unadjusted daily bars of stocks, indices and ETFs; a blank from Baostock is NULL.';
COMMENT ON COLUMN ashare.daily_bar.trade_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.daily_bar.code IS 'Baostock''s code with the exchange, for example sh.600000.';
COMMENT ON COLUMN ashare.daily_bar.open IS 'CNY (index points for an index), unadjusted.';
COMMENT ON COLUMN ashare.daily_bar.high IS 'CNY (index points for an index), unadjusted.';
COMMENT ON COLUMN ashare.daily_bar.low IS 'CNY (index points for an index), unadjusted.';
COMMENT ON COLUMN ashare.daily_bar.close IS 'CNY (index points for an index), unadjusted.';
COMMENT ON COLUMN ashare.daily_bar.preclose IS 'The exchange''s reference price: the previous close, ex rights on an ex-day; CNY.';
COMMENT ON COLUMN ashare.daily_bar.volume IS 'Shares.';
COMMENT ON COLUMN ashare.daily_bar.amount IS 'CNY.';
COMMENT ON COLUMN ashare.daily_bar.turn IS 'Turnover rate, percent of the floating shares.';
COMMENT ON COLUMN ashare.daily_bar.pct_chg IS 'close / preclose - 1, percent: the true return, ex-days included.';
COMMENT ON COLUMN ashare.daily_bar.is_trading IS 'False on a day of suspension: the row repeats the last close.';
COMMENT ON COLUMN ashare.daily_bar.is_st IS 'Under special treatment (ST, *ST) on that day.';
COMMENT ON COLUMN ashare.daily_bar.pe_ttm IS 'Price / earnings, trailing twelve months.';
COMMENT ON COLUMN ashare.daily_bar.pb_mrq IS 'Price / book, most recent quarter.';
COMMENT ON COLUMN ashare.daily_bar.ps_ttm IS 'Price / sales, trailing twelve months.';
COMMENT ON COLUMN ashare.daily_bar.pcf_ncf_ttm IS 'Price / net cash flow, trailing twelve months.';
COMMENT ON COLUMN ashare.daily_bar.loaded_at IS 'When this row was written or last changed.';

CREATE TABLE ashare.adjust_factor (
    code        text NOT NULL,
    ex_date     date NOT NULL,
    fore_factor numeric NOT NULL,
    back_factor numeric NOT NULL,
    PRIMARY KEY (code, ex_date)
);
COMMENT ON TABLE ashare.adjust_factor IS 'Adjust factors, a row for each ex-date of a stock.';
COMMENT ON COLUMN ashare.adjust_factor.code IS 'Baostock''s code with the exchange.';
COMMENT ON COLUMN ashare.adjust_factor.ex_date IS 'The ex-date: the first session at the adjusted price.';
COMMENT ON COLUMN ashare.adjust_factor.fore_factor IS 'As sent; rebased by Baostock at every later ex-date, so never accumulate it.';
COMMENT ON COLUMN ashare.adjust_factor.back_factor IS 'Cumulative: hfq price = raw price x the last back_factor up to that day.';

CREATE TABLE ashare.sync_status (
    trade_date  date PRIMARY KEY,
    status      text NOT NULL CHECK (status IN ('syncing', 'success', 'failed', 'skipped')),
    kinds       text[] NOT NULL DEFAULT '{}',
    expected    integer,
    loaded      integer,
    suspended   integer,
    missing     integer,
    rejected    integer,
    revised     integer,
    requests    integer,
    reason      text,
    run_id      text,
    started_at  timestamptz,
    finished_at timestamptz
);
COMMENT ON TABLE ashare.sync_status IS 'What is known of each trade date, counted from the rows that are there.';
COMMENT ON COLUMN ashare.sync_status.trade_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.sync_status.status IS 'syncing, success (every expected security has a row or a recorded reason), failed, skipped (no session).';
COMMENT ON COLUMN ashare.sync_status.kinds IS 'The kinds of securities that the status speaks of.';
COMMENT ON COLUMN ashare.sync_status.expected IS 'Securities of those kinds that were listed that day.';
COMMENT ON COLUMN ashare.sync_status.loaded IS 'Bars of those kinds in daily_bar.';
COMMENT ON COLUMN ashare.sync_status.suspended IS 'Of the loaded: suspended that day.';
COMMENT ON COLUMN ashare.sync_status.missing IS 'Expected securities with neither a row nor a recorded reason.';
COMMENT ON COLUMN ashare.sync_status.rejected IS 'Securities without a row because theirs broke a rule (rejected_bar).';
COMMENT ON COLUMN ashare.sync_status.revised IS 'Bars of that day that Baostock corrected after they were loaded (bar_revision).';
COMMENT ON COLUMN ashare.sync_status.requests IS 'Messages sent to Baostock on behalf of that date, over all runs.';
COMMENT ON COLUMN ashare.sync_status.reason IS 'Why the date is failed or skipped, or what is worth knowing of a success.';
COMMENT ON COLUMN ashare.sync_status.run_id IS 'The Airflow run that wrote this.';
COMMENT ON COLUMN ashare.sync_status.started_at IS 'When the last run started to work on the date.';
COMMENT ON COLUMN ashare.sync_status.finished_at IS 'When that run recorded its end.';

CREATE TABLE ashare.sync_batch (
    trade_date  date NOT NULL,
    batch_no    integer NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('stock', 'index', 'etf', 'factor')),
    by          text NOT NULL CHECK (by IN ('market_day', 'code')),
    codes       text[],
    label       text NOT NULL,
    status      text NOT NULL CHECK (status IN ('pending', 'running', 'success', 'failed', 'superseded')),
    rows        integer,
    requests    integer,
    error       text,
    run_id      text,
    started_at  timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (trade_date, batch_no)
);
COMMENT ON TABLE ashare.sync_batch IS 'The pieces of work of a trade date; batch 0 is its adjust factors.';
COMMENT ON COLUMN ashare.sync_batch.trade_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.sync_batch.batch_no IS 'Number within the date; numbers are never used again.';
COMMENT ON COLUMN ashare.sync_batch.kind IS 'stock, index, etf or factor.';
COMMENT ON COLUMN ashare.sync_batch.by IS 'market_day: one request for all; code: one request per security.';
COMMENT ON COLUMN ashare.sync_batch.codes IS 'The codes to ask for, NULL for the whole market.';
COMMENT ON COLUMN ashare.sync_batch.label IS 'As shown in the Airflow UI.';
COMMENT ON COLUMN ashare.sync_batch.status IS 'pending, running, success, failed, superseded (a later plan took the work over).';
COMMENT ON COLUMN ashare.sync_batch.rows IS 'Rows that Baostock sent and the checks let through.';
COMMENT ON COLUMN ashare.sync_batch.requests IS 'Messages sent to Baostock, logins and pages included.';
COMMENT ON COLUMN ashare.sync_batch.error IS 'What went wrong at the last try.';
COMMENT ON COLUMN ashare.sync_batch.run_id IS 'The Airflow run that planned it.';
COMMENT ON COLUMN ashare.sync_batch.started_at IS 'Start of the last try.';
COMMENT ON COLUMN ashare.sync_batch.finished_at IS 'End of the last try.';

CREATE TABLE ashare.bar_revision (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_date date NOT NULL,
    code       text NOT NULL,
    old        jsonb NOT NULL,
    new        jsonb NOT NULL,
    revised_at timestamptz NOT NULL DEFAULT now(),
    run_id     text
);
CREATE INDEX bar_revision_trade_date ON ashare.bar_revision (trade_date);
COMMENT ON TABLE ashare.bar_revision IS 'Bars that Baostock changed after they were loaded: what they were, what they became.';
COMMENT ON COLUMN ashare.bar_revision.id IS 'Running number.';
COMMENT ON COLUMN ashare.bar_revision.trade_date IS 'Session of the bar.';
COMMENT ON COLUMN ashare.bar_revision.code IS 'Baostock''s code with the exchange.';
COMMENT ON COLUMN ashare.bar_revision.old IS 'The values that changed, before; keyed by daily_bar''s columns.';
COMMENT ON COLUMN ashare.bar_revision.new IS 'The same values after.';
COMMENT ON COLUMN ashare.bar_revision.revised_at IS 'When the row was changed.';
COMMENT ON COLUMN ashare.bar_revision.run_id IS 'The Airflow run that did it.';

CREATE TABLE ashare.rejected_bar (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_date  date NOT NULL,
    code        text NOT NULL,
    rule        text NOT NULL,
    raw         jsonb NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    run_id      text,
    superseded_at timestamptz
);
CREATE UNIQUE INDEX rejected_bar_once ON ashare.rejected_bar (trade_date, code, rule, md5(raw::text));
COMMENT ON TABLE ashare.rejected_bar IS 'Rows from Baostock that broke a rule and were not loaded.';
COMMENT ON COLUMN ashare.rejected_bar.id IS 'Running number.';
COMMENT ON COLUMN ashare.rejected_bar.trade_date IS 'The trade date that was asked for.';
COMMENT ON COLUMN ashare.rejected_bar.code IS 'The code in the row.';
COMMENT ON COLUMN ashare.rejected_bar.rule IS 'The rule that it broke, in words.';
COMMENT ON COLUMN ashare.rejected_bar.raw IS 'The row as sent, by column name.';
COMMENT ON COLUMN ashare.rejected_bar.rejected_at IS 'When it was rejected.';
COMMENT ON COLUMN ashare.rejected_bar.superseded_at IS 'When a good row for the same bar was loaded.';
COMMENT ON COLUMN ashare.rejected_bar.run_id IS 'The Airflow run that asked.';

CREATE TABLE ashare.absent_bar (
    trade_date  date NOT NULL,
    code        text NOT NULL,
    reason      text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    run_id      text,
    PRIMARY KEY (trade_date, code)
);
COMMENT ON TABLE ashare.absent_bar IS 'Expected bars that Baostock does not have, each confirmed by the per-security call.';
COMMENT ON COLUMN ashare.absent_bar.trade_date IS 'Session without a bar.';
COMMENT ON COLUMN ashare.absent_bar.code IS 'Baostock''s code with the exchange.';
COMMENT ON COLUMN ashare.absent_bar.reason IS 'Why there is none.';
COMMENT ON COLUMN ashare.absent_bar.recorded_at IS 'When that was found out; on the trade date itself it is provisional, and asked again later.';
COMMENT ON COLUMN ashare.absent_bar.run_id IS 'The Airflow run that found it out.';

CREATE TABLE ashare.source_request (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    method       text NOT NULL,
    detail       text NOT NULL,
    trade_date   date,
    who          text NOT NULL,
    outcome      text,
    seconds      numeric,
    reply_chars  integer
);
CREATE INDEX source_request_requested_at ON ashare.source_request (requested_at);
CREATE INDEX source_request_trade_date ON ashare.source_request (trade_date);
COMMENT ON TABLE ashare.source_request IS 'The request ledger: every message sent to Baostock, recorded before it is sent.';
COMMENT ON COLUMN ashare.source_request.id IS 'Running number.';
COMMENT ON COLUMN ashare.source_request.requested_at IS 'When it was about to be sent; the quota counts days in Asia/Shanghai.';
COMMENT ON COLUMN ashare.source_request.method IS 'The call, login and logout included.';
COMMENT ON COLUMN ashare.source_request.detail IS 'Its arguments, without credentials.';
COMMENT ON COLUMN ashare.source_request.trade_date IS 'The trade date on whose behalf it was sent.';
COMMENT ON COLUMN ashare.source_request.who IS 'Who asked: task and run, or a person''s command.';
COMMENT ON COLUMN ashare.source_request.outcome IS 'ok, Baostock''s error code, or the kind of failure; NULL: the process ended first.';
COMMENT ON COLUMN ashare.source_request.seconds IS 'Until the reply was there and checked.';
COMMENT ON COLUMN ashare.source_request.reply_chars IS 'Length of the reply in characters, decompressed.';

CREATE FUNCTION ashare.expected_security(day date, kinds text[], indices text[])
RETURNS TABLE (code text, kind text)
LANGUAGE sql STABLE
AS $$
    -- The point-in-time universe. Baostock lists the Beijing exchange (bj.) but has no bars for it.
    SELECT s.code, s.kind
    FROM ashare.security s
    WHERE s.kind = ANY (kinds) AND s.kind IN ('stock', 'etf') AND s.code NOT LIKE 'bj.%'
      AND (s.ipo_date IS NULL OR s.ipo_date <= day) AND (s.out_date IS NULL OR s.out_date > day)
    UNION ALL
    -- Baostock's bars of indices start in 2006.
    SELECT i.code, 'index'
    FROM unnest(indices) AS i (code)
    LEFT JOIN ashare.security s ON s.code = i.code
    WHERE 'index' = ANY (kinds) AND day >= date '2006-01-01'
      AND (s.ipo_date IS NULL OR s.ipo_date <= day) AND (s.out_date IS NULL OR s.out_date > day)
$$;
COMMENT ON FUNCTION ashare.expected_security IS 'The securities of the given kinds (and, of indices, the given ones) that were listed on a day.';
