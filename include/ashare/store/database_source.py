"""The database as a source of the readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from ashare.read_columns import INDUSTRIES, LISTED, NAMES, SPANS
from ashare.store import arrow, coverage, loaded_bars, loaded_lists
from ashare.store.loaded_bars import ListedSpan, OpenDates
from ashare.store.loaded_lists import Begin, OpenWeeks
from ashare.store.read_connection import read_only_connection, read_transaction

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    from ashare.bar_panel import Panel
    from ashare.data_source import DataSource, View

    Connection = psycopg.Connection[Any]

Read = TypeVar("Read")


def read_database(connection: str | Connection | None, read: Callable[[DataSource], Read]) -> Read:
    """Call ``read`` with the database, in a read-only transaction, and return its result.

    :param connection: see ``read_only_connection``.
    """
    with read_only_connection(connection) as opened, read_transaction(opened):
        return read(DatabaseSource(opened))


@dataclass(frozen=True)
class DatabaseSource:
    """A ``DataSource`` over a connection with an open transaction."""

    connection: Connection

    def rows(
        self,
        view: View,
        types: Mapping[str, str],
        *,
        start: date,
        end: date,
        codes: Sequence[str] | None = None,
        index: str | None = None,
    ) -> pa.Table:
        import pyarrow as pa

        columns = arrow.schema(types)
        with loaded_bars.copy_bars(
            self.connection, types, view, start=start, end=end, codes=codes, index=index
        ) as texts:
            tables = [arrow.parsed(text, columns) for text in texts]
        return pa.concat_tables(tables).combine_chunks()

    def panel(
        self,
        view: View,
        types: Mapping[str, str],
        *,
        start: date,
        end: date,
        codes: Sequence[str] | None = None,
        index: str | None = None,
    ) -> Panel:
        from ashare.bar_panel import panel_of

        return panel_of(self.rows(view, types, start=start, end=end, codes=codes, index=index))

    def unknown_codes(self, codes: Sequence[str]) -> list[str]:
        return loaded_bars.unknown_codes(self.connection, codes)

    def listed_span(self, codes: Sequence[str]) -> ListedSpan:
        return loaded_bars.listed_span(self.connection, codes)

    def open_dates(
        self,
        datasets: Sequence[str],
        if_asked: Sequence[str],
        *,
        start: date,
        has_start: bool,
        end: date,
        newest: date,
        since: date | None,
    ) -> OpenDates:
        return loaded_bars.open_dates(
            self.connection,
            datasets,
            if_asked,
            start=start,
            has_start=has_start,
            end=end,
            newest=newest,
            since=since,
        )

    def complete_since(self, datasets: Sequence[str], newest: date) -> date | None:
        return coverage.complete_since(self.connection, datasets, newest)

    def begin(self, dataset: str, index: str | None) -> Begin:
        return loaded_lists.begin(self.connection, dataset, index)

    def open_weeks(self, dataset: str, *, first: date, last: date, newest: date, oldest: int) -> OpenWeeks:
        return loaded_lists.open_weeks(self.connection, dataset, first=first, last=last, newest=newest, oldest=oldest)

    def list_read_at(self) -> datetime | None:
        return loaded_bars.list_read_at(self.connection)

    def listed_securities(self, day: date, kinds: Sequence[str], index: str | None = None) -> pa.Table:
        if index is None:
            text = loaded_bars.listed_securities(self.connection, day, kinds)
        else:
            text = loaded_lists.listed_members(self.connection, day, kinds, index)
        return arrow.parsed(text, arrow.schema(LISTED))

    def listed_stocks(self, dataset: str, day: date) -> pa.Table:
        columns = arrow.schema({"industry": INDUSTRIES, "security_name": NAMES}[dataset])
        return arrow.parsed(loaded_lists.listed_stocks(self.connection, dataset, day), columns)

    def member_spans(self, index: str, first: date, last: date) -> pa.Table:
        return arrow.parsed(loaded_lists.member_spans(self.connection, index, first, last), arrow.schema(SPANS))

    def reservation(self, start: date | None, kinds: Sequence[str] | None, codes: Sequence[str] | None) -> str | None:
        return None

    def remark(self, due: datetime) -> str:
        return ""
