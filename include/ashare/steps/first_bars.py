"""Trade dates before an index's first bar: found out once and recorded as a range, not asked for every day."""

from __future__ import annotations

from datetime import timedelta

from ashare.source import Session
from ashare.steps.fetched_bars import FetchedBars
from ashare.store.rows import AbsentRange

LEAST_EMPTY = timedelta(days=90)
"""An answer without a bar says that an index begins later if it is about so many days; of fewer, it may be late."""
WITNESS = "sh.600000"
"""A stock that is listed since 1999, has a bar of every session, and has gone ex nearly every year since 2000."""


def ask_witnesses(fetched: FetchedBars, session: Session) -> None:
    """Where indices have no bar at all, ask for bars that should be there: an empty answer alone proves nothing."""
    run = fetched.run
    without = [code for code in fetched.absent if code not in fetched.begins]
    if fetched.kind != "index" or not without or run.today - run.day <= LEAST_EMPTY:
        return
    a_week_ago = run.today - timedelta(days=7)
    lately = (a_week_ago - timedelta(days=14), a_week_ago)
    if not fetched.begins:
        session.expect(1)
        fetched.is_witnessed = bool(session.bars(WITNESS, *lately).rows)
    if fetched.last >= a_week_ago:
        session.expect(len(without))
        fetched.contradicted = {code for code in without if session.bars(code, *lately).rows}


def before_the_first_bar(fetched: FetchedBars) -> list[str]:
    """Move what lies before indices' first bars from the absent codes to the fetched's ranges; returns the others.

    The index's own later bars prove it; where it has none, those of another index, or of the witness.
    """
    if fetched.kind != "index":
        return fetched.absent
    run = fetched.run
    others = []
    for code in fetched.absent:
        first = fetched.begins.get(code)
        last = min(fetched.last, run.today - timedelta(days=1)) if first is None else first - timedelta(days=1)
        answers = bool(fetched.begins) or fetched.is_witnessed
        is_empty = answers and code not in fetched.contradicted and last - run.day >= LEAST_EMPTY
        is_proven = first is not None or is_empty
        is_first = (run.store.bars.first_bar(code) or run.today) >= run.day
        if run.day <= last < run.today and is_proven and is_first:
            fetched.ranges.append(AbsentRange(code, fetched.first, last))
        else:
            others.append(code)
    return others
