"""Every service of docker-compose.yaml by its own command, environment and health check.

PostgreSQL, Redis, Airflow with users in its database, two Celery workers, the emulator. These tests build on each
other, in the order they stand.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ashare_local import PROJECT
from tests.containers.compose import Processes, can_run
from tests.waiting import until

pytestmark = pytest.mark.skipif(bool(can_run()), reason=can_run() or "")

WEEK = ("-s", "2026-04-27", "-e", "2026-05-06")
OPEN = ("2026-04-27", "2026-04-28", "2026-04-29", "2026-04-30", "2026-05-06")
CLOSED = ("2026-05-01", "2026-05-04", "2026-05-05")


def made_env(directory: Path, **settings: str) -> dict[str, str]:
    """What `make env` writes."""
    (directory / "deploy").mkdir()
    script = directory / "deploy" / "env.sh"
    script.write_text((PROJECT / "deploy/env.sh").read_text())
    subprocess.run(["sh", str(script)], env={"PATH": "/usr/bin:/bin", **settings}, check=True, capture_output=True)
    lines = (directory / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(scope="module")
def stack() -> Iterator[Processes]:
    with tempfile.TemporaryDirectory(prefix="ashare-containers-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        # The day's own run begins by itself; where it has to wait, as of an evening until 19:00, it asks but once.
        env = made_env(directory, CELERY="1") | {"ASHARE_POLL_SECONDS": "3600"}
        log = ("--log", str(directory / "requests.jsonl"))
        with Processes(directory, env, ["celery", "demo"], {"worker": 2}, {"emulator": log}) as running:
            yield running


def psql(stack: Processes, database: str, query: str) -> list[list[str]]:
    """As a user of the database would: by name and password."""
    uri = f"postgresql://{database}:{stack.env[f'{database.upper()}_DB_PASSWORD']}@postgres:5432/{database}"
    done = stack.execute(
        "scheduler", ["psql", "-XAtF|", uri, "-c", query], PATH=f"{stack._postgres.bin_dir}:/usr/bin"
    )
    assert done.returncode == 0, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]


def curl(stack: Processes, path: str, body: object = None, token: str = "") -> tuple[int, str]:
    arguments = ["-sS", "-w", "\n%{http_code}", f"http://api-server:8080{path}"]
    if body is not None:
        arguments += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    if token:
        arguments += ["-H", f"Authorization: Bearer {token}"]
    done = stack.execute("scheduler", ["curl", *arguments])
    text, _, code = done.stdout.rpartition("\n")
    return int(code), text


def test_every_service_is_healthy(stack: Processes) -> None:
    checked = [instance for instance, name in stack.instances.items() if "healthcheck" in stack.services[name]]
    assert {"worker-1", "worker-2", "redis", "scheduler", "api-server", "emulator"} <= set(checked)
    ended = {name: process.poll() for name, process in stack.running.items() if process.poll() is not None}
    assert ended == {"init": 0}


def test_a_backfill_of_a_week_by_two_workers_has_one_connection_at_a_time(stack: Processes) -> None:
    done = stack.execute("scheduler", ["airflow", "dags", "backfill", *WEEK, "ashare_daily"])
    assert done.returncode == 0, done.stdout + done.stderr
    query = "SELECT trade_date, status, expected = loaded FROM ashare.sync_status WHERE trade_date <= '{}' ORDER BY 1"
    found = psql(stack, "ashare", query.format(WEEK[-1]))
    assert found == sorted([[day, "success", "t"] for day in OPEN] + [[day, "skipped", ""] for day in CLOSED])

    ran_on = psql(stack, "airflow", "SELECT DISTINCT hostname FROM task_instance WHERE state = 'success' ORDER BY 1")
    assert ran_on == [["worker-1"], ["worker-2"]]

    assert psql(stack, "airflow", "SELECT count(*) FROM dag_run WHERE run_type = 'scheduled'") != [["0"]]

    def served_and_recorded() -> tuple[str, str]:
        command = [sys.executable, "-m", "ashare_emulator", "check", str(stack.directory / "requests.jsonl")]
        checked = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "\n0 overlaps\n" in checked.stdout
        ((recorded,),) = psql(stack, "ashare", "SELECT count(*) FROM ashare.source_request")
        return checked.stdout.partition(" requests on ")[0], recorded

    until(served_and_recorded, lambda requests: requests[0] == requests[1])


def test_the_admin_of_the_env_file_signs_in_and_sees_the_page(stack: Processes) -> None:
    wrong, _ = curl(stack, "/auth/token", {"username": "admin", "password": "admin"})
    assert wrong == 401
    code, text = curl(stack, "/auth/token", {"username": "admin", "password": stack.env["ADMIN_PASSWORD"]})
    assert code == 201, text
    token = json.loads(text)["access_token"]
    code, text = curl(stack, "/ashare/api/v1/sync-status/date/2026-04-27", token=token)
    assert code == 200
    assert '"success"' in text
    assert curl(stack, "/ashare/api/v1/sync-status/date/2026-04-27")[0] == 401

    runs = "/api/v2/dags/ashare_daily/dagRuns"
    run_id = json.loads(curl(stack, f"{runs}?state=success&limit=1", token=token)[1])["dag_runs"][0]["dag_run_id"]
    quoted = run_id.replace("+", "%2B").replace(":", "%3A")
    code, text = curl(stack, f"{runs}/{quoted}/taskInstances/record_status/logs/1", token=token)
    assert code == 200
    assert "is complete" in text or "is not a trading day" in text


def test_the_connection_of_the_demo_is_the_emulator_and_never_over_another_source(stack: Processes) -> None:
    assert psql(stack, "airflow", "SELECT host, port FROM connection WHERE conn_id = 'baostock'") == [
        ["emulator", "10030"]
    ]
    again = stack.run("init")  # as the next `docker compose up` does
    assert again.returncode == 0, again.stderr
    change = "UPDATE connection SET host = '{}' WHERE conn_id = 'baostock'"
    psql(stack, "airflow", change.format("public-api.baostock.com"))
    refused = stack.execute("init", ["python", "-m", "ashare_airflow.prepare"])  # the first that it does
    assert refused.returncode == 1
    assert "the bars of this stack are those of public-api.baostock.com" in refused.stderr
    psql(stack, "airflow", change.format("emulator"))


def test_a_worker_without_its_executor_says_what_to_do(stack: Processes) -> None:
    done = stack.execute("worker-1", stack.services["worker"]["command"], AIRFLOW__CORE__EXECUTOR="LocalExecutor")
    assert done.returncode == 1
    assert "make env CELERY=1" in done.stderr


def test_airflows_database_is_cleaned_and_the_bars_are_not_touched(stack: Processes) -> None:
    """As after a quarter of a year in which nobody has changed the DAG."""
    for table, columns in AGED.items():
        changes = ", ".join(f"{column} = {column} - interval '100 days'" for column in columns)
        psql(stack, "airflow", f"UPDATE {table} SET {changes}")
    # Of the week alone: the day's own run may go on meanwhile.
    count = f"SELECT count(*) FROM ashare.{{}} WHERE trade_date <= '{WEEK[-1]}'"
    bars = psql(stack, "ashare", count.format("daily_bar"))
    runs = "SELECT count(*) FROM dag_run WHERE run_type = 'backfill'"
    assert psql(stack, "airflow", runs) == [["8"]]
    assert stack.running["cleaner"].poll() is None  # it has found nothing old, and sleeps
    once = re.sub(r"sleep 1d\s+done", "break; done", stack.services["cleaner"]["command"][-1])
    assert "break" in once
    done = stack.execute("cleaner", ["bash", "-ec", once])
    assert done.returncode == 0, done.stdout + done.stderr
    assert psql(stack, "airflow", runs)[0][0] in ("0", "1")  # the newest run of a DAG may stay
    tasks = "SELECT count(*) FROM task_instance JOIN dag_run USING (dag_id, run_id) WHERE run_type = 'backfill'"
    assert int(psql(stack, "airflow", tasks)[0][0]) < 10
    assert psql(stack, "ashare", count.format("daily_bar")) == bars != [["0"]]
    assert stack.is_healthy("scheduler")

    asked = psql(stack, "ashare", count.format("source_request"))
    again = stack.execute("scheduler", ["airflow", "dags", "backfill", *WEEK, "ashare_daily"])
    assert again.returncode == 0, again.stdout + again.stderr
    assert psql(stack, "ashare", count.format("source_request")) == asked != [["0"]]
    another = ("-s", "2026-05-07", "-e", "2026-05-07")
    more = stack.execute("scheduler", ["airflow", "dags", "backfill", *another, "ashare_daily"])
    assert more.returncode == 0, more.stdout + more.stderr


AGED = {
    "dag_run": ("start_date", "end_date", "run_after", "queued_at", "created_at"),
    "task_instance": ("start_date", "end_date", "queued_dttm"),
    "task_reschedule": ("start_date", "end_date"),
    "xcom": ("timestamp",),
    "log": ("dttm",),
    "asset_event": ("timestamp",),
    "dag_version": ("created_at", "last_updated"),
    "serialized_dag": ("created_at", "last_updated"),
}


def test_a_service_that_hangs_is_unhealthy(stack: Processes) -> None:
    group = stack.running["scheduler"].pid
    assert stack.is_healthy("scheduler")
    os.killpg(group, signal.SIGSTOP)
    try:
        assert not stack.is_healthy("scheduler")
    finally:
        os.killpg(group, signal.SIGCONT)
