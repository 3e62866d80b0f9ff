"""`make bench`, or `python -m bench PART ...`: measure the package's speed beside yardsticks.

Measures against the emulator and the embedded PostgreSQL, in temporary directories that are deleted at the end.
Prints the figures beside the last kept values. A run of all parts with the default years is kept in
``bench/results/latest.json``. Exit code: 0 whatever the figures are, 1 if they could not be measured, 130 after
Ctrl-C.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from ashare.errors import AshareError
from ashare_local.postgres import EmbeddedPostgres, PostgresError
from ashare_local.terminal import Phases, Stopped, console, errors, shown, stop_signals
from bench import growth, loading, migration, pipeline
from bench.figures import RESULTS, Figure, keep, show, values_before
from bench.running import NotRunning

PARTS: dict[str, Callable[[Path, Callable[[str], None]], Sequence[Figure]]] = {
    "pipeline": pipeline.measure,
    "loading": loading.measure,
    "growth": growth.measure,
}
BY_NAME: dict[str, Callable[[Path, Callable[[str], None]], Sequence[Figure]]] = {"migration": migration.measure}
"""Measured only if named: the figures of a release's migrations are not kept."""


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast all of it is.")
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)} (default: all of these), {', '.join(BY_NAME)}")
    parser.add_argument(
        "--years",
        type=int,
        nargs="+",
        metavar="N",
        help="of growth: how many years are loaded, with which the page is read",
    )
    given = parser.parse_args()
    if unknown := set(given.part) - set(PARTS | BY_NAME):
        parser.error(f"there is no part {min(unknown)!r}: choose of {', '.join(PARTS | BY_NAME)}")
    chosen = [name for name in PARTS | BY_NAME if name in (given.part or PARTS)]
    years = tuple(given.years or growth.YEARS)
    directory = Path(tempfile.mkdtemp(prefix="ashare-bench-"))
    try:
        with stop_signals():
            if "growth" in chosen and not _has_room(directory, max(years)):
                return 1
            directory.chmod(0o755)  # if this process is root, PostgreSQL's account has to enter
            _run(directory, chosen, years)
    except Stopped:
        errors.print("The benchmark was interrupted; nothing is left running.")
        return 130
    except (PostgresError, AshareError, NotRunning, psycopg.Error) as error:
        errors.print(f"{error}", markup=False)
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _has_room(directory: Path, years: int) -> bool:
    free, needed = shutil.disk_usage(directory).free / 1e9, 2 + growth.A_YEAR_GB * years
    if free < needed:
        errors.print(f"{needed:.0f} GB are needed in {directory.parent}, and {free:.0f} are free.", markup=False)
    return free >= needed


def _run(directory: Path, chosen: Sequence[str], years: Sequence[int]) -> None:
    phases = Phases()
    figures: list[Figure] = []
    parts = PARTS | BY_NAME | {"growth": functools.partial(growth.measure, years=years)}
    for name in chosen:
        figures += parts[name](directory, phases.begin)
    phases.end()
    show(figures, values_before())
    missed = [figure for figure in figures if figure.verdict == "missed"]
    console.print(f"\n{len(missed)} targets are missed; docs/performance.md says why." if missed else "")
    if chosen == list(PARTS) and tuple(years) == growth.YEARS:
        keep(figures, _postgres_version(directory), phases.seconds)
        console.print(f"Done in {phases.seconds:.0f} seconds; written to {shown(RESULTS)}.")
    else:
        console.print(f"Done in {phases.seconds:.0f} seconds; a part alone is not kept.")


def _postgres_version(directory: Path) -> str:
    with EmbeddedPostgres(directory / "version", durable=False) as server, server.connect("postgres") as connection:
        return (connection.info.parameter_status("server_version") or "").split()[0]


if __name__ == "__main__":
    sys.exit(main())
