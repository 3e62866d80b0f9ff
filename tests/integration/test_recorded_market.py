"""Recorded replies of the real Baostock, served by the emulator: every value arrives as it was recorded."""

from __future__ import annotations

import csv
from datetime import date

from ashare.settings import DEFAULT_INDICES
from ashare_emulator.panel import PanelMarket
from ashare_emulator.server import Emulator
from tests.conftest import SHARED_DATA, Database, MakeRun, at, needs_shared_data, source_of
from tests.integration.trade_date import assert_table_equals, complete

pytestmark = needs_shared_data


def test_a_whole_recorded_market_day(make_run: MakeRun, database: Database) -> None:
    market = PanelMarket(
        [SHARED_DATA / "market_20260302_20260331.csv.gz"],
        basic=SHARED_DATA / "stock_basic_20260430.csv",
        calendar=SHARED_DATA / "trade_dates_20160810_20260821.csv",
    )
    with Emulator(market, now=at("2026-04-30T20:00")) as server:
        run = make_run("2026-03-02", source=source_of(server, idle=10.0, reply=30.0), now=at("2026-04-30T20:00"))
        assert complete(run) == "success"
        assert len(server.requests) <= 30
        assert server.overlaps() == []
    rows = market.bars_on(date(2026, 3, 2), "stock")
    assert len(rows) == 5190
    assert_table_equals(database, rows, "2026-03-02")
    ((expected, loaded, suspended, missing),) = database.rows(
        "SELECT expected, loaded, suspended, missing FROM ashare.sync_status"
    )
    # The recorded day has no indices: each of the default ones was asked for, and is known to be absent.
    assert (expected, loaded, missing) == (5190 + len(DEFAULT_INDICES), 5190, 0)
    assert suspended == sum(row[11] == "0" for row in rows)
    assert suspended > 5


def test_rows_with_all_18_columns(make_run: MakeRun, database: Database) -> None:
    market = PanelMarket([SHARED_DATA / "hs300_20240601_20241231.csv.gz"])
    with Emulator(market, now=at("2025-01-02T20:00")) as server:
        for day in ("2024-07-19", "2024-10-08"):
            run = make_run(
                day, source=source_of(server), now=at("2025-01-02T20:00"), kinds=("stock",)
            )  # fmt: skip
            assert complete(run) == "success"
            assert_table_equals(database, market.bars_on(date.fromisoformat(day), "stock"), day)
    blank = "SELECT volume, amount, turn, pct_chg FROM ashare.daily_bar WHERE code = 'sh.600027' AND trade_date = %s"
    assert database.rows(blank, "2024-07-19") == [(None, None, None, None)]


def test_the_sample_of_a_recorded_reply_and_the_factors_of_its_day(make_run: MakeRun, database: Database) -> None:
    factors = SHARED_DATA / "daily_adjust_factor_20260928.csv"
    market = PanelMarket([SHARED_DATA / "astock_20260928_sample.csv"], factors=[factors])
    with Emulator(market, now=at("2026-09-30T20:00")) as server:
        run = make_run("2026-09-28", source=source_of(server), now=at("2026-09-30T20:00"), kinds=("stock",))
        assert complete(run) == "success"
    assert_table_equals(database, market.bars_on(run.day, "stock"), "2026-09-28")
    with factors.open(encoding="utf-8") as file:
        recorded = sorted(tuple(row.values()) for row in csv.DictReader(file))
    assert len(recorded) == 16
    assert recorded == database.rows(
        """SELECT code, ex_date::text, fore_factor::text, back_factor::text, back_factor::text
           FROM ashare.adjust_factor ORDER BY code"""
    )
