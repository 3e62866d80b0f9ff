"""An Airflow that exists already, with a DAG and a plugin of somebody else, into which tests install this package."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from ashare_local import processes
from ashare_local.airflow_settings import PYTHON_BIN
from ashare_local.components import API_SERVER, SCHEDULER, SHORT_GRACE_PERIODS, TRIGGERER
from ashare_local.ports import free_port
from ashare_local.postgres import EmbeddedPostgres
from ashare_local.processes import Component, GracePeriod
from ashare_local.state_directory import load_secrets

THEIR_PLUGIN = """
from __future__ import annotations
from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.simple import NullTimetable

class TheirTimetable(NullTimetable): ...

class TheirPlugin(AirflowPlugin):
    name = "theirs"
    timetables = [TheirTimetable]
"""

THEIR_DAG = """
from __future__ import annotations
from airflow.sdk import DAG, task
from their_plugin import TheirTimetable

with DAG("theirs", schedule=TheirTimetable()):
    @task
    def work(): ...
    work()
"""

DAGS = "/api/v2/dags"
RUNS = f"{DAGS}/ashare_daily/dagRuns"
ENDED = ("success", "failed")
LOCAL = "airflow.dag_processing.bundles.local.LocalDagBundle"
BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
COMPLETE = "SELECT trade_date::text, status, expected = loaded AND loaded > 300 FROM ashare.sync_status ORDER BY 1"


class Site:
    """An Airflow of somebody else, in a directory and databases of its own, with a DAG and a plugin of theirs.

    :param databases: made for bars, beside Airflow's own.
    :param programs: where its ``python`` and ``airflow`` are.
    :param variables: added to its environment, of which nothing knows of this checkout.
    """

    def __init__(
        self,
        root: Path,
        server: EmbeddedPostgres,
        databases: Sequence[str],
        programs: Path = PYTHON_BIN,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.home = root / "airflow"
        self.plugins = self.home / "plugins"
        self.port = free_port()
        self.programs = programs
        self._server = server
        self._components: dict[str, Component] = {}
        self._token = ""
        for folder in (self.home / "dags", self.plugins):
            folder.mkdir(parents=True)
        (self.plugins / "their_plugin.py").write_text(THEIR_PLUGIN)
        (self.home / "dags" / "their_dag.py").write_text(THEIR_DAG)
        self._metadata = f"{databases[0]}_airflow"
        with server.connect("postgres") as admin:
            for name in (self._metadata, *databases):
                admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        secrets = load_secrets(root)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "ASHARE", "PYTHONPATH", "GIT_"))}
        self.env = clean | {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": secrets["fernet_key"],
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": server.sqlalchemy_url(self._metadata),
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            # A supervisor that sees its task's sockets close before the task ends looks again after this pause.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{self.port}",
            "AIRFLOW__API__SECRET_KEY": secrets["api_secret_key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets["jwt_secret"],
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(root / "bundles"),
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "COLUMNS": "160",
            "NO_PROXY": "*",
            "no_proxy": "*",
            "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            **(variables or {}),
        }
        self.run("airflow", "db", "migrate", check=True)

    def set_bundle(self, classpath: str, **kwargs: Any) -> None:
        """The bundle ``ashare``, beside the folder that was there."""
        ours = {"name": "ashare", "classpath": classpath, "kwargs": kwargs}
        self.env[BUNDLES] = json.dumps([{"name": "dags-folder", "classpath": LOCAL, "kwargs": {}}, ours])

    def start(self, *names: str, **variables: str) -> None:
        arguments = {
            API_SERVER: ("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            SCHEDULER: ("--skip-serve-logs",),
            TRIGGERER: ("--skip-serve-logs",),
        }
        for name in names:
            self._components[name] = Component(
                name,
                [str(self.programs / "airflow"), name, *arguments.get(name, ())],
                env=self.env | variables,
                cwd=self.home,
                log_file=self.home / f"{name}.log",
            )

    def stop(self, *names: str, grace_periods: Mapping[str, GracePeriod] = SHORT_GRACE_PERIODS) -> None:
        processes.stop([self._components.pop(name).record for name in names], grace_periods)

    def stop_all(self) -> None:
        self.stop(*self._components, grace_periods=dict.fromkeys(self._components, GracePeriod(leader=0, members=0)))

    def pid(self, name: str) -> int:
        return self._components[name].record.pid

    def until(self, look: Callable[[], Any], seconds: float = 180) -> Any:
        """What is looked for, once it is there, while all processes live."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            for component in self._components.values():
                assert component.ended is None, f"The {component.name} ended.\n{component.log_tail()}"
            assert time.monotonic() < deadline, "\n".join(c.log_tail() for c in self._components.values())
            time.sleep(0.2)
        return found

    def run(self, *command: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """A command in this Airflow's environment, away from the checkout."""
        done = subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            env=self.env,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def rows(self, query: str, *values: object, database: str = "") -> list[tuple[Any, ...]]:
        with self._server.connect(database or self._metadata) as connection:
            cursor: psycopg.Cursor[Any] = connection.execute(query, values)
            return cursor.fetchall()

    def api(self, method: str, path: str, body: object = None) -> Any:
        """What Airflow's REST API answers.

        :raises OSError: it does not, or it refuses.
        """
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        address = f"http://127.0.0.1:{self.port}"
        if not self._token:
            with direct.open(f"{address}/auth/token", timeout=30) as reply:
                self._token = json.load(reply)["access_token"]
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address + path, data=data, method=method)
        for name, value in (("Content-Type", "application/json"), ("Authorization", f"Bearer {self._token}")):
            request.add_header(name, value)
        with direct.open(request, timeout=30) as reply:
            return json.loads(reply.read() or "null")

    def is_healthy(self) -> bool:
        try:
            health = self.api("GET", "/api/v2/monitor/health")
        except OSError:
            return False
        return all(health[name]["status"] == "healthy" for name in ("scheduler", "dag_processor"))

    def dag(self, dag_id: str = "ashare_daily") -> tuple[Any, ...] | None:
        """Its bundle, the bundle's version and its tags, once it has been read."""
        tags = "ARRAY(SELECT name FROM dag_tag WHERE dag_id = d.dag_id ORDER BY 1)"
        query = (
            f"SELECT bundle_name, bundle_version, {tags} FROM dag d WHERE dag_id = %s AND NOT is_stale "
            "AND EXISTS (SELECT FROM serialized_dag WHERE dag_id = d.dag_id)"
        )
        return next(iter(self.rows(query, dag_id)), None)

    def trigger(self, day: str) -> str:
        """The path of a new run of a trade date."""
        run_id: str = self.api("POST", RUNS, {"logical_date": None, "partition_key": day})["dag_run_id"]
        return f"{RUNS}/{quote(run_id)}"

    def clear(self, run: str) -> None:
        self.api("POST", f"{run}/clear", {"dry_run": False})

    def ended(self, run: str) -> dict[str, Any]:
        return self.until(lambda: (now := self.api("GET", run))["state"] in ENDED and now)  # type: ignore[no-any-return]

    def log_of(self, run: str, task: str) -> str:
        """The log of a task's first try, as the UI gets it."""
        return json.dumps(self.api("GET", f"{run}/taskInstances/{task}/logs/1"), ensure_ascii=False)

    def set_store(self, method: str, path: str, database: str) -> None:
        """The connection ``ashare_postgres``, as under Admin > Connections."""
        given = json.loads(self._server.connection_json(database))
        self.api(method, f"/api/v2/connections{path}", {"connection_id": "ashare_postgres", **given})
