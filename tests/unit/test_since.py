"""Since when a database is meant to be complete."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ashare.session_spans import FEW_DATES, LONG_GAP, since_of

SESSIONS = [date(2025, 1, 1) + timedelta(days=n) for n in range(200)]


@pytest.mark.parametrize(
    ("complete", "since"),
    [
        ([], None),
        ([199], 199),
        # One date by hand, and the newest session not far, or too far from it.
        ([199 - LONG_GAP], 199 - LONG_GAP),
        ([198 - LONG_GAP], None),
        # A hole within what is kept does not hide what lies before the hole.
        ([100, 100 + LONG_GAP, 190], 190),
        ([190 - LONG_GAP, 190], 190 - LONG_GAP),
        ([0, 190], 190),
        # Few by themselves do not count, and enough of them do, however long ago.
        ([*range(FEW_DATES - 1), 190], 190),
        ([*range(FEW_DATES), 190], 0),
        ([*range(FEW_DATES)], 0),
        # Enough of them: a later hole of any length is a hole.
        ([5, *range(40, 40 + FEW_DATES), 190], 40),
    ],
)
def test_since_of(complete: list[int], since: int | None) -> None:
    found = since_of([SESSIONS[n] for n in complete], SESSIONS)
    assert found == (None if since is None else SESSIONS[since])
