"""The example of a DAG after a trading week: it waits for the week's sessions, and for no holiday."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from ashare.connection import POSTGRES_VARIABLE
from ashare.store import Store
from ashare_emulator.trading_days import calendar_days
from ashare_local.ports import free_port
from tests.airflow_script import PROJECT, run_script
from tests.conftest import Database

SCRIPT = """
import json, sys, warnings
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = DagBag(sys.argv[1])
dag = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags["after_a_trading_week"]))
mapper = dag.timetable.get_partition_mapper(name="ashare_daily_bar", uri="ashare_daily_bar")
weeks, fires = {}, {}
for key in sys.argv[2:]:
    week = mapper.to_downstream(key)
    try:
        expected = mapper.to_upstream(week)
    except Exception as error:
        weeks[week] = [type(error).__name__]
        continue
    weeks[week] = sorted(expected)
    policy = mapper.wait_policy.is_satisfied_by_keys
    some = frozenset(sorted(expected)[1:])
    fires[week] = [policy(matched=keys, expected=expected).satisfied for keys in (some, expected)]
print(json.dumps({"errors": bag.import_errors, "weeks": weeks, "fires": fires}))
"""


def weeks(home: Path, connection: str, *keys: str) -> dict[str, Any]:
    """What the scheduler waits for, in the weeks of some trade dates."""
    done = run_script(home, SCRIPT, str(PROJECT / "docs" / "examples"), *keys, **{POSTGRES_VARIABLE: connection})
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["errors"] == {}
    return found


def test_a_week_waits_for_its_sessions_alone(database: Database, tmp_path: Path) -> None:
    with Store(database.connect) as store:
        store.calendar.save(calendar_days(date(2025, 1, 1), date(2025, 12, 31)))
    connection = database.server.connection_json(database.name)
    found = weeks(tmp_path, connection, "2025-09-30", "2025-10-10", "2025-11-05", "2025-12-30", "2026-02-18")
    assert found["weeks"] == {
        "2025-09-29": ["2025-09-29", "2025-09-30"],
        "2025-10-06": ["2025-10-09", "2025-10-10"],
        "2025-11-03": ["2025-11-03", "2025-11-04", "2025-11-05", "2025-11-06", "2025-11-07"],
        # Not known yet: every weekday counts, so the week waits until the calendar has it.
        "2025-12-29": ["2025-12-29", "2025-12-30", "2025-12-31", "2026-01-01", "2026-01-02"],
        "2026-02-16": ["2026-02-16", "2026-02-17", "2026-02-18", "2026-02-19", "2026-02-20"],
    }
    assert set(map(tuple, found["fires"].values())) == {(False, True)}


def test_a_database_that_is_away_is_an_error_and_no_empty_week(tmp_path: Path) -> None:
    connection = json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": free_port(), "login": "me"})
    found = weeks(tmp_path, connection, "2025-09-30", "2025-10-01")
    assert (found["weeks"], found["fires"]) == ({"2025-09-29": ["StoreUnavailable"]}, {})


def test_a_known_week_is_read_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from ashare_airflow.schedule import trading_week

    days = calendar_days(date(2025, 9, 29), date(2025, 10, 5))
    with Store(database.connect) as store:
        store.calendar.save(days)
    monkeypatch.setenv(POSTGRES_VARIABLE, database.server.connection_json(database.name))
    monkeypatch.setattr(trading_week, "_kept", {})
    window = trading_week.TradingWeekWindow()
    assert len(list(window.to_upstream(datetime(2025, 9, 29)))) == 2
    database.do("DELETE FROM ashare.trade_calendar")
    assert len(list(window.to_upstream(datetime(2025, 9, 29)))) == 2
    monkeypatch.setattr(trading_week, "_kept", {})
    assert len(list(window.to_upstream(datetime(2025, 9, 29)))) == 5
