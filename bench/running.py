"""Airflow as a person starts it: `make up` in a separate state directory, with the benchmark's own DAG."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import psycopg

from ashare_local import PROJECT
from ashare_local.ports import free_port
from ashare_local.stack_connections import baostock_json

if TYPE_CHECKING:
    from typing_extensions import LiteralString  # in typing since Python 3.11

START_SECONDS = 240
DAILY, HISTORY, EMPTY = "ashare_daily", "ashare_history", "empty_runs"


class NotRunning(Exception):
    """`make up` did not come up, or a command in its environment failed; the text contains the output."""


@dataclass(frozen=True)
class Backfill:
    """The result of a backfill. Seconds count from the time at which its first run was queued.

    :ivar seconds: until the end of the last run.
    :ivar recorded: until the last date was recorded; ``None`` for a DAG that records no dates.
    :ivar task_instances: number of successful task instances.
    :ivar batches: trade date to number of ``fetch_and_copy`` task instances.
    """

    seconds: float
    recorded: float | None
    task_instances: int
    batches: dict[str, int]


class Running:
    """Starts `make up` on entering and waits until its UI can be used; stops `make up` on leaving, as Ctrl-C does.

    :ivar start_seconds: from the command until a signed-in user sees the DAG.
    :param source_port: the port on which the emulator listens, now or later.
    """

    def __init__(self, directory: Path, source_port: int) -> None:
        self._state, self._port = directory, free_port()
        bundles = [
            {
                "name": name,
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": path},
            }
            for name, path in (("dags-folder", str(PROJECT / "dags")), ("bench", str(PROJECT / "bench" / "dags")))
        ]
        self._given = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASHARE"))
        }
        self._given |= {
            "ASHARE_STATE_DIR": str(directory),
            "AIRFLOW_CONN_BAOSTOCK": baostock_json("127.0.0.1", source_port),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",  # only the measured runs exist
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.start_seconds = 0.0
        self._env: dict[str, str] = {}

    def __enter__(self) -> Running:
        began = time.monotonic()
        self._state.mkdir(parents=True, exist_ok=True)
        (self._state / "env.sh").unlink(missing_ok=True)
        with (self._state / "make-up.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["make", "up", f"PORT={self._port}"],
                cwd=PROJECT,
                env=self._given,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(lambda: self._sees(DAILY), began)
            self.start_seconds = time.monotonic() - began
            self._wait(lambda: self._sees(EMPTY), began)
        except BaseException:
            self._stop()
            raise
        listed = self._shell("env -0")
        self._env = dict(entry.split("=", 1) for entry in listed.split("\0") if "=" in entry)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def backfill(self, days: Sequence[date], dag_id: str = DAILY, conf: dict[str, Any] | None = None) -> Backfill:
        """Backfill a DAG from the first to the last of the days, by `airflow dags backfill` or Airflow's own command.

        :raises NotRunning: a run failed.
        """
        first, last = str(days[0]), str(days[-1])
        if dag_id == DAILY:
            self._shell('exec airflow dags backfill "$@"', "-s", first, "-e", last, dag_id)
        else:
            more = ["--dag-run-conf", json.dumps(conf or {}), "--max-active-runs", "8"]
            own = ["--dag-id", dag_id, "--from-date", first, "--to-date", last]
            self._shell('exec airflow backfill create "$@"', *own, *more)
            self._wait_for_runs(dag_id, first, last, len(days))
        with self.connect("airflow") as connection:
            queued, seconds = self._one(
                connection,
                """SELECT min(queued_at), extract(epoch FROM max(end_date) - min(queued_at))::float FROM dag_run
                   WHERE dag_id = %s AND partition_key BETWEEN %s AND %s""",
                (dag_id, first, last),
            )
            tasks = connection.execute(
                """SELECT partition_key, task_id, count(*) FROM task_instance t JOIN dag_run r USING (dag_id, run_id)
                   WHERE dag_id = %s AND partition_key BETWEEN %s AND %s AND t.state = 'success' GROUP BY 1, 2""",
                (dag_id, first, last),
            ).fetchall()
        recorded = None
        if dag_id == DAILY:
            with self.connect("ashare") as connection:
                (recorded,) = self._one(
                    connection,
                    """SELECT extract(epoch FROM max(finished_at) - %s)::float FROM ashare.sync_status
                       WHERE trade_date BETWEEN %s AND %s""",
                    (queued, first, last),
                )
        batches = {day: count for day, task, count in tasks if task == "fetch_and_copy"}
        return Backfill(seconds, recorded, sum(count for _, _, count in tasks), batches)

    def history(self, conf: dict[str, Any]) -> None:
        """Run `ashare_history` for the first time, and wait for its end.

        :raises NotRunning: the run failed.
        """
        self._shell('exec airflow dags trigger "$@"', "--conf", json.dumps(conf), HISTORY)
        self._wait_for_runs(HISTORY, "", "", 1)

    def _wait_for_runs(self, dag_id: str, first: str, last: str, runs: int) -> None:
        ended = 0
        while ended < runs:
            time.sleep(0.2)
            with self.connect("airflow") as connection:
                ended, failed = self._one(
                    connection,
                    """SELECT count(*) FILTER (WHERE state IN ('success', 'failed')),
                              count(*) FILTER (WHERE state = 'failed')
                       FROM dag_run
                       WHERE dag_id = %s AND (partition_key BETWEEN %s AND %s OR partition_key IS NULL)""",
                    (dag_id, first, last),
                )
            if failed:
                raise NotRunning(f"{failed} runs of {dag_id} {first} {last} failed.")

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """Connect to a database of the embedded PostgreSQL: ``airflow`` or ``ashare``."""
        return psycopg.connect(host=self._env["PGHOST"], user=self._env["PGUSER"], dbname=database)

    def seconds_of(self, *arguments: str) -> float:
        """The seconds of an `airflow` command."""
        began = time.monotonic()
        self._shell('exec airflow "$@"', *arguments)
        return time.monotonic() - began

    def seconds_to_parse(self) -> tuple[float, list[str]]:
        """The seconds of parsing all DAG files after the import of Airflow, and the heavy modules they import."""
        script = f"""
import json, sys, time
from airflow.dag_processing.dagbag import DagBag
before = set(sys.modules)
began = time.perf_counter()
bag = DagBag({str(PROJECT / "dags")!r})
seconds = time.perf_counter() - began
assert bag.dags and not bag.import_errors, bag.import_errors
print(json.dumps([seconds, sorted({{"pandas", "baostock", "psycopg"}} & set(sys.modules) - before)]))
"""
        seconds, heavy = json.loads(self._shell('exec python -c "$@"', script).splitlines()[-1])
        return seconds, heavy

    def workers(self) -> list[psutil.Process]:
        """The processes of tasks, and the worker processes that wait for them."""
        if self._process is None:
            return []
        return [
            child
            for child in psutil.Process(self._process.pid).children(recursive=True)
            if " ".join(_cmdline(child)).startswith("airflow worker --")
        ]

    def processor_seconds(self) -> float:
        """Processor seconds so far of Airflow's and PostgreSQL's processes, with those that have ended."""
        assert self._process is not None
        postmaster = int((self._state / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        seconds = 0.0
        for root in (psutil.Process(self._process.pid), psutil.Process(postmaster)):
            for process in (root, *root.children(recursive=True)):
                with contextlib.suppress(psutil.Error):  # it ends just now: its parent counts it from now on
                    times = process.cpu_times()
                    seconds += times.user + times.system + times.children_user + times.children_system
        return seconds

    @staticmethod
    def _one(connection: psycopg.Connection[Any], query: LiteralString, values: Sequence[object]) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = connection.execute(query, values).fetchone()
        assert row is not None
        return row

    def _shell(self, script: str, *arguments: str) -> str:
        """Run a shell script after `. env.sh`, and return its output.

        :raises NotRunning: the script failed.
        """
        environment = {k: v for k, v in self._given.items() if not k.startswith(("AIRFLOW", "ASHARE"))}
        command = ["sh", "-c", f'. "$0" && {script}', str(self._state / "env.sh"), *arguments]
        done = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotRunning(f"`{script} {' '.join(arguments)}` failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout

    def _wait(self, condition: Callable[[], bool], began: float) -> None:
        assert self._process is not None
        while not condition():
            if self._process.poll() is not None or time.monotonic() - began > START_SECONDS:
                said = (self._state / "make-up.log").read_text()[-3000:]
                raise NotRunning(f"`make up` did not come up:\n{said}")
            time.sleep(0.1)

    def _sees(self, dag_id: str) -> bool:
        """Whether a signed-in user gets the UI and the DAG."""
        try:
            password = json.loads((self._state / "secrets.json").read_text())["password"]
            token = self._ask("/auth/token", {"username": "admin", "password": password})["access_token"]
            return bool(self._ask("/", None, token) is not None and self._ask(f"/api/v2/dags/{dag_id}", None, token))
        except (OSError, ValueError, KeyError):
            return False

    def _ask(self, path: str, body: object = None, token: str | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", data=data)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=30) as reply:
            text = reply.read()
            return dict(json.loads(text)) if reply.headers.get_content_type() == "application/json" else {}

    def _stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGINT)
            self._process.wait()
            self._process = None


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
