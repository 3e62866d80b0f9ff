"""Recorded days of other years: what was odd about them is the source's way, and no fault of its replies."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ashare.errors import IncompleteDate
from ashare.settings import Settings
from ashare.store import Store
from ashare.sync import history as sync
from ashare.sync.history import HistoryRun
from ashare_emulator.market import COLUMNS, Row
from ashare_emulator.panel import PanelMarket
from ashare_emulator.server import Emulator
from tests.conftest import SHARED_DATA, Database, MakeRun, at, needs_shared_data, source_of
from tests.integration.trade_date import assert_table_equals, complete, status

NOW = at("2026-04-30T20:00")
MONDAY, FRIDAY = "1993-06-21", "1993-06-18"


def recorded(name: str) -> list[dict[str, str]]:
    path = SHARED_DATA / name
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def panel(
    directory: Path, rows: list[dict[str, str]], *, factors: bool = True, factors_of: Sequence[Path] = ()
) -> PanelMarket:
    """The rows as a market; with a factor for each stock and day on which its price goes ex, as Baostock has."""
    bars, ex_dates = directory / "bars.csv", directory / "factors.csv"
    with bars.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    days = sorted({row["date"] for row in rows})
    close = {(row["date"], row["code"]): row["close"] for row in rows}
    with ex_dates.open("w", newline="", encoding="utf-8") as file:
        file.write("code,dividOperateDate,backAdjustFactor\n")
        for before, day in pairwise(days):
            for row in rows:
                last = close.get((before, row["code"]), row["preclose"])
                if row["date"] == day and last != row["preclose"]:
                    file.write(f"{row['code']},{day},{float(last) / float(row['preclose']):.6f}\n")
    return PanelMarket([bars], factors=[ex_dates, *factors_of] if factors else factors_of)


@contextmanager
def served(market: PanelMarket) -> Iterator[Emulator]:
    with Emulator(market, now=NOW) as server:
        yield server


def load(make_run: MakeRun, server: Emulator, days: list[str], **options: Any) -> None:
    for day in days:
        run = make_run(day, source=source_of(server, idle=10.0, reply=30.0), now=NOW, kinds=("stock",), **options)
        assert complete(run) == "success"


def assert_all_loaded(database: Database, rows: list[dict[str, str]]) -> None:
    """Every recorded row is there with what was recorded, and every date complete without a reason to doubt it."""
    for day in sorted({row["date"] for row in rows}):
        sent: list[Row] = [[row[name] for name in COLUMNS] for row in rows if row["date"] == day]
        assert_table_equals(database, sent, day)
        assert status(database, day)[:4] == ("success", len(sent), len(sent), 0)
    assert database.rows("SELECT count(*) FROM ashare.rejected_bar") == [(0,)]
    assert database.rows("SELECT count(*) FROM ashare.cross_check WHERE NOT passed") == [(0,)]


@needs_shared_data
def test_the_sessions_that_the_source_lacks_before_1994_leave_the_days_after_them_complete(
    make_run: MakeRun, database: Database, tmp_path: Path
) -> None:
    rows = recorded("real_sz_199306.csv.gz")
    days = sorted({row["date"] for row in rows})
    with served(panel(tmp_path, rows, factors=False)) as server:
        load(make_run, server, days)
    assert_all_loaded(database, rows)
    # One of the 17 went ex as well, and is not explained by a day's move.
    assert "the preclose of 16 of 26 stocks is a close of after 1993-06-18" in status(database, MONDAY)[4]
    assert status(database, FRIDAY)[4] is None
    assert database.rows(
        "SELECT rule, deviating, allowed FROM ashare.cross_check WHERE trade_date = %s "
        "AND rule IN ('preclose', 'ex_dates') ORDER BY rule",
        MONDAY,
    ) == [("ex_dates", 1, 13), ("preclose", 1, 13)]


@needs_shared_data
@pytest.mark.parametrize("stocks", [8, 26])
@pytest.mark.parametrize("day", ["1993-06-18", "1993-06-21"])
def test_bars_of_other_securities_are_refused_in_a_small_market_too(
    make_run: MakeRun, database: Database, tmp_path: Path, day: str, stocks: int
) -> None:
    """Also on a Monday, where a preclose need not be Friday's close: no price moves that far within a day."""
    rows = recorded("real_sz_199306.csv.gz")
    codes = [row["code"] for row in rows if row["date"] == FRIDAY][:stocks]
    after = dict(zip(codes, codes[1:] + codes[:1], strict=True))
    before = max(row["date"] for row in rows if row["date"] < day)
    shifted = [
        row | {"code": after[row["code"]]} if row["date"] == day else row for row in rows if row["code"] in after
    ]
    with served(panel(tmp_path, shifted, factors=False)) as server:
        load(make_run, server, [before])
        found = rf"the preclose of \d+ of {stocks} stocks is not their close of {before}"
        with pytest.raises(IncompleteDate, match=found):
            load(make_run, server, [day])


@needs_shared_data
@pytest.mark.parametrize(("friday", "monday"), [("1993-06-21", "1993-06-22"), ("1996-06-21", "1996-06-24")])
def test_a_moved_market_is_refused_where_no_session_can_lie_in_between(
    make_run: MakeRun, database: Database, tmp_path: Path, friday: str, monday: str
) -> None:
    """The same two days as a Monday and a Tuesday, and as a Friday and a Monday of 1996."""
    dates = {FRIDAY: friday, MONDAY: monday}
    rows = [row | {"date": dates[row["date"]]} for row in recorded("real_sz_199306.csv.gz") if row["date"] in dates]
    with served(panel(tmp_path, rows, factors=False)) as server:
        load(make_run, server, [friday])
        with pytest.raises(IncompleteDate, match=rf"the preclose of 17 of 26 stocks is not their close of {friday}"):
            load(make_run, server, [monday])


@needs_shared_data
def test_a_history_of_the_years_with_saturday_sessions_ends_complete(database: Database, tmp_path: Path) -> None:
    """A stock that goes ex has its factor; that no other has one is believed, as another stock has some."""
    rows = recorded("real_sz_199306.csv.gz")
    known = tmp_path / "known.csv"
    known.write_text("code,dividOperateDate,backAdjustFactor\nsz.000502,1993-06-21,1.554\n", encoding="utf-8")
    market = panel(tmp_path, rows, factors=False, factors_of=[known, SHARED_DATA / "adjust_factor_sh600000.csv"])
    store = Store(database.connect)
    store.migrate()
    with served(market) as server:
        history = HistoryRun(
            date(1993, 6, 14),
            date(1993, 6, 25),
            store=store,
            source=source_of(server),
            kinds=("stock",),
            settings=Settings(lock_timeout=20.0),
            now=NOW,
        )
        batches = sync.plan_batches(history)
        for batch in batches:
            sync.fetch_and_copy(history, batch.batch_no)
        assert sync.record_status(history) == "1993-06-14 to 1993-06-25 is complete."
        sent = server.count("query_adjust_factor")
        # Each of 27 stocks is asked for once (sz.000502 has a factor): a day's move is taken for no ex-date.
        assert sent <= 27 + 1
    assert_all_loaded(database, rows)
    assert database.rows("SELECT code, ex_date::text FROM ashare.adjust_factor WHERE code <> 'sh.600000'") == [
        ("sz.000502", MONDAY)
    ]


@needs_shared_data
def test_days_on_which_most_of_the_market_was_suspended_are_complete(
    make_run: MakeRun, database: Database, tmp_path: Path
) -> None:
    rows = recorded("real_sz_201507.csv.gz")
    with served(panel(tmp_path, rows)) as server:
        load(make_run, server, sorted({row["date"] for row in rows}))
    assert_all_loaded(database, rows)
    suspended = database.rows("SELECT suspended FROM ashare.sync_status ORDER BY trade_date")
    assert suspended == [(405,), (566,), (936,), (1012,), (989,)]


@needs_shared_data
@pytest.mark.parametrize("year", ["2013", "2018", "2020", "2022"])
def test_suspended_rows_with_values_of_an_earlier_day_are_loaded_as_sent(
    make_run: MakeRun, database: Database, tmp_path: Path, year: str
) -> None:
    """Also those that say that they traded, and lack everything that a day of trading has: they were suspended."""
    rows = [row for row in recorded("real_sz_odd_rows.csv") if row["date"].startswith(year)]
    with served(panel(tmp_path, rows)) as server:
        load(make_run, server, sorted({row["date"] for row in rows}))
    assert_all_loaded(database, [row if row["volume"] else row | {"tradestatus": "0"} for row in rows])
    assert database.rows("SELECT count(*) FROM ashare.daily_bar WHERE is_trading AND volume IS NULL") == [(0,)]
