"""Aggregates the sessions of a security by year and by reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
