-- What is held against each other before a trade date is believed, and when it was last read from the source.

CREATE TABLE ashare.cross_check (
    trade_date    date NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('stock', 'etf')),
    rule          text NOT NULL CHECK (rule IN ('universe', 'rows', 'preclose', 'pct_chg', 'ex_dates', 'volume')),
    compared_with date,
    compared      integer NOT NULL,
    deviating     integer NOT NULL,
    allowed       integer NOT NULL,
    passed        boolean,
    figures       jsonb NOT NULL,
    examples      text[] NOT NULL,
    checked_at    timestamptz NOT NULL DEFAULT now(),
    run_id        text,
    PRIMARY KEY (trade_date, kind, rule)
);
COMMENT ON TABLE ashare.cross_check IS 'The last cross-checks of each trade date, which catch replies that are wrong but well-formed.';
COMMENT ON COLUMN ashare.cross_check.trade_date IS 'Session that was checked.';
COMMENT ON COLUMN ashare.cross_check.kind IS 'stock or etf.';
COMMENT ON COLUMN ashare.cross_check.rule IS 'universe: bars of securities not listed that day; rows: more or fewer bars than listings explain; preclose: not the last close, and no ex-date; pct_chg: not close / preclose - 1; ex_dates: adjust factors and prices disagree; volume: the sum of the day before.';
COMMENT ON COLUMN ashare.cross_check.compared_with IS 'The session before, where the rule needs one; NULL: its bars are not there.';
COMMENT ON COLUMN ashare.cross_check.compared IS 'How many were compared.';
COMMENT ON COLUMN ashare.cross_check.deviating IS 'How many of them contradict.';
COMMENT ON COLUMN ashare.cross_check.allowed IS 'How many may.';
COMMENT ON COLUMN ashare.cross_check.passed IS 'deviating <= allowed; NULL: there was nothing to compare with.';
COMMENT ON COLUMN ashare.cross_check.figures IS 'What was counted or summed.';
COMMENT ON COLUMN ashare.cross_check.examples IS 'Up to ten codes that contradict.';
COMMENT ON COLUMN ashare.cross_check.checked_at IS 'When.';
COMMENT ON COLUMN ashare.cross_check.run_id IS 'The Airflow run that checked.';

ALTER TABLE ashare.sync_status ADD COLUMN checked_at timestamptz;
COMMENT ON COLUMN ashare.sync_status.checked_at IS 'When the whole market of that day was last read from Baostock and held against the table.';

ALTER TABLE ashare.sync_batch ADD COLUMN again date[];
COMMENT ON COLUMN ashare.sync_batch.again IS 'Earlier trade dates that are read again for corrections; NULL: the trade date itself.';
