"""The way without pip: the folders are mounted into an Airflow of somebody else, one after the other.

These tests build on each other, in the order they stand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local import PROJECT
from ashare_local.components import API_SERVER, DAG_PROCESSOR, SCHEDULER, TRIGGERER
from ashare_local.postgres import EmbeddedPostgres
from ashare_local.stack_connections import baostock_json
from tests.site import COMPLETE, LOCAL, RUNS, Site

GIT = "airflow.providers.git.bundles.git.GitDagBundle"


def mount(name: str, to: Path) -> None:
    """``cp -r``"""
    shutil.copytree(PROJECT / name, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture(scope="module")
def folders(own_directory: Path) -> Path:
    """Where `include` and `dags` will be."""
    made = own_directory / "ashare"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def site(own_directory: Path, folders: Path, postgres: EmbeddedPostgres, market: GeneratedMarket) -> Iterator[Site]:
    with Emulator(market) as source:
        variables = {
            "PYTHONPATH": os.pathsep.join([str(folders / "include"), str(own_directory / "site/airflow/plugins")]),
            "AIRFLOW_CONN_BAOSTOCK": baostock_json("127.0.0.1", source.port),
        }
        made = Site(own_directory / "site", postgres, ["site_bars"], variables=variables)
        made.set_bundle(LOCAL, path=str(folders / "dags"))
        try:
            yield made
        finally:
            made.stop_all()


def run_of_the_day(site: Site, day: str) -> str:
    ((run_id,),) = site.rows("SELECT run_id FROM dag_run WHERE partition_key = %s", day)
    return f"{RUNS}/{quote(run_id)}"


def test_dag_files_alone_name_what_is_missing(site: Site, folders: Path) -> None:
    mount("dags", folders / "dags")
    site.start(DAG_PROCESSOR, AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL="1")
    site.until(lambda: site.dag("theirs") and site.rows("SELECT 1 FROM import_error OFFSET 3"))
    listed = site.run("airflow", "dags", "list-import-errors", "--output", "plain")
    assert listed.returncode == 1
    # What a DAG file imports first: the package or, in a file without a pool, the plugins.
    assert listed.stdout.count("ModuleNotFoundError: No module named 'ashare") == 4, listed.stdout


def test_plugins_without_include_name_it(site: Site) -> None:
    mount("plugins", site.plugins)
    errors = "SELECT filename FROM import_error WHERE stacktrace LIKE %s ORDER BY 1"
    found = site.until(lambda: len(rows := site.rows(errors, "%No module named 'ashare'%")) == 4 and rows)
    assert found == [("ashare_daily.py",), ("ashare_export.py",), ("ashare_history.py",), ("ashare_reference.py",)]
    site.stop(DAG_PROCESSOR)


def test_one_module_of_the_package_is_run_as_a_plugin_and_none_of_theirs_is_hidden(site: Site) -> None:
    look = (
        "import sys; from airflow._shared.module_loading import find_path_from_directory; "
        "print(*find_path_from_directory(*sys.argv[1:]))"
    )
    found = site.run("python", "-c", look, str(site.plugins), ".airflowignore", "glob", check=True).stdout.split()
    names = {Path(path).name for path in found}
    assert {name for name in names if name.endswith(".py")} == {"ashare_plugin.py", "their_plugin.py"}


def test_without_the_connection_a_task_says_what_to_set(site: Site, folders: Path) -> None:
    mount("include", folders / "include")
    site.start(API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER)
    site.until(site.is_healthy)
    site.until(lambda: not site.rows("SELECT 1 FROM import_error") and site.dag())
    assert site.rows("SELECT slots FROM slot_pool WHERE pool = 'baostock'") == [(8,)]  # the scheduler has made it
    run = site.trigger("2025-09-25")
    assert site.ended(run)["state"] == "failed"
    text = site.log_of(run, "wait_for_trading_day")
    assert (
        "The Airflow connection 'ashare_postgres' is not set, or not readable: set AIRFLOW_CONN_ASHARE_POSTG" in text
    )
    tries = "SELECT task_id, try_number FROM task_instance WHERE state = 'failed' ORDER BY 1"
    assert site.rows(tries) == [("record_status", 1), ("wait_for_trading_day", 1)]  # a retry would not find it either


def test_without_the_pool_a_run_fails_at_once_and_says_so(site: Site) -> None:
    site.api("DELETE", "/api/v2/pools/baostock")
    run = run_of_the_day(site, "2025-09-25")
    site.clear(run)
    ended = site.ended(run)
    assert ended["state"] == "failed"
    assert ended["note"].startswith("The pool 'baostock' does not exist, so this run's tasks would never start.")
    assert '`airflow pools set baostock 8 ""`, then clear this run' in ended["note"]


def test_one_command_makes_schema_and_pool_and_the_date_arrives(site: Site) -> None:
    site.set_store("POST", "", "site_bars")
    made = site.run("python", "-m", "ashare_airflow", "migrate", check=True)
    schema, pool = made.stdout.splitlines()
    assert schema.startswith("The schema ashare in site_bars at ")
    assert ": 0001_tables.sql, " in schema
    assert pool == "The pool baostock is made, with 8 slots."
    run = run_of_the_day(site, "2025-09-25")
    site.clear(run)
    ended = site.ended(run)
    assert (ended["state"], ended["note"]) == ("success", None)  # no longer what was said of the pool
    assert site.rows(COMPLETE, database="site_bars") == [("2025-09-25", "success", True)]


# ---------------------------------------------------------------------- the DAG files from a Git repository


def git(site: Site, *command: str, folder: Path) -> str:
    names = {f"GIT_{role}_{what}": "somebody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = site.env | names | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(folder), *command], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_dag_files_of_a_commit_run_on_the_code_that_is_mounted(
    site: Site, folders: Path, own_directory: Path
) -> None:
    assert shutil.which("git"), "a Git DAG bundle needs the program git: apt-get install git"
    repository, checkout = own_directory / "ashare.git", own_directory / "checkout"
    checkout.mkdir()
    for name in ("dags", "plugins", "include"):
        mount(name, checkout / name)
    # What the repository holds beside the DAG files is not what runs.
    for module in ("include/ashare/__init__.py", "plugins/ashare_airflow/defaults.py"):
        (checkout / module).write_text("raise RuntimeError('read from the bundle')\n")
    git(site, "init", "--quiet", "--bare", "--initial-branch=main", str(repository), folder=checkout)
    git(site, "init", "--quiet", "--initial-branch=main", folder=checkout)
    git(site, "add", "--all", folder=checkout)
    git(site, "commit", "--quiet", "--message", "A change", folder=checkout)
    git(site, "push", "--quiet", str(repository), "main", folder=checkout)
    version = git(site, "rev-parse", "HEAD", folder=checkout)
    shutil.rmtree(folders / "dags")
    site.stop(SCHEDULER, DAG_PROCESSOR)
    site.set_bundle(GIT, repo_url=str(repository), tracking_ref="main", subdir="dags", refresh_interval=1)
    site.start(SCHEDULER, DAG_PROCESSOR)
    site.until(lambda: site.dag() == ("ashare", version, ["ashare", "baostock"]))
    run = site.trigger("2025-09-23")
    ended = site.ended(run)
    assert (ended["state"], ended["bundle_version"]) == ("success", version)
    assert f"/bundles/ashare/versions/{version}/dags/ashare_daily.py" in site.log_of(run, "record_status")
