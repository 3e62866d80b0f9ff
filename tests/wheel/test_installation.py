"""The README's three steps into an Airflow of somebody else, and out of it again; the library without Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import quote

import pytest

from ashare import __version__
from ashare.store import Store
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local.components import API_SERVER, DAG_PROCESSOR, SCHEDULER, TRIGGERER
from ashare_local.postgres import EmbeddedPostgres
from ashare_local.stack_connections import baostock_json
from tests.conftest import PROJECT, Database
from tests.deployed import pinned
from tests.site import BUNDLES, COMPLETE, DAGS, Site

UV = Path(sys.executable).parent / "uv"
PACKAGES = {
    "ashare": "include/ashare",
    "ashare_emulator": "include/ashare_emulator",
    "ashare_airflow": "plugins/ashare_airflow",
}
EVERYTHING = (API_SERVER, SCHEDULER, DAG_PROCESSOR, TRIGGERER)

pytestmark = pytest.mark.timeout(600)


def uv(*arguments: str) -> None:
    done = subprocess.run(
        [str(UV), *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr


def install(python: Path, *requirements: str, wheels: Path) -> None:
    """As pip does, from the pinned set and this wheel."""
    where = ("--python", str(python), "--find-links", str(wheels), "-c", "constraints.txt")
    uv("pip", "install", "--quiet", *where, *requirements)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ashare-wheel-") as made:
        folder = Path(made)
        folder.chmod(0o755)  # PostgreSQL runs under an account of its own where the tests are run by root
        yield folder


@pytest.fixture(scope="module")
def wheels(directory: Path) -> Path:
    """A directory that holds the wheel of this checkout."""
    uv("build", "--quiet", "--wheel", "--out-dir", str(directory / "dist"), ".")
    return directory / "dist"


def tracked(folder: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", folder], cwd=PROJECT, capture_output=True, text=True, check=True)
    return {Path(line).relative_to(folder).as_posix() for line in listed.stdout.splitlines()}


def test_the_wheel_holds_the_packages_and_the_dag_files_and_nothing_else(wheels: Path) -> None:
    (wheel,) = wheels.glob("*.whl")
    assert wheel.name == f"ashare_sync-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if not name.startswith("ashare_sync-")}
    expected = {f"{package}/{file}" for package, folder in PACKAGES.items() for file in tracked(folder)}
    expected |= {f"ashare_airflow/dags/{file}" for file in tracked("dags")}
    assert found == expected
    for package in PACKAGES:
        assert f"{package}/py.typed" in found


# ---------------------------------------------------------------------- the library without Airflow

READ = """
import sys
from ashare.read import load_bars, universe
bars = load_bars(["sh.600000"], "2026-03-02", "2026-03-06")
print(len(bars), float(bars["close"].iloc[-1]))
print(sorted(name for name in sys.modules if name.partition(".")[0] in ("airflow", "ashare_airflow")))
"""


def test_the_library_alone_reads_bars_and_has_its_command(
    wheels: Path, directory: Path, postgres: EmbeddedPostgres, database: Database
) -> None:
    uv("venv", "--quiet", "--python", sys.executable, str(directory / "library"))
    programs = directory / "library" / "bin"
    install(programs / "python", "ashare-sync", wheels=wheels)
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
def site(directory: Path, wheels: Path) -> Iterator[Site]:
    """A plain Airflow of its own virtual environment, with a DAG and a plugin of its owner; stopped."""
    uv("venv", "--quiet", "--python", sys.executable, str(directory / "venv"))
    programs = directory / "venv" / "bin"
    install(
        programs / "python",
        f"apache-airflow[postgres]=={pinned('apache-airflow')}",
        wheels=wheels,
    )
    market = GeneratedMarket(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=300)
    with (
        EmbeddedPostgres(directory / "postgres", databases=(), durable=False).start() as server,
        Emulator(market) as source,
    ):
        made = Site(directory / "site", server, ["bars"], programs)
        made.env["AIRFLOW_CONN_BAOSTOCK"] = baostock_json("127.0.0.1", source.port)
        made.env["AIRFLOW_CONN_ASHARE_POSTGRES"] = server.connection_json("bars")
        try:
            yield made
        finally:
            made.stop_all()


def line_of_the_readme() -> str:
    """The one line of configuration, as the README has it."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    start = text.index(f"export {BUNDLES}='") + len(f"export {BUNDLES}='")
    return text[start : text.index("'", start)]


def runs_their_dag(site: Site) -> str:
    run = site.api("POST", f"{DAGS}/theirs/dagRuns", {"logical_date": None})
    return str(site.ended(f"{DAGS}/theirs/dagRuns/{quote(run['dag_run_id'])}")["state"])


def test_three_steps_give_a_trade_date(site: Site, wheels: Path) -> None:
    install(site.programs / "python", "ashare-sync[airflow]", wheels=wheels)
    site.env[BUNDLES] = line_of_the_readme()
    assert [bundle["name"] for bundle in json.loads(site.env[BUNDLES])] == ["dags-folder", "ashare"]
    site.start(*EVERYTHING)
    site.until(site.is_healthy)
    site.until(lambda: site.dag() and site.dag("ashare_history") and site.dag("theirs"))
    done = site.run("airflow", "dags", "backfill", "-s", "2025-09-24", "-e", "2025-09-24", "ashare_daily")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 trade dates: 1 success." in done.stdout
    assert site.rows(COMPLETE, database="bars") == [("2025-09-24", "success", True)]
    assert site.dag() == ("ashare", None, ["ashare", "baostock"])


def test_airflow_knows_the_package(site: Site) -> None:
    assert {plugin["name"] for plugin in site.api("GET", "/api/v2/plugins")["plugins"]} >= {"ashare", "theirs"}
    providers = site.api("GET", "/api/v2/providers?limit=200")["providers"]
    assert {found["version"] for found in providers if found["package_name"] == "ashare-sync"} == {__version__}
    overview = site.api("GET", "/ashare/api/v1/sync-status/overview")
    assert overview["data"]["newest_complete"]["date"] == "2025-09-24"
    assert site.rows("SELECT slots FROM slot_pool WHERE pool = 'baostock'") == [(8,)]
    listed = site.run("airflow", "dags", "--help")
    assert listed.stdout.count("backfill ") == 1
    doctor = site.run("ashare", "doctor")
    assert "ok    pool         baostock: 0 of 8 slots taken." in doctor.stdout, doctor.stdout + doctor.stderr


def test_their_dag_runs_beside_ours(site: Site) -> None:
    assert runs_their_dag(site) == "success"
    assert site.rows("SELECT filename FROM import_error") == []


def test_after_an_uninstallation_airflow_goes_on_without_a_trace(site: Site) -> None:
    site.stop(*EVERYTHING)
    uv("pip", "uninstall", "--quiet", "--python", str(site.programs / "python"), "ashare-sync")
    del site.env[BUNDLES]
    site.start(*EVERYTHING)
    site.until(site.is_healthy)
    site.until(lambda: not site.dag() and site.dag("theirs"))
    assert runs_their_dag(site) == "success"
    assert site.rows("SELECT filename FROM import_error") == []
    plugins = site.api("GET", "/api/v2/plugins")
    assert "ashare" not in {plugin["name"] for plugin in plugins["plugins"]}
    assert "ashare-sync" not in json.dumps(site.api("GET", "/api/v2/providers?limit=200"))
    assert "backfill " not in site.run("airflow", "dags", "--help").stdout
    logs = [(site.home / f"{name}.log").read_text(errors="replace") for name in (SCHEDULER, DAG_PROCESSOR)]
    assert all("Traceback" not in text for text in logs), os.linesep.join(logs)[-3000:]
    # The bars stay.
    assert site.rows(COMPLETE, database="bars") == [("2025-09-24", "success", True)]
