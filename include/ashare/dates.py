"""Trade dates: dates of the Shanghai and Shenzhen exchanges, always in Asia/Shanghai."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from ashare.errors import InvalidInput

SHANGHAI = ZoneInfo("Asia/Shanghai")

FIRST_TRADE_DATE = date(1990, 12, 19)
"""The first session of the Shanghai exchange, and the first day of Baostock's calendar."""


def beijing_now() -> datetime:
    """The current time in Asia/Shanghai, whatever the machine's time zone is."""
    return datetime.now(SHANGHAI)


def parse_date(text: str) -> date:
    """Read a date written as ``YYYY-MM-DD``.

    :raises InvalidInput: it is not one.
    """
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").date()
    except ValueError:
        raise InvalidInput(f"{text!r} is not a trade date: write it as YYYY-MM-DD, for example 2026-03-02.") from None


def parse_trade_date(text: str | date, *, today: date | None = None) -> date:
    """Read a trade date written as ``YYYY-MM-DD``.

    Whether the date is a session is the calendar's to say; this only refuses what can never be one.

    :raises InvalidInput: not a date, before 1990-12-19, or after ``today`` (Beijing's).
    """
    today = today or beijing_now().date()
    day = text if isinstance(text, date) else parse_date(text)
    if day < FIRST_TRADE_DATE:
        raise InvalidInput(
            f"Trade date {day} is before {FIRST_TRADE_DATE}, the first session of the Shanghai exchange: "
            f"choose a date from {FIRST_TRADE_DATE} to {today}."
        )
    if day > today:
        raise InvalidInput(
            f"Trade date {day} is in the future (today in Beijing is {today}): "
            f"choose a date from {FIRST_TRADE_DATE} to {today}."
        )
    return day


def parse_trade_date_range(start: str | date, end: str | date) -> tuple[date, date]:
    """Read a range of trade dates, both ends included.

    :raises InvalidInput: as ``parse_trade_date``, or ``end`` before ``start``.
    """
    first, last = parse_trade_date(start), parse_trade_date(end)
    if last < first:
        raise InvalidInput(f"The end date {last} is before the start date {first}: swap them.")
    return first, last
