"""A history that was stopped shows everywhere, and histories and backfills at once do not get in each other's way."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from ashare.dates import days_between
from ashare.doctor import WARN, CheckedSystem, examine
from ashare.errors import IncompleteDate
from ashare.export.snapshot import export
from ashare.read import IncompleteBars, load_bars
from ashare.settings import Settings
from ashare.status import status_reader
from ashare.store import Store
from ashare.sync import Run
from ashare.sync.history import HistoryRun, fetch_and_copy, plan_batches, record_status
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from tests.conftest import Database, at, source_of
from tests.integration.trade_date import complete

FIRST, LAST = date(2025, 9, 1), date(2025, 10, 31)
NOW = at("2025-11-03T20:00")


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    return GeneratedMarket(start=FIRST, end=LAST, stocks=60)


@pytest.fixture
def emulator(market: GeneratedMarket) -> Iterator[Emulator]:
    with Emulator(market) as server:
        yield server


MakeHistory = Callable[..., HistoryRun]


@pytest.fixture
def make_history(database: Database, emulator: Emulator) -> MakeHistory:
    def make(first: date = FIRST, last: date = LAST, **options: Any) -> HistoryRun:
        settings = Settings(lock_timeout=60.0)
        store, source = Store(database.connect), source_of(emulator)
        return HistoryRun(
            first, last, store=store, source=source, settings=settings, now=NOW, batch_size=20, **options
        )

    return make


def stop_after_a_batch(history: HistoryRun) -> None:
    """What a run leaves that is killed after its first batch."""
    batches = plan_batches(history)
    assert len(batches) > 2
    fetch_and_copy(history, batches[0].batch_no)


def sessions(market: GeneratedMarket) -> list[date]:
    return [day for day, is_open in market.trade_dates(FIRST, LAST) if is_open]


def test_a_history_that_was_stopped_shows_everywhere(
    make_history: MakeHistory, database: Database, emulator: Emulator, market: GeneratedMarket, tmp_path: Any
) -> None:
    stop_after_a_batch(make_history(run_id="stopped"))
    held = database.rows("SELECT count(DISTINCT trade_date) FROM ashare.daily_bar")[0][0]
    days = sessions(market)
    assert held == len(days)
    # The view, which cannot know which runs are alive, says whose work it is.
    assert database.rows("SELECT DISTINCT status, run_id FROM ashare.sync_status") == [("syncing", "stopped")]
    store = Store(database.connect)
    with status_reader(store, ("stopped",), now=NOW) as reader:
        assert {row[1] for row in reader.coverage(days[0], days[-1]) if row[0] in days} == {"running"}
    with status_reader(store, (), now=NOW) as reader:
        assert {row[1] for row in reader.coverage(days[0], days[-1]) if row[0] in days} == {"partial"}
        assert reader.counts()["failed"] == len(days)
        assert reader.open_range() == (days[0], days[-1])
        assert reader.bounds().lag is None
    system = CheckedSystem(store, lambda: source_of(emulator), Settings, None, list, NOW)
    assert "coverage" not in {finding.name for finding in examine(system)}  # it may well be alive
    for table in ("batch SET started_at = started_at", "batch SET finished_at = finished_at"):
        database.do(f"UPDATE ashare.{table} - interval '7 hours'")
    found = {finding.name: finding for finding in examine(system)}
    assert found["coverage"].state == WARN
    assert f"{len(days) - 4} older trade dates hold bars and are not complete" in found["coverage"].text
    warned = pytest.warns(IncompleteBars, match=f"{len(days)} trade dates are not complete")
    with database.connect() as connection, warned:
        load_bars(start=FIRST, end=LAST, connection=connection)
    with pytest.raises(IncompleteDate, match="trade dates are not complete"):
        dsn = f"host={database.server.socket_dir} user=postgres dbname={database.name}"
        export(tmp_path / "lake", connection=dsn, incomplete="raise")
    assert not list((tmp_path / "lake").rglob("*.parquet"))


def test_the_next_history_completes_what_a_stopped_one_left(
    make_history: MakeHistory, database: Database, market: GeneratedMarket
) -> None:
    stop_after_a_batch(make_history(run_id="stopped"))
    history = make_history(run_id="next")
    for batch in plan_batches(history):
        fetch_and_copy(history, batch.batch_no)
    assert record_status(history).endswith("is complete.")
    assert set(database.rows("SELECT status, run_id FROM ashare.sync_status WHERE status <> 'skipped'")) == {
        ("success", "next")
    }
    # Neither the stopped one nor this one is at work any more.
    assert database.rows("SELECT run_id FROM ashare.history_run WHERE ended_at IS NULL") == []
    with database.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_bars(start=FIRST, end=LAST, connection=connection)) > 0


def test_histories_and_a_backfill_over_overlapping_ranges_at_once_bring_each_bar_once(
    make_history: MakeHistory, database: Database, emulator: Emulator, market: GeneratedMarket
) -> None:
    def history(first: date, last: date, run_id: str) -> str:
        run = make_history(first, last, run_id=run_id)
        for batch in plan_batches(run):
            fetch_and_copy(run, batch.batch_no)
        return record_status(run)

    def backfill() -> set[str]:
        found = set()
        for day in days_between(date(2025, 9, 15), date(2025, 10, 17)):
            if day.weekday() < 5:
                settings = Settings(lock_timeout=60.0)
                run = Run(
                    day,
                    store=Store(database.connect),
                    source=source_of(emulator),
                    settings=settings,
                    now=NOW,
                    run_id="b",
                )
                found.add(complete(run))
        return found

    Store(database.connect).migrate()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(history, FIRST, date(2025, 10, 10), "h1")
        second = pool.submit(history, date(2025, 9, 10), LAST, "h2")
        third = pool.submit(backfill)
        assert third.result() == {"success", "skipped"}
        assert first.result().endswith("is complete.")
        assert second.result().endswith("is complete.")
    assert database.rows("SELECT count(*) FROM ashare.bar_revision") == [(0,)]
    bars = {(row[0], row[1]) for day in sessions(market) for row in market.bars_on(day, "stock")}
    found = (
        "SELECT trade_date::text, code FROM ashare.daily_bar JOIN ashare.security USING (code) WHERE kind = 'stock'"
    )
    rows = database.rows(found)
    assert len(rows) == len(bars)
    assert set(rows) == bars
    assert set(database.rows("SELECT DISTINCT status FROM ashare.sync_status")) == {("success",), ("skipped",)}
    assert database.rows("SELECT count(*) FROM ashare.work") == [(0,)]
    # A stock's pages: of each history one at most, and a second one for what came meanwhile.
    stocks = len({code for _, code in bars})
    assert emulator.count("query_history_k_data_plus") <= 3 * (stocks + 15)
