"""The recent cost of requests to Baostock, by the ledger, and the number of stocks in a range."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg


def costs_per_date(connection: psycopg.Connection[Any]) -> tuple[float | None, float | None]:
    """Median requests, and median seconds at Baostock, of the last 20 complete dates; ``None`` without any."""
    requests, seconds = _row(connection, "per_date")
    return requests, seconds


def seconds_per_market(connection: psycopg.Connection[Any], methods: Sequence[str]) -> float | None:
    """Sum of the median seconds of the last requests of some whole-market methods; ``None`` without any."""
    (seconds,) = _row(connection, "per_market", methods=list(methods))
    found: float | None = seconds
    return found


def seconds_per_code(connection: psycopg.Connection[Any]) -> float | None:
    """Median seconds of the last 500 per-security requests; ``None`` without any."""
    (seconds,) = _row(connection, "per_code")
    found: float | None = seconds
    return found


def stocks_and_requests(
    connection: psycopg.Connection[Any], start: date, end: date, page_sessions: int
) -> tuple[int, int]:
    """The number of stocks in a range, and of requests for all their bars and adjust factors.

    :param page_sessions: sessions that one request returns.
    """
    stocks, requests = _row(connection, "stocks_and_requests", start=start, end=end, page_sessions=page_sessions)
    return stocks, requests


def _row(connection: psycopg.Connection[Any], name: str, **values: object) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(queries("cost")[name], values).fetchone()
    assert row is not None
    return row
