"""The three steps of docs/install.md into an Airflow of somebody else, and back; the library without Airflow.

The commands are the document's own. The tests of the Airflow build on each other, in the order they stand.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from urllib.parse import quote

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from ashare import __version__
from ashare.store import Store
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local import PROJECT
from ashare_local.components import API_SERVER, DAG_PROCESSOR, SCHEDULER
from ashare_local.postgres import EmbeddedPostgres
from ashare_local.stack_connections import baostock_json
from tests.conftest import Database
from tests.deployed import pinned
from tests.site import BUNDLES, COMPLETE, DAGS, Site
from tests.wheel.building import build, install, make_venv, uv

PACKAGES = {
    "ashare": "include/ashare",
    "ashare_emulator": "include/ashare_emulator",
    "ashare_airflow": "plugins/ashare_airflow",
}
BARS = "wheel_bars"
EVERYTHING = (API_SERVER, SCHEDULER, DAG_PROCESSOR)


def commands_of_the_document() -> list[list[str]]:
    """Of its section about an Airflow that exists, the lines of each block of commands: three steps, the way out."""
    text = (PROJECT / "docs" / "install.md").read_text(encoding="utf-8")
    section = text[text.index("\n## Into an Airflow that exists\n") :].split("\n## ", 2)[1]
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)
    return [re.split(r"\n(?! )", dedent(block).strip()) for block in blocks]


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wheel-") as made:
        folder = Path(made)
        folder.chmod(0o755)  # PostgreSQL runs under an account of its own where the tests are run by root
        yield folder


@pytest.fixture(scope="module")
def dist(directory: Path) -> Path:
    """A directory that holds the wheel of this checkout."""
    return build(directory / "dist")


def tracked(folder: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", folder], cwd=PROJECT, capture_output=True, text=True, check=True)
    return {Path(line).relative_to(folder).as_posix() for line in listed.stdout.splitlines()}


def test_the_wheel_holds_the_packages_and_the_dag_files_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    assert wheel.name == f"ashare_sync-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if not name.startswith("ashare_sync-")}
    expected = {f"{package}/{file}" for package, folder in PACKAGES.items() for file in tracked(folder)}
    expected |= {f"ashare_airflow/dags/{file}" for file in tracked("dags")}
    assert found == {*expected, "ashare_sync.py"}
    for package in PACKAGES:
        assert f"{package}/py.typed" in found


def test_the_source_distribution_holds_what_a_person_reads(dist: Path) -> None:
    top = f"ashare_sync-{__version__}"
    with tarfile.open(dist / f"{top}.tar.gz") as archive:
        assert {f"{top}/{name}" for name in ("LICENSE", "README.md", "CHANGELOG.md")} <= set(archive.getnames())


# ---------------------------------------------------------------------- the library without Airflow

READ = """
import sys
from ashare.read import load_bars, universe
bars = load_bars(["sh.600000"], "2026-03-02", "2026-03-06")
print(len(bars), float(bars["close"].iloc[-1]))
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("airflow", "ashare_airflow")))
"""


def test_the_library_alone_reads_bars_and_has_its_command(
    dist: Path, directory: Path, postgres: EmbeddedPostgres, database: Database
) -> None:
    programs = make_venv(directory / "library")
    install(programs, "ashare-sync", wheels=dist)
    with Store(database.connect) as store:
        store.migrate()
    database.do(
        "INSERT INTO ashare.security (code, name, kind, ipo_date) VALUES ('sh.600000', 'x', 'stock', '1999-11-10')"
    )
    database.do(
        "INSERT INTO ashare.daily_bar (trade_date, code, close, is_trading) "
        "VALUES ('2026-03-02', 'sh.600000', 9.87, true)"
    )
    env = {"PATH": f"{programs}:/usr/bin:/bin"}
    env["AIRFLOW_CONN_ASHARE_POSTGRES"] = postgres.connection_json(database.name)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=env, cwd=directory, capture_output=True, text=True, timeout=60, check=False
        )

    read = run("python", "-c", READ)
    assert read.returncode == 0, read.stderr
    assert read.stdout.splitlines() == ["1 9.87", "[]"]
    assert run("ashare", "--version").stdout == f"A-share sync {__version__}\n"
    env["AIRFLOW_CONN_ASHARE_ALERTS"] = '{"conn_type": "generic", "password": "json://127.0.0.1"}'
    unsent = run("ashare", "alerts")
    assert (unsent.returncode, unsent.stderr) == (
        2,
        "Alerts are sent by Apprise, which is not installed: pip install 'ashare-sync[alerts]'.\n",
    )
    assert "nothing to do" in run("ashare", "migrate").stdout
    doctor = run("ashare", "doctor")
    assert "ok    package      A-share sync" in doctor.stdout
    assert "Airflow" not in doctor.stdout.splitlines()[0]
    assert "ok    database" in doctor.stdout
    exported = run("ashare", "export", "bars")
    assert exported.returncode == 0, exported.stderr
    assert len(list((directory / "bars").rglob("*.parquet"))) > 0


# ---------------------------------------------------------------------- into an Airflow, and out of it


@pytest.fixture(scope="module")
def connections(postgres: EmbeddedPostgres, market: GeneratedMarket) -> Iterator[dict[str, str]]:
    """The second step's two variables."""
    with Emulator(market) as source:
        yield {
            "AIRFLOW_CONN_BAOSTOCK": baostock_json("127.0.0.1", source.port),
            "AIRFLOW_CONN_ASHARE_POSTGRES": postgres.connection_json(BARS),
        }


@pytest.fixture(scope="module")
def site(directory: Path, dist: Path, postgres: EmbeddedPostgres) -> Iterator[Site]:
    """A plain Airflow of its own virtual environment, with a DAG and a plugin of its owner; stopped."""
    programs = make_venv(directory / "venv")
    install(programs, f"apache-airflow[postgres]=={pinned('apache-airflow')}", wheels=dist)
    made = Site(directory / "site", postgres, [BARS], programs)
    try:
        yield made
    finally:
        made.stop_all()


def runs_their_dag(site: Site) -> str:
    run = site.api("POST", f"{DAGS}/theirs/dagRuns", {"logical_date": None})
    return str(site.ended(f"{DAGS}/theirs/dagRuns/{quote(run['dag_run_id'])}")["state"])


def test_three_steps_give_a_trade_date(site: Site, connections: dict[str, str], dist: Path) -> None:
    (first,), second, (third,), _ = commands_of_the_document()
    program, *arguments = shlex.split(first)
    assert (program, arguments[0], arguments[-1]) == ("pip", "install", "dist")
    install(site.programs, *arguments[1:-2], wheels=dist)
    assert [line.removeprefix("export ").partition("=")[0] for line in second] == list(connections)
    site.env.update(connections)
    name, _, value = shlex.split(third)[1].partition("=")
    assert name == BUNDLES
    site.env[BUNDLES] = value

    site.start(*EVERYTHING)
    site.until(site.is_healthy)
    site.until(lambda: site.dag() and site.dag("ashare_history") and site.dag("theirs"))
    done = site.run("airflow", "dags", "backfill", "-s", "2025-09-24", "-e", "2025-09-24", "ashare_daily")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 trade dates: 1 success." in done.stdout
    assert "creating dag run" not in done.stdout  # Airflow's lines for each run would tear the progress bar
    assert site.rows(COMPLETE, database=BARS) == [("2025-09-24", "success", True)]
    assert site.dag() == ("ashare", None, ["ashare", "baostock"])


def test_airflow_knows_the_package(site: Site) -> None:
    assert {plugin["name"] for plugin in site.api("GET", "/api/v2/plugins")["plugins"]} >= {"ashare", "theirs"}
    providers = site.api("GET", "/api/v2/providers?limit=200")["providers"]
    assert {found["version"] for found in providers if found["package_name"] == "ashare-sync"} == {__version__}
    overview = site.api("GET", "/ashare/api/v1/sync-status/overview")
    assert overview["data"]["newest_complete"]["date"] == "2025-09-24"
    doctor = site.run("ashare", "doctor")
    assert "ok    pool         baostock: 0 of 8 slots taken." in doctor.stdout, doctor.stdout + doctor.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody says which files a process has mapped")
def test_the_scheduler_has_imported_what_tasks_need(site: Site) -> None:
    mapped = {Path(found.path) for found in psutil.Process(site.pid(SCHEDULER)).memory_maps()}
    assert {"pandas", "psycopg_binary"} <= {part for path in mapped for part in path.parts}


def test_their_dag_runs_beside_ours(site: Site) -> None:
    assert runs_their_dag(site) == "success"
    assert site.rows("SELECT filename FROM import_error") == []


LOOK = """
import sys
sys.argv = ["airflow", "dags"]
from airflow.cli import cli_parser
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.plugins_manager import get_fastapi_plugins, get_import_errors, get_plugin_info
DagBundlesManager()
(dags,) = [group for group in cli_parser.airflow_commands if group.name == "dags"]
print([command.name for command in dags.subcommands].count("backfill"), file=sys.stderr)
print([plugin["name"] for plugin in get_plugin_info()].count("ashare"), get_import_errors(), file=sys.stderr)
print([app["name"] for app in get_fastapi_plugins()[0]], file=sys.stderr)
"""


def test_mounted_beside_it_the_folders_change_nothing(site: Site) -> None:
    shutil.copytree(PROJECT / "plugins", site.plugins, dirs_exist_ok=True)
    site.env["AIRFLOW__CORE__LOAD_EXAMPLES"] = "True"
    try:
        seen = site.run("python", "-c", LOOK, check=True)
        assert seen.stderr.splitlines()[-3:] == ["1", "1 {}", "['A-share sync']"], seen.stdout + seen.stderr
        assert "Could not load provider module" not in seen.stdout + seen.stderr
    finally:
        site.env["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
        for name in (".airflowignore", "airflow_local_settings.py", "ashare_plugin.py"):
            (site.plugins / name).unlink()
        shutil.rmtree(site.plugins / "ashare_airflow")


def test_after_an_uninstallation_airflow_goes_on_without_a_trace(site: Site) -> None:
    site.api("PATCH", f"{DAGS}/ashare_daily", {"is_paused": True})
    waiting = site.trigger("2025-09-25")  # without its timetable, the scheduler would end over such a run
    assert site.api("GET", waiting)["state"] == "queued"
    site.stop(*EVERYTHING)
    *deletions, uninstallation = (shlex.split(line, comments=True) for line in commands_of_the_document()[-1])
    for command in deletions:
        site.run(*command, check=True)
    assert uninstallation == ["pip", "uninstall", "ashare-sync"]
    uv("pip", "uninstall", "--quiet", "--python", str(site.programs / "python"), "ashare-sync")
    del site.env[BUNDLES]

    site.start(*EVERYTHING)
    site.until(site.is_healthy)
    site.until(lambda: site.dag("theirs"))
    assert runs_their_dag(site) == "success"
    assert site.rows("SELECT dag_id FROM dag") == [("theirs",)]
    assert site.rows("SELECT pool FROM slot_pool") == [("default_pool",)]
    assert site.rows("SELECT filename FROM import_error") == []
    known = json.dumps([site.api("GET", f"/api/v2/{kind}?limit=200") for kind in ("plugins", "providers", "dags")])
    assert "theirs" in known
    assert "ashare" not in known
    for name in (SCHEDULER, DAG_PROCESSOR):
        text = (site.home / f"{name}.log").read_text(errors="replace")
        assert "Traceback" not in text, text[-3000:]
    assert site.rows(COMPLETE, database=BARS) == [("2025-09-24", "success", True)]  # the bars stay
