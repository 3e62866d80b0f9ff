"""Measures reads of the adjusted views over an open connection, with all columns and all rows fetched.

Each read uses another stock or day, so that PostgreSQL's cache does not help.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import psycopg

from bench.market import LAST, Connect
from bench.page import TIMES, WARM_UPS, YEAR, Result, timed

if TYPE_CHECKING:
    from typing_extensions import LiteralString  # in typing since Python 3.11

STOCK_MS, DAY_MS = 10.0, 200.0
EARLY = 100
"""Number of sessions at the beginning, before most stocks' first ex-date."""

CASES: dict[str, tuple[LiteralString, float | None]] = {
    "a stock, 20 years, table": (
        "SELECT * FROM ashare.daily_bar WHERE code = %(code)s AND trade_date > %(since)s ORDER BY trade_date",
        None,
    ),
    "a stock, 20 years, hfq": (
        "SELECT * FROM ashare.daily_bar_hfq WHERE code = %(code)s AND trade_date > %(since)s ORDER BY trade_date",
        STOCK_MS,
    ),
    "a stock, 20 years, qfq": (
        "SELECT * FROM ashare.daily_bar_qfq WHERE code = %(code)s AND trade_date > %(since)s ORDER BY trade_date",
        STOCK_MS,
    ),
    "a stock, 20 years, qfq: prices": (
        """SELECT trade_date, open, high, low, close FROM ashare.daily_bar_qfq
           WHERE code = %(code)s AND trade_date > %(since)s ORDER BY trade_date""",
        STOCK_MS,
    ),
    "a stock, 20 years, qfq: not sent": (
        """EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM ashare.daily_bar_qfq
           WHERE code = %(code)s AND trade_date > %(since)s ORDER BY trade_date""",
        STOCK_MS,
    ),
    "a market day, table": ("SELECT * FROM ashare.daily_bar WHERE trade_date = %(day)s", None),
    "a market day, hfq": ("SELECT * FROM ashare.daily_bar_hfq WHERE trade_date = %(day)s", DAY_MS),
    "a market day, qfq": ("SELECT * FROM ashare.daily_bar_qfq WHERE trade_date = %(day)s", DAY_MS),
    "an early market day, qfq": ("SELECT * FROM ashare.daily_bar_qfq WHERE trade_date = %(early_day)s", DAY_MS),
}
"""Name to (statement, target in milliseconds). The table itself is the yardstick and has no target."""


@dataclass(frozen=True)
class Chosen:
    """The stocks and days to read, in pseudo-random order."""

    codes: list[str]
    days: list[date]
    early_days: list[date]

    @classmethod
    def find(cls, connection: psycopg.Connection[Any]) -> Chosen:
        """Stocks that have been listed for 20 years, complete dates, and the earliest complete dates."""

        def column(query: LiteralString, *values: object) -> list[Any]:
            return [value for (value,) in connection.execute(query, values).fetchall()]

        return cls(
            column(
                """SELECT code FROM ashare.security WHERE ipo_date < %s AND out_date IS NULL AND kind = 'stock'
                   ORDER BY md5('views' || code)""",
                LAST - 20 * YEAR,
            ),
            column(
                "SELECT trade_date FROM ashare.sync_status WHERE status = 'success' ORDER BY md5(trade_date::text)"
            ),
            column(
                """SELECT trade_date FROM (SELECT trade_date FROM ashare.sync_status WHERE status = 'success'
                                           ORDER BY trade_date LIMIT %s) AS first ORDER BY md5(trade_date::text)""",
                EARLY,
            ),
        )

    def values(self, number: int) -> dict[str, object]:
        """The parameters of read ``number``."""
        return {
            "code": self.codes[number % len(self.codes)],
            "since": LAST - 20 * YEAR,
            "day": self.days[number % len(self.days)],
            "early_day": self.early_days[number % len(self.early_days)],
        }


def measure(connect: Connect) -> list[Result]:
    """Measure every case."""
    with connect() as connection:
        connection.prepare_threshold = None  # no prepared statements: each read is planned, as in interactive use
        chosen = Chosen.find(connection)

        def read(statement: LiteralString, place: int, number: int) -> object:
            values = chosen.values(place * (WARM_UPS + TIMES) + number)
            return connection.execute(statement, values).fetchall()

        works: dict[str, Callable[[int], object]] = {
            name: functools.partial(read, statement, place)
            for place, (name, (statement, _)) in enumerate(CASES.items())
        }
        return timed(works, {name: target for name, (_, target) in CASES.items()})
