"""The doctor: each thing that can be wrong is told, and asking costs two requests at most."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ashare.command.diagnosis import written
from ashare.datasets import INDEX_MEMBERS, INDUSTRIES, NAMES
from ashare.doctor import BAD, OK, WARN, CheckedSystem, Finding, examine
from ashare.errors import InvalidInput
from ashare.settings import Settings
from ashare.source import Session, SourceConfig
from ashare.store import SourceGate, Store
from ashare.store.weekly_lists import WeeklyList
from ashare.store.work import Scope
from ashare_emulator.faults import Fault, fault
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.trade_date import complete
from tests.records import record

DATES = ("2025-09-26", "2025-09-29", "2025-09-30", "2025-10-09", "2025-10-10")
NOW = at("2025-10-10T20:00")
BEFORE_DATES = ("package", "database", "pool", "calendar", "source", "budget", "ban")
AFTER_DATES = ("factors", "alerts")


@pytest.fixture
def system(database: Database, emulator: Emulator) -> CheckedSystem:
    return CheckedSystem(Store(database.connect), lambda: source_of(emulator), Settings, lambda: (8, 1), list, NOW)


@pytest.fixture
def well(system: CheckedSystem, make_run: MakeRun, emulator: Emulator) -> CheckedSystem:
    """A healthy one: five complete dates."""
    for day in DATES:
        complete(make_run(day, now=NOW))
    return system


def budgeted(system: CheckedSystem, requests: int) -> CheckedSystem:
    return replace(system, settings=lambda: Settings(request_budget=requests))


def look(system: CheckedSystem) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(system)}


def test_all_is_well(well: CheckedSystem, emulator: Emulator) -> None:
    asked = emulator.count()
    found = look(well)
    assert {finding.state for finding in found.values()} == {OK}, found
    assert list(found) == [*BEFORE_DATES, *reversed(DATES), *AFTER_DATES]
    assert [request.method for request in emulator.requests[asked:]] == ["login", "logout"]
    assert f"{asked + 2} of 40000 requests sent today" in found["budget"].text
    assert found["pool"].text == "baostock: 1 of 8 slots taken."
    assert "known to 2025-12-31" in found["calendar"].text
    assert found["2025-10-10"].text.startswith("complete, 3")
    assert len(found) <= 24


def test_nothing_installed_yet_is_no_failure(system: CheckedSystem, emulator: Emulator, database: Database) -> None:
    database.do("DROP SCHEMA ashare CASCADE")
    found = look(system)
    assert {finding.state for finding in found.values()} == {OK, WARN}
    assert "nothing is loaded yet" in found["database"].text
    assert "airflow dags backfill -s 2025-10-10 -e 2025-10-10 ashare_daily" in found["trade dates"].text
    assert emulator.count() == 0
    assert database.rows("SELECT count(*) FROM pg_namespace WHERE nspname = 'ashare'") == [(0,)]


def test_a_schema_in_which_nothing_ran_is_no_failure(system: CheckedSystem, emulator: Emulator) -> None:
    system.store.migrate()
    found = look(system)
    assert {name for name, finding in found.items() if finding.state == WARN} == {"calendar", "trade dates"}
    assert {finding.state for finding in found.values()} == {OK, WARN}
    assert emulator.count() == 2


def test_a_first_run_that_failed_before_the_calendar_was_read(system: CheckedSystem) -> None:
    system.store.migrate()
    system.store.work.fail(Scope(NOW().date(), ["stock_bar"], ["stock_bar"], "first"), "Baostock cannot be reached.")
    found = look(system)["2025-10-10"]
    assert (found.state, found.text == "failed: Baostock cannot be reached.") == (BAD, True), found


def test_an_airflow_that_has_been_dead_for_long_is_not_well(well: CheckedSystem) -> None:
    for days in (10, 30):
        found = look(replace(well, now=at(f"{NOW() + timedelta(days=days):%Y-%m-%dT%H:%M}")))
        assert BAD in {finding.state for finding in found.values()}
    january = look(replace(well, now=at("2026-01-20T20:00")))
    assert january["calendar"].state == BAD  # it ends with the year, and nobody has read the next one


def test_an_index_that_baostock_does_not_list_is_worth_a_look(
    system: CheckedSystem, make_run: MakeRun, emulator: Emulator
) -> None:
    settings = Settings(lock_timeout=20.0, indices=("sh.000001", "sh.000688"))
    complete(make_run(DATES[-1], now=NOW, settings=settings, kinds=("index",)))
    found = look(replace(system, settings=lambda: settings))
    assert found["indices"].state == WARN
    assert "no index sh.000688: neither asked for nor waited for" in found["indices"].text
    assert "indices" not in look(system)  # it is not set any more


def test_an_older_schema_is_told_and_not_touched(well: CheckedSystem, database: Database, emulator: Emulator) -> None:
    database.do("DELETE FROM ashare.schema_migration WHERE version > 1")
    asked = emulator.count()
    found = look(well)
    assert "schema version 1 of " in found["database"].text
    for name in ("calendar", "source", "budget", "ban", "trade dates", "weeks", *AFTER_DATES):
        assert (found[name].state, "Not known" in found[name].text) == (WARN, True)
    assert found["pool"].state == OK
    assert emulator.count() == asked


def test_a_newer_schema_is_not_well(well: CheckedSystem, database: Database) -> None:
    database.do("INSERT INTO ashare.schema_migration (version, name) VALUES (99, 'x')")
    found = look(well)
    assert (found["database"].state, found["2025-10-10"].state) == (BAD, OK)
    assert "update it" in found["database"].text


def test_tables_that_are_gone_are_told(well: CheckedSystem, database: Database) -> None:
    database.do("DROP TABLE ashare.trade_calendar CASCADE")
    found = look(well)
    assert "is not what this code knows (relation" in found["calendar"].text
    assert (found["calendar"].state, found["source"].state) == (BAD, OK)


def test_a_database_that_is_gone_is_told_with_everything_else(well: CheckedSystem, emulator: Emulator) -> None:
    tried = []

    def refuse() -> psycopg.Connection:
        tried.append(1)
        raise psycopg.OperationalError("connection refused")

    asked = emulator.count()
    found = look(replace(well, store=Store(refuse)))
    assert list(found) == [*BEFORE_DATES, "trade dates", "weeks", *AFTER_DATES]
    assert {name for name, finding in found.items() if finding.state == BAD} == set(found) - {"package", "pool"}
    assert "cannot be reached" in found["database"].text
    assert found["ban"].text == "Not known: the database cannot be read."
    assert emulator.count() == asked
    assert len(tried) == 1  # a host that does not answer takes ten seconds each time


def test_a_pool_without_a_limit_is_well(well: CheckedSystem) -> None:
    found = look(replace(well, pool=lambda: (-1, 3)))["pool"]
    assert (found.state, found.text) == (OK, "baostock: 3 of unlimited slots taken.")


def test_a_connection_or_setting_that_is_wrong_hides_nothing_else(
    well: CheckedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> SourceConfig:
        raise InvalidInput("The Airflow connection 'baostock' is not set.")

    monkeypatch.setenv("ASHARE_REQUEST_BUDGET", "60000")
    found = look(replace(well, source=missing))
    assert {name for name, finding in found.items() if finding.state != OK} == {"source", "budget"}
    assert "'baostock' is not set" in found["source"].text
    assert "from 1 to 50000" in found["budget"].text


@pytest.mark.parametrize(("pool", "said"), [(None, "does not exist"), ((0, 0), "has no slots")])
def test_a_pool_in_which_nothing_runs(well: CheckedSystem, pool: tuple[int, int] | None, said: str) -> None:
    found = look(replace(well, pool=lambda: pool))["pool"]
    assert found.state == BAD
    assert said in found.text
    assert "airflow pools set baostock" in found.text


def test_a_source_out_of_reach(well: CheckedSystem, emulator: Emulator) -> None:
    emulator.stop()
    found = look(well)
    assert found["source"].state == BAD
    assert "cannot be reached" in found["source"].text
    assert found["2025-10-10"].state == OK


def test_a_source_in_use_is_well_and_left_alone(
    well: CheckedSystem, database: Database, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ashare.doctor.examination.LOCK_SECONDS", 1.0)
    gate = SourceGate(database.connect, who="the daily run", wait_seconds=5.0, budget=40_000)
    with Session(well.source(), gate):
        asked = emulator.count()
        found = look(well)["source"]
        assert found.state == OK
        assert "held by ashare source: the daily run" in found.text
        assert emulator.count() == asked


@pytest.mark.parametrize(
    ("strikes", "state"),
    [
        (fault("logout", "error", times=0, code="10001001"), OK),
        (fault("logout", "close_before_reply", times=0), OK),
        (fault("login", "error", times=0, code="10001001"), BAD),
        (fault("login", "error", times=0, code="10001005"), BAD),
        (fault("login", "stall", times=0), BAD),
    ],
    ids=lambda value: f"{value.method}-{value.kind}" if hasattr(value, "kind") else None,
)
def test_never_more_than_two_requests_whatever_the_source_says(
    well: CheckedSystem, emulator: Emulator, strikes: Fault, state: str
) -> None:
    asked = emulator.count()
    emulator.add_fault(strikes)
    assert look(well)["source"].state == state
    assert emulator.count() - asked <= 2


def test_a_budget_that_is_spent_costs_nothing_more(well: CheckedSystem, emulator: Emulator) -> None:
    asked = emulator.count()
    found = look(budgeted(well, asked + 1))
    assert (found["source"].state, found["budget"].state) == (WARN, WARN)
    assert emulator.count() == asked
    spent = look(budgeted(well, asked))["budget"]
    assert spent.state == BAD
    assert "runs wait until" in spent.text


def test_a_ban_is_told_with_its_end_and_nothing_is_sent(well: CheckedSystem, emulator: Emulator) -> None:
    emulator.add_fault(fault("login", "error", code="10001011"))
    first = look(well)  # it is the doctor's own login that meets it
    assert first["ban"].state == BAD
    assert "nothing is sent until" in first["ban"].text
    asked = emulator.count()
    again = look(well)
    assert (again["ban"].state, again["source"].state) == (BAD, WARN)
    assert "nothing is sent during a ban" in again["source"].text
    assert emulator.count() == asked


def test_a_ban_that_is_over_is_well(well: CheckedSystem, database: Database, emulator: Emulator) -> None:
    database.do(
        "INSERT INTO ashare.source_request (requested_at, method, detail, who, outcome) "
        "VALUES (clock_timestamp() - interval '7 hours', 'login', '', 'somebody', '10001011')"
    )
    found = look(well)
    assert (found["ban"].state, found["source"].state) == (OK, OK)
    assert found["ban"].text.startswith("None in force; the last was over on ")


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        (
            {"status": "failed", "reason": "No bars.", "missing": 3},
            BAD,
            " 3 missing: No bars.",
        ),
        ({"status": "skipped", "reason": "A holiday."}, BAD, "but a session by the calendar"),
        ({"status": "syncing", "started_at": "2025-10-10 13:00+08"}, BAD, "its run has died"),
        ({"status": "syncing", "started_at": "2025-10-10 19:00+08"}, OK, "being worked on since"),
        ({"status": "syncing", "started_at": "2025-10-10 05:00+08", "reason": "Banned."}, WARN, ": Banned."),
    ],
)
def test_a_trade_date_that_is_not_complete(
    well: CheckedSystem, database: Database, change: dict[str, Any], state: str, said: str
) -> None:
    database.do("UPDATE ashare.sync_batch SET started_at = '2025-10-10 13:30+08', finished_at = NULL")
    record(database, "2025-10-10", **change)
    every = look(well)
    found = every["2025-10-10"]
    assert (found.state, said in found.text) == (state, True), found
    assert ("run again" in every) == (state == BAD)
    if state == BAD:
        how = "--reset-dagruns" if change["status"] == "skipped" else "--rerun-failed-tasks"
        command = f"airflow dags backfill -s 2025-10-10 -e 2025-10-10 {how} ashare_daily"
        assert every["run again"] == Finding("run again", BAD, command)


def test_a_date_that_went_on_after_a_long_wait_has_not_died(well: CheckedSystem, database: Database) -> None:
    record(database, "2025-10-09", "syncing")
    database.do("UPDATE ashare.sync_batch SET started_at = '2025-10-10 19:00+08', finished_at = NULL")
    assert look(well)["2025-10-09"] == Finding("2025-10-09", OK, "being worked on since 2025-10-09 18:05.")
    database.do("UPDATE ashare.sync_batch SET started_at = '2025-10-10 13:00+08'")
    died = look(well)["2025-10-09"]
    assert (died.state, "nothing since 2025-10-10 13:00" in died.text) == (BAD, True), died


def test_a_date_whose_wait_is_long_over_has_died(well: CheckedSystem, database: Database) -> None:
    record(database, "2025-12-31", "syncing", reason="Banned.", started_at="2025-12-31 18:05+08")
    later = replace(well, now=at("2030-01-01T12:00"))  # what the ledger says is of the real day
    assert look(later)["2025-12-31"].state == BAD
    assert look(budgeted(later, 1))["2025-12-31"] == Finding(
        "2025-12-31", WARN, "waiting since 2025-12-31 18:05: Banned."
    )


def test_a_trade_date_that_nobody_loaded(well: CheckedSystem, database: Database) -> None:
    gone = ["2025-09-26", "2025-09-29", "2025-10-10"]
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = ANY (%s::date[])", gone)
    database.do("DELETE FROM ashare.counted_partition WHERE partition = ANY (%s::date[])", gone)
    found = look(well)
    assert found["2025-09-29"].state == WARN  # nobody has asked for anything that early
    record(database, "2025-09-26", "success")
    found = look(well)
    assert (found["2025-10-10"].state, found["2025-09-29"].state) == (OK, BAD)  # today's may still come
    assert "nothing is recorded" in found["2025-09-29"].text
    later = look(replace(well, now=lambda: NOW() + timedelta(hours=4)))
    assert later["2025-10-10"].state == BAD


@pytest.mark.parametrize(
    ("now", "state"), [("2025-12-31T23:30", OK), ("2026-01-05T12:00", WARN), ("2026-01-20T20:00", BAD)]
)
def test_a_calendar_ends_with_its_year(well: CheckedSystem, now: str, state: str) -> None:
    assert look(replace(well, now=at(now)))["calendar"].state == state


def test_a_dag_that_has_not_run_for_weeks_is_not_well(well: CheckedSystem) -> None:
    found = look(replace(well, now=at("2025-10-31T20:00")))
    dates = [finding for name, finding in found.items() if name.startswith("2025-")]
    assert len(dates) == 5
    assert [finding.state for finding in dates] == [OK, BAD, BAD, BAD, BAD]  # today's may still come


def test_prices_and_factors_that_disagree_are_told_and_counted(well: CheckedSystem, database: Database) -> None:
    assert look(well)["factors"] == Finding("factors", OK, "prices and adjust factors agree since 2024-10-08.")
    for day in ("2025-10-09", "2025-10-10"):
        database.do(
            "UPDATE ashare.daily_bar SET preclose = preclose * 0.9 WHERE trade_date = %s AND code IN ("
            "SELECT code FROM ashare.daily_bar JOIN ashare.security USING (code) WHERE trade_date = '2025-09-30' "
            "AND kind = 'stock' ORDER BY code LIMIT 4)",
            day,
        )
    found = look(well)["factors"]  # the factors of the 10th may be still to come
    assert (found.state, found.text.count("2025-10-09: moved without a factor")) == (WARN, 3), found
    assert "disagree 4 times since 2024-10-08 (" in found.text
    assert "; ...)" in found.text
    assert "disagree 8 times" in look(replace(well, now=at("2025-10-10T23:00")))["factors"].text


def test_the_worst_screen_is_still_one(well: CheckedSystem, database: Database, emulator: Emulator) -> None:
    reason = "4,000 of 5,200 securities have no bar: " + "sh.600000, " * 40 + "\nand a second line."
    for (day,) in database.rows("SELECT trade_date FROM ashare.sync_status"):
        record(database, day, "failed", missing=4000, reason=reason)
    emulator.add_fault(fault("login", "error", code="10001011"))
    found = look(replace(well, pool=lambda: None))
    assert all("\n" not in finding.text for finding in found.values())
    assert " -s 2025-09-26 -e 2025-10-10 --rerun-failed-tasks " in found["run again"].text
    screen = [line for finding in found.values() for line in written(finding, 100).split("\n")]
    assert len(screen) <= 24
    assert max(len(line) for line in screen if "run again" not in line) <= 100
    assert all(len(written(finding, None).split("\n")) == 1 for finding in found.values())


def test_as_a_command_where_nothing_can_be_reached(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASHARE"))}
    done = subprocess.run(
        [sys.executable, "-m", "ashare_airflow", "doctor"],
        cwd=Path(__file__).parents[2],
        env=clean
        | {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://me:s3cret-word@127.0.0.1:1/airflow",
            "AIRFLOW_CONN_ASHARE_POSTGRES": "postgresql://me:s3cret-word@127.0.0.1:1/ashare",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    names = [line.split()[1] for line in lines]
    assert names == [*BEFORE_DATES, "trade", "weeks", *AFTER_DATES]
    assert [name for name, line in zip(names, lines, strict=True) if not line.startswith("BAD ")] == ["package"]
    assert "cannot be reached" in lines[1]
    assert "Airflow's own database cannot be read" in lines[2]
    assert "s3cret-word" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_alerts_are_looked_at(well: CheckedSystem, database: Database) -> None:
    def alerts(*addresses: str) -> tuple[str, str]:
        (found,) = (
            finding for finding in examine(replace(well, alerts=lambda: addresses)) if finding.name == "alerts"
        )
        return found.state, found.text

    good = "json://localhost"
    assert alerts() == (OK, "off: the connection ashare_alerts is not set.")
    assert alerts(good, "nonsense://s3cret") == (
        BAD,
        "of the connection ashare_alerts, address 2 (nonsense://... is not understood).",
    )
    assert alerts(good)[0] == OK
    assert "nothing was to be said yet" in alerts(good)[1]
    database.do(
        "INSERT INTO ashare.alert (subject, about, run_id, title, text, end_title, raised_at) VALUES "
        "('x', 'run', 'r', 'A-share sync: 2025-10-30 is not complete', 'x', 'x', '2025-10-30 20:00+08')"
    )
    assert alerts(good)[0] == BAD
    assert alerts(good)[1].startswith("1 messages have reached nobody yet. ")
    database.do("UPDATE ashare.alert SET sent_at = raised_at")
    said = "on; the last, on 2025-10-30 20:00: A-share sync: 2025-10-30 is not complete"
    assert alerts(good) == (OK, f"{said}.")
    database.do("UPDATE ashare.alert SET resolved_at = '2025-10-31 09:00+08'")
    assert alerts(good)[0] == BAD  # its end was not told
    database.do("UPDATE ashare.alert SET end_sent_at = resolved_at")
    assert alerts(good) == (OK, f"{said}, over since 2025-10-31 09:00.")
    database.do("UPDATE ashare.alert SET raised_at = now(), error = 'not delivered to DingTalk: x'")
    assert alerts(good)[0] == BAD
    assert alerts(good)[1].startswith("not delivered to DingTalk: x. ")
    database.do("UPDATE ashare.alert SET raised_at = now() - interval '8 days'")
    assert alerts(good)[0] == OK


def test_a_week_that_is_not_complete_is_told_with_its_reason_and_what_to_run(well: CheckedSystem) -> None:
    assert "weeks" not in look(well)
    first, lacking, newest = date(2025, 9, 22), date(2025, 9, 29), date(2025, 10, 6)
    for week in (first, newest):
        lists = [
            WeeklyList(INDEX_MEMBERS, week, week, [("sh.000300", "sh.600000")]),
            WeeklyList(INDUSTRIES, week, week, [("a", "sh.600000", None)]),
            WeeklyList(NAMES, week, week, [("sh.600000", "x")]),
        ]
        well.store.weekly_lists.save(lists, "weekly")
    assert look(well)["weeks"] == Finding(
        "weeks",
        BAD,
        "1 weeks are not complete (2025-09-29): no run has taken them up. Run: "
        "airflow dags backfill -s 2025-09-29 -e 2025-09-29 --rerun-failed-tasks ashare_reference",
    )
    well.store.weekly_lists.save([replace(each, as_of=lacking, update_date=lacking) for each in lists], "weekly")
    assert look(well)["weeks"] == Finding(
        "weeks", OK, "complete up to the week 2025-10-06: 1 members of indices, 1 industries, 1 names."
    )
