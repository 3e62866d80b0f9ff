"""What an export reads: whole tables, the bars of a year, and numbers that change with any of them."""

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
    """The bars of a year: how many, and two numbers that change with any bar or factor."""

    year: int
    bars: int
    bars_hash: str
    factors_hash: str | None


def prepare_sorting(connection: Connection) -> None:
    """Let the transaction sort a year of the whole market in memory."""
    connection.execute(queries("export")["settings"])


def schema_made_at(connection: Connection) -> str:
    """When the schema was made, to the microsecond: what tells two databases apart, and a backup brings along."""
    row = connection.execute(queries("export")["made_at"]).fetchone()
    return str(row[0]) if row else ""


def year_states(connection: Connection, selection: Mapping[str, Any]) -> list[YearState]:
    """The years that have bars of a selection (``start``, ``end``, ``kinds``)."""
    return [YearState(*row) for row in connection.execute(queries("export")["years"], selection)]


def table_text(connection: Connection, name: str) -> bytes:
    """A whole table as CSV: ``adjust_factor``, ``security``, ``trade_calendar`` or ``sync_status``."""
    with arrow.copied(connection, sql.SQL(queries("export")[name])) as texts:
        return b"".join(texts)


def copy_selection(
    connection: Connection, columns: Iterable[str], selection: Mapping[str, Any]
) -> AbstractContextManager[Iterator[bytes]]:
    """The bars of a selection with their factors by code and trade date, as CSV in chunks of whole rows."""
    names = sql.SQL(", ").join(sql.Identifier("b", name) for name in columns)
    return arrow.copied(connection, sql.SQL(queries("export")["bars"]).format(columns=names), selection)
