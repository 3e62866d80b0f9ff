"""Queries for users: bars, and the securities that were listed on a day, as the CSV of PostgreSQL's COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql

from ashare.store import arrow
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]


def copy_bars(
    connection: Connection, columns: Iterable[str], view: str, *, start: date, end: date, codes: Sequence[str] | None
) -> AbstractContextManager[Iterator[bytes]]:
    """Bars, sorted by code and trade date, as CSV in chunks of whole rows.

    :param view: the table or view of the schema ``ashare`` that has the columns.
    :param codes: only these securities; ``None``: all.
    """
    query = sql.SQL(queries("read")["bars"]).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)), bars=sql.Identifier("ashare", view)
    )
    return arrow.copied(connection, query, {"start": start, "end": end, "codes": codes})


def unknown_codes(connection: Connection, codes: Sequence[str]) -> list[str]:
    """Those of ``codes`` that neither the list of securities nor any bar has."""
    return [row[0] for row in connection.execute(queries("read")["unknown"], {"codes": codes})]


def list_read_at(connection: Connection) -> datetime | None:
    """When the list of securities was last read from Baostock."""
    row = connection.execute(queries("read")["list_read_at"]).fetchone()
    return row[0] if row else None


def listed_securities(connection: Connection, day: date, kinds: Sequence[str]) -> bytes:
    """The securities that were listed on a day, as CSV: code, name, kind, ipo_date, out_date."""
    query = sql.SQL(queries("read")["universe"])
    with arrow.copied(connection, query, {"day": day, "kinds": kinds}) as texts:
        return b"".join(texts)
