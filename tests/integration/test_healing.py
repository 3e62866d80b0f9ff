"""Holes close by themselves: the run of the newest trade date syncs earlier ones that are not complete."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

import pytest

from ashare.errors import AshareError, IncompleteDate
from ashare.settings import Settings
from ashare.sync import fetch_and_copy, plan_batches, record_status, sync_adjust_factors
from ashare_emulator.faults import fault
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at
from tests.integration.trade_date import MARKET, complete, status
from tests.records import record

FIRST, HOLES, NEWEST = "2025-09-25", ("2025-09-26", "2025-09-29", "2025-09-30"), "2025-10-09"
EVENING = {"now": at(f"{NEWEST}T20:30")}


def states(database: Database) -> dict[str, str]:
    return dict(database.rows("SELECT trade_date::text, status FROM ashare.sync_status ORDER BY trade_date"))


def healed(database: Database) -> list[str]:
    """The dates that the newest run's plan heals."""
    found = database.rows(
        "SELECT heals::text FROM ashare.sync_batch WHERE trade_date = %s AND heals IS NOT NULL ORDER BY heals", NEWEST
    )
    return [day for (day,) in found]


def test_three_days_without_a_scheduler_are_closed_by_the_next_run(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    complete(make_run(FIRST))
    asked = emulator.count()
    assert complete(make_run(NEWEST, **EVENING)) == "success"
    assert states(database) == dict.fromkeys((FIRST, *HOLES, NEWEST), "success")
    # 7 of its own, and of each date a login, the market, a logout; a login, the factors, a logout.
    assert emulator.count() - asked <= 30
    assert emulator.count(MARKET) == 6  # of the newest twice: the sensor asked, too
    # Nothing is left to do for whoever comes next.
    asked = emulator.count()
    for day in (*HOLES, NEWEST):
        assert complete(make_run(day, **EVENING)) == "success"
    assert emulator.count() == asked


def market_fails(make_run: MakeRun, emulator: Emulator, database: Database) -> None:
    emulator.add_fault(fault(MARKET, "close_before_reply", times=0))
    run = make_run(HOLES[1])
    for batch in plan_batches(run):
        with suppress(AshareError):
            fetch_and_copy(run, batch.batch_no)
    with pytest.raises(IncompleteDate):
        record_status(run)
    emulator.clear_faults()


def plan_fails(make_run: MakeRun, emulator: Emulator, database: Database) -> None:
    database.do("UPDATE ashare.security SET updated_at = updated_at - interval '2 years'")
    emulator.add_fault(fault("login", "close_before_reply", times=0))
    with pytest.raises(AshareError):
        plan_batches(make_run(HOLES[1]))
    emulator.clear_faults()


def process_killed(make_run: MakeRun, emulator: Emulator, database: Database) -> None:
    run = make_run(HOLES[1])
    fetch_and_copy(run, plan_batches(run)[0].batch_no)
    database.do("UPDATE ashare.work SET started_at = started_at - interval '7 hours'")
    database.do("UPDATE ashare.sync_batch SET started_at = started_at - interval '7 hours'")


def rows_deleted(make_run: MakeRun, emulator: Emulator, database: Database) -> None:
    complete(make_run(HOLES[1]))
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s", HOLES[1])


def factors_fail(make_run: MakeRun, emulator: Emulator, database: Database) -> None:
    run = make_run(HOLES[1])
    for batch in plan_batches(run):
        fetch_and_copy(run, batch.batch_no)
    emulator.add_fault(fault("query_daily_adjust_factor", "garbage", times=0))
    with suppress(AshareError):
        sync_adjust_factors(run)
    with pytest.raises(IncompleteDate):
        record_status(run)
    emulator.clear_faults()


@pytest.mark.parametrize("break_it", [market_fails, plan_fails, process_killed, rows_deleted, factors_fail])
def test_a_date_that_failed_for_whatever_reason_is_closed_by_the_next_run(
    make_run: MakeRun,
    database: Database,
    emulator: Emulator,
    break_it: Callable[[MakeRun, Emulator, Database], None],
) -> None:
    for day in (FIRST, HOLES[0], HOLES[2]):
        complete(make_run(day))
    break_it(make_run, emulator, database)
    assert states(database)[HOLES[1]] in ("failed", "syncing")
    assert complete(make_run(NEWEST, **EVENING)) == "success"
    assert healed(database) == [HOLES[1]]
    assert states(database) == dict.fromkeys((FIRST, *HOLES, NEWEST), "success")
    assert status(database, HOLES[1])[1] == status(database, HOLES[1])[2]
    assert database.rows("SELECT count(*) FROM ashare.work") == [(0,)]


def test_a_date_that_cannot_be_healed_neither_fails_nor_holds_up_the_runs_own(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    complete(make_run(FIRST))
    run = make_run(NEWEST, **EVENING)
    batches = plan_batches(run)
    for batch in batches:
        if batch.heals:
            emulator.add_fault(fault(MARKET, "error", times=1, code="10002007", message="网络接收错误"))
        fetch_and_copy(run, batch.batch_no)
    sync_adjust_factors(run)
    assert record_status(run) == "success"
    assert states(database) == dict.fromkeys(HOLES, "failed") | dict.fromkeys((FIRST, NEWEST), "success")
    assert f"{HOLES[0]}, not complete yet: {HOLES[0]} is not complete: " in status(database, NEWEST)[4]
    assert "10002007" in status(database, HOLES[0])[4]
    # The next evening closes them.
    assert complete(make_run("2025-10-10", now=at("2025-10-10T20:30"))) == "success"
    assert set(states(database).values()) == {"success"}


def test_without_requests_left_the_holes_wait_and_the_newest_date_does_not(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    complete(make_run(FIRST))
    used = emulator.count()
    settings = Settings(lock_timeout=20.0, request_budget=used + 40, history_reserve=38)
    assert complete(make_run(NEWEST, settings=settings, **EVENING)) == "success"
    assert status(database, HOLES[0])[0] == "syncing"
    assert "requests" in status(database, HOLES[0])[4]


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"now": at("2025-10-10T20:30")}, {}),  # not the newest
        (EVENING, {"heal_sessions": 0}),
        (EVENING, {"first_date": NEWEST}),
        ({**EVENING, "kinds": ("index",)}, {}),  # not all that the database is meant to have
    ],
)
def test_these_runs_heal_nothing(
    make_run: MakeRun, database: Database, options: dict[str, Any], settings: dict[str, Any]
) -> None:
    complete(make_run(FIRST))
    complete(make_run(NEWEST, settings=Settings(lock_timeout=20.0, **settings), **options))
    assert healed(database) == []
    assert set(states(database)) == {FIRST, NEWEST}


def test_only_the_last_sessions_are_looked_over(make_run: MakeRun, database: Database) -> None:
    complete(make_run(FIRST))
    complete(make_run(NEWEST, settings=Settings(lock_timeout=20.0, heal_sessions=2), **EVENING))
    assert healed(database) == list(HOLES[1:])


def test_a_first_run_loads_its_own_date_alone(make_run: MakeRun, database: Database) -> None:
    complete(make_run(NEWEST, **EVENING))
    assert states(database) == {NEWEST: "success"}


def test_what_another_run_is_at_work_on_or_a_person_has_accepted_is_left_alone(
    make_run: MakeRun, database: Database
) -> None:
    complete(make_run(FIRST))
    plan_batches(make_run(HOLES[0], run_id="another"))
    database.do("UPDATE ashare.work SET started_at = started_at - interval '5 hours'")
    record(database, HOLES[1], "failed", missing=3, reason="3 stocks have no bar.")
    database.do(
        "INSERT INTO ashare.accepted_date (trade_date, kinds, reason, problem, fingerprint, accepted_by) "
        "VALUES (%s, '{stock,index}', 'so it was', '3 lack', '0:0', 'li')",
        HOLES[1],
    )
    plan_batches(make_run(NEWEST, **EVENING))
    assert healed(database) == [HOLES[2]]


def test_one_old_date_by_hand_makes_nothing_missing(make_run: MakeRun, database: Database) -> None:
    complete(make_run("2025-09-01"))
    complete(make_run(NEWEST, **EVENING))  # 22 sessions later
    complete(make_run("2025-10-10", now=at("2025-10-10T20:30")))
    assert set(states(database)) == {"2025-09-01", NEWEST, "2025-10-10"}
    store = make_run(NEWEST).store
    assert str(store.coverage.complete_since(["stock_bar"], date(2025, 10, 10))) == NEWEST
