"""Floating shares: the view against the source's own figure, from day to day, and across suspensions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.conftest import SHARED_DATA, Database, Databases, needs_shared_data
from tests.integration.recorded_bars import HS300, load_recorded

PUDONG = "sh.600000"


@pytest.fixture(scope="module")
def hs300(databases: Databases) -> Iterator[Database]:
    with databases.copied("migrated") as made:
        load_recorded(made, [HS300])
        yield made


def put(database: Database, day: str, volume: int | None, turn: str | None, *, trading: bool = True) -> None:
    database.do(
        "INSERT INTO ashare.daily_bar (trade_date, code, close, volume, turn, is_trading) "
        "VALUES (%s, 'sh.600001', 10, %s, %s, %s)",
        day, volume, turn, trading,
    )  # fmt: skip


@needs_shared_data
def test_the_recorded_float_of_a_stock_is_within_the_rounding_of_its_turnover(hs300: Database) -> None:
    """All of the stock's shares float, and their number changed by less than 0.01 % from 2023 to 2024 (bonds)."""
    reply = (SHARED_DATA / "wire/query_profit_data/response.bin").read_bytes().decode()
    (row,) = json.loads(reply[reply.index('{"record"') : reply.rindex("}") + 1])["record"]
    assert (row[0], row[2]) == (PUDONG, "2023-06-30")
    shares = Decimal(row[-1])
    days = hs300.rows(
        "SELECT float_shares, b.turn FROM ashare.daily_float JOIN ashare.daily_bar b USING (trade_date, code) "
        "WHERE code = %s AND known_on = trade_date", PUDONG,
    )  # fmt: skip
    assert len(days) > 140
    for found, turn in days:
        assert abs(found / shares - 1) <= Decimal("0.00005") / turn + Decimal("0.0001")


@needs_shared_data
def test_the_float_of_the_recorded_stocks_changes_on_few_days_only(hs300: Database) -> None:
    """Within the rounding of both days' turnovers, but for unlocked, issued and bonus shares."""
    rows = hs300.rows(
        "SELECT code, float_shares, b.turn FROM ashare.daily_float JOIN ashare.daily_bar b USING (trade_date, code) "
        "WHERE known_on = trade_date ORDER BY code, trade_date"
    )
    pairs = [(one, next_) for one, next_ in pairwise(rows) if one[0] == next_[0]]
    changed = [
        pair for pair in pairs
        if abs(pair[1][1] / pair[0][1] - 1) > Decimal("0.000051") * sum(1 / row[2] for row in pair)
    ]  # fmt: skip
    assert len(pairs) > 42_000
    assert 0 < len(changed) < len(pairs) * 0.03


def test_a_day_without_turnover_has_the_float_of_the_day_before(database: Database) -> None:
    database.do("INSERT INTO ashare.security (code, kind) VALUES ('sh.600001', 'stock'), ('sh.000001', 'index')")
    put(database, "2024-01-02", None, None, trading=False)
    put(database, "2024-01-03", 1_000_000, "2.5")
    put(database, "2024-01-04", 0, None, trading=False)
    put(database, "2024-01-05", 500_000, "9.9", trading=False)  # a suspended row with values of an earlier day
    put(database, "2024-01-08", 5, "0.000000")
    put(database, "2024-01-09", 1_200_000, "2.4")
    database.do(
        "INSERT INTO ashare.daily_bar (trade_date, code, close, volume, turn, is_trading) "
        "VALUES ('2024-01-03', 'sh.000001', 3000, 100, 1, true)"
    )
    third, ninth = date(2024, 1, 3), date(2024, 1, 9)
    found = database.rows(
        "SELECT float_shares, float_market_cap, known_on FROM ashare.daily_float ORDER BY trade_date"
    )
    assert found == [
        (None, None, None),
        *[(Decimal(40_000_000), Decimal(400_000_000), third)] * 4,
        (Decimal(50_000_000), Decimal(500_000_000), ninth),
    ]
