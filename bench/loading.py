"""Loading whole-market days: check, COPY and merge, beside `psql \\copy` of the same rows into the same table."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from ashare.checks import check_bars
from ashare.datasets import BAR_COLUMNS
from ashare.source import Table
from ashare.store import Store
from ashare.store.bar_merge import merge, with_columns
from ashare.store.queries import queries
from ashare.store.rows import BatchRows
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS, Row
from ashare_local.postgres import EmbeddedPostgres, bin_dir
from bench.figures import Figure

PART = "Loading"
START, END = date(2025, 1, 1), date(2025, 3, 31)
DAYS = 10
ROUNDS = 5
RATIO = 0.35

Market = dict[date, list[Row]]

NAMES = {text: name for name, text in queries("bars").items()}
"""Names of the merge's statements, by their text."""


def _name(query: Any) -> str:
    """The name of a statement; the merge's own is made from a list of columns, once."""
    return "merge" if query is with_columns("merge") else NAMES.get(query, "") if isinstance(query, str) else ""


class TimedCursor(psycopg.Cursor[Any]):
    """Adds up the seconds of each executed statement. COPY does not use ``execute`` and is not included."""

    seconds: ClassVar[defaultdict[str, float]] = defaultdict(float)

    def execute(self, query: Any, *arguments: Any, **named: Any) -> TimedCursor:
        """Like psycopg's ``execute``."""
        began = time.perf_counter()
        super().execute(query, *arguments, **named)
        TimedCursor.seconds[_name(query)] += time.perf_counter() - began
        return self


@dataclass(frozen=True)
class Took:
    """The seconds of one load, in all and by part."""

    seconds: float
    parts: Mapping[str, float]


def measure(directory: Path, begin: Callable[[str], None]) -> list[Figure]:
    """Load new, unchanged and changed rows, and rows by psql, in turns."""
    begin("rows of whole-market days")
    made = GeneratedMarket(start=START, end=END)
    days = [day for day, is_open in made.trade_dates(START, END) if is_open]
    held, new = days[:DAYS], days[DAYS : 2 * DAYS]
    market = {day: made.bars_on(day, "stock") for day in held + new}
    rows = sum(len(market[day]) for day in new)
    files = _write(directory, market)
    took: dict[str, list[Took]] = {}
    begin(f"{ROUNDS} x {rows} rows, new, unchanged, changed, and by psql")
    with EmbeddedPostgres(directory / "loading", databases=("ashare",)) as server:

        def connect() -> psycopg.Connection[Any]:
            connection = psycopg.connect(host=str(server.socket_dir), user="postgres", dbname="ashare")
            connection.cursor_factory = TimedCursor
            return connection

        with Store(connect) as store:
            store.migrate()
            for _ in range(ROUNDS):
                # psql and the package begin with the same rows in the table.
                _begin_anew(store, server, files, held)
                took.setdefault("psql", []).append(_by_psql(server, files, new))
                _begin_anew(store, server, files, held)
                took.setdefault("new", []).append(_by_us(store, market, new))
                took.setdefault("unchanged", []).append(_by_us(store, market, new))
                took.setdefault("changed", []).append(_by_us(store, _changed(market), new))
                with store.transaction() as connection:
                    row = connection.execute(
                        "SELECT (SELECT count(*) FROM ashare.daily_bar), (SELECT count(*) FROM ashare.bar_revision)"
                    ).fetchone()
                assert row == (sum(map(len, market.values())), rows)
    return _figures(rows, took)


def _figures(rows: int, took: dict[str, list[Took]]) -> list[Figure]:
    seconds = {name: statistics.median(one.seconds for one in all_) for name, all_ in took.items()}
    figures = [
        Figure(PART, "psql \\copy", round(rows / seconds["psql"]), "rows/s", detail=f"{rows} rows, {DAYS} days")
    ]
    for name in ("new", "unchanged", "changed"):
        figures.append(
            Figure(PART, f"{name} rows", round(rows / seconds[name]), "rows/s", detail=_profile(took[name]))
        )
    for name in ("new", "unchanged", "changed"):
        ratio = round(seconds["psql"] / seconds[name], 2)
        figures.append(Figure(PART, f"{name} rows: of psql's", ratio, "x", RATIO, at_least=True))
    return figures


def _profile(took: Sequence[Took]) -> str:
    """The parts' shares of the median load's time."""
    middle = sorted(took, key=lambda one: one.seconds)[len(took) // 2]
    shares = sorted(((part, one / middle.seconds) for part, one in middle.parts.items()), key=lambda share: -share[1])
    return ", ".join(f"{part} {share:.0%}" for part, share in shares if share >= 0.02)


def _begin_anew(store: Store, server: EmbeddedPostgres, files: dict[date, Path], held: Sequence[date]) -> None:
    with store.transaction() as connection:
        connection.execute("TRUNCATE ashare.daily_bar, ashare.bar_revision")
    _by_psql(server, files, held)


def _by_us(store: Store, market: Market, days: Sequence[date]) -> Took:
    parts: defaultdict[str, float] = defaultdict(float)
    TimedCursor.seconds = parts
    began = time.perf_counter()
    for day in days:
        at = time.perf_counter()
        checked = check_bars(Table(list(COLUMNS), market[day]), None, day, day, day=day)
        parts["check"] += time.perf_counter() - at
        at, before = time.perf_counter(), sum(parts.values())
        with store.transaction() as connection:
            merge(connection, BatchRows(StringIO("".join(checked.lines)), len(checked.lines)), "bench")
            done = sum(parts.values()) - before
            parts["COPY"] += time.perf_counter() - at - done
            at = time.perf_counter()
        parts["commit"] += time.perf_counter() - at
    return Took(time.perf_counter() - began, parts)


def _by_psql(server: EmbeddedPostgres, files: dict[date, Path], days: Sequence[date]) -> Took:
    columns = ", ".join(["trade_date", "code", *BAR_COLUMNS.values()])
    script = "".join(f"\\copy ashare.daily_bar ({columns}) FROM '{files[day]}'\n" for day in days)
    command = [bin_dir() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", server.socket_dir, "-U", "postgres"]
    began = time.perf_counter()
    subprocess.run([*map(str, command), "-d", "ashare"], input=script, text=True, check=True)
    return Took(time.perf_counter() - began, {})


def _write(directory: Path, market: Market) -> dict[date, Path]:
    """Write each day's rows to a file for COPY."""
    files = {}
    for day, rows in market.items():
        files[day] = directory / f"{day}.txt"
        files[day].write_text("".join(check_bars(Table(list(COLUMNS), rows), None, day, day, day=day).lines))
    return files


def _changed(market: Market) -> Market:
    """The same market with each amount 0.01 CNY larger, so that every row differs; a blank amount becomes 0."""
    at = COLUMNS.index("amount")

    def change(row: Row) -> Row:
        return [*row[:at], f"{float(row[at] or 0) + 0.01:.4f}" if row[at] else "0.00", *row[at + 1 :]]

    return {day: [change(row) for row in rows] for day, rows in market.items()}
