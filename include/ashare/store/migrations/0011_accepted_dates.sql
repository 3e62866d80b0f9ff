-- Days on which the source may lack a session, and trade dates that a person takes as they are.

CREATE FUNCTION ashare.may_lack_session(before date, day date)
RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$
    -- Until the end of 1993 the exchanges also traded on Saturdays, which Baostock lacks.
    SELECT day < date '1994-01-01'
           AND EXISTS (SELECT FROM generate_series(before + 1, day - 1, interval '1 day') AS closed (at)
                       WHERE extract(isodow FROM closed.at) < 7)
$$;
COMMENT ON FUNCTION ashare.may_lack_session IS 'Whether a session that Baostock''s calendar lacks may lie between two that it has next to each other: before 1994, where a day other than a Sunday is in between. The preclose of such a day may be a close that the source does not have.';
COMMENT ON COLUMN ashare.daily_bar.is_trading IS 'false: suspended that day. A suspended stock has a row at its last close; its volume and amount are 0 or NULL, and what Baostock leaves there of an earlier day (a price, volume, turn) is kept as sent. Also false where Baostock says that it traded, and has no volume, amount, turn and change.';
COMMENT ON FUNCTION ashare.factor_mismatch IS 'Where stocks'' prices and adjust factors disagree: a preclose that is not the close of the session before, without a factor; a factor on a day of trading whose preclose is that close; a factor on a day without a bar between days with one. A bar whose session before has none is not judged. As the cross-check of each trade date counts them (rules preclose and ex_dates), and those after a session that Baostock lacks (may_lack_session), which the cross-check takes for explained.';

CREATE FUNCTION ashare.bars_fingerprint(day date, kinds text[])
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT count(*) || ':' || coalesce(sum(hashtextextended((to_jsonb(b) - 'loaded_at')::text, 0)), 0)
    FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code)
    WHERE b.trade_date = day AND (s.kind IS NULL OR s.kind = ANY (kinds))
$$;
COMMENT ON FUNCTION ashare.bars_fingerprint IS 'Of a trade date''s bars of some kinds: another one when a bar was added, changed or deleted; the same one when the same bars are loaded again.';

CREATE TABLE ashare.accepted_date (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_date    date NOT NULL,
    kinds         text[] NOT NULL,
    reason        text NOT NULL,
    problem       text NOT NULL,
    fingerprint   text NOT NULL,
    accepted_by   text NOT NULL,
    accepted_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at      timestamptz,
    ended_because text
);
CREATE UNIQUE INDEX accepted_date_once ON ashare.accepted_date (trade_date) WHERE ended_at IS NULL;
CREATE INDEX accepted_date_trade_date ON ashare.accepted_date (trade_date, id);
COMMENT ON TABLE ashare.accepted_date IS 'Trade dates that a person takes as they are, though something lacks or contradicts: complete (sync_status: success) for as long as their bars stay the same. A row stays when it is over.';
COMMENT ON COLUMN ashare.accepted_date.id IS 'In the order in which dates were accepted; the last of a date counts.';
COMMENT ON COLUMN ashare.accepted_date.trade_date IS 'Session, in Asia/Shanghai.';
COMMENT ON COLUMN ashare.accepted_date.kinds IS 'The kinds of securities that it was judged for; a run of others judges the date again.';
COMMENT ON COLUMN ashare.accepted_date.reason IS 'Why, in the person''s words.';
COMMENT ON COLUMN ashare.accepted_date.problem IS 'What was wrong with the date then: what lacks, what contradicts.';
COMMENT ON COLUMN ashare.accepted_date.fingerprint IS 'bars_fingerprint of the date and these kinds then.';
COMMENT ON COLUMN ashare.accepted_date.accepted_by IS 'The user of Airflow, or of the machine whose prompt it was.';
COMMENT ON COLUMN ashare.accepted_date.accepted_at IS 'When.';
COMMENT ON COLUMN ashare.accepted_date.ended_at IS 'Since when it counts no more; NULL: it counts.';
COMMENT ON COLUMN ashare.accepted_date.ended_because IS 'Why: its bars have changed, a person took it back, or the date is complete without it.';

CREATE OR REPLACE FUNCTION ashare.trade_date_state(newest date, running text[])
RETURNS TABLE (trade_date date, status text, coverage text, kinds text[], expected integer, loaded integer,
               suspended integer, missing integer, rejected integer, revised integer, requests integer, reason text,
               run_id text, started_at timestamptz, finished_at timestamptz)
LANGUAGE sql STABLE
AS $$
    WITH recorded AS (
        SELECT s.*, a.trade_date IS NOT NULL AS is_accepted,
               s.status = 'syncing' AND NOT coalesce(s.run_id = ANY (running), false)
                   -- A run that started since `running` was read. (With clock_timestamp, which is volatile, one
                   -- date could not be read without all the others.)
                   AND s.started_at < statement_timestamp() - interval '1 minute' AS is_dead,
               s.status = 'skipped' AND coalesce(c.is_trading_day, false) AS is_open_after_all
        FROM ashare.sync_status s
        LEFT JOIN ashare.trade_calendar c ON c.calendar_date = s.trade_date
        LEFT JOIN ashare.accepted_date a ON a.trade_date = s.trade_date AND a.ended_at IS NULL
    )
    SELECT r.trade_date,
           CASE WHEN r.is_dead THEN 'failed' WHEN r.is_open_after_all THEN 'pending' ELSE r.status END,
           CASE WHEN r.is_open_after_all THEN 'missing'
                WHEN r.status = 'skipped' THEN 'closed'
                WHEN r.status = 'syncing' AND NOT r.is_dead THEN 'running'
                WHEN r.status = 'success' AND ('stock' = ANY (r.kinds))
                THEN CASE WHEN r.is_accepted THEN 'accepted' ELSE 'complete' END
                WHEN r.status = 'success' THEN 'partial'
                WHEN r.loaded > 0 AND (r.missing > 0 OR r.rejected > 0) THEN 'partial'
                ELSE 'failed' END,
           r.kinds, r.expected, r.loaded, r.suspended, r.missing, r.rejected, r.revised, r.requests,
           CASE WHEN r.is_dead THEN concat_ws(' ', 'Its run has ended without a record: run the date again.',
                                              'It waited: ' || r.reason)
                WHEN r.is_open_after_all THEN 'Skipped as closed, but a session by the calendar as it is known now.'
                WHEN r.status = 'success' AND NOT ('stock' = ANY (r.kinds))
                THEN concat_ws(' ', 'Only ' || array_to_string(r.kinds, ', ') || ' was asked for.', r.reason)
                ELSE r.reason END,
           r.run_id, r.started_at, r.finished_at
    FROM recorded r
    UNION ALL
    SELECT c.calendar_date, 'pending', 'missing', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM ashare.trade_calendar c
    WHERE c.is_trading_day
      AND c.calendar_date BETWEEN (SELECT min(f.trade_date) FROM ashare.sync_status f) AND newest
      AND NOT EXISTS (SELECT FROM ashare.sync_status s WHERE s.trade_date = c.calendar_date)
$$;
COMMENT ON FUNCTION ashare.trade_date_state IS 'Every trade date from the first recorded to the newest one: sync_status, and `pending` where nothing is recorded; `running` are the Airflow runs that are under way, without which a `syncing` date is `failed`. coverage: complete, accepted, partial, missing, failed, running or closed.';
