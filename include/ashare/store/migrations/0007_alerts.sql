-- What people are told of: one message for a trouble, and one when it is over; sent again until somebody has it.

CREATE TABLE ashare.alert (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject     text NOT NULL,
    about       text NOT NULL CHECK (about IN ('date', 'run', 'history')),
    run_id      text NOT NULL,
    trade_date  date,
    first_date  date,
    last_date   date,
    title       text NOT NULL,
    text        text NOT NULL,
    end_title   text NOT NULL,
    raised_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at     timestamptz,
    resolved_at timestamptz,
    end_sent_at timestamptz,
    error       text
);
CREATE UNIQUE INDEX alert_open_subject ON ashare.alert (subject) WHERE resolved_at IS NULL;
COMMENT ON TABLE ashare.alert IS 'Messages about what went wrong, by the connection ashare_alerts; empty without it.';
COMMENT ON COLUMN ashare.alert.id IS 'In the order in which they were raised.';
COMMENT ON COLUMN ashare.alert.subject IS 'What it is about: of two open alerts about the same, there is one.';
COMMENT ON COLUMN ashare.alert.about IS 'date: over when its dates are complete. run: when its run has ended well. history: when it, or a later one, has.';
COMMENT ON COLUMN ashare.alert.run_id IS 'The Airflow run.';
COMMENT ON COLUMN ashare.alert.trade_date IS 'The trade date that is not complete.';
COMMENT ON COLUMN ashare.alert.first_date IS 'The first day of the date, the backfill or the history.';
COMMENT ON COLUMN ashare.alert.last_date IS 'The last such day.';
COMMENT ON COLUMN ashare.alert.title IS 'The message''s title.';
COMMENT ON COLUMN ashare.alert.text IS 'The message.';
COMMENT ON COLUMN ashare.alert.end_title IS 'The title of the message that it is over.';
COMMENT ON COLUMN ashare.alert.raised_at IS 'When it was raised.';
COMMENT ON COLUMN ashare.alert.sent_at IS 'When at least one address took it; NULL: it is still to be sent.';
COMMENT ON COLUMN ashare.alert.resolved_at IS 'When it was over; NULL: not yet.';
COMMENT ON COLUMN ashare.alert.end_sent_at IS 'When at least one address took that it is over, or nobody had heard of it.';
COMMENT ON COLUMN ashare.alert.error IS 'Which addresses did not take the last message about it.';
