"""What is exported, and when a file is stale. All stale files are written from one snapshot of the database."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ashare.dates import FIRST_TRADE_DATE, beijing_now
from ashare.errors import InvalidInput
from ashare.export import parquet_files
from ashare.incomplete import Incomplete, IncompleteBars, RequestedBars, find_problem, parse_incomplete
from ashare.read import FIELDS, KEY
from ashare.reference_lists import SPANS
from ashare.store import arrow, export_rows
from ashare.store.export_rows import YearState
from ashare.store.read_connection import read_only_connection, read_transaction

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    Connection = psycopg.Connection[Any]

ALL = "all dates and kinds"

FORMAT = 1
"""Format version. Increment it with any change of the files' content that the columns' types do not show."""

# float64 reproduces every price and ratio as sent (15 digits; a price has 4 decimals), and pandas, polars and Qlib
# compute with float64. Every reader would have to convert decimals at each read.
BARS = {**KEY, **FIELDS, "limit_up": "float64", "limit_down": "float64", "hfq_factor": "float64"}
COUNTS = ("expected", "loaded", "suspended", "missing", "rejected", "revised", "requests")
TABLES = {
    "adjust_factor": {"code": arrow.CODE, "ex_date": "date32", "fore_factor": "float64", "back_factor": "float64"},
    "security": {
        "code": arrow.CODE,
        **dict.fromkeys(("name", "kind"), "string"),
        "ipo_date": "date32",
        "out_date": "date32",
        "updated_at": arrow.MOMENT,
    },
    "snapshot": {
        "dataset": "string",
        "as_of": "date32",
        "rows": "int64",
        "update_date": "date32",
        "fetched_at": arrow.MOMENT,
        "run_id": "string",
    },
    "index_member": SPANS,
    "industry": {
        "classification": "string",
        "code": arrow.CODE,
        "industry": "string",
        **dict.fromkeys(("start_date", "end_date"), "date32"),
    },
    "security_name": {
        "code": arrow.CODE,
        "name": "string",
        **dict.fromkeys(("start_date", "end_date"), "date32"),
    },
    "trade_calendar": {"calendar_date": "date32", "is_trading_day": "bool", "fetched_at": arrow.MOMENT},
    "sync_status": {
        "trade_date": "date32",
        "status": "string",
        "kinds": "string",
        **dict.fromkeys(COUNTS, "int64"),
        "reason": "string",
        "run_id": "string",
        **dict.fromkeys(("started_at", "finished_at", "checked_at"), arrow.MOMENT),
    },
}


@dataclass(frozen=True)
class Selection:
    """Which bars a directory has; ``None`` means no limit.

    :ivar start: first trade date.
    :ivar end: last trade date, included.
    :ivar kinds: of ``stock``, ``index``, ``etf``.
    """

    start: date | None = None
    end: date | None = None
    kinds: tuple[str, ...] | None = None

    @property
    def options(self) -> str:
        """The selection as command-line options, which identify it."""
        given = {"--start": self.start, "--end": self.end, "--kinds": ",".join(sorted(self.kinds or ()))}
        return " ".join(f"{name} {value}" for name, value in given.items() if value)

    @property
    def values(self) -> dict[str, Any]:
        last = self.end or max(beijing_now().date(), self.start or FIRST_TRADE_DATE)
        kinds = list(self.kinds) if self.kinds else None
        return {"start": self.start or FIRST_TRADE_DATE, "end": last, "kinds": kinds}


@dataclass
class Summary:
    """What an export did.

    :ivar bars: number of bars in the directory, written now or before.
    :ivar years: years in the directory, written now or before.
    :ivar written: files that were written. All paths are relative to the directory.
    :ivar kept: files that were up to date.
    :ivar removed: files of years without a bar in the database's selection.
    :ivar incomplete: number of trade dates of the selection that are not complete.
    :ivar warning: which dates these are, and how to load them; ``None`` without such a date.
    """

    bars: int = 0
    years: list[int] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    incomplete: int = 0
    warning: str | None = None


def export(
    directory: Path,
    selection: Selection | None = None,
    *,
    rewrite: bool = False,
    incomplete: Incomplete = "warn",
    connection: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Summary:
    """Bring a directory of Parquet files up to date with one snapshot of the database.

    :param rewrite: rewrite all files, even those that are up to date or of another selection or database.
    :param incomplete: what to do if a trade date of the selection is neither complete nor accepted (as in
        ``ashare.read.load_bars``, with the adjust factors): ``"warn"``: a line and ``Summary.warning``; ``"raise"``:
        an ``IncompleteDate`` error, and no file is written; ``"ignore"``: nothing.
    :param connection: libpq's string or URI; ``None``: the connection in ``AIRFLOW_CONN_ASHARE_POSTGRES``.
    :param say: called with a line for each file that was written or removed, and before them with the warning;
        ``None``: no lines, and the warning is Python's, an ``IncompleteBars``.
    :raises InvalidInput: the directory holds another selection or another database's bars, the selection has no
        bars, or the connection or a setting is wrong.
    :raises IncompleteDate: a trade date is not complete, with ``incomplete="raise"``.
    :raises TransientError: another export holds the lock on the directory, the directory cannot be written, or the
        database cannot be reached.
    """
    selection, incomplete = selection or Selection(), parse_incomplete(incomplete)
    with parquet_files.claimed(directory):
        if not rewrite:
            _refuse_other(directory, selection)
        with read_only_connection(connection) as opened, read_transaction(opened):
            done = _Export(directory, selection, rewrite, incomplete, opened, say or (lambda line: None)).run()
    if done.warning and say is None:
        warnings.warn(done.warning, IncompleteBars, stacklevel=2)
    return done


def _refuse_other(directory: Path, selection: Selection) -> None:
    for file in parquet_files.years(directory):
        other = parquet_files.notes(file).get("options", selection.options)
        if other != selection.options:
            raise InvalidInput(
                f"{directory} was exported with {other or ALL}, and now with {selection.options or ALL}: repeat the "
                "former, choose another directory, or have all of it written anew with --rewrite."
            )


@dataclass(frozen=True)
class _Export:
    directory: Path
    selection: Selection
    rewrite: bool
    incomplete: Incomplete
    connection: Connection
    say: Callable[[str], None]
    done: Summary = field(default_factory=Summary)

    def run(self) -> Summary:
        export_rows.prepare_sorting(self.connection)
        if not self.rewrite:
            self._refuse_other_database()
        years = export_rows.year_states(self.connection, self.selection.values)
        if not years:
            raise InvalidInput(
                f"The database {self.connection.info.dbname} has no bars to export "
                f"({self.selection.options or ALL}), and nothing in {self.directory} was touched: look at "
                "ashare.sync_status, or choose other options."
            )
        self._judge()
        for name in TABLES:
            self._table(name)
        for state in years:
            self._year(state)
        self._remove_others({state.year for state in years})
        return self.done

    def _judge(self) -> None:
        """Say which trade dates are not complete, before any file is written."""
        selection = self.selection
        end = selection.values["end"]
        requested = RequestedBars(selection.start, end, selection.kinds, with_factors=True)
        if problem := find_problem(self.connection, requested, self.incomplete):
            self.done.incomplete, self.done.warning = problem.dates, problem.sentence
            self.say(f"Warning: {problem.sentence}")

    @cached_property
    def _database(self) -> str:
        return export_rows.schema_made_at(self.connection)

    def _refuse_other_database(self) -> None:
        for file in parquet_files.years(self.directory):
            other = parquet_files.notes(file).get("database", self._database)
            if other != self._database:
                raise InvalidInput(
                    f"{self.directory} was exported from another database (its schema ashare was made at {other}, "
                    f"that of {self.connection.info.dbname} at {self.connection.info.host or 'localhost'} at "
                    f"{self._database}): look at AIRFLOW_CONN_ASHARE_POSTGRES, choose another directory, or have all "
                    "of it written anew with --rewrite."
                )

    def _table(self, name: str) -> None:
        columns = arrow.schema(TABLES[name])
        # The table is small: the hash of its whole text is the fingerprint.
        text = export_rows.table_text(self.connection, name)
        fingerprint = _fingerprint(columns, hashlib.sha256(text).hexdigest())
        file = self.directory / f"{name}.parquet"
        if self._is_due(file, fingerprint):
            table = arrow.parsed(text, columns)
            self._write(file, [table], columns, fingerprint, f"{len(table)} rows")

    def _year(self, state: YearState) -> None:
        columns = arrow.schema(BARS)
        fingerprint = _fingerprint(columns, state.bars_hash, state.factors_hash, state.limits_hash)
        file = self.directory / "daily_bar" / f"year={state.year}" / "part-0.parquet"
        self.done.bars += state.bars
        self.done.years.append(state.year)
        if self._is_due(file, fingerprint):
            with self._bars(state.year) as texts:
                tables = (arrow.parsed(text, columns) for text in texts)
                self._write(file, tables, columns, fingerprint, f"{state.bars} bars")

    def _bars(self, year: int) -> AbstractContextManager[Iterator[bytes]]:
        values = self.selection.values
        values["start"] = max(values["start"], date(year, 1, 1))
        values["end"] = min(values["end"], date(year, 12, 31))
        return export_rows.copy_selection(self.connection, (*KEY, *FIELDS), values)

    def _is_due(self, file: Path, fingerprint: str) -> bool:
        if self.rewrite or parquet_files.notes(file).get("fingerprint") != fingerprint:
            return True
        self.done.kept.append(self._relative(file))
        return False

    def _write(self, file: Path, tables: Iterable[pa.Table], columns: pa.Schema, fingerprint: str, what: str) -> None:
        noted = {"fingerprint": fingerprint, "options": self.selection.options, "database": self._database}
        parquet_files.write(self.directory, file, tables, columns, noted)
        self.done.written.append(self._relative(file))
        self.say(f"{self._relative(file)}: {what}, {file.stat().st_size / 1e6:.1f} MB")

    def _remove_others(self, years: set[int]) -> None:
        for file in parquet_files.years(self.directory):
            if file.parent.name not in {f"year={year}" for year in years} and parquet_files.notes(file):
                file.unlink()
                with suppress(OSError):  # the directory is not empty
                    file.parent.rmdir()
                self.done.removed.append(self._relative(file))
                self.say(f"{self._relative(file)}: removed, as the database has no bar of it")

    def _relative(self, file: Path) -> str:
        return str(file.relative_to(self.directory))


def _fingerprint(columns: pa.Schema, *state: str | None) -> str:
    return hashlib.sha256(json.dumps([FORMAT, str(columns), *state]).encode()).hexdigest()
