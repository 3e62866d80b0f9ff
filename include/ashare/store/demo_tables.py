"""The tables that `make demo` prints, and a sample of bars, which tells generated bars from other ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

Table = tuple[Sequence[str], list[tuple[Any, ...]]]
"""Column names, and rows."""


def status_table(connection: psycopg.Connection[Any], start: date, end: date) -> Table:
    """The statuses of a range's trade dates."""
    return _table(connection, "statuses", {"start": start, "end": end})


def most_traded_table(connection: psycopg.Connection[Any], start: date, end: date) -> Table:
    """The three securities (no indices) with the largest turnover on the range's last trade date."""
    return _table(connection, "most_traded", {"start": start, "end": end})


def bar_sample(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Stock bars of the first and last trade date: (trade_date, code, close, volume); empty without the schema."""
    row = connection.execute(queries("demo")["has_bars"]).fetchone()
    return connection.execute(queries("demo")["sample"]).fetchall() if row and row[0] else []


def _table(connection: psycopg.Connection[Any], name: str, values: Mapping[str, Any]) -> Table:
    cursor = connection.execute(queries("demo")[name], values)
    return [column.name for column in cursor.description or ()], cursor.fetchall()
