"""The tables that `make demo` prints, and a sample of bars, which tells generated bars from other ones."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg


def demo_table(
    connection: psycopg.Connection[Any], name: str, start: date, end: date
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a table about the trade dates of a range.

    :param name: ``statuses``; or, of the last trade date, the largest turnover first: ``most_traded`` (three
        securities, no indices), ``members`` (five members of the CSI 300), ``limit_up`` (five stocks at their limit).
    """
    cursor = connection.execute(queries("demo")[name], {"start": start, "end": end})
    return [column.name for column in cursor.description or ()], cursor.fetchall()


def bar_sample(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """Stock bars of the first and last trade date: (trade_date, code, close, volume); empty without the schema."""
    row = connection.execute(queries("demo")["has_bars"]).fetchone()
    return connection.execute(queries("demo")["sample"]).fetchall() if row and row[0] else []
