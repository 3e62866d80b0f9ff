"""Trade dates before an index's first bar: detected once and recorded as a range, not requested for every date."""

from __future__ import annotations

from datetime import timedelta

from ashare.source import Session
from ashare.sync.absence import LEAST_EMPTY, EmptySpan
from ashare.sync.fetched_bars import FetchedBars

WITNESS = "sh.600000"
"""A stock that is listed since 1999, has a bar for every session, and has gone ex nearly every year since 2000."""


def ask_witnesses(fetched: FetchedBars, session: Session) -> None:
    """For indices without any bar, request bars that should be there: an empty answer alone proves nothing.

    Sets ``witness`` and ``contradicted`` of the fetched bars.
    """
    run = fetched.run
    without = [code for code in fetched.absent if code not in fetched.begins]
    if fetched.kind != "index" or not without or run.today - run.day <= LEAST_EMPTY:
        return
    a_week_ago = run.today - timedelta(days=7)
    lately = (a_week_ago - timedelta(days=14), a_week_ago)
    if not fetched.begins:
        session.expect(1)
        fetched.witness = bool(session.bars(WITNESS, *lately).rows)
    if fetched.last >= a_week_ago:
        session.expect(len(without))
        fetched.contradicted = {code for code in without if session.bars(code, *lately).rows}


def empty_span(fetched: FetchedBars, code: str) -> EmptySpan | None:
    """The span without a bar of an index that lacks the trade date; ``None`` for another kind."""
    if fetched.kind != "index":
        return None
    run = fetched.run
    begins, first_bar = fetched.begins.get(code), run.store.bars.first_bar(code)
    return EmptySpan(
        run.day,
        begins - timedelta(days=1) if begins else min(fetched.last, run.today - timedelta(days=1)),
        has_bar_before=any(day is not None and day < run.day for day in (begins, first_bar)),
        has_bar_after=begins is not None and begins > run.day,
        is_disproved=code in fetched.contradicted,
    )
