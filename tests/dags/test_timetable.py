"""A run is a trade date: the promise of docs/backfill.md that ranges include both ends, wherever the viewer is."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from itertools import pairwise
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo, TimeRestriction
from hypothesis import given, settings
from hypothesis import strategies as st

from ashare.dates import SHANGHAI, beijing_now
from ashare_airflow.schedule import timetable
from ashare_airflow.schedule.timetable import VIEWERS_ZONE, TradeDateTimetable, WeekTimetable
from ashare_airflow.schedule.viewer import ViewersTimeZone

VIEWERS = [
    "Asia/Shanghai",
    "UTC",
    "America/New_York",
    "Asia/Tokyo",
    "Europe/London",
    "Pacific/Auckland",
    "Pacific/Honolulu",
    "Pacific/Chatham",
]
LONG_AGO = st.dates(date(2005, 1, 1), date(2025, 12, 31))


def keys(earliest: datetime, latest: datetime) -> list[str | None]:
    return [
        info.partition_key
        for info in TradeDateTimetable().iter_partition_dagrun_infos(earliest=earliest, latest=latest)
    ]


def as_sent_by_cli(first: date, last: date) -> tuple[datetime, datetime]:
    return datetime.combine(first, time(), timezone.utc), datetime.combine(last, time(), timezone.utc)


def as_sent_by_ui(first: date, last: date, viewer: str | tzinfo) -> tuple[datetime, datetime]:
    """Local 00:00 and 23:59:59.999, as instants."""
    zone = ZoneInfo(viewer) if isinstance(viewer, str) else viewer
    start = datetime.combine(first, time(), zone)
    end = datetime.combine(last, time(23, 59, 59, 999000), zone)
    return start.astimezone(timezone.utc), end.astimezone(timezone.utc)


def weekdays(first: date, last: date) -> list[str]:
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [str(day) for day in days if day.weekday() < 5]


NATIONAL_DAY = ["2025-10-01", "2025-10-02", "2025-10-03", "2025-10-06", "2025-10-07", "2025-10-08", "2025-10-09"]


def test_a_range_from_the_cli_includes_both_ends() -> None:
    assert keys(*as_sent_by_cli(date(2025, 10, 1), date(2025, 10, 9))) == NATIONAL_DAY


@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_range_from_the_ui_includes_both_ends(viewer: str) -> None:
    assert keys(*as_sent_by_ui(date(2025, 10, 1), date(2025, 10, 9), viewer)) == NATIONAL_DAY


@pytest.mark.parametrize("viewer", VIEWERS)
@settings(max_examples=40)
@given(first=LONG_AGO, days=st.integers(0, 20))
def test_any_range_of_any_viewer(viewer: str, first: date, days: int) -> None:
    last = first + timedelta(days=days)
    assert keys(*as_sent_by_ui(first, last, viewer)) == weekdays(first, last)
    assert keys(*as_sent_by_cli(first, last)) == weekdays(first, last)


QUARTERS = [timezone(timedelta(minutes=15 * n)) for n in range(-48, 57)]
"""Every offset from UTC-12 to UTC+14."""
ZONES = [
    *QUARTERS,
    *map(ZoneInfo, [*VIEWERS, "Pacific/Pago_Pago", "Pacific/Apia", "Pacific/Kiritimati", "Etc/GMT+12"]),
]


async def keys_of_the_form(cookie: str, first: date, last: date, viewer: tzinfo) -> list[str | None]:
    """As Airflow's API finds them: in a thread, behind the middleware."""
    found: list[str | None] = []

    async def api(scope: Any, receive: Any, send: Any) -> None:
        found.extend(await asyncio.to_thread(keys, *as_sent_by_ui(first, last, viewer)))

    headers = [(b"cookie", b"_token=x.y.z"), (b"cookie", f"a=1; ashare_time_zone={cookie}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/base/api/v2/backfills/dry_run", "headers": headers}
    await ViewersTimeZone(api)(scope, None, None)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("name", ["Pacific/Pago_Pago", "Etc%2FGMT%2B12", "Pacific%2FKiritimati", *VIEWERS])
def test_a_viewer_whose_time_zone_is_known_gets_the_dates_that_were_picked(name: str) -> None:
    viewer = ZoneInfo(unquote(name))
    for first, last in ((date(2025, 10, 1), date(2025, 10, 9)), (date(2011, 12, 26), date(2012, 1, 6))):
        found = asyncio.run(keys_of_the_form(name, first, last, viewer))
        assert found == weekdays(first, last)


def test_a_cookie_that_names_no_time_zone_is_as_good_as_none() -> None:
    first, last = date(2025, 10, 1), date(2025, 10, 9)
    for cookie in ("", "nowhere", "../../etc/passwd", "%00", "Asia", '"'):
        assert asyncio.run(keys_of_the_form(cookie, first, last, SHANGHAI)) == NATIONAL_DAY, cookie


@pytest.mark.parametrize("viewer", ZONES, ids=str)
def test_any_offset_that_is_known_gives_the_dates_that_were_picked(viewer: tzinfo) -> None:
    token = VIEWERS_ZONE.set(viewer)
    try:
        assert keys(*as_sent_by_cli(date(2025, 10, 1), date(2025, 10, 9))) == NATIONAL_DAY
        for first in (date(2025, 10, 1) + timedelta(days=n) for n in range(9)):
            for last in (first, first + timedelta(days=8)):
                assert keys(*as_sent_by_ui(first, last, viewer)) == weekdays(first, last)
    finally:
        VIEWERS_ZONE.reset(token)


def test_without_that_the_dates_are_right_from_honolulu_to_chatham() -> None:
    """An offset is told from the instant of its midnight, and two that are 24 hours apart have the same ones."""
    first, last = date(2025, 10, 1), date(2025, 10, 9)
    right = {
        (viewer.utcoffset(None) or timedelta()) / timedelta(hours=1)
        for viewer in QUARTERS
        if keys(*as_sent_by_ui(first, last, viewer)) == NATIONAL_DAY
    }
    assert right == {n / 4 for n in range(-40, 56)}  # -10:00 to +13:45


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2025, 3, 7), date(2025, 3, 10)),  # New York's clocks go forward on 9 March
        (date(2025, 3, 10), date(2025, 3, 10)),
        (date(2025, 10, 31), date(2025, 11, 3)),  # and back on 2 November
        (date(2025, 11, 3), date(2025, 11, 3)),
    ],
)
def test_weeks_in_which_the_clocks_change(first: date, last: date) -> None:
    assert keys(*as_sent_by_ui(first, last, "America/New_York")) == weekdays(first, last)


def test_bounds_with_an_offset_of_their_own_are_read_as_written() -> None:
    midnight = datetime(2025, 10, 9, tzinfo=SHANGHAI)
    assert keys(midnight, midnight) == ["2025-10-09"]


def test_an_end_typed_with_a_time_is_the_day_in_shanghai() -> None:
    start = datetime(2025, 10, 8, 16, tzinfo=timezone.utc)
    assert keys(start, datetime(2025, 10, 9, 10, 5, tzinfo=timezone.utc)) == ["2025-10-09"]
    assert keys(start, datetime(2025, 10, 8, 16, tzinfo=timezone.utc)) == ["2025-10-09"]


def test_a_weekend_holds_nothing() -> None:
    assert keys(*as_sent_by_cli(date(2025, 10, 4), date(2025, 10, 5))) == []


def test_the_future_is_not_run() -> None:
    today = beijing_now().date()
    assert keys(*as_sent_by_cli(today - timedelta(days=7), today + timedelta(days=30))) == weekdays(
        today - timedelta(days=7), today
    )


def infos(first: date, last: date) -> list[DagRunInfo]:
    earliest, latest = as_sent_by_cli(first, last)
    return list(TradeDateTimetable().iter_partition_dagrun_infos(earliest=earliest, latest=latest))


def test_the_partition_date_is_midnight_in_shanghai() -> None:
    (info,) = infos(date(2026, 3, 2), date(2026, 3, 2))
    assert info.partition_date == datetime(2026, 3, 2, tzinfo=SHANGHAI)
    assert info.logical_date is None


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(timetable, "beijing_now", lambda: moment)
    monkeypatch.setattr("airflow.timetables.trigger.utcnow", lambda: pendulum.instance(moment).in_timezone("UTC"))


NO_CATCHUP = TimeRestriction(earliest=None, latest=None, catchup=False)


def next_key(last: DagRunInfo) -> str | None:
    following = TradeDateTimetable().next_dagrun_info_v2(last_dagrun_info=last, restriction=NO_CATCHUP)
    assert following is not None
    return following.partition_key


def test_a_backfill_of_yesterday_is_not_followed_by_yesterday_again(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, datetime(2026, 3, 3, 10, tzinfo=SHANGHAI))
    (yesterday,) = infos(date(2026, 3, 2), date(2026, 3, 2))
    assert yesterday.run_after == datetime(2026, 3, 2, 18, 5, tzinfo=SHANGHAI)
    assert next_key(yesterday) == "2026-03-03"


def test_a_backfill_of_today_starts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    morning = datetime(2026, 3, 3, 10, tzinfo=SHANGHAI)
    at(monkeypatch, morning)
    (today,) = infos(date(2026, 3, 3), date(2026, 3, 3))
    assert today.run_after == morning
    assert next_key(today) == "2026-03-03"  # the schedule's own run of today still comes


def test_a_backfill_of_friday_is_followed_by_monday(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, datetime(2026, 3, 7, 12, tzinfo=SHANGHAI))
    (friday,) = infos(date(2026, 3, 6), date(2026, 3, 6))
    assert next_key(friday) == "2026-03-09"


def test_the_scheduled_run_has_its_own_day_as_key(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, datetime(2026, 3, 2, 18, 6, tzinfo=SHANGHAI))
    since = TimeRestriction(earliest=pendulum.datetime(2026, 1, 1), latest=None, catchup=False)
    info = TradeDateTimetable().next_dagrun_info_v2(last_dagrun_info=None, restriction=since)
    assert info is not None
    assert info.partition_key == "2026-03-02"
    assert info.partition_date == datetime(2026, 3, 2, tzinfo=SHANGHAI)
    assert info.run_after == datetime(2026, 3, 2, 18, 5, tzinfo=SHANGHAI)


def test_a_key_typed_by_hand_is_the_same_partition_as_a_backfills() -> None:
    (info,) = infos(date(2026, 3, 2), date(2026, 3, 2))
    assert TradeDateTimetable().resolve_partition_date("2026-03-02") == info.partition_date


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("next monday", "is not a trade date: write it as YYYY-MM-DD"),
        ("2026-3-2", "Write the partition key as 2026-03-02"),
        ("1990-12-18", "first session"),
        ("2999-01-01", "in the future"),
    ],
)
def test_a_key_that_is_no_trade_date_is_refused(key: str, said: str) -> None:
    with pytest.raises(InvalidPartitionKeyError, match=said):
        TradeDateTimetable().resolve_partition_date(key)


def test_it_survives_serialisation() -> None:
    timetable = TradeDateTimetable("30 19 * * 1-5")
    again = TradeDateTimetable.deserialize(timetable.serialize())
    assert again == timetable
    assert again.serialize() == timetable.serialize()
    assert again.partitioned
    assert again.resolve_partition_date("2026-03-02") == datetime(2026, 3, 2, tzinfo=SHANGHAI)


# ---------------------------------------------------------------------- weeks


def test_a_backfill_of_weeks_has_a_run_for_each_monday_and_none_of_the_future() -> None:
    today = beijing_now().date()
    earliest, latest = as_sent_by_cli(date(2025, 9, 23), today + timedelta(days=30))
    found = list(WeekTimetable().iter_partition_dagrun_infos(earliest=earliest, latest=latest))
    days = [date.fromisoformat(info.partition_key or "") for info in found]
    assert days[0] == date(2025, 9, 29)
    assert {later - earlier for earlier, later in pairwise(days)} == {timedelta(weeks=1)}
    assert today - timedelta(days=7) < days[-1] <= today
    # The first moment at which the list of 29 September should be out.
    assert found[0].run_after == datetime(2025, 9, 29, 20, 0, tzinfo=SHANGHAI)


def test_a_scheduled_run_of_a_week_is_of_its_monday() -> None:
    evening = pendulum.datetime(2025, 9, 29, 12, 0, tz="UTC")
    timetable = WeekTimetable()
    info = timetable.next_dagrun_info_v2(
        last_dagrun_info=None,
        restriction=TimeRestriction(earliest=evening.subtract(hours=1), latest=None, catchup=True),
    )
    assert info is not None
    assert (info.run_after, info.partition_key) == (evening, "2025-09-29")
    assert WeekTimetable.deserialize(timetable.serialize()).serialize() == timetable.serialize()


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("2025-09-30", "2025-09-30 is not a Monday: a week is written as its Monday, which is 2025-09-29."),
        ("2025-9-29", "Write the partition key as 2025-09-29."),
        ("monday", "is not a trade date"),
    ],
)
def test_a_key_that_is_no_monday_is_refused(key: str, sentence: str) -> None:
    with pytest.raises(InvalidPartitionKeyError, match=sentence):
        WeekTimetable()._decode_partition_date(key)
