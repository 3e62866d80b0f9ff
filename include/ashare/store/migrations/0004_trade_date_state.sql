-- A trade date's state as people look at it: what is recorded, what is not, and whether anybody still works on it.

CREATE FUNCTION ashare.trade_date_state(newest date, running text[])
RETURNS TABLE (trade_date date, status text, coverage text, kinds text[], expected integer, loaded integer,
               suspended integer, missing integer, rejected integer, revised integer, requests integer, reason text,
               run_id text, started_at timestamptz, finished_at timestamptz)
LANGUAGE sql STABLE
AS $$
    WITH recorded AS (
        SELECT s.*,
               s.status = 'syncing' AND NOT coalesce(s.run_id = ANY (running), false)
                   -- A run that started since `running` was read. (With clock_timestamp, which is volatile, one
                   -- date could not be read without all the others.)
                   AND s.started_at < statement_timestamp() - interval '1 minute' AS is_dead,
               s.status = 'skipped' AND coalesce(c.is_trading_day, false) AS is_open_after_all
        FROM ashare.sync_status s
        LEFT JOIN ashare.trade_calendar c ON c.calendar_date = s.trade_date
    )
    SELECT r.trade_date,
           CASE WHEN r.is_dead THEN 'failed' WHEN r.is_open_after_all THEN 'pending' ELSE r.status END,
           CASE WHEN r.is_open_after_all THEN 'missing'
                WHEN r.status = 'skipped' THEN 'closed'
                WHEN r.status = 'syncing' AND NOT r.is_dead THEN 'running'
                WHEN r.status = 'success' AND ('stock' = ANY (r.kinds)) THEN 'complete'
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
COMMENT ON FUNCTION ashare.trade_date_state IS 'Every trade date from the first recorded to the newest one: sync_status, and `pending` where nothing is recorded; `running` are the Airflow runs that are under way, without which a `syncing` date is `failed`. coverage: complete, partial, missing, failed, running or closed.';

-- What the status page asks for by these.
CREATE INDEX bar_revision_code ON ashare.bar_revision (code);
CREATE INDEX source_request_error ON ashare.source_request (requested_at) WHERE outcome IS DISTINCT FROM 'ok';
CREATE INDEX daily_bar_suspended ON ashare.daily_bar (code, trade_date) WHERE NOT is_trading;
