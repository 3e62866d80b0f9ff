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
