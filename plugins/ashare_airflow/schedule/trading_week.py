"""A trading week as a window of asset partitions: a DAG can wait until all sessions of a week are complete."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import ClassVar

from airflow.partition_mappers.window import Window

from ashare.dates import days_between
from ashare.errors import AshareError

KEPT_SECONDS = 600.0
"""How long the sessions of a week are kept. The scheduler asks for them every few seconds."""
PAUSE_SECONDS = 60.0
"""How long the database is not asked again after it did not answer: the scheduler waits for each answer."""

_kept: dict[date, tuple[float, list[date] | AshareError]] = {}


class TradingWeekWindow(Window):
    """The sessions of a week, by the stored calendar of the exchanges: Airflow's ``WeekWindow`` has all seven days.

    For ``RollupMapper``, with a ``StartOfWeekMapper`` of Asia/Shanghai. A weekday that the calendar does not know yet
    (next year's) counts as a session, so that no week ends too early.
    """

    expected_decoded_type: ClassVar[type] = datetime

    def to_upstream(self, period_start: datetime) -> Iterable[datetime]:
        """The midnights of the sessions of the week.

        :param period_start: midnight of the week's Monday.
        :raises AshareError: the database cannot be read. The scheduler logs it, and asks again.
        """
        monday = period_start.date()
        return [period_start + timedelta(days=(day - monday).days) for day in _sessions(monday)]


def _sessions(monday: date) -> list[date]:
    until, found = _kept.get(monday, (0.0, []))
    if until < time.monotonic():
        try:
            found, seconds = _read(monday), KEPT_SECONDS
        except AshareError as error:
            found, seconds = error, PAUSE_SECONDS
        _kept[monday] = time.monotonic() + seconds, found
    if isinstance(found, AshareError):
        raise found
    return found


def _read(monday: date) -> list[date]:
    """:raises AshareError: the connection is not set, or the database cannot be read."""
    from ashare_airflow.connections import lent_store

    sunday = monday + timedelta(days=6)
    with lent_store() as store:
        known = dict(store.calendar.days(monday, sunday))
    return [day for day in days_between(monday, sunday) if known.get(day, day.weekday() < 5)]
