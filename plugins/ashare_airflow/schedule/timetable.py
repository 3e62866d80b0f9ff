"""The timetables: one run a trade date, partitioned by weekdays, or one a week, partitioned by Mondays."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo
from airflow.timetables.trigger import CronPartitionTimetable
from pendulum import DateTime, instance

from ashare.datasets import LISTS_APPEAR
from ashare.dates import SHANGHAI, beijing_now, monday_of, parse_trade_date, parse_week
from ashare.errors import InvalidInput

KEY_FORMAT = "%Y-%m-%d"

VIEWERS_ZONE: ContextVar[tzinfo | None] = ContextVar("VIEWERS_ZONE", default=None)
"""Time zone of the user who sends a backfill's bounds from Airflow's UI, set by `ashare_airflow.schedule.viewer`.

``None``: unknown.
"""

# For an unknown time zone. Local midnight lies between 13 3/4 hours before midnight UTC (Chatham in summer) and 10
# hours after midnight UTC (Honolulu). For all of these zones, local midnight plus 13 3/4 hours is in UTC within the
# viewer's day. UTC-11, -12 and +14 share their midnights with UTC+13, +12 and -10, where more people live.
_TO_VIEWERS_DAY = timedelta(hours=13, minutes=45)


class TradeDateTimetable(CronPartitionTimetable):
    """Runs by cron in Asia/Shanghai. The partition is the run's local day, with the key ``YYYY-MM-DD``.

    :param cron: one run each weekday, when the day's bars are out.
    """

    _last_weekday = 4
    """The last weekday that is a partition; Monday is 0."""

    def __init__(self, cron: str = "5 18 * * 1-5") -> None:
        super().__init__(cron, timezone="Asia/Shanghai", key_format=KEY_FORMAT)

    def serialize(self) -> dict[str, Any]:
        return {"cron": self._expression}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> TradeDateTimetable:
        return TradeDateTimetable(data["cron"])  # for a former class name, too

    def _parse(self, partition_key: str) -> date:
        return parse_trade_date(partition_key)

    def _get_partition_date(self, *, run_date: datetime) -> DateTime:
        return _midnight(run_date.astimezone(SHANGHAI).date())

    def iter_partition_dagrun_infos(self, *, earliest: datetime, latest: datetime) -> Iterable[DagRunInfo]:
        """Yield the partitions of a backfill, both ends included, none later than today in Asia/Shanghai."""
        now = beijing_now()
        day, last = first_day(earliest), min(last_day(latest), now.date())
        while day <= last:
            if day.weekday() <= self._last_weekday:
                midnight = _midnight(day)
                # Not midnight: the scheduler computes the next run from the newest run's run_after, and would run
                # the same day again. Not later than now: the run would wait without saying why.
                run_after = min(self._get_next(midnight), instance(now))
                yield DagRunInfo(
                    run_after=run_after,
                    data_interval=None,
                    partition_date=midnight,
                    partition_key=day.strftime(KEY_FORMAT),
                )
            day += timedelta(days=1)

    def _decode_partition_date(self, partition_key: str) -> datetime:
        """Read a key that was typed by hand. The trigger dialog shows the error.

        :raises InvalidPartitionKeyError: the key is not a partition, or not written as ``YYYY-MM-DD``.
        """
        try:
            day = self._parse(partition_key)
        except InvalidInput as error:
            raise InvalidPartitionKeyError(str(error)) from None
        if day.strftime(KEY_FORMAT) != partition_key:
            # For a filter by key, two spellings of one date would be two partitions.
            raise InvalidPartitionKeyError(f"Write the partition key as {day.strftime(KEY_FORMAT)}.")
        return _midnight(day)


class WeekTimetable(TradeDateTimetable):
    """Runs by cron in Asia/Shanghai. The partition is the Monday of the run's week, with the key ``YYYY-MM-DD``.

    :param cron: one run each Monday, when the lists of the week should be out.
    """

    _last_weekday = 0

    def __init__(self, cron: str = f"{LISTS_APPEAR.minute} {LISTS_APPEAR.hour} * * 1") -> None:
        super().__init__(cron)

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> WeekTimetable:
        return WeekTimetable(data["cron"])

    def _parse(self, partition_key: str) -> date:
        return parse_week(partition_key)

    def _get_partition_date(self, *, run_date: datetime) -> DateTime:
        return _midnight(monday_of(run_date.astimezone(SHANGHAI).date()))


def first_day(bound: datetime) -> date:
    """The first day that a backfill's lower bound means.

    Airflow's command line sends midnight UTC. Airflow's UI sends the instant of midnight in the viewer's time zone.
    An instant with a UTC offset other than 0 means the date as it is written.
    """
    if bound.utcoffset() or bound.time() == time():
        return bound.date()
    if zone := VIEWERS_ZONE.get():
        return bound.replace(tzinfo=timezone.utc).astimezone(zone).date()
    return (bound + _TO_VIEWERS_DAY).date()


def last_day(bound: datetime) -> date:
    """The last day that a backfill's upper bound means, by the rules of ``first_day``.

    The UI sends 23:59:59.999 in the viewer's time zone. An instant of no known form means its day in Asia/Shanghai.
    """
    if bound.utcoffset() or bound.time() == time() or VIEWERS_ZONE.get():
        return first_day(bound)
    following = bound + timedelta(milliseconds=1)
    if following.second == 0 and bound.second == 59:
        return first_day(following.replace(tzinfo=timezone.utc)) - timedelta(days=1)
    return bound.replace(tzinfo=timezone.utc).astimezone(SHANGHAI).date()


def _midnight(day: date) -> DateTime:
    # In UTC, as Airflow stores instants: it compares partition dates for equality.
    return instance(datetime.combine(day, time(), tzinfo=SHANGHAI)).in_timezone("UTC")
