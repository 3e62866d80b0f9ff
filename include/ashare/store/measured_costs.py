"""What requests to Baostock took lately, by the ledger, and how many securities a range has."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg


def costs_per_date(connection: psycopg.Connection[Any]) -> tuple[float | None, float | None]:
    """Requests, and seconds at Baostock, of a complete date: the median of the last ones; ``None`` without any."""
    requests, seconds = _row(connection, "per_date")
    return requests, seconds


def seconds_per_code(connection: psycopg.Connection[Any]) -> float | None:
    """Seconds of a per-security request: the median of the last ones; ``None`` without any."""
    (seconds,) = _row(connection, "per_code")
    found: float | None = seconds
    return found


def listed_stocks(connection: psycopg.Connection[Any], start: date, end: date) -> int:
    """How many stocks were listed at any time of a range."""
    return int(_row(connection, "listed_stocks", start=start, end=end)[0])


def stocks_and_requests(
    connection: psycopg.Connection[Any], start: date, end: date, page_sessions: int
) -> tuple[int, int]:
    """How many stocks a range has, and the requests for all their bars and adjust factors.

    :param page_sessions: sessions that a request brings.
    """
    stocks, requests = _row(connection, "stocks_and_requests", start=start, end=end, page_sessions=page_sessions)
    return stocks, requests


def _row(connection: psycopg.Connection[Any], name: str, **values: object) -> tuple[Any, ...]:
    from psycopg.rows import tuple_row

    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(queries("cost")[name], values).fetchone()
    assert row is not None
    return row
