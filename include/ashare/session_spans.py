"""Aggregates the sessions of a security by year and by reason."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import groupby
from typing import Any

Row = dict[str, Any]


def years_of(sessions: Iterable[Row]) -> list[Row]:
    """Counts of sessions per year: all, trading, suspended, explained (absent or rejected bars), and holes."""
    years = []
    for year, rows in groupby(sessions, key=lambda row: row["calendar_date"].year):
        listed = list(rows)
        holes = sum(row["why"] is not None for row in listed)
        explained = sum((row["why"] or "").startswith(("absent", "rejected")) for row in listed)
        suspended = sum(row["is_trading"] is False for row in listed)
        years.append(
            {
                "year": year,
                "sessions": len(listed),
                "trading": len(listed) - holes - suspended,
                "suspended": suspended,
                "explained": explained,
                "holes": holes - explained,
            }
        )
    return years


def spans_of(sessions: Iterable[Row], reason: Callable[[Row], str | None]) -> list[Row]:
    """Spans of consecutive sessions with the same reason, newest first; sessions without a reason are left out."""
    spans = []
    for why, rows in groupby(sessions, key=reason):
        days = [row["calendar_date"] for row in rows]
        if why:
            spans.append({"start_date": days[0], "end_date": days[-1], "sessions": len(days), "reason": why})
    return spans[::-1]


FEW_DATES = 20
"""Fewer complete dates by themselves say nothing about since when a database is meant to be complete."""
LONG_GAP = 20
"""More sessions than this between two complete dates separate them."""


def since_of(complete: Sequence[date], sessions: Sequence[date]) -> date | None:
    """Since when a database is meant to be complete: its earliest complete date, without a few dates by themselves.

    A few dates (fewer than ``FEW_DATES``) that more than ``LONG_GAP`` sessions separate from the next complete date,
    or from the newest session, were loaded by hand.

    :param complete: the complete dates, oldest first.
    :param sessions: all sessions from the first of them to the newest that should be loaded.
    :returns: ``None`` without such a date.
    """
    numbers = [bisect_left(sessions, day) for day in complete]
    since, size = None, 0
    for day, number, following in zip(complete, numbers, [*numbers[1:], len(sessions) - 1], strict=False):
        since, size = (since, size + 1) if since else (day, 1)
        if following - number > LONG_GAP:
            if size >= FEW_DATES:
                return since
            since, size = None, 0
    return since
