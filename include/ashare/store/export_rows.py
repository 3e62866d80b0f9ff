"""Queries of an export: whole tables, the bars of a year, and hashes that change with the year's data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from ashare.store import arrow
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]


class YearState(NamedTuple):
    """A year's number of bars, and hashes that change with any bar, with any factor, and with any price limit."""

    year: int
    bars: int
    bars_hash: str
    factors_hash: str | None
    limits_hash: str | None


def prepare_sorting(connection: Connection) -> None:
    """Raise the transaction's ``work_mem``: a year of the whole market is sorted in memory."""
    connection.execute(queries("export")["settings"])


def schema_made_at(connection: Connection) -> str:
    """When the schema was created, to the microsecond. It identifies a database, and a backup keeps it."""
    row = connection.execute(queries("export")["made_at"]).fetchone()
    return str(row[0]) if row else ""


def year_states(connection: Connection, selection: Mapping[str, Any]) -> list[YearState]:
    """The state of each year with bars of a selection (``start``, ``end``, ``kinds``)."""
    return [YearState(*row) for row in connection.execute(queries("export")["years"], selection)]


def table_text(connection: Connection, name: str) -> bytes:
    """A whole table as CSV.

    :param name: the name of the table, and of the statement that reads it.
    """
    with arrow.copied(connection, sql.SQL(queries("export")[name])) as texts:
        return b"".join(texts)


def copy_selection(
    connection: Connection, columns: Iterable[str], selection: Mapping[str, Any]
) -> AbstractContextManager[Iterator[bytes]]:
    """The bars of a selection with price limits and factors, sorted by code and trade date, as CSV in whole rows."""
    names = sql.SQL(", ").join(sql.Identifier("b", name) for name in columns)
    return arrow.copied(connection, sql.SQL(queries("export")["bars"]).format(columns=names), selection)
