"""A generated market with members of its indices, loaded without Baostock, and exported for Qlib."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from ashare.checks import check_bars
from ashare.datasets import BAR_COLUMNS, INDEX_MEMBERS, MEMBER_LISTS
from ashare.dates import mondays
from ashare.export import export
from ashare.export.qlib import write_qlib
from ashare.settings import DEFAULT_INDICES
from ashare.source import Table
from ashare.store import Store
from ashare.store.rows import Security
from ashare.store.weekly_lists import WeeklyList
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS, INDEX, STOCK, Row

Connect = Callable[[], psycopg.Connection[Any]]


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
        for found in _members(market, start):
            store.weekly_lists.save([found], "test")
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
        connection.execute("ANALYZE")  # or the export joins tables of which PostgreSQL knows no size


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


def _members(market: GeneratedMarket, start: date) -> Iterator[WeeklyList]:
    """The members of each index as of the Mondays that are sessions."""
    for week in mondays(start, market.end):
        if market.trade_dates(week, week)[0][1]:
            rows = [(index, code) for index in MEMBER_LISTS for code in market.members(index, week)]
            yield WeeklyList(INDEX_MEMBERS, week, week, rows)
