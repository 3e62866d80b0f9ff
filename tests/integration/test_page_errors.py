"""The page's routes beside a database or a setting that is wrong: one sentence as JSON, without secrets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ashare_local.postgres import EmbeddedPostgres
from tests.airflow_script import run_forked
from tests.conftest import Database

ASK = """
import json, sys
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.settings import engine
from fastapi.testclient import TestClient
from ashare_airflow.page.access import MAY_READ
from ashare_airflow.page.app import create_app
if sys.argv[1] == "tables":
    import_all_models()
    Base.metadata.create_all(engine)
app = create_app()
app.dependency_overrides[MAY_READ.dependency] = lambda: None
answer = TestClient(app).get("/api/v1/sync-status/recent")
print(json.dumps([answer.status_code, answer.json()]))
"""


def ask(home: Path, *, airflow_database: str = "tables", **variables: str) -> tuple[int, Any]:
    """Ask for the newest dates in an Airflow that has nothing but these variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASHARE"))}
    environment = clean | {"AIRFLOW_HOME": str(home)} | variables
    done = run_forked(ASK, airflow_database, home=home, environment=environment)
    assert done.returncode == 0, done.stderr
    code, body = json.loads(done.stdout.splitlines()[-1])
    return code, body


AWAY = {
    "AIRFLOW_CONN_ASHARE_POSTGRES": json.dumps(
        {"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "password": "s3cret"}
    )
}


@pytest.mark.parametrize(
    ("variables", "airflow_database", "sentence"),
    [
        ({}, "tables", "The Airflow connection 'ashare_postgres' is not set, or not readable: set AIRFLOW_CONN_"),
        (AWAY, "tables", "The database of the connection ashare_postgres cannot be reached"),
        (AWAY, "empty", "Airflow's own database cannot be read (OperationalError)"),
    ],
)
def test_a_database_that_is_away_is_one_sentence(
    tmp_path: Path, variables: dict[str, str], airflow_database: str, sentence: str
) -> None:
    code, body = ask(tmp_path, airflow_database=airflow_database, **variables)
    assert (code, body["status"]) == (503, "error")
    assert body["message"].startswith(sentence)
    assert "s3cret" not in json.dumps(body)


def test_a_wrong_setting_is_one_sentence_that_names_it(
    tmp_path: Path, postgres: EmbeddedPostgres, bare_database: Database
) -> None:
    connection = {"AIRFLOW_CONN_ASHARE_POSTGRES": postgres.connection_json(bare_database.name)}
    code, body = ask(tmp_path, ASHARE_MAX_LAG="some", **connection)
    assert (code, body["status"]) == (503, "error")
    assert body["message"].startswith("ASHARE_MAX_LAG is 'some'")
    assert ask(tmp_path, **connection)[1]["message"].startswith("The schema ashare is not there yet")
