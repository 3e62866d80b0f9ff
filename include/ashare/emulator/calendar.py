"""The exchanges' trading days, from a list of their holidays.

The list is kept as a file because importing ``exchange_calendars``, where it comes from, takes longer than
starting the whole emulator. Beyond the years in the list nothing is known, and nothing is guessed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date, timedelta
from functools import cache
from pathlib import Path

FIRST_DAY = date(1990, 12, 19)
"""The first session of the Shanghai exchange."""


@cache
def _holidays() -> tuple[frozenset[date], date]:
    text = Path(__file__).with_name("holidays.txt").read_text(encoding="ascii")
    days: set[date] = set()
    last_year = 0
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        year, _, month_days = line.partition(":")
        last_year = int(year)
        days.update(date.fromisoformat(f"{year}-{month_day}") for month_day in month_days.split())
    return frozenset(days), date(last_year, 12, 31)


def last_known_day() -> date:
    """The end of the last year whose holidays are known."""
    return _holidays()[1]


def is_session(day: date) -> bool:
    """Whether the exchanges traded on a day.

    :raises ValueError: a day before the first session or after ``last_known_day``.
    """
    holidays, until = _holidays()
    if not FIRST_DAY <= day <= until:
        raise ValueError(f"The trading calendar is known from {FIRST_DAY} to {until}, not on {day}.")
    return day.weekday() < 5 and day not in holidays


def calendar_days(start: date, end: date) -> list[tuple[date, bool]]:
    """Every day of a range, both ends included and cut to what is known, with whether it is a session."""
    first, last = max(start, FIRST_DAY), min(end, last_known_day())
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [(day, is_session(day)) for day in days]


def sessions(start: date, end: date) -> list[date]:
    """The sessions of a range, both ends included and cut to what is known."""
    known = _all_sessions()
    return known[bisect_left(known, start) : bisect_right(known, end)]


def next_session(day: date) -> date:
    """The first session from a day on, or the last known one."""
    known = _all_sessions()
    return known[min(bisect_left(known, day), len(known) - 1)]


@cache
def _all_sessions() -> list[date]:
    return [day for day, is_open in calendar_days(FIRST_DAY, last_known_day()) if is_open]
