-- What people were told of: one message for a trouble, and one when it is over.

CREATE TABLE ashare.alert (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject     text NOT NULL,
    trade_date  date,
    first_date  date,
    last_date   date,
    title       text NOT NULL,
    text        text NOT NULL,
    raised_at   timestamptz NOT NULL DEFAULT now(),
    sent_at     timestamptz,
    error       text,
    resolved_at timestamptz
);
CREATE UNIQUE INDEX alert_open_subject ON ashare.alert (subject) WHERE resolved_at IS NULL;
COMMENT ON TABLE ashare.alert IS 'Messages about what went wrong, by the connection ashare_alerts; empty without it.';
COMMENT ON COLUMN ashare.alert.id IS 'In the order in which they were raised.';
COMMENT ON COLUMN ashare.alert.subject IS 'What it is about: of two open alerts about the same, the second is not sent.';
COMMENT ON COLUMN ashare.alert.trade_date IS 'The trade date that is not complete; NULL for a run of ashare_history.';
COMMENT ON COLUMN ashare.alert.first_date IS 'The first day that has to be complete for it to be over.';
COMMENT ON COLUMN ashare.alert.last_date IS 'The last such day.';
COMMENT ON COLUMN ashare.alert.title IS 'The message''s title.';
COMMENT ON COLUMN ashare.alert.text IS 'The message.';
COMMENT ON COLUMN ashare.alert.raised_at IS 'When it was raised.';
COMMENT ON COLUMN ashare.alert.sent_at IS 'When it was delivered to at least one address; NULL: to none yet.';
COMMENT ON COLUMN ashare.alert.error IS 'Which addresses did not take it, or the message of its end.';
COMMENT ON COLUMN ashare.alert.resolved_at IS 'When all of its dates were complete; NULL: not yet.';
