"""Where the readers read: PostgreSQL, or a lake of Parquet files. Both answer with the same rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from ashare.connection import is_conninfo
from ashare.errors import InvalidInput
from ashare.settings import LAKE_VARIABLE, Settings

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    from ashare.bar_panel import Panel
    from ashare.store.loaded_bars import ListedSpan, OpenDates
    from ashare.store.loaded_lists import Begin, OpenWeeks

    Connection = psycopg.Connection[Any]
    Source = str | Path | Connection

View = Literal["daily_bar", "daily_bar_hfq", "daily_bar_qfq", "daily_limit"]
Read = TypeVar("Read")


class DataSource(Protocol):
    """What a reader asks. All answers are of one state of the data."""

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
        """Rows of a view, sorted by code and trade date, each column one chunk.

        :param types: column -> Arrow type; the key columns come first.
        :param codes: only these securities; ``None``: all.
        :param index: only rows of trade dates on which the security was a member of the index; ``None``: all.
        """

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
        """The one value column of such rows, by code and trade date."""

    def unknown_codes(self, codes: Sequence[str]) -> list[str]:
        """Those of ``codes`` that neither the list of securities nor any bar has."""

    def listed_span(self, codes: Sequence[str]) -> ListedSpan:
        """The kinds of some securities, and when any of them was listed."""

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
        """The trade dates that are neither complete nor accepted; see ``store.loaded_bars.open_dates``."""

    def complete_since(self, datasets: Sequence[str], newest: date) -> date | None:
        """Since when the bars are meant to be complete; see ``store.coverage.complete_since``."""

    def begin(self, dataset: str, index: str | None) -> Begin:
        """From when on a weekly list is loaded."""

    def open_weeks(self, dataset: str, *, first: date, last: date, newest: date, oldest: int) -> OpenWeeks:
        """The weeks of a list that are not complete; see ``store.loaded_lists.open_weeks``."""

    def list_read_at(self) -> datetime | None:
        """When the list of securities was last read from Baostock."""

    def listed_securities(self, day: date, kinds: Sequence[str], index: str | None = None) -> pa.Table:
        """The securities that were listed on a day; with ``index``, only its members."""

    def listed_stocks(self, dataset: str, day: date) -> pa.Table:
        """``industry`` or ``security_name`` as of a day, only the stocks listed on it."""

    def member_spans(self, index: str, first: date, last: date) -> pa.Table:
        """The spans of an index's members that overlap a range."""

    def reservation(self, start: date | None, kinds: Sequence[str] | None, codes: Sequence[str] | None) -> str | None:
        """A sentence if rows may be missing whose dates are not known; ``None``: none are.

        :param start: the first trade date that was requested; ``None``: the first that the source has.
        :param kinds: the kinds of securities that were requested; ``None``: those of ``codes``, or all.
        """

    def remark(self, due: datetime) -> str:
        """What a sentence about partitions that are not complete has to say of the source; mostly nothing.

        :param due: when the newest partition should have been out.
        """


def read_from(source: Source | None, connection: str | Connection | None, read: Callable[[DataSource], Read]) -> Read:
    """Call ``read`` with the source that a reader was given, and return its result.

    :param source: a lake (a path or an fsspec URL) or a connection; ``None``: ``connection``, or the lake in
        ``ASHARE_LAKE``, or the connection in ``AIRFLOW_CONN_ASHARE_POSTGRES``.
    :param connection: a connection; ``None``: ``source`` decides.
    :raises InvalidInput: both are given, or either is wrong.
    :raises TransientError: the source cannot be reached.
    """
    if source is not None and connection is not None:
        raise InvalidInput("Both source= and connection= are given: give one of them.")
    if source is None and connection is None:
        source = lake_of_environment()
    if isinstance(source, Path) or (isinstance(source, str) and not is_conninfo(source)):
        from ashare.lake.lake_source import read_lake

        return read_lake(str(source), read)
    from ashare.store.database_source import read_database

    return read_database(connection if source is None else source, read)


def lake_of_environment() -> str | None:
    """The lake in ``ASHARE_LAKE``; ``None``: there is none.

    :raises InvalidInput: a setting is wrong.
    """
    # Without the variable, a reader of the database does not depend on the other settings.
    return Settings().lake if os.environ.get(LAKE_VARIABLE, "").strip() else None
