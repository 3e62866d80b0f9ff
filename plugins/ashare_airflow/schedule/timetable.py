"""A run is a trade date: the timetable whose partitions are the weekdays in Asia/Shanghai."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any

from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo
from airflow.timetables.trigger import CronPartitionTimetable
from pendulum import DateTime, instance

from ashare.dates import SHANGHAI, beijing_now, parse_trade_date
from ashare.errors import InvalidInput

KEY_FORMAT = "%Y-%m-%d"

VIEWERS_ZONE: ContextVar[tzinfo | None] = ContextVar("VIEWERS_ZONE", default=None)
"""Of whoever sends a backfill's bounds from Airflow's UI, where it is known (`ashare_airflow.schedule.viewer`)."""

# Where it is not known: the instant that a browser calls midnight lies between 13 3/4 hours before midnight UTC
# (Chatham in summer) and 10 hours after it (Honolulu). This much later it is in the day that the viewer means, for
# all of them. The instants of UTC-11, -12 and +14 are those of UTC+13, +12 and -10, where more people live.
_TO_VIEWERS_DAY = timedelta(hours=13, minutes=45)


class TradeDateTimetable(CronPartitionTimetable):
    """Runs by cron in Asia/Shanghai; the partition is the run's local day, its key is ``YYYY-MM-DD``.

    :param cron: when the day's bars are out; one run a weekday.
    """

    def __init__(self, cron: str = "5 18 * * 1-5") -> None:
        super().__init__(cron, timezone="Asia/Shanghai", key_format=KEY_FORMAT)

    def serialize(self) -> dict[str, Any]:
        return {"cron": self._expression}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> TradeDateTimetable:
        return TradeDateTimetable(data["cron"])  # whatever name it was kept under

    def _get_partition_date(self, *, run_date: datetime) -> DateTime:
        return _midnight(run_date.astimezone(SHANGHAI).date())

    def iter_partition_dagrun_infos(self, *, earliest: datetime, latest: datetime) -> Iterable[DagRunInfo]:
        """Yield the weekdays of a backfill, both ends included, none later than today in Asia/Shanghai."""
        now = beijing_now()
        day, last = first_day(earliest), min(last_day(latest), now.date())
        while day <= last:
            if day.weekday() < 5:
                midnight = _midnight(day)
                # Not midnight: the scheduler plans the run that follows the newest one from its run_after, and
                # would run that same day again. Not later than now: the run would not start, and not say why.
                run_after = min(self._get_next(midnight), instance(now))
                yield DagRunInfo(
                    run_after=run_after,
                    data_interval=None,
                    partition_date=midnight,
                    partition_key=day.strftime(KEY_FORMAT),
                )
            day += timedelta(days=1)

    def _decode_partition_date(self, partition_key: str) -> datetime:
        """Read a key that was typed by hand; refused here, the trigger dialog says why."""
        try:
            day = parse_trade_date(partition_key)
        except InvalidInput as error:
            raise InvalidPartitionKeyError(str(error)) from None
        if day.strftime(KEY_FORMAT) != partition_key:
            # Two spellings of one date would be two partitions to whoever filters by key.
            raise InvalidPartitionKeyError(f"Write the partition key as {day.strftime(KEY_FORMAT)}.")
        return _midnight(day)


def first_day(bound: datetime) -> date:
    """The first day that a backfill's lower bound means.

    Airflow's command line sends midnight UTC, its UI the instant of midnight where the viewer is; an instant with
    an offset of its own is read as it is written.
    """
    if bound.utcoffset() or bound.time() == time():
        return bound.date()
    if zone := VIEWERS_ZONE.get():
        return bound.replace(tzinfo=timezone.utc).astimezone(zone).date()
    return (bound + _TO_VIEWERS_DAY).date()


def last_day(bound: datetime) -> date:
    """The last day that a backfill's upper bound means: as ``first_day``; the UI sends 23:59:59.999."""
    if bound.utcoffset() or bound.time() == time() or VIEWERS_ZONE.get():
        return first_day(bound)
    following = bound + timedelta(milliseconds=1)
    if following.second == 0 and bound.second == 59:
        return first_day(following.replace(tzinfo=timezone.utc)) - timedelta(days=1)
    return bound.replace(tzinfo=timezone.utc).astimezone(SHANGHAI).date()


def _midnight(day: date) -> DateTime:
    # Airflow keeps instants in UTC and compares partition dates for equality.
    return instance(datetime.combine(day, time(), tzinfo=SHANGHAI)).in_timezone("UTC")
