"""The exchanges' trading days: their published holidays, and beyond them a rule of the emulator's own.

The published holidays are kept as a file because importing ``exchange_calendars``, where they come from, takes longer
than starting the whole emulator. They end with a year, and the emulator has to run in any. So its market is closed in
the years after that, up to ``LAST_DAY``, on weekends and on

- 1 January, 5 April (Qingming), 1 to 5 May, 1 to 7 October,
- Chinese New Year's eve and the seven days from New Year on; New Year is the day, in Beijing, of the mean new moon
  between 21 January and 20 February, which is the real one or a day beside it.

The exchanges will decide otherwise. Only the emulator's market may use this rule.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

FIRST_DAY = date(1990, 12, 19)
"""The first session of the Shanghai exchange."""

LAST_DAY = date(2100, 12, 31)
"""The last day that the emulator's rule is for."""

FIXED = {(1, 1), (4, 5), *((5, day) for day in range(1, 6)), *((10, day) for day in range(1, 8))}
"""Month and day of the holidays of the rule that have a date."""

NEW_MOON = datetime(2000, 1, 6, 22, 21)
"""A mean new moon, in Beijing time."""
MONTH = timedelta(days=29.530588861)
"""From one mean new moon to the next."""


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


@cache
def _new_year(year: int) -> date:
    """Chinese New Year, by the rule."""
    months = math.ceil((datetime(year, 1, 21) - NEW_MOON) / MONTH)
    return (NEW_MOON + months * MONTH).date()


def last_published_day() -> date:
    """The end of the last year whose holidays the exchanges have published here."""
    return _holidays()[1]


def is_session(day: date) -> bool:
    """Whether the exchanges traded on a day, or by the rule would.

    :raises ValueError: a day before the first session or after ``LAST_DAY``.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"The trading calendar is known from {FIRST_DAY} to {LAST_DAY}, not on {day}.")
    if day.weekday() >= 5:
        return False
    holidays, published_until = _holidays()
    if day <= published_until:
        return day not in holidays
    return (day.month, day.day) not in FIXED and not -1 <= (day - _new_year(day.year)).days <= 6


def calendar_days(start: date, end: date) -> list[tuple[date, bool]]:
    """Each day of a range with whether it is a session; the range, ends included, is cut as in ``sessions``."""
    first, last = max(start, FIRST_DAY), min(end, LAST_DAY)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [(day, is_session(day)) for day in days]


def sessions(start: date, end: date) -> list[date]:
    """The sessions of a range, both ends included and cut to ``FIRST_DAY`` and ``LAST_DAY``."""
    days = _all_sessions()
    return days[bisect_left(days, start) : bisect_right(days, end)]


def next_session(day: date) -> date:
    """The first session from a day on, or the last of all."""
    days = _all_sessions()
    return days[min(bisect_left(days, day), len(days) - 1)]


@cache
def _all_sessions() -> list[date]:
    return [day for day, is_open in calendar_days(FIRST_DAY, LAST_DAY) if is_open]
