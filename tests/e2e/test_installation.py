"""The package in an Airflow that exists already, as the README tells it, and what a missing piece looks like.

These tests build on each other, in the order they stand. Nothing of this checkout is on the path of that Airflow.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local import PROJECT, processes
from ashare_local.airflow_settings import PYTHON_BIN
from ashare_local.components import API_SERVER, DAG_PROCESSOR, SCHEDULER, SHORT_GRACE_PERIODS, TRIGGERER
from ashare_local.ports import free_port
from ashare_local.postgres import EmbeddedPostgres
from ashare_local.processes import Component, GracePeriod
from ashare_local.stack_connections import baostock_json
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
GIT = "airflow.providers.git.bundles.git.GitDagBundle"
BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"


class Site:
    """An Airflow of somebody else, in a directory and databases of its own, with a DAG and a plugin of theirs."""

    def __init__(self, root: Path, server: EmbeddedPostgres, source: Emulator) -> None:
        self.home, self.package, self.repository = root / "airflow", root / "ashare", root / "ashare.git"
        self.plugins = self.home / "plugins"
        self.port = free_port()
        self._server = server
        self._components: dict[str, Component] = {}
        self._token = ""
        for folder in (self.home / "dags", self.plugins, self.package):
            folder.mkdir(parents=True)
        (self.plugins / "their_plugin.py").write_text(THEIR_PLUGIN)
        (self.home / "dags" / "their_dag.py").write_text(THEIR_DAG)
        with server.connect("postgres") as admin:
            for name in ("site", "site_bars", "site_more_bars"):
                admin.execute(f"CREATE DATABASE {name}")
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
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": server.sqlalchemy_url("site"),
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{self.port}",
            "AIRFLOW__API__SECRET_KEY": secrets["api_secret_key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets["jwt_secret"],
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(root / "bundles"),
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "COLUMNS": "160",
            "NO_PROXY": "*",
            "no_proxy": "*",
            "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",
            # Of this package: where `ashare` will be, one of its connections, its DAGs beside those that are there.
            "PYTHONPATH": os.pathsep.join([str(self.package / "include"), str(self.plugins)]),
            "AIRFLOW_CONN_BAOSTOCK": baostock_json("127.0.0.1", source.port),
        }
        self.set_bundle(LOCAL, path=str(self.package / "dags"))
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
                [str(PYTHON_BIN / "airflow"), name, *arguments.get(name, ())],
                env=self.env | variables,
                cwd=self.home,
                log_file=self.home / f"{name}.log",
            )

    def stop(self, *names: str, patience: Mapping[str, GracePeriod] = SHORT_GRACE_PERIODS) -> None:
        processes.stop([self._components.pop(name).record for name in names], patience)

    def stop_all(self) -> None:
        self.stop(*self._components, patience=dict.fromkeys(self._components, GracePeriod(leader=0, members=0)))

    def until(self, look: Callable[[], Any], seconds: float = 90) -> Any:
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
        program = str(PYTHON_BIN / command[0])
        done = subprocess.run(
            [program, *command[1:]],
            env=self.env,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def rows(self, query: str, *values: object, database: str = "site") -> list[tuple[Any, ...]]:
        with self._server.connect(database) as connection:
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

    def git(self, *command: str, folder: Path) -> str:
        who = {f"GIT_{role}_{what}": "somebody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env = self.env | who | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(
            ["git", "-C", str(folder), *command], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def copy(name: str, to: Path) -> None:
    """``cp -r``"""
    shutil.copytree(PROJECT / name, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture(scope="module")
def source(market: GeneratedMarket) -> Iterator[Emulator]:
    with Emulator(market) as server:
        yield server


@pytest.fixture(scope="module")
def site(own_directory: Path, postgres: EmbeddedPostgres, source: Emulator) -> Iterator[Site]:
    made = Site(own_directory / "site", postgres, source)
    yield made
    made.stop_all()


# What a missing piece looks like


def test_dag_files_alone_name_what_the_plugins_would_bring(site: Site) -> None:
    copy("dags", site.package / "dags")
    site.start(DAG_PROCESSOR, AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL="1")
    site.until(lambda: site.dag("theirs") and site.rows("SELECT 1 FROM import_error OFFSET 1"))
    listed = site.run("airflow", "dags", "list-import-errors", "--output", "plain")
    assert listed.returncode == 1
    assert listed.stdout.count("ModuleNotFoundError: No module named 'ashare_airflow'") == 2, listed.stdout


def test_plugins_without_include_name_it(site: Site) -> None:
    copy("plugins", site.plugins)
    errors = "SELECT filename FROM import_error WHERE stacktrace LIKE %s ORDER BY 1"
    found = site.until(lambda: len(rows := site.rows(errors, "%No module named 'ashare'%")) == 2 and rows)
    assert found == [("ashare_daily.py",), ("ashare_history.py",)]
    # No command of Airflow's is lost by it, and the one of this package says the same.
    said = site.run("airflow", "dags", "backfill", "-s", "2025-09-25", "ashare_daily")
    assert said.returncode == 1
    assert said.stderr.endswith("No module named 'ashare'\n"), said.stderr


def test_one_module_of_the_package_is_run_as_a_plugin_and_none_of_theirs_is_hidden(site: Site) -> None:
    look = (
        "import sys; from airflow._shared.module_loading import find_path_from_directory; "
        "print(*find_path_from_directory(*sys.argv[1:]))"
    )
    found = site.run("python", "-c", look, str(site.plugins), ".airflowignore", "glob", check=True).stdout.split()
    names = {Path(path).name for path in found}
    assert {name for name in names if name.endswith(".py")} == {"ashare_plugin.py", "their_plugin.py"}


def test_without_the_pool_a_run_fails_at_once_and_says_so(site: Site) -> None:
    copy("include", site.package / "include")
    site.stop(DAG_PROCESSOR)
    site.start(API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER)
    site.until(site.is_healthy)
    site.until(lambda: not site.rows("SELECT 1 FROM import_error") and site.dag())
    ended = site.ended(site.trigger("2025-09-25"))
    assert ended["state"] == "failed"
    assert ended["note"].startswith("The pool 'baostock' does not exist, so this run's tasks would never start.")
    assert '`airflow pools set baostock 8 ""`, then clear this run' in ended["note"]


def test_without_the_connection_a_task_says_what_to_set(site: Site) -> None:
    site.api("POST", "/api/v2/pools", {"name": "baostock", "slots": 8})
    ((run_id,),) = site.rows("SELECT run_id FROM dag_run WHERE partition_key = '2025-09-25'")
    run = f"{RUNS}/{quote(run_id)}"
    site.clear(run)
    assert site.ended(run)["state"] == "failed"
    said = site.log_of(run, "wait_for_trading_day")
    assert (
        "The Airflow connection 'ashare_postgres' is not set, or not readable: set AIRFLOW_CONN_ASHARE_POSTGRES"
        in said
    )
    tries = "SELECT task_id, try_number FROM task_instance WHERE state = 'failed' ORDER BY 1"
    assert site.rows(tries) == [
        ("record_status", 1),
        ("wait_for_trading_day", 1),
    ]  # tried again, it is not there either


def test_without_migrate_the_first_task_makes_the_tables(site: Site) -> None:
    site.set_store("POST", "", "site_bars")
    ((run_id,),) = site.rows("SELECT run_id FROM dag_run WHERE partition_key = '2025-09-25'")
    run = f"{RUNS}/{quote(run_id)}"
    site.clear(run)
    ended = site.ended(run)
    assert (ended["state"], ended["note"]) == ("success", None)  # no longer what was said of the pool
    assert site.rows(COMPLETE, database="site_bars") == [("2025-09-25", "success", True)]


# As the README tells it


COMPLETE = "SELECT trade_date::text, status, expected = loaded AND loaded > 300 FROM ashare.sync_status ORDER BY 1"


def test_one_command_makes_schema_and_pool(site: Site) -> None:
    site.api("DELETE", "/api/v2/pools/baostock")
    site.set_store("PATCH", "/ashare_postgres", "site_more_bars")
    made = site.run("python", "-m", "ashare_airflow", "migrate", check=True)
    schema, pool = made.stdout.splitlines()
    assert schema.startswith("The schema ashare in site_more_bars at ")
    assert ": 0001_tables.sql, " in schema
    assert pool == "The pool baostock is made, with 8 slots."


def test_a_trade_date_arrives(site: Site) -> None:
    done = site.run("airflow", "dags", "backfill", "-s", "2025-09-24", "ashare_daily", check=True)
    assert "1 trade dates: 1 success." in done.stdout
    assert site.rows(COMPLETE, database="site_more_bars") == [("2025-09-24", "success", True)]
    assert site.dag() == ("ashare", None, ["ashare", "baostock"])


def test_what_was_there_still_is(site: Site) -> None:
    plugins = site.api("GET", "/api/v2/plugins")["plugins"]
    assert {plugin["name"] for plugin in plugins} >= {"ashare", "theirs"}
    run = site.api("POST", f"{DAGS}/theirs/dagRuns", {"logical_date": None})
    assert site.ended(f"{DAGS}/theirs/dagRuns/{quote(run['dag_run_id'])}")["state"] == "success"
    assert site.dag("theirs") == ("dags-folder", None, [])


# From a Git repository


@pytest.fixture(scope="module")
def checkout(site: Site, own_directory: Path) -> Path:
    """Somebody's checkout of the repository that the bundle follows."""
    assert shutil.which("git"), "a Git DAG bundle needs the program git: apt-get install git"
    folder = own_directory / "site" / "checkout"
    folder.mkdir()
    for name in ("dags", "plugins", "include"):
        copy(name, folder / name)
    # What the repository holds beside the DAG files is not what runs.
    for module in ("include/ashare/__init__.py", "plugins/ashare_airflow/defaults.py"):
        (folder / module).write_text("raise RuntimeError('read from the bundle')\n")
    site.git("init", "--quiet", "--bare", "--initial-branch=main", str(site.repository), folder=folder)
    site.git("init", "--quiet", "--initial-branch=main", folder=folder)
    commit(site, folder)
    return folder


def commit(site: Site, folder: Path) -> str:
    """Commit all, push it; the commit's hash."""
    site.git("add", "--all", folder=folder)
    site.git("commit", "--quiet", "--message", "A change", folder=folder)
    site.git("push", "--quiet", str(site.repository), "main", folder=folder)
    return site.git("rev-parse", "HEAD", folder=folder)


def test_the_dag_files_of_a_commit_run_on_the_code_that_is_installed(site: Site, checkout: Path) -> None:
    version = site.git("rev-parse", "HEAD", folder=checkout)
    shutil.rmtree(site.package / "dags")
    site.stop(SCHEDULER, DAG_PROCESSOR)
    site.set_bundle(GIT, repo_url=str(site.repository), tracking_ref="main", subdir="dags", refresh_interval=1)
    site.start(SCHEDULER, DAG_PROCESSOR)
    site.until(lambda: site.dag() == ("ashare", version, ["ashare", "baostock"]))
    run = site.trigger("2025-09-23")
    ended = site.ended(run)
    assert (ended["state"], ended["bundle_version"]) == ("success", version)
    assert f"/bundles/ashare/versions/{version}/dags/ashare_daily.py" in site.log_of(run, "record_status")
    assert site.rows(COMPLETE, database="site_more_bars")[0] == ("2025-09-23", "success", True)


def test_a_pushed_commit_is_picked_up(site: Site, checkout: Path) -> None:
    file = checkout / "dags" / "ashare_daily.py"
    file.write_text(file.read_text().replace('tags=["ashare", ', 'tags=["ashare", "pushed", '))
    version = commit(site, checkout)
    site.until(lambda: site.dag() == ("ashare", version, ["ashare", "baostock", "pushed"]))
