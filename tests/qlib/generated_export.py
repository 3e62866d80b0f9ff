"""A generated market with members of its indices, loaded without Baostock, and exported for Qlib."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from ashare.checks import check_bars
from ashare.datasets import BAR_COLUMNS, MEMBER_INDICES
from ashare.export import export
from ashare.export.qlib import write_qlib
from ashare.settings import DEFAULT_INDICES
from ashare.source import Table
from ashare.store import Store
from ashare.store.rows import Security
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS, INDEX, STOCK, Row

Connect = Callable[[], psycopg.Connection[Any]]

REBALANCES = (date(2023, 1, 2), date(2023, 6, 12), date(2023, 12, 11), date(2024, 6, 17))
"""Mondays from which the lists of members are in force."""
SIZES = {"sh.000300": 300, "sh.000905": 500, "sh.000016": 50}
CHANGES = 0.1
"""The share of an index's members that each rebalance changes."""


def load(connect: Connect, market: GeneratedMarket, start: date) -> None:
    """Load the market's calendar, stocks, default indices, factors and bars, and spans of members.

    :param connect: opens a connection to an empty database.
    """
    calendar = market.trade_dates(start, market.end)
    securities = market.securities()
    with Store(connect) as store:
        store.migrate()
        store.calendar.save(calendar)
        kinds = {STOCK: "stock", INDEX: "index"}
        store.universe.save(
            [Security(s.code, s.name, kinds[s.type], s.ipo_date, s.out_date) for s in securities if s.type in kinds]
        )
    stocks = [security.code for security in securities if security.type == STOCK]
    with connect() as connection:
        factors = [factor for code in stocks for factor in market.factors_of(code, date.min, market.end)]
        connection.cursor().executemany(
            "INSERT INTO ashare.adjust_factor VALUES (%s, %s, %s, %s)",
            [(factor.code, factor.ex_date, factor.fore, factor.back) for factor in factors],
        )
        connection.execute("INSERT INTO ashare.factor_history (code) SELECT unnest(%s::text[])", (stocks,))
        columns = ", ".join(["trade_date", "code", *BAR_COLUMNS.values()])
        with connection.cursor().copy(f"COPY ashare.daily_bar ({columns}) FROM STDIN".encode()) as copy:
            for day in (day for day, is_open in calendar if is_open):
                copy.write(_lines(market.bars_on(day, "stock"), None, day, day))
            for code in DEFAULT_INDICES:
                copy.write(_lines(market.bars_of(code, start, market.end), code, start, market.end))
        throughout = [
            security.code
            for security in securities
            if security.type == STOCK and security.ipo_date < start and security.out_date is None
        ]
        connection.cursor().executemany(
            "INSERT INTO ashare.index_member VALUES (%s, %s, %s, %s)", _member_spans(throughout)
        )


def write(directory: Path, conninfo: str) -> Path:
    """Export the database; return the directory of Qlib's files."""
    export(directory / "bars", incomplete="ignore", connection=conninfo)
    assert write_qlib(directory / "bars", directory / "qlib_data") > 0
    return directory / "qlib_data"


def _lines(rows: list[Row], code: str | None, start: date, end: date) -> str:
    kind = "stock" if code is None else "index"
    checked = check_bars(Table(list(COLUMNS), rows), code, start, end, day=end, kind=kind)
    assert not checked.rejects
    return "".join(checked.lines)


def _member_spans(codes: list[str]) -> list[tuple[str, str, date, date | None]]:
    """The members of each index: a window over the codes, which each rebalance moves on."""
    spans = []
    for index in MEMBER_INDICES:
        size = SIZES[index]
        windows = [range(int(n * size * CHANGES), int(n * size * CHANGES) + size) for n in range(len(REBALANCES))]
        for position in range(windows[-1].stop):
            within = [n for n, window in enumerate(windows) if position in window]
            end = REBALANCES[within[-1] + 1] if within[-1] + 1 < len(REBALANCES) else None
            spans.append((index, codes[position], REBALANCES[within[0]], end))
    return spans
