"""Measures the lake: what a new date takes to write, and a wide frame of the whole market, beside the database's and
DuckDB's.

The lake and DuckDB alternate, and each has the best of its rounds: with other work on the machine, a single time says
little.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ashare.export import export
from ashare.read import load_panel
from bench.figures import Figure
from bench.market import LAST, Connect

if TYPE_CHECKING:
    import pandas as pd

PART = "The lake"
START, END = date(LAST.year - 10, LAST.month, LAST.day), LAST
ROUNDS = 3
BESIDE_SQL, BESIDE_DUCKDB = 20.0, 1.3
"""Targets: at least so many times as fast as the database, at most so many times as long as DuckDB."""

CELLS = """
SELECT trade_date, code, round(close * hfq_factor, 8) AS value
FROM read_parquet('{files}', hive_partitioning = false)
WHERE trade_date BETWEEN DATE '{start}' AND DATE '{end}'
"""
WIDE = "PIVOT ({cells}) ON code USING first(value) GROUP BY trade_date ORDER BY trade_date"


NEW_DATE_SECONDS = 3.0
DATES = 3


def measure(connect: Connect, directory: Path, add_date: Callable[[], object]) -> list[Figure]:
    """Write a lake of the whole database, then a date at a time, and read the hfq closes of ten years.

    :param directory: where the lake is made.
    :param add_date: loads the next trade date.
    """
    return [*_write(connect, directory, add_date), *_read(connect, directory)]


def _write(connect: Connect, directory: Path, add_date: Callable[[], object]) -> list[Figure]:
    with connect() as connection:
        info = connection.info
        conninfo = f"host={info.host} user={info.user} dbname={info.dbname}"

    def write() -> None:
        export(directory, incomplete="ignore", connection=conninfo)

    whole = _seconds(write)
    added = []
    for _ in range(DATES):
        add_date()
        added.append(_seconds(write))
    nothing = _seconds(write)
    size = sum(file.stat().st_size for file in directory.rglob("*.parquet")) / 1e9
    listed = ", ".join(f"{seconds:.1f}" for seconds in added)
    return [
        Figure(PART, "a whole export", round(whole), "s", detail=f"{size:.2f} GB"),
        Figure(PART, "a new date", round(statistics.median(added), 2), "s", NEW_DATE_SECONDS, detail=listed),
        Figure(PART, "nothing new", round(nothing, 2), "s"),
    ]


def _read(connect: Connect, directory: Path) -> list[Figure]:
    by_sql = _seconds(lambda: _by_sql(connect))
    found: dict[str, list[float]] = {"lake": [], "DuckDB, pandas' pivot": [], "DuckDB's PIVOT": []}
    frame = _by_lake(directory)  # the files are in the system's cache for whoever reads next
    for _ in range(ROUNDS):
        found["lake"].append(_seconds(lambda: _by_lake(directory)))
        found["DuckDB, pandas' pivot"].append(_seconds(lambda: _by_duckdb_and_pandas(directory)))
        found["DuckDB's PIVOT"].append(_seconds(lambda: _by_duckdb(directory)))
    best = {name: min(seconds) for name, seconds in found.items()}
    lake = best.pop("lake")
    shape = f"{frame.shape[1]} securities, {frame.shape[0]} sessions, {os.cpu_count()} processors"
    duckdb = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in best.items())
    return [
        Figure(
            *(PART, "close (hfq), 10 years: database / lake", round(by_sql / lake, 1), "x", BESIDE_SQL),
            at_least=True,
            detail=f"{by_sql:.1f} s, {lake:.2f} s: {shape}",
        ),
        Figure(
            *(PART, "close (hfq), 10 years: lake / DuckDB", round(lake / min(best.values()), 2), "x", BESIDE_DUCKDB),
            detail=f"lake {lake:.2f} s, {duckdb}",
        ),
    ]


def _seconds(read: Callable[[], object]) -> float:
    began = time.perf_counter()
    read()
    return time.perf_counter() - began


def _by_sql(connect: Connect) -> pd.DataFrame:
    with connect() as connection:
        return load_panel("close", START, END, adjust="hfq", incomplete="ignore", connection=connection)


def _by_lake(directory: Path) -> pd.DataFrame:
    return load_panel("close", START, END, adjust="hfq", incomplete="ignore", source=directory)


def _cells(directory: Path) -> str:
    return CELLS.format(files=directory / "daily_bar" / "*" / "*.parquet", start=START, end=END)


def _by_duckdb_and_pandas(directory: Path) -> pd.DataFrame:
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.sql(_cells(directory)).df()
    return rows.pivot(index="trade_date", columns="code", values="value")


def _by_duckdb(directory: Path) -> pd.DataFrame:
    import duckdb

    with duckdb.connect() as connection:
        return connection.sql(WIDE.format(cells=_cells(directory))).df().set_index("trade_date")
