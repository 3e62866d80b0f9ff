"""Trade dates before an index's first bar: detected once and recorded as a range, not requested for every date."""

from __future__ import annotations

from datetime import timedelta

from ashare.source import Session
from ashare.store.rows import AbsentRange
from ashare.sync.fetched_bars import FetchedBars

LEAST_EMPTY = timedelta(days=90)
"""Shortest span whose empty answer shows that an index begins later. In a shorter span, the bars may be late."""
WITNESS = "sh.600000"
"""A stock that is listed since 1999, has a bar for every session, and has gone ex nearly every year since 2000."""


def ask_witnesses(fetched: FetchedBars, session: Session) -> None:
    """For indices without any bar, request bars that should be there: an empty answer alone proves nothing.

    Sets ``is_witnessed`` and ``contradicted`` of the fetched bars.
    """
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
    """Move the spans before indices' first bars from the absent codes to ``fetched.ranges``.

    The proof is a later bar of the index itself; without one, a bar of another index or of ``WITNESS``.

    :returns: the codes that stay absent.
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
