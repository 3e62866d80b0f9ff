"""Brings a lake up to date with one snapshot of the database: patches, writes or removes files that have changed."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ashare.datasets import KINDS
from ashare.errors import InvalidInput
from ashare.export import manifest, parquet_files
from ashare.export.changes import INPUTS, Change, Inputs, change_of, notes_of
from ashare.export.patch import patched
from ashare.export.tables import BARS, TABLES, Selection
from ashare.incomplete import Incomplete, IncompleteBars, RequestedBars, find_problem, parse_incomplete
from ashare.lake import layout
from ashare.lake.layout import file_of, file_of_year, year_of
from ashare.lake.storage import Storage
from ashare.read_columns import FIELDS, KEY
from ashare.store import arrow, export_rows
from ashare.store.database_source import DatabaseSource
from ashare.store.read_connection import read_only_connection, read_transaction

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    Connection = psycopg.Connection[Any]

ALL = "all dates and kinds"


class NothingToExport(InvalidInput):
    """The database has no bars of the selection."""


@dataclass
class Summary:
    """What an export did.

    :ivar bars: number of bars in the lake, written now or before.
    :ivar years: years in the lake, written now or before.
    :ivar written: files that were written. All paths are relative to the lake.
    :ivar kept: files that were up to date.
    :ivar removed: files of years without a bar in the database's selection.
    :ivar last: the last trade date in the lake.
    :ivar incomplete: number of trade dates of the selection that are not complete.
    :ivar warning: which dates these are, and how to load them; ``None`` without such a date.
    """

    bars: int = 0
    years: list[int] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    last: date | None = None
    incomplete: int = 0
    warning: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether any file was written or removed."""
        return bool(self.written or self.removed)


def export(
    place: str | Path,
    selection: Selection | None = None,
    *,
    rewrite: bool = False,
    incomplete: Incomplete = "warn",
    connection: str | None = None,
    say: Callable[[str], None] | None = None,
) -> Summary:
    """Bring a lake up to date with one snapshot of the database.

    :param place: a directory, which is made if it is not there, or an fsspec URL.
    :param rewrite: rewrite all files, even those that are up to date or of another selection or database.
    :param incomplete: what to do if a trade date of the selection is neither complete nor accepted (as in
        ``ashare.read.load_bars``, with the adjust factors): ``"warn"``: a line and ``Summary.warning``; ``"raise"``:
        an ``IncompleteDate`` error, and no file is written; ``"ignore"``: nothing.
    :param connection: libpq's string or URI; ``None``: the connection in ``AIRFLOW_CONN_ASHARE_POSTGRES``.
    :param say: called with a line for each file that was written or removed, and before them with the warning;
        ``None``: no lines, and the warning is Python's, an ``IncompleteBars``.
    :raises InvalidInput: the lake holds another selection or another database's bars, the selection has no bars, or
        the place, the connection or a setting is wrong.
    :raises IncompleteDate: a trade date is not complete, with ``incomplete="raise"``.
    :raises TransientError: another export holds the lock on the lake, the lake cannot be written, or the database
        cannot be reached.
    """
    storage = Storage(str(place))
    selection, incomplete = selection or Selection(), parse_incomplete(incomplete)
    with (
        parquet_files.claimed(storage) as directory,
        read_only_connection(connection) as opened,
        read_transaction(opened),
    ):
        # Before the files are looked at: what another export replaces meanwhile would be taken for up to date.
        if not (storage.is_local or export_rows.claim(opened, storage.name)):
            raise parquet_files.ExportBusy(f"Another export writes into {storage.name}: wait until it has ended.")
        noted = {file: parquet_files.notes(storage, file) for file in _files(storage)}
        if not rewrite:
            _refuse_other(storage, noted, selection)
        work = _Export(storage, directory, selection, rewrite, incomplete, opened, say or (lambda line: None), noted)
        done = work.run()
    if done.warning and say is None:
        warnings.warn(done.warning, IncompleteBars, stacklevel=2)
    return done


def _files(storage: Storage) -> list[str]:
    return [*map(file_of, TABLES), *(file for file in storage.files(layout.BARS) if year_of(file))]


def _refuse_other(storage: Storage, noted: Mapping[str, Mapping[str, str]], selection: Selection) -> None:
    for file, notes in noted.items():
        other = notes.get("options", selection.options)
        if year_of(file) and other != selection.options:
            raise InvalidInput(
                f"{storage.name} was exported with {other or ALL}, and now with {selection.options or ALL}: repeat "
                "the former, choose another directory, or have all of it written anew with --rewrite."
            )


@dataclass(frozen=True)
class _File:
    """A file that is written, and not yet in its place.

    :ivar gone: the trade dates whose rows change; ``None``: all that the file has.
    """

    name: str
    local: Path
    entry: Mapping[str, Any]
    gone: set[str] | None
    what: str


@dataclass(frozen=True)
class _Export:
    storage: Storage
    directory: Path
    selection: Selection
    rewrite: bool
    incomplete: Incomplete
    connection: Connection
    say: Callable[[str], None]
    noted: Mapping[str, Mapping[str, str]]
    done: Summary = field(default_factory=Summary)

    def run(self) -> Summary:
        export_rows.prepare_sorting(self.connection)
        if not self.rewrite:
            self._refuse_other_database()
        held = export_rows.versions(self.connection, self.selection.values)
        if not held:
            raise NothingToExport(
                f"The database {self.connection.info.dbname} has no bars to export "
                f"({self.selection.options or ALL}), and nothing in {self.storage.name} was touched: look at "
                "ashare.sync_status, or choose other options."
            )
        self._judge()
        states = self._states(held)
        self.done.bars, self.done.years = sum(rows for _, _, rows, _ in held), sorted(states)
        self.done.last = max(day for day, *_ in held)
        written = self._manifest(held)
        written.read({file: notes.get("fingerprint") for file, notes in self.noted.items()})
        self._remove_others(written, set(states))
        due = self._due(states)
        waiting: list[_File] = []
        # The newest first: a day changes the limits of later days, too, and a killed export has to see that again.
        for year, change in sorted(due.items(), reverse=True):
            if waiting:
                self._place(written, waiting)
                written.hold({file.name: file.entry for file in waiting}, is_being_written=True)
            waiting = [self._year(year, change, states[year])]
        waiting += [file for name in TABLES if (file := self._table(name))]
        for kept in self.done.kept:
            written.take(kept, self.noted[kept]["fingerprint"])
        if waiting:
            self._place(written, waiting)
            written.files |= {file.name: file.entry for file in waiting}
        written.finish()
        return self.done

    def _judge(self) -> None:
        """Say which trade dates are not complete, before any file is written."""
        selection = self.selection
        requested = RequestedBars(selection.start, selection.values["end"], selection.kinds, with_factors=True)
        if problem := find_problem(DatabaseSource(self.connection), requested, self.incomplete):
            self.done.incomplete, self.done.warning = problem.dates, problem.sentence
            self.say(f"Warning: {problem.sentence}")

    # ------------------------------------------------------------------ what is due

    @cached_property
    def _database(self) -> str:
        return export_rows.schema_made_at(self.connection)

    @cached_property
    def _texts(self) -> dict[str, bytes]:
        return {name: export_rows.table_text(self.connection, name) for name in TABLES}

    def _parsed(self, name: str) -> pa.Table:
        return arrow.parsed(self._texts[name], arrow.schema(TABLES[name]))

    @cached_property
    def _inputs(self) -> Inputs:
        return Inputs({name: self._parsed(name) for name in INPUTS}, self.selection.kinds)

    @cached_property
    def _former_inputs(self) -> Inputs | None:
        """The tables as they are in the lake; ``None`` if one of them cannot be read."""
        tables = {}
        for name in INPUTS:
            columns = arrow.schema(TABLES[name])
            if self.noted.get(file_of(name), {}).get("layout") != _layout(columns):
                return None
            with self.storage.parquet(file_of(name)) as opened:
                tables[name] = opened.read(columns=columns.names)
        return Inputs(tables, self.selection.kinds)

    def _states(self, held: Iterable[tuple[date, str, int, int]]) -> dict[int, dict[str, str]]:
        """By year, the notes that its file is to have."""
        rules = export_rows.rules_hash(self.connection)
        days = notes_of(held)
        found: dict[int, dict[str, str]] = {}
        for year in sorted({day.year for day in days}):
            notes = {
                "layout": _layout(arrow.schema(BARS)),
                "options": self.selection.options,
                "database": self._database,
                "rules": rules,
                "inputs": self._inputs.of_year(year),
                "days": json.dumps({str(day): note for day, note in days.items() if day.year == year}),
            }
            found[year] = {**notes, "fingerprint": _hashed(*notes.values())}
        return found

    def _due(self, states: Mapping[int, Mapping[str, str]]) -> dict[int, Change]:
        """The years whose files are not up to date, and what of them is not."""
        changes = {
            year: Change(is_whole=True, days=_days(state) | _days(self.noted.get(file_of_year(year), {})))
            if self.rewrite
            else change_of(
                year, self.noted.get(file_of_year(year), {}), state, self._inputs, lambda: self._former_inputs
            )
            for year, state in states.items()
        }
        days = {day for change in changes.values() for day in change.days}
        for code, first, last in export_rows.leaving(self.connection, days):
            for year in {first.year, last.year} & changes.keys():
                changes[year].codes.add(code)
        for year, change in changes.items():
            if not change:
                self.done.kept.append(file_of_year(year))
        return {year: change for year, change in changes.items() if change}

    def _manifest(self, held: list[tuple[date, str, int, int]]) -> manifest.Manifest:
        kinds = self.selection.kinds or tuple(KINDS)
        new = manifest.partitions(self.connection, self.selection, held, kinds)
        head = manifest.head(self.connection, self._database, self.selection)
        return manifest.Manifest(self.storage, self.directory, head, new)

    def _refuse_other_database(self) -> None:
        for file, notes in self.noted.items():
            other = notes.get("database", self._database)
            if year_of(file) and other != self._database:
                raise InvalidInput(
                    f"{self.storage.name} was exported from another database (its schema ashare was made at {other}, "
                    f"that of {self.connection.info.dbname} at {self.connection.info.host or 'localhost'} at "
                    f"{self._database}): look at AIRFLOW_CONN_ASHARE_POSTGRES, choose another directory, or have all "
                    "of it written anew with --rewrite."
                )

    # ------------------------------------------------------------------ files

    def _table(self, name: str) -> _File | None:
        columns = arrow.schema(TABLES[name])
        notes = {"layout": _layout(columns), "options": self.selection.options, "database": self._database}
        # The table is small: the hash of its whole text is the fingerprint.
        notes["fingerprint"] = _hashed(notes["layout"], hashlib.sha256(self._texts[name]).hexdigest())
        file = file_of(name)
        if not self.rewrite and self.noted.get(file, {}).get("fingerprint") == notes["fingerprint"]:
            self.done.kept.append(file)
            return None
        return self._written(file, [self._parsed(name)], columns, notes, None, "rows", parquet_files.SMALL)

    def _year(self, year: int, change: Change, notes: Mapping[str, str]) -> _File:
        columns, file = arrow.schema(BARS), file_of_year(year)
        values = self.selection.values
        values["start"] = max(values["start"], date(year, 1, 1))
        values["end"] = min(values["end"], date(year, 12, 31))
        if change.is_whole:
            with export_rows.copy_range(self.connection, (*KEY, *FIELDS), values) as texts:
                rows = (arrow.parsed(text, columns) for text in texts)
                return self._written(file, rows, columns, notes, None, "bars", parquet_files.SMALL)
        with self.storage.parquet(file) as former:
            tables = patched(former, change.days, change.codes, self._new_rows(values, change))
            gone = None if change.codes else {str(day) for day in change.days}
            return self._written(file, tables, columns, notes, gone, "bars", parquet_files.FAST)

    def _new_rows(self, values: Mapping[str, Any], change: Change) -> pa.Table:
        import pyarrow as pa

        columns, names = arrow.schema(BARS), (*KEY, *FIELDS)
        tables = []
        with export_rows.copy_days(self.connection, names, values, change.days) as texts:
            tables += [arrow.parsed(text, columns) for text in texts]
        if change.codes:
            with export_rows.copy_codes(self.connection, names, values, change.codes, change.days) as texts:
                tables += [arrow.parsed(text, columns) for text in texts]
        return pa.concat_tables(tables).sort_by([("code", "ascending"), ("trade_date", "ascending")])

    def _written(
        self,
        file: str,
        tables: Iterable[pa.Table],
        columns: pa.Schema,
        notes: Mapping[str, str],
        gone: set[str] | None,
        what: str,
        level: int,
    ) -> _File:
        local = self.directory / file.replace("/", "-")
        rows = parquet_files.write(local, tables, columns, notes, level)
        size = local.stat().st_size
        entry = {"rows": rows, "bytes": size, "fingerprint": notes["fingerprint"]}
        return _File(file, local, entry, gone, f"{rows} {what}, {size / 1e6:.1f} MB")

    def _place(self, written: manifest.Manifest, files: Iterable[_File]) -> None:
        """Put files in their places, after a manifest without what they change."""
        written.withdraw({file.name: file.gone for file in files})
        for file in files:
            self.storage.replace(file.name, file.local)
            self.done.written.append(file.name)
            self.say(f"{file.name}: {file.what}")

    def _remove_others(self, written: manifest.Manifest, years: set[int]) -> None:
        others = [
            file for file, notes in self.noted.items() if year_of(file) and year_of(file) not in years and notes
        ]
        if others:
            written.withdraw(dict.fromkeys(others))
        for file in others:
            self.storage.delete(file)
            self.done.removed.append(file)
            self.say(f"{file}: removed, as the database has no bar of it")


def _days(notes: Mapping[str, str]) -> set[date]:
    return {date.fromisoformat(day) for day in json.loads(notes.get("days", "{}"))}


def _layout(columns: pa.Schema) -> str:
    return _hashed(str(layout.FORMAT), str(columns))


def _hashed(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
