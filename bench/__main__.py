"""`make bench`, or `python -m bench`: how long the page's and the adjusted views' readings take at full size.

Makes a database of 33 years of 5,000 stocks in a temporary directory, deleted at the end, reads it as the page's
routes and as people do, and prints the times beside those of the last time; then loads a history from the emulator.
All of it is kept in ``bench/results/latest.json``. Exit code 0 however slow they are, 1 when it could not be done,
130 after Ctrl-C.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import psycopg
from psycopg import sql

from bench import history, market, page, views
from include.ashare.errors import AshareError
from include.local.postgres import EmbeddedPostgres, PostgresError
from include.local.terminal import Phases, Stopped, console, errors, print_columns, shown, stop_signals

RESULTS = Path(__file__).parent / "results" / "latest.json"
NEEDED_GB = 14
TABLES = (
    "trade_calendar security daily_bar adjust_factor sync_status sync_batch bar_revision rejected_bar absent_bar "
    "source_request cross_check history_batch factor_history"
).split()


def main() -> int:
    """Run the benchmark; the exit code."""
    directory = Path(tempfile.mkdtemp(prefix="ashare-bench-"))
    try:
        with stop_signals():
            free = shutil.disk_usage(directory).free / 1e9
            if free < NEEDED_GB:
                place = directory.parent
                errors.print(f"{NEEDED_GB} GB are needed in {place}, and {free:.0f} are free.", markup=False)
                return 1
            directory.chmod(0o755)  # PostgreSQL's account has to pass, where we are root
            _run(directory)
    except Stopped:
        errors.print("The benchmark was interrupted; nothing is left running.")
        return 130
    except (PostgresError, AshareError, psycopg.Error) as error:
        errors.print(f"{error}", markup=False)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _run(directory: Path) -> None:
    phases = Phases()
    phases.begin("PostgreSQL")
    with EmbeddedPostgres(directory / "postgres", databases=("ashare",), durable=False) as server:

        def connect() -> psycopg.Connection[Any]:
            return psycopg.connect(host=str(server.socket_dir), user="postgres", dbname="ashare")

        market.fill(connect, phases.begin, workers=min(os.cpu_count() or 1, 4))
        phases.begin("measurement")
        results = [*page.measure(connect), *views.measure(connect)]
        phases.begin("count, stop")
        with connect() as connection:
            rows = {table: _count(connection, table) for table in TABLES}
            version = connection.info.parameter_status("server_version") or ""
    phases.begin("a history against the emulator")
    years = history.measure(directory)
    phases.end()
    before = _medians_before()
    _show(results, before)
    _show_history(years)
    _keep(results, years, rows, version.split()[0])
    console.print(f"\nDone in {phases.seconds:.0f} seconds; written to {shown(RESULTS)}.")


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM ashare.{}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0


def _medians_before() -> dict[str, float]:
    """Median milliseconds of the last time, by name."""
    try:
        return {result["name"]: result["median_ms"] for result in json.loads(RESULTS.read_text())["results"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _show(results: Sequence[page.Result], before: Mapping[str, float]) -> None:
    names = ("read", "median ms", "max ms", "target ms", "before ms", "")
    lines = [(r.name, r.median_ms, r.max_ms, r.target_ms, before.get(r.name), r.verdict) for r in results]
    print_columns(f"The page, then the views, at {market.FIRST} to {market.LAST}", names, lines, left=("read", ""))


def _show_history(took: history.Result) -> None:
    names = ("bars", "requests", "fewest", "fetch s", "record s", "peak MB", "")
    line = (
        took.bars,
        took.requests,
        took.fewest,
        took.fetch_seconds,
        took.record_seconds,
        took.peak_mb,
        took.verdict,
    )
    print_columns(
        f"A history of {took.years} years, {took.securities} securities, by code", names, [line], left=("",)
    )


def _keep(results: Sequence[page.Result], took: history.Result, rows: Mapping[str, int], postgres: str) -> None:
    machine = {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": platform.python_version(),
        "postgres": postgres,
    }
    found = {
        "machine": machine,
        "commit": _commit(),
        "date": str(datetime.now(timezone.utc).date()),
        "rows": rows,
        "results": [asdict(result) for result in results],
        "history": asdict(took),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


def _commit() -> str | None:
    """The checkout's commit; ``None`` outside of one."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.check_output(
            command, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL, text=True
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    sys.exit(main())
