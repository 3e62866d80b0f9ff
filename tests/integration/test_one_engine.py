"""What a batch of codes believes when the source falls silent, and what it leaves behind when it breaks off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from io import StringIO
from typing import Literal

import pytest

from ashare.errors import AshareError, BadReply, SourceRefused, SourceUnreachable, StoreUnavailable
from ashare.settings import DEFAULT_INDICES, Settings
from ashare.store.bar_merge import merge
from ashare.store.database import lock_merging
from ashare.store.rows import BatchRows, Plan
from ashare.sync import fetch_and_copy, plan_batches, wait_for_trading_day
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.trade_date import BY_CODE, DAY, MARKET, complete, status
from tests.waiting import until

ABSENT = "SELECT code FROM ashare.absent_bar ORDER BY 1"
RANGES = "SELECT code FROM ashare.absent_range ORDER BY 1"
BARS = "SELECT code FROM ashare.daily_bar WHERE trade_date = %s ORDER BY 1"


class Without(GeneratedMarket):
    """A market whose source has no bar of one index."""

    lacks = "sh.000300"

    def bars_of(self, code: str, start: date, end: date) -> list[list[str]]:
        return [] if code == self.lacks else super().bars_of(code, start, end)


@pytest.fixture
def gappy() -> Without:
    return Without(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=20)


def test_a_second_answer_for_one_does_not_count_for_others_where_the_table_has_bars_of_the_kind(
    make_run: MakeRun, database: Database, gappy: Without
) -> None:
    one = Settings(lock_timeout=20.0, indices=("sh.000001",))
    three = Settings(lock_timeout=20.0, indices=("sh.000001", "sh.000300", "sh.000905"))
    with Emulator(gappy) as server:
        options = {"source": source_of(server), "kinds": ("index",)}
        assert complete(make_run(DAY, settings=one, **options)) == "success"
        # sh.000300 has no bar; the one answer of no bar for sh.000905 is a fault.
        server.add_fault(fault(BY_CODE, "empty", after=2))
        assert complete(make_run(DAY, settings=three, **options)) == "success"
    assert database.rows(ABSENT) == [("sh.000300",)]
    assert database.rows(BARS, DAY) == [("sh.000001",), ("sh.000905",)]


def test_an_index_that_shows_that_a_day_is_published_is_not_absent_itself(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    """The source is silent for all requests of the batch, and answers when the batch is judged."""
    emulator.add_fault(fault(BY_CODE, "empty", times=len(DEFAULT_INDICES) + 1))
    run = make_run(DAY, kinds=("index",))
    with suppress(AshareError):
        complete(run)
    assert database.rows(ABSENT) == []
    assert complete(run) == "success"
    assert len(database.rows(BARS, DAY)) == len(DEFAULT_INDICES)


def test_indices_asked_for_once_are_asked_for_again_when_another_shows_that_the_day_is_published(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    others = tuple(code for code in DEFAULT_INDICES if code != "sh.000001")
    emulator.add_fault(fault(BY_CODE, "empty", times=len(others) + 1))
    run = make_run(DAY, kinds=("index",), settings=Settings(lock_timeout=20.0, indices=others))
    with suppress(AshareError):
        complete(run)
    assert len(database.rows(ABSENT)) <= 1  # the one that was asked for twice


def test_an_empty_answer_is_not_believed_where_the_table_has_bars_of_the_index(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    assert complete(make_run("2025-10-10", kinds=("index",))) == "success"
    emulator.add_fault(fault(BY_CODE, "empty", times=len(DEFAULT_INDICES) + 1))
    run = make_run(DAY, kinds=("index",))
    with pytest.raises(BadReply):
        complete(run)
    assert database.rows(RANGES) == []
    assert database.rows(ABSENT) == []
    emulator.clear_faults()
    assert complete(run) == "success"
    assert len(database.rows(BARS, DAY)) == len(DEFAULT_INDICES)


@pytest.fixture
def old() -> Iterator[Emulator]:
    market = GeneratedMarket(start=date(2004, 1, 5), end=date(2006, 5, 31), stocks=6)
    with Emulator(market, now=at("2006-06-01T20:00")) as server:
        yield server


def test_a_source_that_falls_silent_within_a_batch_is_not_believed_about_years(
    make_run: MakeRun, database: Database, old: Emulator
) -> None:
    old.add_fault(fault(BY_CODE, "empty", times=0, after=1))
    settings = Settings(lock_timeout=20.0, indices=("sh.000001", "sz.399106"))
    options = {"source": source_of(old), "now": at("2006-06-01T20:00"), "settings": settings}
    with suppress(AshareError):
        complete(make_run("2004-03-01", kinds=("index",), **options))
    assert database.rows(RANGES) == []
    assert database.rows(ABSENT) == []
    old.clear_faults()
    assert complete(make_run("2004-03-01", kinds=("index",), **options)) == "success"
    assert len(database.rows(BARS, "2004-03-01")) == 2


def test_years_without_a_bar_that_were_asked_for_once_are_asked_for_again_when_a_witness_comes(
    make_run: MakeRun, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page ends years ago, so no bar of last week can disprove an answer of none."""
    monkeypatch.setattr("ashare.sync.by_code.ONE_PAGE", timedelta(days=200))
    market = GeneratedMarket(start=date(2004, 1, 5), end=date(2006, 5, 31), stocks=6)
    now = at("2006-06-01T20:00")
    indices = ("sh.000001", "sh.000016", "sz.399001", "sz.399106")
    with Emulator(market, now=now) as server:
        server.add_fault(fault(BY_CODE, "empty", times=len(indices) + 1))
        settings = Settings(lock_timeout=20.0, indices=indices)
        run = make_run("2004-03-01", source=source_of(server), now=now, kinds=("index",), settings=settings)
        with suppress(AshareError):
            complete(run)
    assert len(database.rows(RANGES)) <= 1  # the one that was asked for twice


def test_a_broken_row_of_the_market_is_no_answer_of_no_bar(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    emulator.add_fault(fault(MARKET, "bad_number"))
    emulator.add_fault(fault(BY_CODE, "empty"))
    assert complete(make_run(DAY, kinds=("stock",))) == "success"
    assert database.rows(ABSENT) == []
    assert database.rows("SELECT rejected, missing FROM ashare.sync_status") == [(1, 0)]


def test_rows_of_another_day_are_no_answer_of_no_bar(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    one = Settings(lock_timeout=20.0, indices=("sh.000016",))
    assert complete(make_run(DAY, kinds=("index",), settings=one)) == "success"
    emulator.add_fault(fault(BY_CODE, "wrong_date", times=2, date="2025/10/09"))
    two = Settings(lock_timeout=20.0, indices=("sh.000001", "sh.000016"))
    with suppress(AshareError):
        complete(make_run(DAY, kinds=("index",), settings=two))
    assert database.rows(ABSENT) == []


def test_a_span_that_could_not_be_judged_is_not_recorded_day_by_day(make_run: MakeRun, database: Database) -> None:
    market, now = Without(start=date(2004, 1, 5), end=date(2006, 5, 31), stocks=6), at("2006-06-01T20:00")
    market.lacks = "sh.000001"
    settings = Settings(lock_timeout=20.0, indices=("sh.000001", "sz.399106"))
    with Emulator(market, now=now) as server:
        server.add_fault(fault(BY_CODE, "close_before_reply", times=0, after=3))
        run = make_run("2004-03-01", source=source_of(server), now=now, kinds=("index",), settings=settings)
        with pytest.raises(SourceUnreachable):
            complete(run)
    assert database.rows(BARS, "2004-03-01") == [("sz.399106",)]
    assert database.rows(ABSENT) == []


class Late(GeneratedMarket):
    """A market of which two stocks are late."""

    late = ("sh.600000", "sh.600519")

    def bars_on(self, day: date, kind: Literal["stock", "etf"]) -> list[list[str]]:
        return [row for row in super().bars_on(day, kind) if row[1] not in self.late]

    def bars_of(self, code: str, start: date, end: date) -> list[list[str]]:
        return [] if code == self.late[1] else super().bars_of(code, start, end)


def test_a_bad_reply_for_one_code_does_not_hide_that_another_is_late(make_run: MakeRun, database: Database) -> None:
    market, now = Late(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=20), at(f"{DAY}T18:30")
    with Emulator(market, now=now) as server:
        server.add_fault(fault(BY_CODE, "wrong_code", times=0))
        run = make_run(DAY, source=source_of(server), now=now, kinds=("stock",))
        wait_for_trading_day(run)
        (batch,) = plan_batches(run)
        with pytest.raises(BadReply, match=r"sh\.600000: Baostock sent bars of .* sh\.600519 for one"):
            fetch_and_copy(run, batch.batch_no)
    assert database.rows("SELECT error ~ 'sh.600000:.*sh.600519 for one' FROM ashare.sync_batch") == [(True,)]


def test_a_bad_reply_when_a_batch_is_judged_does_not_hide_those_before(make_run: MakeRun, emulator: Emulator) -> None:
    emulator.add_fault(fault(BY_CODE, "wrong_code"))
    emulator.add_fault(fault(BY_CODE, "empty", after=1, times=2))
    emulator.add_fault(fault(BY_CODE, "wrong_method", after=3, times=0))
    settings = Settings(lock_timeout=20.0, indices=("sh.000016", "sh.000300"))
    with pytest.raises(BadReply, match=r"sh\.000016: Baostock sent bars of "):
        complete(make_run(DAY, kinds=("index",), settings=settings))


def test_a_bar_that_another_run_is_loading_is_not_recorded_as_absent(make_run: MakeRun, database: Database) -> None:
    run = make_run(DAY)
    plan = Plan("a date", date.fromisoformat(DAY), "another")
    bar = [DAY, "sh.600000", *["10"] * 5, "1", "10", "0.1", "1", "0", *["\\N"] * 4, "0"]
    rows = BatchRows(StringIO("\t".join(bar) + "\n"), 1)
    with ThreadPoolExecutor(1) as thread:
        with run.store.second_store() as second, second.transaction() as connection:
            merge(connection, rows, plan.run_id)
            recorded = thread.submit(run.store.bars.record_absences, [(run.day, "sh.600000")], [], "one")
            time.sleep(0.3)
        recorded.result(timeout=10)
    assert database.rows(BARS, DAY) == [("sh.600000",)]
    assert database.rows(ABSENT) == []


def test_a_date_whose_late_bar_came_is_counted_again_although_the_batch_broke_off(
    make_run: MakeRun, database: Database, gappy: Without
) -> None:
    earlier = "2025-09-30"
    with Emulator(gappy) as server:
        options = {"source": source_of(server), "kinds": ("index",)}
        complete(make_run(earlier, now=at(f"{earlier}T21:00"), **options))
        assert "1 absent" in status(database, earlier)[4]
        gappy.lacks = ""
        run = make_run(DAY, **options)
        wait_for_trading_day(run)
        (batch,) = plan_batches(run)
        server.add_fault(fault(BY_CODE, "close_before_reply", times=0, after=5))
        with pytest.raises(SourceUnreachable):
            fetch_and_copy(run, batch.batch_no)
    assert ("sh.000300",) in database.rows(BARS, earlier)
    state, expected, loaded, missing, reason = status(database, earlier)
    assert (state, loaded, missing, reason) == ("success", expected, 0, None)


def test_a_lock_lost_while_a_page_is_loaded_ends_the_connection_at_once(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    run = make_run(DAY, kinds=("index",))
    wait_for_trading_day(run)
    (batch,) = plan_batches(run)
    had = len(emulator.connections)

    def lose_the_lock() -> float:
        until(lambda: database.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != [])
        ended = time.monotonic()
        database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE starts_with(application_name, 'ashare source')"
        )
        until(lambda: emulator.connections[had].closed is not None)
        return time.monotonic() - ended

    with ThreadPoolExecutor(1) as thread:
        with run.store.second_store() as other, other.transaction() as connection:
            lock_merging(connection)  # as long as another batch merges, the first page waits
            seconds = thread.submit(lose_the_lock)
            fetched = thread_of(lambda: fetch_and_copy(run, batch.batch_no))
            assert seconds.result(timeout=20) < 1
        with pytest.raises(StoreUnavailable, match="holds the lock on Baostock was lost"):
            fetched.result(timeout=20)
    assert complete(make_run(DAY, kinds=("index",))) == "success"
    assert emulator.overlaps() == []


def thread_of(work: Callable[[], object]) -> Future[object]:
    """The result of some work in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    result = pool.submit(work)
    pool.shutdown(wait=False)
    return result


def test_a_connection_is_closed_before_the_end_of_a_broken_batch_is_recorded(
    make_run: MakeRun, database: Database, gappy: Without
) -> None:
    """The absences that came before the error wait for the merge of another batch."""
    gappy.lacks = sorted(row[1] for row in gappy.bars_on(date.fromisoformat(DAY), "stock"))[1]
    with Emulator(gappy) as server:
        run = make_run(DAY, source=source_of(server), kinds=("stock",), fetch="code")
        wait_for_trading_day(run)
        (batch,) = plan_batches(run)
        had = len(server.connections)
        server.add_fault(fault(BY_CODE, "delay", seconds=1.0, after=4))
        server.add_fault(fault(BY_CODE, "error", code="10001006", message="no permission", after=5, times=0))
        with run.store.second_store() as other:
            with other.transaction() as connection:
                until_loaded = thread_of(lambda: fetch_and_copy(run, batch.batch_no))
                until(lambda: len(database.rows(BARS, DAY)) >= 2)
                lock_merging(connection)
                until(lambda: server.connections[had].closed is not None)
                assert not until_loaded.done()
            with pytest.raises(SourceRefused):
                until_loaded.result(timeout=20)
    assert database.rows(ABSENT) == [(gappy.lacks,)]


def test_a_code_whose_own_reply_is_bad_is_not_explained_by_its_broken_row_of_the_market(
    make_run: MakeRun, database: Database, emulator: Emulator, market: GeneratedMarket
) -> None:
    emulator.add_fault(fault(MARKET, "bad_number"))
    emulator.add_fault(fault(BY_CODE, "wrong_code", code="sh.600999"))
    run = make_run(DAY, kinds=("stock",))
    with pytest.raises(BadReply, match=r"Baostock sent bars of sh\.600999"):
        complete(run)
    assert len(database.rows(BARS, DAY)) > 200
    assert database.rows("SELECT code FROM ashare.rejected_bar") == []
    assert complete(run) == "success"
    expected = len(market.bars_on(run.day, "stock"))
    assert len(database.rows(BARS, DAY)) == expected
