"""`/ashare/health`, for a monitor that knows no user: healthy, stale or unavailable, and nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from ashare.dates import beijing_now
from ashare.status import newest_due
from ashare.store import Store
from ashare_local.postgres import EmbeddedPostgres
from tests.airflow_script import run_script
from tests.conftest import Database
from tests.records import record

ASK = """
import json, sys
from fastapi import FastAPI
from fastapi.testclient import TestClient
from ashare_airflow.page import health
app = FastAPI()
app.include_router(health.router)
client = TestClient(app)
answer, bare = client.get("/health"), client.head("/health")
assert (bare.status_code, bare.text) == (answer.status_code, ""), bare
print(json.dumps([answer.status_code, answer.text]))
"""


def ask(home: Path, connection: str | None, **settings: str) -> tuple[int, object]:
    if connection:
        settings["AIRFLOW_CONN_ASHARE_POSTGRES"] = connection
    code, body = json.loads(run_script(home, ASK, **settings).stdout.splitlines()[-1])
    return code, json.loads(body)


@pytest.mark.parametrize(
    ("days_old", "settings", "code", "word"),
    [(0, {}, 200, "healthy"), (30, {}, 503, "stale"), (30, {"ASHARE_MAX_LAG": "40"}, 200, "healthy")],
)
def test_by_the_age_of_the_newest_complete_date(
    tmp_path: Path,
    postgres: EmbeddedPostgres,
    database: Database,
    days_old: int,
    settings: dict[str, str],
    code: int,
    word: str,
) -> None:
    with Store(database.connect) as store:
        store.migrate()
    newest = newest_due(beijing_now()) - timedelta(days=days_old)
    record(database, newest, "success")
    assert ask(tmp_path, postgres.connection_json(database.name), **settings) == (code, {"status": word})


def test_an_open_session_behind_complete_ones_is_named(
    tmp_path: Path, postgres: EmbeddedPostgres, database: Database
) -> None:
    newest = newest_due(beijing_now())
    days = [newest - timedelta(days=n) for n in range(14) if (newest - timedelta(days=n)).weekday() < 5]
    for day in days:
        database.do("INSERT INTO ashare.trade_calendar VALUES (%s, true)", day)
        record(database, day, "success")
    connection = postgres.connection_json(database.name)
    assert ask(tmp_path, connection) == (200, {"status": "healthy"})
    record(database, days[0], "failed", reason="No bars.")  # the newest may be a session late
    assert ask(tmp_path, connection) == (200, {"status": "healthy"})
    record(database, days[0], "success")
    record(database, days[3], "failed", missing=3, reason="3 lack.")
    database.do("DELETE FROM ashare.counted_partition WHERE partition = %s", days[5])
    named = {"status": "stale", "open_sessions": [f"{days[5]}", f"{days[3]}"]}
    assert ask(tmp_path, connection) == (503, named)
    assert ask(tmp_path, connection, ASHARE_HEAL_SESSIONS="3") == (200, {"status": "healthy"})
    assert ask(tmp_path, connection, ASHARE_FIRST_DATE=f"{days[4]}")[1] == named | {"open_sessions": [f"{days[3]}"]}


def test_an_empty_schema_is_stale_and_no_database_or_a_wrong_setting_unavailable(
    tmp_path: Path, postgres: EmbeddedPostgres, bare_database: Database
) -> None:
    assert ask(tmp_path, postgres.connection_json(bare_database.name)) == (
        503,
        {"status": "unavailable"},
    )  # no schema
    with Store(bare_database.connect) as store:
        store.migrate()
    assert ask(tmp_path, postgres.connection_json(bare_database.name)) == (503, {"status": "stale"})
    away = json.dumps({"conn_type": "postgres", "host": "127.0.0.1", "port": 1, "password": "s3cret"})
    assert ask(tmp_path, away) == (503, {"status": "unavailable"})
    assert ask(tmp_path, None) == (503, {"status": "unavailable"})
    here = postgres.connection_json(bare_database.name)
    assert ask(tmp_path, here, ASHARE_MAX_LAG="some") == (503, {"status": "unavailable"})


MANY = """
import threading
from ashare_airflow.page import health
readings = []
def slow():
    readings.append(1)
    threading.Event().wait(0.5)
    return health.Health(status="healthy")
health.read_health = slow
words = []
askers = [threading.Thread(target=lambda: words.append(health.cached_health.health().status)) for _ in range(50)]
[asker.start() for asker in askers]
[asker.join() for asker in askers]
assert set(words) == {"healthy"} and len(words) == 50, words
print(len(readings))
"""


def test_however_many_ask_one_reads_the_database(tmp_path: Path) -> None:
    assert run_script(tmp_path, MANY).stdout.splitlines()[-1] == "1"
