"""Connections of a real Airflow become settings; what is missing is said in one sentence."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ashare.errors import InvalidInput
from ashare.store.migrate import MIGRATIONS
from ashare_airflow import context as task_context
from ashare_airflow.defaults import DAILY_PARAMS, HISTORY_PARAMS
from ashare_local.postgres import EmbeddedPostgres
from tests.airflow_script import run_script
from tests.conftest import Database

ASK = """
from ashare_airflow.connections import AirflowConnections
from ashare.errors import AshareError
try:
    found = AirflowConnections().source_config()
    print(found.address, found.user, found.password, found.api_key, found.limits.idle, found.session_requests)
    print(repr(found))
    with AirflowConnections().store() as opened:
        print(opened.migrate())
except AshareError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def database(bare_database: Database) -> Database:
    """These tests make the schema themselves."""
    return bare_database


def ask(home: Path, **connections: str) -> list[str]:
    variables = {f"AIRFLOW_CONN_{name.upper()}": value for name, value in connections.items()}
    done = run_script(home, ASK, ASHARE_IDLE_TIMEOUT="12", ASHARE_SESSION_REQUESTS="40", **variables)
    return [line for line in done.stdout.splitlines() if not line.startswith("20")]  # Airflow logs there too


def test_connections_become_settings(tmp_path: Path, postgres: EmbeddedPostgres, database: Database) -> None:
    lines = ask(
        tmp_path,
        baostock=json.dumps(
            {
                "conn_type": "generic",
                "host": "127.0.0.1",
                "port": 12345,
                "login": "me",
                "password": "s3cret-word",
                "extra": {"api_key": "bs-key"},
            }
        ),
        ashare_postgres=postgres.connection_json(database.name),
    )
    assert lines[0] == "('127.0.0.1', 12345) me s3cret-word bs-key 12.0 40"
    assert "s3cret-word" not in lines[1]
    assert "bs-key" not in lines[1]
    assert lines[2] == str([file.name for file in sorted(MIGRATIONS.glob("*.sql"))])


def test_what_is_not_given_is_baostocks_own(tmp_path: Path) -> None:
    uri = ask(tmp_path, baostock="baostock://public-api.baostock.com")
    assert uri[0] == "('public-api.baostock.com', 10030) anonymous 123456 None 12.0 40"


@pytest.mark.parametrize("given", [{}, {"baostock": "baostock://127.0.0.1:1"}])
def test_a_missing_connection_is_said_with_what_to_set(tmp_path: Path, given: dict[str, str]) -> None:
    missing = "ashare_postgres" if given else "baostock"
    said = ask(tmp_path, **given)[-1]
    assert said.startswith(
        f"InvalidInput The Airflow connection '{missing}' is not set, or not readable: set AIRFLOW_CONN_"
    )


def test_a_database_that_refuses_is_said_without_its_password(tmp_path: Path) -> None:
    lines = ask(tmp_path, baostock="baostock://h:1", ashare_postgres="postgresql://me:s3cret-word@127.0.0.1:1/ashare")
    assert lines[-1].startswith("StoreUnavailable The database of the connection ashare_postgres cannot be reached")
    assert "s3cret-word" not in lines[-1]


@pytest.mark.parametrize(
    ("start", "end", "years", "expected"),
    [
        (None, None, 10, ("2015-10-09", "2025-10-08")),  # to yesterday in Beijing, ten years exactly
        (None, "2024-12-31", 1, ("2024-01-01", "2024-12-31")),
        (None, "2024-02-29", 1, ("2023-03-01", "2024-02-29")),
        ("2006-01-04", None, 10, ("2006-01-04", "2025-10-08")),
        (None, "2025-10-08", 50, ("1990-12-19", "2025-10-08")),
    ],
)
def test_the_range_of_a_history(start: str | None, end: str | None, years: int, expected: tuple[str, str]) -> None:
    run_after = datetime(2025, 10, 8, 17, 0, tzinfo=timezone.utc)  # 01:00 on the 9th in Beijing
    found = task_context.range_of(start, end, years, run_after)
    assert tuple(map(str, found)) == expected


@pytest.mark.parametrize(
    ("opens", "params", "name", "meant"),
    [
        (task_context.run_of, DAILY_PARAMS, "Kinds", "kinds"),
        (task_context.history_of, HISTORY_PARAMS, "yeras", "years"),
    ],
)
def test_a_param_that_does_not_exist_is_refused_before_anything_is_asked(
    opens: Any, params: dict[str, Any], name: str, meant: str
) -> None:
    """By a task itself, too: `airflow dags test` has no scheduler that would refuse the run."""
    context = {
        "dag_run": SimpleNamespace(conf={name: 1, "batch_size": 7}, partition_key="2025-10-09"),
        "dag": SimpleNamespace(dag_id="ours", params=params),
        "params": {**params, name: 1},
    }
    opened: AbstractContextManager[Any] = opens(context)
    with pytest.raises(InvalidInput) as refused, opened:
        pass
    assert str(refused.value) == (
        f"ours has no param '{name}' (did you mean '{meant}'?), and its run was not started: "
        f"its params are {', '.join(sorted(params))}."
    )


SURPRISE = """
import sys
from datetime import datetime, timezone
from types import SimpleNamespace
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException
from ashare_airflow.context import run_of
from ashare.errors import BadReply
raised = {
    "KeyError": KeyError("no such key"),
    "BadReply": BadReply("A sentence that its step has recorded."),
    "Reschedule": AirflowRescheduleException(datetime.now(timezone.utc)),
}[sys.argv[1]]
context = {
    "dag_run": SimpleNamespace(
        partition_key="2025-10-09", logical_date=None, run_after=None, run_id="r", conf={}
    ),
    "dag": SimpleNamespace(dag_id="ours", params={}),
    "params": {"kinds": ["stock"], "fetch": "auto", "batch_size": 500, "verify": False},
    "task_instance": SimpleNamespace(task_id="plan_batches", map_index=-1),
}
try:
    with run_of(context) as run:
        run.store.work.start(run.scope)
        raise raised
except type(raised) as error:
    assert error is raised
"""


@pytest.mark.parametrize(
    ("raised", "status", "reason"),
    [
        ("KeyError", "failed", "KeyError: 'no such key'"),
        ("BadReply", "syncing", None),
        ("Reschedule", "syncing", None),
    ],
)
def test_what_no_step_expects_is_the_dates_reason(
    tmp_path: Path, database: Database, raised: str, status: str, reason: str | None
) -> None:
    run_script(
        tmp_path,
        SURPRISE,
        raised,
        AIRFLOW_CONN_ASHARE_POSTGRES=database.server.connection_json(database.name),
        AIRFLOW_CONN_BAOSTOCK="baostock://anonymous:123456@127.0.0.1:1",
    )
    assert database.rows("SELECT status, reason FROM ashare.sync_status") == [(status, reason)]
