"""Trade dates: dates of the Shanghai and Shenzhen exchanges, always in Asia/Shanghai."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ashare.errors import InvalidInput
from ashare.texts import backfill_command

SHANGHAI = ZoneInfo("Asia/Shanghai")

FIRST_TRADE_DATE = date(1990, 12, 19)
"""The first session of the Shanghai exchange, and the first day of Baostock's calendar."""


def beijing_now() -> datetime:
    """The current time in Asia/Shanghai, whatever the machine's time zone is."""
    return datetime.now(SHANGHAI)


def parse_date(text: str) -> date:
    """Read a date written as ``YYYY-MM-DD``.

    :raises InvalidInput: ``text`` is not such a date.
    """
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").date()
    except ValueError:
        raise InvalidInput(f"{text!r} is not a trade date: write it as YYYY-MM-DD, for example 2026-03-02.") from None


def parse_trade_date(text: str | date, *, today: date | None = None) -> date:
    """Read a trade date written as ``YYYY-MM-DD``.

    The function only refuses dates that can never be a session; the calendar decides whether the date is one.

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


def parse_trade_date_range(
    start: str | date, end: str | date, *, most_days: int | None = None, dag_id: str = "ashare_daily"
) -> tuple[date, date]:
    """Read a range of trade dates, both ends included.

    :param most_days: maximum calendar days in the range; ``None``: no limit.
    :param dag_id: the DAG that the range is for.
    :raises InvalidInput: as ``parse_trade_date``, ``end`` before ``start``, or more than ``most_days`` days.
    """
    first, last = parse_trade_date(start), parse_trade_date(end)
    check_order(first, last)
    days = (last - first).days + 1
    if most_days is not None and days > most_days:
        raise InvalidInput(
            f"{first} to {last} is {days} days, and at most {most_days} can be started here: choose fewer, or use "
            f"{backfill_command(first, last, dag_id=dag_id)}; for years, the DAG ashare_history."
        )
    return first, last


def check_order(first: date, last: date) -> None:
    """Refuse a range whose end is before its start.

    :raises InvalidInput: ``last`` is before ``first``.
    """
    if last < first:
        raise InvalidInput(f"The end date {last} is before the start date {first}: swap them.")


def clock(moment: datetime) -> str:
    """A moment's day, hour and minute in Asia/Shanghai."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def days_between(start: date, end: date) -> Iterator[date]:
    """All calendar days of a range, both ends included."""
    return map(date.fromordinal, range(start.toordinal(), end.toordinal() + 1))


def monday_of(day: date) -> date:
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def parse_week(text: str | date) -> date:
    """Read a week written as its Monday.

    :raises InvalidInput: as ``parse_trade_date``, or the day is not a Monday.
    """
    day = parse_trade_date(text)
    if (monday := monday_of(day)) != day:
        raise InvalidInput(f"{day} is not a Monday: a week is written as its Monday, which is {monday}.")
    return day


def mondays(start: date, end: date) -> list[date]:
    """The Mondays of a range, both ends included."""
    return [day for day in days_between(start, end) if day.weekday() == 0]


def weekdays(start: date, end: date) -> list[date]:
    """The days from Monday to Friday in a range, both ends included."""
    return [day for day in days_between(start, end) if day.weekday() < 5]
