"""Loading whole-market days, beside psql with the same rows and tables: `\\copy`, and SQL for changed rows."""

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
from string import Template
from typing import Any, ClassVar

import psycopg

from ashare.checks import check_bars
from ashare.datasets import BAR_COLUMNS
from ashare.source import Table
from ashare.store import Store
from ashare.store.bar_merge import merge
from ashare.store.bar_statements import statement
from ashare.store.queries import queries
from ashare.store.rows import BatchRows
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS, Row
from ashare_local.postgres import EmbeddedPostgres, bin_dir
from bench import ledger
from bench.figures import Figure

PART = "Loading"
START, END = date(2025, 1, 1), date(2025, 3, 31)
DAYS = 10
ROUNDS = 5
RATIOS = {"new": 0.5, "unchanged": 0.35}
"""Targets: rows/s of the package, of those of `psql \\copy`."""
CHANGED_RATIO = 0.8
"""Target: rows/s of changed rows, of those of ``BY_HAND``."""

Market = dict[date, list[Row]]

NAMES_OF_COLUMNS = tuple(BAR_COLUMNS.values())
LISTED = ", ".join(NAMES_OF_COLUMNS)


def _each(template: str, separator: str = ", ") -> str:
    """The template once for each column."""
    return separator.join(template.replace("$c", name) for name in NAMES_OF_COLUMNS)


CHANGED = "CASE WHEN o.$c IS DISTINCT FROM n.$c THEN '\"$c\": ' || coalesce(to_json($row.$c)::text, 'null') END"
BY_HAND = Template(r"""BEGIN;
CREATE TEMPORARY TABLE staged ON COMMIT DROP AS SELECT trade_date, code, $listed FROM ashare.daily_bar WITH NO DATA;
\copy staged FROM '%s'
ANALYZE staged;
INSERT INTO ashare.bar_revision (trade_date, code, old, new)
SELECT trade_date, code, ('{' || concat_ws(', ', $old) || '}')::jsonb, ('{' || concat_ws(', ', $new) || '}')::jsonb
FROM staged n JOIN ashare.daily_bar o USING (trade_date, code) WHERE ($olds) IS DISTINCT FROM ($news);
UPDATE ashare.daily_bar o SET $assigned, loaded_at = now()
FROM staged n
WHERE n.trade_date = o.trade_date AND n.code = o.code AND ($olds) IS DISTINCT FROM ($news);
COMMIT;
""").substitute(
    listed=LISTED,
    old=_each(CHANGED.replace("$row", "o")),
    new=_each(CHANGED.replace("$row", "n")),
    olds=_each("o.$c"),
    news=_each("n.$c"),
    assigned=_each("$c = n.$c"),
)
"""Changed rows of one day by psql, with the revisions as the package writes them."""

REVISIONS = """SELECT count(*), md5(string_agg(concat(trade_date, code, old, new), ',' ORDER BY trade_date, code))
FROM ashare.bar_revision"""

PLACES = (None, "of_date", "of_code")
FILLED = (
    "copy",
    "some",
    "merge",
    "no_longer_absent",
    "no_longer_rejected",
    "no_longer_blanked",
    "no_longer_accepted",
)
NAMES: dict[str | bytes, str] = {text: name for name, text in (queries("database") | queries("bars")).items()} | {
    statement(name, place): name for name in FILLED for place in PLACES if place or name != "some"
}
"""Names of the statements that load bars, by their text."""


class TimedCursor(psycopg.Cursor[Any]):
    """Adds up the seconds of each executed statement. COPY does not use ``execute`` and is not included."""

    seconds: ClassVar[defaultdict[str, float]] = defaultdict(float)

    def execute(self, query: Any, *arguments: Any, **named: Any) -> TimedCursor:
        """Like psycopg's ``execute``."""
        began = time.perf_counter()
        super().execute(query, *arguments, **named)
        TimedCursor.seconds[NAMES.get(query, "")] += time.perf_counter() - began
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
    changed = _changed({day: market[day] for day in new})
    files, changed_files = _write(directory, "sent", market), _write(directory, "changed", changed)
    took: dict[str, list[Took]] = {}
    begin(f"{ROUNDS} x {rows} rows, new, unchanged, changed, and by psql")
    with EmbeddedPostgres(directory / "loading", databases=("ashare", *ledger.DATABASES)) as server:

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
                took.setdefault("by hand", []).append(_by_hand(server, changed_files, new))
                revisions = _revisions(store)
                _begin_anew(store, server, files, held)
                took.setdefault("new", []).append(_by_us(store, market, new))
                took.setdefault("unchanged", []).append(_by_us(store, market, new))
                took.setdefault("changed", []).append(_by_us(store, changed, new))
                assert _revisions(store) == revisions, "The package and the SQL by hand do not do the same."
                assert revisions[0] == rows
        begin(f"entries of the ledger, of which {ledger.REQUESTS} are there")
        entry = ledger.measure(server)
    return [*_figures(rows, took), entry]


def _figures(rows: int, took: dict[str, list[Took]]) -> list[Figure]:
    seconds = {name: statistics.median(one.seconds for one in all_) for name, all_ in took.items()}
    figures = [
        Figure(PART, "psql \\copy", round(rows / seconds["psql"]), "rows/s", detail=f"{rows} rows, {DAYS} days")
    ]
    for name in ("new", "unchanged", "changed"):
        figures.append(
            Figure(PART, f"{name} rows", round(rows / seconds[name]), "rows/s", detail=_profile(took[name]))
        )
    for name, target in RATIOS.items():
        ratio = round(seconds["psql"] / seconds[name], 2)
        figures.append(Figure(PART, f"{name} rows: of psql's", ratio, "x", target, at_least=True))
    by_hand, ratio = round(rows / seconds["by hand"]), round(seconds["by hand"] / seconds["changed"], 2)
    figures.append(
        Figure(PART, "changed rows, SQL by hand", by_hand, "rows/s", detail="COPY, INSERT of revisions, UPDATE")
    )
    figures.append(Figure(PART, "changed rows: of SQL by hand", ratio, "x", CHANGED_RATIO, at_least=True))
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


def _revisions(store: Store) -> tuple[int, str]:
    """The number of revisions, and a digest of them."""
    with store.transaction() as connection:
        row = connection.execute(REVISIONS).fetchone()
    assert row is not None
    return row[0], row[1]


def _by_psql(server: EmbeddedPostgres, files: dict[date, Path], days: Sequence[date]) -> Took:
    copy = f"\\copy ashare.daily_bar (trade_date, code, {LISTED}) FROM '%s'\n"
    return _psql(server, "".join(copy % files[day] for day in days))


def _by_hand(server: EmbeddedPostgres, files: dict[date, Path], days: Sequence[date]) -> Took:
    return _psql(server, "".join(BY_HAND % files[day] for day in days))


def _psql(server: EmbeddedPostgres, script: str) -> Took:
    command = [bin_dir() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", server.socket_dir, "-U", "postgres"]
    began = time.perf_counter()
    subprocess.run([*map(str, command), "-d", "ashare"], input=script, text=True, check=True)
    return Took(time.perf_counter() - began, {})


def _write(directory: Path, name: str, market: Market) -> dict[date, Path]:
    """Write each day's rows to a file for COPY."""
    files = {}
    for day, rows in market.items():
        files[day] = directory / f"{name}-{day}.txt"
        files[day].write_text("".join(check_bars(Table(list(COLUMNS), rows), None, day, day, day=day).lines))
    return files


def _changed(market: Market) -> Market:
    """The same market with each amount 0.01 CNY larger, so that every row differs; a blank amount becomes 0."""
    at = COLUMNS.index("amount")

    def change(row: Row) -> Row:
        return [*row[:at], f"{float(row[at] or 0) + 0.01:.4f}" if row[at] else "0.00", *row[at + 1 :]]

    return {day: [change(row) for row in rows] for day, rows in market.items()}
