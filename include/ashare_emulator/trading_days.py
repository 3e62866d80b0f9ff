"""The exchanges' trading days: by published holidays, and in later years by the emulator's own rule.

The published holidays are a file, because importing their source, ``exchange_calendars``, takes longer than
starting the whole emulator. The file ends with the last published year, but the emulator has to run in any year.
So in later years, up to ``LAST_DAY``, the emulator's market is closed on weekends and on

- 1 January, 5 April (Qingming), 1 to 5 May, 1 to 7 October,
- Chinese New Year's Eve and the seven days from New Year on. The rule's New Year is the Beijing date of the mean
  new moon between 21 January and 20 February: the real New Year, or one day off.

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
"""The last day of the calendar."""

FIXED = {(1, 1), (4, 5), *((5, day) for day in range(1, 6)), *((10, day) for day in range(1, 8))}
"""The rule's holidays with a fixed date, as (month, day)."""

NEW_MOON = datetime(2000, 1, 6, 22, 21)
"""A mean new moon, in Beijing time."""
MONTH = timedelta(days=29.530588861)
"""The time from one mean new moon to the next."""


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
    """The date of Chinese New Year by the rule."""
    months = math.ceil((datetime(year, 1, 21) - NEW_MOON) / MONTH)
    return (NEW_MOON + months * MONTH).date()


def last_published_day() -> date:
    """31 December of the last year in ``holidays.txt``."""
    return _holidays()[1]


def is_session(day: date) -> bool:
    """Whether a day is a session, by the published holidays or, in later years, by the rule.

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
    """(day, whether it is a session) for each day of a range, both ends included, clipped as in ``sessions``."""
    first, last = max(start, FIRST_DAY), min(end, LAST_DAY)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [(day, is_session(day)) for day in days]


def sessions(start: date, end: date) -> list[date]:
    """The sessions of a range, both ends included, clipped to ``FIRST_DAY`` and ``LAST_DAY``."""
    days = _all_sessions()
    return days[bisect_left(days, start) : bisect_right(days, end)]


def next_session(day: date) -> date:
    """The first session on or after a day; after the calendar's last session, that session."""
    days = _all_sessions()
    return days[min(bisect_left(days, day), len(days) - 1)]


@cache
def _all_sessions() -> list[date]:
    return [day for day, is_open in calendar_days(FIRST_DAY, LAST_DAY) if is_open]
