"""The doctor: each thing that can be wrong is told, and asking costs two requests at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from include.ashare.doctor import BAD, OK, WARN, Finding, Patient, examine
from include.ashare.emulator.faults import fault
from include.ashare.emulator.server import Emulator
from include.ashare.settings import Settings
from include.ashare.source import Session
from include.ashare.store import SourceGate, Store
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.trade_date import complete

DATES = ("2025-09-26", "2025-09-29", "2025-09-30", "2025-10-09", "2025-10-10")
NOW = at("2025-10-10T20:00")


@pytest.fixture
def patient(database: Database, emulator: Emulator) -> Patient:
    return Patient(
        Store(database.connect), source_of(emulator), Settings(lock_timeout=5.0), lambda: (8, 1), NOW
    )  # fmt: skip


@pytest.fixture
def well(patient: Patient, make_run: MakeRun, emulator: Emulator) -> Patient:
    """A healthy one: five complete dates."""
    for day in DATES:
        complete(make_run(day, now=NOW))
    return patient


def look(patient: Patient) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(patient)}


def test_all_is_well(well: Patient, emulator: Emulator) -> None:
    asked = emulator.count()
    found = look(well)
    assert {finding.state for finding in found.values()} == {OK}
    assert list(found) == ["database", "pool", "calendar", "source", "budget", "ban", *reversed(DATES)]
    assert [request.method for request in emulator.requests[asked:]] == ["login", "logout"]
    assert f"{asked + 2} of 40000 requests sent today" in found["budget"].text
    assert found["pool"].text == "baostock: 1 of 8 slots taken."
    assert "known to 2025-12-31" in found["calendar"].text
    assert found["2025-10-10"].text.startswith("complete, 3")
    assert len(found) <= 24


def test_nothing_installed_yet_is_no_failure(patient: Patient, emulator: Emulator, database: Database) -> None:
    found = look(patient)
    assert {finding.state for finding in found.values()} == {OK, WARN}
    assert "there is no schema ashare yet" in found["database"].text
    assert emulator.count() == 0
    assert database.rows("SELECT count(*) FROM pg_namespace WHERE nspname = 'ashare'") == [(0,)]


def test_an_airflow_that_has_been_dead_for_long_is_not_well(well: Patient) -> None:
    for days in (10, 30):
        found = look(replace(well, now=at(f"{NOW() + timedelta(days=days):%Y-%m-%dT%H:%M}")))
        assert BAD in {finding.state for finding in found.values()}
    january = look(replace(well, now=at("2026-01-20T20:00")))
    assert january["calendar"].state == BAD  # it ends with the year, and nobody has read the next one


def test_a_lost_session_costs_no_more_requests(well: Patient, emulator: Emulator) -> None:
    emulator.add_fault(fault("logout", "error", code="10001001"))
    asked = emulator.count()
    look(well)
    assert emulator.count() - asked == 2


def test_an_older_schema_is_told_and_not_touched(well: Patient, database: Database, emulator: Emulator) -> None:
    database.do("DELETE FROM ashare.schema_migration WHERE version > 1")
    asked = emulator.count()
    found = look(well)
    assert "schema version 1 of " in found["database"].text
    for name in ("calendar", "source", "budget", "ban", "trade dates"):
        assert (found[name].state, "Not known" in found[name].text) == (WARN, True)
    assert emulator.count() == asked


def test_a_database_that_is_gone_is_told_with_everything_else(well: Patient, emulator: Emulator) -> None:
    def refuse() -> psycopg.Connection:
        raise psycopg.OperationalError("connection refused")

    asked = emulator.count()
    found = look(replace(well, store=Store(refuse)))
    assert {name for name, finding in found.items() if finding.state == BAD} == set(found) - {"pool"}
    assert "cannot be reached" in found["database"].text
    assert emulator.count() == asked


@pytest.mark.parametrize(("pool", "said"), [(None, "does not exist"), ((0, 0), "has no slots")])
def test_a_pool_in_which_nothing_runs(well: Patient, pool: tuple[int, int] | None, said: str) -> None:
    found = look(replace(well, pool=lambda: pool))["pool"]
    assert found.state == BAD
    assert said in found.text
    assert "airflow pools set baostock" in found.text


def test_a_source_out_of_reach(well: Patient, emulator: Emulator) -> None:
    emulator.stop()
    found = look(well)
    assert found["source"].state == BAD
    assert "cannot be reached" in found["source"].text
    assert found["2025-10-10"].state == OK


def test_a_source_in_use_is_well_and_left_alone(well: Patient, database: Database, emulator: Emulator) -> None:
    gate = SourceGate(database.connect, who="the daily run", wait_seconds=5.0, budget=40_000)
    with Session(well.source, gate):
        asked = emulator.count()
        found = look(well)["source"]
        assert found.state == OK
        assert "held by ashare source: the daily run" in found.text
        assert emulator.count() == asked


def test_a_budget_that_is_spent_costs_nothing_more(well: Patient, emulator: Emulator) -> None:
    asked = emulator.count()
    found = look(replace(well, settings=replace(well.settings, request_budget=asked + 1)))
    assert (found["source"].state, found["budget"].state) == (WARN, WARN)
    assert emulator.count() == asked
    spent = look(replace(well, settings=replace(well.settings, request_budget=asked)))["budget"]
    assert spent.state == BAD
    assert "runs wait until" in spent.text


def test_a_ban_is_told_with_its_end_and_nothing_is_sent(well: Patient, emulator: Emulator) -> None:
    emulator.add_fault(fault("login", "error", code="10001011"))
    first = look(well)  # it is the doctor's own login that meets it
    assert first["ban"].state == BAD
    assert "nothing is sent until" in first["ban"].text
    asked = emulator.count()
    assert look(well)["ban"].state == BAD
    assert emulator.count() == asked


Change = Callable[[Database], object]


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        (
            "status = 'failed', reason = 'No bars.', missing = 3",
            BAD,
            "failed, 3 missing: No bars. Run it: airflow dags",
        ),
        ("status = 'syncing', started_at = '2025-10-10 13:00+08', reason = NULL", BAD, "its run has died"),
        ("status = 'syncing', started_at = '2025-10-10 19:00+08', reason = NULL", OK, "being worked on since"),
        ("status = 'syncing', started_at = '2025-10-10 05:00+08', reason = 'Not out.'", WARN, ": Not out."),
    ],
)
def test_a_trade_date_that_is_not_complete(
    well: Patient, database: Database, change: str, state: str, said: str
) -> None:
    with database.connect() as connection:
        connection.execute(f"UPDATE ashare.sync_status SET {change} WHERE trade_date = '2025-10-10'".encode())
    found = look(well)["2025-10-10"]
    assert (found.state, said in found.text) == (state, True), found


def test_a_trade_date_that_nobody_loaded(well: Patient, database: Database) -> None:
    database.do("DELETE FROM ashare.sync_status WHERE trade_date IN ('2025-09-26', '2025-09-29', '2025-10-10')")
    found = look(well)
    assert found["2025-09-29"].state == WARN  # nobody has asked for anything that early
    database.do("INSERT INTO ashare.sync_status (trade_date, status) VALUES ('2025-09-26', 'skipped')")
    found = look(well)
    assert (found["2025-10-10"].state, found["2025-09-29"].state) == (OK, BAD)  # today's may still come
    assert "airflow dags backfill -s 2025-09-29 -e 2025-09-29" in found["2025-09-29"].text
    later = look(replace(well, now=lambda: NOW() + timedelta(hours=4)))
    assert later["2025-10-10"].state == BAD
