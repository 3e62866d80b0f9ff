"""What people are told of the weekly lists: the newest list of each, which weeks are not complete, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from ashare.dry_run import dry_run_of_weeks
from ashare.errors import BadReply
from ashare.settings import Settings
from ashare.status import StatusReader, status_reader
from ashare.store import Store
from ashare.sync.weeks import WeekRun, sync_week
from ashare.week_status import WeeklyListStatus, due_week, weekly_lists
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from tests.conftest import Database, at, source_of

NOW = "2025-10-28T12:00"
FIRST, LACKING, NEWEST = date(2025, 9, 15), date(2025, 9, 22), date(2025, 10, 27)
WEEKLY = ["index_member", "industry", "security_name"]

Reading = Callable[..., AbstractContextManager[StatusReader]]
Sync = Callable[..., None]


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    """Enough stocks for indices of their full size."""
    return GeneratedMarket(start=date(2025, 6, 2), end=date(2025, 10, 31), stocks=1000, etfs=2, indices=18)


@pytest.fixture
def sync(database: Database, emulator: Emulator) -> Iterator[Sync]:
    """Sync the lists of weeks; no earlier week is healed."""
    with Store(database.connect) as store:
        settings = Settings(lock_timeout=20.0, heal_sessions=0)

        def do(*weeks: date, source: Emulator = emulator) -> None:
            for week in weeks:
                sync_week(
                    WeekRun(week, store=store, source=source_of(source), run_id="w", settings=settings, now=at(NOW))
                )

        yield do


@pytest.fixture
def reading(database: Database) -> Reading:
    """Read the test's database, as seen on a Tuesday."""

    @contextmanager
    def read(now: str = NOW, **settings: Any) -> Iterator[StatusReader]:
        with (
            Store(database.connect) as store,
            status_reader(store, now=at(now), settings=Settings(**settings)) as reader,
        ):
            yield reader

    return read


def test_before_any_list_is_loaded(reading: Reading) -> None:
    with reading() as reader:
        assert due_week(reader) == NEWEST
        assert weekly_lists(reader) == [
            WeeklyListStatus(name, None, None, "before", 0, None, None) for name in WEEKLY
        ]
    with reading("2025-10-27T12:00") as reader:  # the lists of this Monday are not out
        assert due_week(reader) == NEWEST - timedelta(weeks=1)


def test_weeks_that_are_not_complete_are_counted_with_the_newest_reason(
    sync: Sync, reading: Reading, database: Database, market: GeneratedMarket
) -> None:
    sync(FIRST, NEWEST)
    with Emulator(market, faults=[fault("query_sz50_stocks", "empty")]) as faulty, pytest.raises(BadReply):
        sync(LACKING, source=faulty)
    names = len(market.industry_rows(NEWEST))
    with reading() as reader:
        members, industries, security_names = weekly_lists(reader)
    assert members == WeeklyListStatus(
        *("index_member", NEWEST, 850, "complete", 5, LACKING),
        "Baostock sent no members of SSE 50: an empty list is not believed.",
    )
    assert industries == WeeklyListStatus("industry", NEWEST, names, "complete", 4, None, None)
    assert security_names == WeeklyListStatus("security_name", NEWEST, names, "complete", 4, None, None)
    lost = database.do("DELETE FROM ashare.index_member WHERE index_code = 'sh.000016' AND end_date IS NULL")
    with reading("2025-11-03T20:30") as reader:  # a week later
        members, *_ = weekly_lists(reader)
    assert (members.newest_week, members.rows, members.state) == (NEWEST, 850 - lost, "missing")
    assert (members.open_weeks, members.problem_week) == (8, NEWEST)
    assert members.reason == f"{lost} rows that were counted are gone: run the week again."


def test_the_weeks_that_are_read_are_those_that_are_not_complete(
    sync: Sync, reading: Reading, database: Database
) -> None:
    sync(FIRST, LACKING, NEWEST)
    database.do("DELETE FROM ashare.industry WHERE start_date = %s", LACKING)
    database.do("UPDATE ashare.industry SET start_date = start_date + 1 WHERE start_date = %s", FIRST)
    database.do("DELETE FROM ashare.snapshot WHERE dataset = 'security_name' AND as_of = %s", NEWEST)
    for week in ("2025-09-01", "2025-10-06", "2025-11-03", "2025-11-17"):
        database.do("INSERT INTO ashare.work (dataset, partition, run_id) VALUES ('index_member', %s, 'r')", week)
    with reading("2025-11-05T12:00") as reader:
        due, last = due_week(reader), date(2025, 11, 3)
        read = reader.rows.open_weeks(WEEKLY, due, last, ["r"])
        every = reader.rows.week_states(WEEKLY, FIRST, last, due, ["r"])
    states = {(state.dataset, state.week): state for state in read}
    assert states == {(state.dataset, state.week): state for state in every if state.week in {x.week for x in read}}
    assert {state.state for state in every if (state.dataset, state.week) not in states} <= {
        "complete",
        "unpublished",
    }
    assert {"complete", "partial", "missing", "running"} <= {state.state for state in read}
    assert read == sorted(read, key=lambda state: (state.week, state.dataset))


def test_a_plan_of_weeks_tells_weeks_requests_and_what_is_quicker(
    sync: Sync, reading: Reading, emulator: Emulator
) -> None:
    with reading() as reader:  # nothing is loaded, not even the list of securities
        plan = dry_run_of_weeks(reader, LACKING, NEWEST)
        assert (plan.weekdays, plan.complete, plan.closed, len(plan.to_sync)) == (6, 0, 0, 6)
        assert plan.requests == 6 * (2 + 6)  # each logs in and out, asks for three indices, and for three pages
    sync(FIRST, NEWEST)
    start, end = date(2025, 9, 9), date(2025, 10, 31)
    with reading() as reader:
        plan = dry_run_of_weeks(reader, start, end)
        weeks = [date(2025, 10, 20), date(2025, 10, 13), date(2025, 10, 6), date(2025, 9, 29), LACKING]
        assert (plan.weekdays, plan.complete, plan.closed, plan.to_sync) == (7, 2, 0, weeks)
        assert plan.requests_left == 40_000 - 1_000 - len(emulator.requests)
        assert plan.notes == []
        assert dry_run_of_weeks(reader, NEWEST, end).to_sync == []
        assert dry_run_of_weeks(reader, NEWEST, end).requests == 0
        assert dry_run_of_weeks(reader, date(2025, 10, 28), end).weekdays == 0
        before = dry_run_of_weeks(reader, date(2005, 12, 5), date(2006, 1, 2))
        assert (before.weekdays, before.closed, before.to_sync) == (5, 4, [date(2006, 1, 2)])
        (advice,) = dry_run_of_weeks(reader, date(2025, 1, 1), end).notes
        assert advice.startswith("41 weeks one by one open as many sessions")
        assert "ashare_history" in advice
    sent = len(emulator.requests)
    sync(*weeks)
    assert plan.requests == len(emulator.requests) - sent
    with reading() as reader:
        assert dry_run_of_weeks(reader, start, end).complete == 7


def test_a_week_under_way_is_not_planned_again_and_one_whose_rows_are_lost_is(
    sync: Sync, reading: Reading, emulator: Emulator, database: Database
) -> None:
    sync(FIRST, LACKING)
    database.do("INSERT INTO ashare.work (dataset, partition, run_id) VALUES ('industry', '2025-09-29', 'r')")
    database.do("DELETE FROM ashare.index_member WHERE index_code = 'sh.000016' AND start_date = %s", FIRST)
    with reading() as reader:
        assert dry_run_of_weeks(reader, FIRST, date(2025, 10, 6)).to_sync == [date(2025, 10, 6), LACKING, FIRST]
        assert reader.rows.lists_loaded_since([FIRST], at("2025-01-01T00:00")())["requests"] == 4
    with reading(request_budget=len(emulator.requests) + 3, history_reserve=1) as reader:
        (note,) = dry_run_of_weeks(reader, FIRST, FIRST).notes
        assert note.startswith("About 5 requests, and 2 are left today: it waits for midnight")


def test_the_rows_and_requests_of_a_backfill_of_weeks(sync: Sync, reading: Reading, database: Database) -> None:
    sync(FIRST)
    (begin,) = database.rows("SELECT clock_timestamp()")[0]
    sync(LACKING)
    (rows,) = database.rows("SELECT sum(rows) FROM ashare.snapshot WHERE as_of = %s", LACKING)[0]
    with reading() as reader:
        assert reader.rows.lists_loaded_since([FIRST, LACKING], begin) == {
            "rows": rows,
            "lately": rows,
            "requests": 4,
        }
        assert reader.rows.lists_loaded_since([FIRST], begin) == {"rows": 0, "lately": 0, "requests": 0}
