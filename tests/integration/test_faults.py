"""Every fault leaves the bars as they were or the whole batch, a red date that says why, and nothing to do twice.

Four things are shown of each: ``daily_bar`` holds what it held before, or the batch as the market has it; the date
is not called complete (or it healed within the run: then it is, and equals the market); ``sync_status.reason`` says
what happened; the next run completes the date, equals the market, and does not ask for what is there.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from ashare.checks import check_bars
from ashare.errors import AshareError, IncompleteDate, SourceBusy, StoreUnavailable
from ashare.settings import DEFAULT_INDICES, Settings
from ashare.source import SourceConfig, Table
from ashare.source.transport import Limits
from ashare.store import Store
from ashare.store.bar_merge import merge
from ashare.store.rows import BatchRows
from ashare.sync import (
    Run,
    fetch_and_copy,
    plan_batches,
    record_status,
    sync_adjust_factors,
    wait_for_trading_day,
)
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS
from ashare_emulator.server import Emulator
from ashare_local.postgres import EmbeddedPostgres
from tests.conftest import Database, at, source_of
from tests.integration.proxy import Point, Proxy, before, beyond
from tests.integration.trade_date import BY_CODE, DAY, MARKET, assert_table_equals, complete, status
from tests.waiting import until

UNIVERSE = "query_stock_basic"
NOW = "2025-11-03T20:00"
LOST = {"code": "10001001", "message": "用户未登陆"}
NO_BAR = "(stocks|indices) have no bar"
NOTHING: Mapping[str, int] = {}

Address = tuple[str, int]


def attempt(run: Run) -> list[AshareError]:
    """Do what the DAG's tasks do before the last one, and return what made them fail."""
    failures: list[AshareError] = []
    try:
        assert wait_for_trading_day(run).is_session
        batches = plan_batches(run)
    except AshareError as error:
        return [error]
    steps: list[Callable[[], object]] = [partial(fetch_and_copy, run, batch.batch_no) for batch in batches]
    steps.append(partial(sync_adjust_factors, run))
    for step in steps:
        try:
            step()
        except AshareError as error:
            failures.append(error)
    return failures


@dataclass
class Scene:
    """A trade date in a database of its own, an emulated Baostock, and the bars that were there before the fault."""

    database: Database
    emulator: Emulator
    market: GeneratedMarket
    kept: list[tuple[Any, ...]]

    def run(self, day: str = DAY, **options: Any) -> Run:
        store = Store(self.database.connect)
        store.migrate()
        options.setdefault("source", source_of(self.emulator))
        options.setdefault("settings", Settings(lock_timeout=20.0))
        return Run(date.fromisoformat(day), store=store, now=at(NOW), **options)

    def begin_with(self, *kinds: str, day: str = DAY) -> Scene:
        """Load the bars of these kinds, and of what is asked for with them: the reference and the adjust factors."""
        assert complete(self.run(day, kinds=kinds)) == "success"
        self.kept = self.table()
        assert self.kept
        return self

    def table(self) -> list[tuple[Any, ...]]:
        return self.database.rows("SELECT * FROM ashare.daily_bar ORDER BY trade_date, code")

    def rows(self, kind: str, day: str = DAY) -> list[list[str]]:
        """What Baostock has of the day."""
        when = date.fromisoformat(day)
        if kind == "stock":
            return self.market.bars_on(when, "stock")
        return [row for code in DEFAULT_INDICES for row in self.market.bars_of(code, when, when)]

    def assert_untouched(self, *, beside: int = 0) -> None:
        """Nothing was changed, or so much as written again, and nothing added but the bars of so many codes."""
        table = self.table()
        assert set(self.kept) <= set(table)
        assert len({row[1] for row in set(table).difference(self.kept)}) == beside

    def assert_whole(self, day: str = DAY) -> None:
        """The day equals the market row by row, and what was there before was not written again."""
        stocks, indices = self.rows("stock", day), self.rows("index", day)
        assert_table_equals(self.database, stocks, day)
        assert_table_equals(self.database, indices, day)
        count = "SELECT count(*) FROM ashare.daily_bar WHERE trade_date = %s"
        assert self.database.rows(count, day) == [(len(stocks) + len(indices),)]
        assert set(self.kept) <= set(self.table())
        state, expected, loaded, missing, _ = status(self.database, day)
        assert (state, expected, loaded, missing) == ("success", loaded, len(stocks) + len(indices), 0)

    def assert_red(self, run: Run, *said: str) -> None:
        """The date is recorded as failed, and the reason has these sentences."""
        with pytest.raises(IncompleteDate) as incomplete:
            record_status(run)
        state, *_, reason = status(self.database, str(run.day))
        assert state == "failed"
        assert reason in str(incomplete.value)
        for sentence in said:
            assert re.search(sentence, reason), reason

    def assert_red_or_whole(self, run: Run, *said: str) -> None:
        """The run finds the fault out and is red, or mends it and equals the market."""
        if attempt(run) or run.store.universe.remaining(run.expectation):
            self.assert_red(run, *said)
        else:
            record_status(run)
            self.assert_whole(str(run.day))

    @contextmanager
    def asking(self, asked: Mapping[str, int] = NOTHING) -> Iterator[None]:
        """So many calls are sent within; of those that are not named, none that brings bars or the universe."""
        expected = {MARKET: 0, BY_CODE: 0, UNIVERSE: 0} | dict(asked)
        had = {method: self.emulator.count(method) for method in expected}
        yield
        assert {method: self.emulator.count(method) - had[method] for method in expected} == expected

    def assert_next_run_completes(
        self, asked: Mapping[str, int] = NOTHING, *, day: str = DAY, settings: Settings | None = None
    ) -> None:
        """A run without a fault completes the day and asks only for what is not there; one more asks nothing."""
        self.emulator.clear_faults()
        options = {"settings": settings} if settings else {}
        with self.asking(asked):
            assert complete(self.run(day, **options)) == "success"
        self.assert_whole(day)
        with self.asking():
            assert complete(self.run(day, **options)) == "success"
        assert self.emulator.overlaps() == []


@pytest.fixture
def scene(database: Database, emulator: Emulator, market: GeneratedMarket) -> Scene:
    """300 stocks; nothing is loaded yet."""
    return Scene(database, emulator, market, [])


@pytest.fixture(scope="module")
def big_market() -> GeneratedMarket:
    """More than 2,000 stocks, so that lists and replies are longer than a page."""
    market = GeneratedMarket(start=date(2025, 9, 24), end=date(2025, 10, 31), stocks=2100)
    assert 2000 < len(market.bars_on(date.fromisoformat(DAY), "stock")) < 2200
    return market


@pytest.fixture
def big(database: Database, big_market: GeneratedMarket) -> Iterator[Scene]:
    """The same with more than 2,000 stocks."""
    with Emulator(big_market) as emulator:
        yield Scene(database, emulator, big_market, [])


def planned(scene: Scene) -> tuple[Run, int]:
    """The date's run and its one batch, the stocks."""
    run = scene.run()
    wait_for_trading_day(run)
    (stocks,) = plan_batches(run)
    return run, stocks.batch_no


# ---------------------------------------------------------------------- no way to Baostock


@contextmanager
def refused() -> Iterator[Address]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield closed.getsockname()


@contextmanager
def not_resolved() -> Iterator[Address]:
    yield "no-such-host.invalid", 10030


@contextmanager
def not_accepted() -> Iterator[Address]:
    """A listener whose queue is full: the system leaves whoever connects without an answer."""
    waiting: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        try:
            while True:
                assert len(waiting) < 100
                waiting.append(socket.socket())
                waiting[-1].settimeout(0.2)
                try:
                    waiting[-1].connect(listener.getsockname())
                except TimeoutError:
                    break
            yield listener.getsockname()
        finally:
            for sock in waiting:
                sock.close()


@pytest.mark.parametrize(
    ("nowhere", "said"),
    [
        (refused, r"Baostock at 127\.0\.0\.1:\d+ cannot be reached \(Connection refused\)"),
        (not_resolved, r"The name of Baostock at no-such-host\.invalid:10030 cannot be resolved"),
        (not_accepted, r"Baostock at 127\.0\.0\.1:\d+ did not accept a connection within 0\.4 s"),
    ],
    ids=["refused", "not resolved", "not accepted"],
)
@pytest.mark.parametrize("known", [True, False], ids=["indices loaded", "nothing known"])
def test_no_connection(
    scene: Scene, nowhere: Callable[[], AbstractContextManager[Address]], said: str, known: bool
) -> None:
    if known:
        scene.begin_with("index")
    with nowhere() as (host, port):
        run = scene.run(source=SourceConfig(host, port, limits=Limits(connect=0.4, idle=1.0, reply=2.0)))
        (failure,) = attempt(run)
    assert re.search(said, str(failure))
    scene.assert_untouched()
    scene.assert_red(run, said, NO_BAR if known else "calendar is not known for 2025-10-09")
    indices = 0 if known else len(DEFAULT_INDICES)
    scene.assert_next_run_completes({MARKET: 1, BY_CODE: indices, UNIVERSE: int(not known)})


# ---------------------------------------------------------------------- what Baostock answers

# What is there before, which call the fault strikes, after how many of them, and how often the next run sends it.
# What came by code before the fault stays.
CALLS = [("index", MARKET, 0, 1), ("stock", BY_CODE, 5, len(DEFAULT_INDICES) - 5)]


# What is wrong with its reply, and what is said of it.
REPLIES: list[tuple[str, dict[str, str], str]] = [
    ("stall", {}, "Baostock sent nothing for 1 s"),
    ("close_before_reply", {}, r"closed the connection in the middle of a reply \(0 bytes had arrived\)"),
    ("close_mid_reply", {}, r"closed the connection in the middle of a reply \([1-9]\d* bytes had arrived\)"),
    ("cut_body", {}, r"body of Baostock's reply cannot be read \(it is cut\)"),
    ("garbage", {}, r"body of Baostock's reply cannot be read \("),
    ("wrong_method", {}, "Baostock answered query_all_stock when {call} was asked"),
    ("drop_column", {"column": "close"}, "reply to {call} lacks the column close"),
    ("rename_column", {"column": "close", "to": "last"}, "reply to {call} lacks the column close"),
    ("error", {"code": "10002007", "message": "网络接收错误"}, r"answered {call} with 10002007 \(网络接收错误\)"),
]


@pytest.mark.parametrize(("there", "call", "after", "again"), CALLS, ids=["whole market", "by code"])
@pytest.mark.parametrize(("kind", "args", "said"), REPLIES, ids=[kind for kind, *_ in REPLIES])
def test_a_reply_that_fails(
    scene: Scene, there: str, call: str, after: int, again: int, kind: str, args: Mapping[str, Any], said: str
) -> None:
    scene.begin_with(there)
    # It fails again when a session that was dropped is opened again.
    scene.emulator.add_fault(fault(call, kind, times=0, after=after, **args))
    run = scene.run(source=source_of(scene.emulator, idle=1.0))
    (failure,) = attempt(run)
    scene.assert_untouched(beside=after)
    scene.assert_red(run, said.format(call=call), NO_BAR, re.escape(str(failure).rstrip(".")))
    scene.assert_next_run_completes({call: again})


@pytest.mark.parametrize(
    ("kind", "args", "said"),
    [
        (
            "wrong_code",
            {"code": "sh.000002"},
            r"Baostock sent bars of sh\.000002 when s[hz]\.\d{6} was asked for; nothing was",
        ),
        ("wrong_page", {}, f"Baostock answered {BY_CODE} with another page than page 1"),
    ],
    ids=["wrong_code", "wrong_page"],
)
def test_a_reply_by_code_that_is_anothers(scene: Scene, kind: str, args: Mapping[str, Any], said: str) -> None:
    scene.begin_with("stock")
    scene.emulator.add_fault(fault(BY_CODE, kind, after=5, **args))
    run = scene.run()
    assert len(attempt(run)) == 1
    scene.assert_untouched(beside=len(DEFAULT_INDICES) - 1)
    scene.assert_red(run, said, NO_BAR)
    scene.assert_next_run_completes({BY_CODE: 1})


@pytest.mark.parametrize(("there", "call", "after", "again"), CALLS, ids=["whole market", "by code"])
def test_a_session_that_is_lost_again_and_again(scene: Scene, there: str, call: str, after: int, again: int) -> None:
    scene.begin_with(there)
    scene.emulator.add_fault(fault(call, "error", times=0, after=after, **LOST))
    run, logins = scene.run(), scene.emulator.count("login")
    assert len(attempt(run)) == 1
    assert scene.emulator.count("login") == logins + 2  # one to begin with, one to mend it, and no more
    scene.assert_untouched(beside=after)
    scene.assert_red(run, rf"answered {call} with 10001001 \(用户未登陆\): the session was lost", NO_BAR)
    scene.assert_next_run_completes({call: again})


@pytest.mark.parametrize(
    ("kind", "args"),
    [("wrong_date", {"date": "2025-10-08"}), ("bad_number", {"column": "close", "value": "12.3.4"})],
    ids=["wrong_date", "bad_number"],
)
def test_rows_that_cannot_be(scene: Scene, kind: str, args: Mapping[str, Any]) -> None:
    """In every reply, so that asking for a row once more does not help. A bad row is set aside, the others count."""
    scene.begin_with("index")
    for call in (MARKET, BY_CODE):
        scene.emulator.add_fault(fault(call, kind, times=0, **args))
    settings = Settings(lock_timeout=20.0, max_rejected=0)
    run = scene.run(settings=settings)
    attempt(run)
    stocks = scene.rows("stock")
    good = [] if kind == "wrong_date" else stocks[1:]  # the emulator spoils the date of all, the number of the first
    assert_table_equals(scene.database, good, DAY)
    assert len(scene.table()) == len(scene.kept) + len(good)
    assert set(scene.kept) <= set(scene.table())
    scene.assert_red(run, rf"{len(stocks) - len(good)} rows broke a rule, more than ASHARE_MAX_REJECTED \(0\)")
    rules = scene.database.rows("SELECT DISTINCT rule FROM ashare.rejected_bar WHERE superseded_at IS NULL")
    wrong_date = "the date is not in what was asked for (2025-10-09 to 2025-10-09)"
    assert (wrong_date if kind == "wrong_date" else "close is not a number",) in rules
    scene.assert_next_run_completes({BY_CODE: 1} if good else {MARKET: 1}, settings=settings)


def test_an_empty_market_on_an_open_day(scene: Scene) -> None:
    scene.begin_with("index")
    scene.emulator.add_fault(fault(MARKET, "empty"))
    run = scene.run()
    assert len(attempt(run)) == 1
    scene.assert_untouched()
    scene.assert_red(run, "Baostock has no stocks for 2025-10-09, a trading day", NO_BAR)
    scene.assert_next_run_completes({MARKET: 1})


def test_an_empty_reply_by_code_on_an_open_day(scene: Scene) -> None:
    """One answer of nothing, where there is a bar, is no proof that there is none."""
    scene.begin_with("stock")
    scene.emulator.add_fault(fault(BY_CODE, "empty", after=5))
    scene.assert_red_or_whole(scene.run(), DEFAULT_INDICES[5])
    scene.emulator.clear_faults()
    assert complete(scene.run()) == "success"
    scene.assert_whole()


def test_a_market_cut_by_more_than_can_be_asked_one_by_one(big: Scene) -> None:
    big.begin_with("index")
    big.emulator.add_fault(fault(MARKET, "truncated_page", rows=1000))
    run = big.run()
    assert len(attempt(run)) == 1
    big.assert_untouched()
    big.assert_red(
        run,
        r"reply for 2025-10-09 has 1000 stocks and lacks \d+ of \d+ that were expected; nothing was written",
        NO_BAR,
    )
    big.assert_next_run_completes({MARKET: 1})


def test_a_universe_that_ends_at_a_whole_page(big: Scene) -> None:
    """The second page is empty: the list has exactly 2,000 securities and looks whole."""
    big.begin_with("stock", "index", day="2025-09-30")
    # Securities may have been listed since it was read: it is read again for the later date.
    big.database.do("UPDATE ashare.security SET updated_at = '2025-09-30 20:00+08'")
    universe = big.database.rows("SELECT * FROM ashare.security ORDER BY code")
    big.emulator.add_fault(fault(UNIVERSE, "empty", after=1))
    run = big.run()
    (failure,) = attempt(run)
    assert big.emulator.count(MARKET) == 1  # that of the earlier date
    big.assert_untouched()
    assert big.database.rows("SELECT * FROM ashare.security ORDER BY code") == universe
    said = r"list of securities stopped at 2000 rows, a whole number of pages, and lacks \d+ that were listed"
    assert re.search(said, str(failure))
    big.assert_red(run, said, "the list of securities was not read since 2025-10-09", NO_BAR)
    # The indices came with the earlier date.
    big.assert_next_run_completes({MARKET: 1, UNIVERSE: 2})


def test_a_universe_that_ends_in_the_middle_of_a_page(scene: Scene) -> None:
    """Asked one by one, the date has no other way to know what is lacking."""
    scene.emulator.add_fault(fault(UNIVERSE, "truncated_page"))
    scene.assert_red_or_whole(scene.run(fetch="code"), "list of securities")
    scene.emulator.clear_faults()
    assert complete(scene.run()) == "success"
    scene.assert_whole()


# ---------------------------------------------------------------------- what heals within the run


@pytest.mark.parametrize(("there", "call", "after", "asked"), CALLS, ids=["whole market", "by code"])
@pytest.mark.parametrize(
    ("kind", "args", "more"),
    [
        ("duplicate_row", {}, 0),  # the same row twice is one row
        ("error", LOST, 1),  # a lost session is mended by one login, and the call sent again
    ],
    ids=["duplicate_row", "session lost once"],
)
def test_what_is_mended_within_the_run(
    scene: Scene, there: str, call: str, after: int, asked: int, kind: str, args: Mapping[str, Any], more: int
) -> None:
    """The date is complete, and rightly so."""
    scene.begin_with(there)
    scene.emulator.add_fault(fault(call, kind, after=after, **args))
    logins = scene.emulator.count("login")
    with scene.asking({call: after + asked + more}):
        assert complete(scene.run()) == "success"
    assert scene.emulator.count("login") == logins + 1 + more
    scene.assert_whole()
    scene.assert_next_run_completes()


@pytest.mark.parametrize("kind", ["drop", "close_before_reply"])
def test_a_batch_of_200_stocks_ends_in_its_first_try_when_every_session_is_dropped(scene: Scene, kind: str) -> None:
    if kind == "drop":
        scene.emulator.add_fault(fault("*", "drop", times=0, requests=43))
    else:
        for nth in range(4):
            scene.emulator.add_fault(fault(BY_CODE, kind, after=45 * (nth + 1)))
    run = scene.run(fetch="code", kinds=("stock",), batch_size=200)
    wait_for_trading_day(run)
    batches = plan_batches(run)
    assert max(len(batch.codes or ()) for batch in batches) == 200
    for batch in batches:
        fetch_and_copy(run, batch.batch_no)
    sync_adjust_factors(run)
    assert record_status(run) == "success"
    assert_table_equals(scene.database, scene.rows("stock"), DAY)
    ended = "SELECT outcome, count(*) FROM ashare.source_request GROUP BY 1 ORDER BY 1"
    outcomes = dict(scene.database.rows(ended))
    assert set(outcomes) == {"ok", "SourceDropped"}
    assert 4 <= outcomes["SourceDropped"] <= 10
    assert scene.emulator.overlaps() == []


def test_what_a_cut_market_lacks_is_asked_one_by_one(scene: Scene) -> None:
    """The date is complete, and rightly so."""
    scene.begin_with("index")
    stocks = len(scene.rows("stock"))
    scene.emulator.add_fault(fault(MARKET, "truncated_page", rows=stocks - 60))
    with scene.asking({MARKET: 1, BY_CODE: 60}):
        assert complete(scene.run()) == "success"
    scene.assert_whole()
    scene.assert_next_run_completes()


def test_a_market_of_exactly_2000_rows_is_not_taken_for_whole(big: Scene) -> None:
    """The date is complete, and rightly so: what lies beyond the 2,000 is asked for one by one."""
    big.begin_with("index")
    beyond_the_cut = len(big.rows("stock")) - 2000
    big.emulator.add_fault(fault(MARKET, "exact_rows", rows=2000))
    with big.asking({MARKET: 1, BY_CODE: beyond_the_cut}):
        assert complete(big.run()) == "success"
    big.assert_whole()
    big.assert_next_run_completes()


def test_the_later_days_that_a_cut_reply_by_code_lacks_are_asked_for_when_they_come(scene: Scene) -> None:
    """Only the first day is in the reply, and that one is complete."""
    scene.begin_with("stock")
    scene.emulator.add_fault(fault(BY_CODE, "truncated_page", times=0, rows=1))
    with scene.asking({BY_CODE: len(DEFAULT_INDICES)}):
        assert complete(scene.run()) == "success"
    scene.assert_whole()
    later = "2025-10-10"
    run = scene.run(later)
    wait_for_trading_day(run)
    scene.assert_red(run, NO_BAR)
    scene.assert_next_run_completes({MARKET: 1, BY_CODE: len(DEFAULT_INDICES)}, day=later)


# ---------------------------------------------------------------------- what happens to the database


@pytest.fixture
def own_server(own_directory: Path) -> Iterator[Database]:
    """A database on a server that may be restarted."""
    directory = Path(tempfile.mkdtemp(dir=own_directory))
    with EmbeddedPostgres(directory / "postgres", databases=("ashare",), durable=False) as server:
        yield Database(server, "ashare")


def restart(server: EmbeddedPostgres, how: signal.Signals) -> None:
    """As ``pg_ctl restart`` does it: ``fast`` is SIGINT, ``immediate`` is SIGQUIT, with a recovery afterwards."""
    assert server.pid is not None
    os.kill(server.pid, how)
    until(lambda: server.pid is None)
    server.start()


def fetch_through_a_restart(scene: Scene, how: signal.Signals) -> Run:
    """Restart the database once Baostock has been asked for the market, long before it answers."""
    scene.begin_with("index")
    run, batch_no = planned(scene)
    scene.emulator.add_fault(fault(MARKET, "delay", seconds=4))

    def restart_when_asked() -> None:
        sent = "SELECT id FROM ashare.source_request WHERE method = %s AND outcome IS NULL"
        until(lambda: scene.database.rows(sent, MARKET) and scene.emulator.count(MARKET))
        restart(scene.database.server, how)

    with ThreadPoolExecutor() as beside:
        restarted = beside.submit(restart_when_asked)
        with pytest.raises(StoreUnavailable, match="holds the lock on Baostock was lost"):
            fetch_and_copy(run, batch_no)
        restarted.result()
    return run


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_the_database_restarts_while_the_market_is_awaited(
    own_server: Database, emulator: Emulator, market: GeneratedMarket, how: signal.Signals
) -> None:
    scene = Scene(own_server, emulator, market, [])
    run = fetch_through_a_restart(scene, how)
    scene.assert_untouched()
    scene.assert_red(run, rf"{len(scene.rows('stock'))} of \d+ {NO_BAR}")
    scene.assert_next_run_completes({MARKET: 1})


def test_the_reason_names_the_batch_that_a_restart_has_left(
    own_server: Database, emulator: Emulator, market: GeneratedMarket
) -> None:
    """The error could not be recorded: the database that should keep it was away."""
    scene = Scene(own_server, emulator, market, [])
    run = fetch_through_a_restart(scene, signal.SIGQUIT)
    scene.assert_red(run, "stocks 2025-10-09, whole market: ")


@contextmanager
def full_disk(database: Database, table: str) -> Iterator[None]:
    """Whatever is written to the table's file finds no space left on the device: the file is /dev/full."""
    others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    database.close()
    until(lambda: not database.rows(others))  # a server process that has the file open would go on writing to it
    ((path, size),) = database.rows("SELECT pg_relation_filepath(%s), pg_relation_size(%s)", table, table)
    assert size == 0
    file = database.server.data_dir / path
    aside = file.with_name(f"{file.name}.aside")
    file.rename(aside)
    try:
        file.symlink_to("/dev/full")
        yield
    finally:
        file.unlink()
        aside.rename(file)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_the_disk_is_full(scene: Scene) -> None:
    said = (
        r"database went away or refused \(could not extend file .*: No space left on device.*\); nothing of this step"
    )
    scene.run().store.close()  # the schema is there
    with full_disk(scene.database, "ashare.daily_bar"):
        run = scene.run()
        failures = attempt(run)
        assert len(failures) == 2
        assert all(re.search(said, str(failure)) for failure in failures)
        scene.assert_red(
            run,
            f"stocks 2025-10-09, whole market: The {said}",
            f"indices 1-{len(DEFAULT_INDICES)}: The {said}",
            f"of \\d+ {NO_BAR}",
        )
        run.store.close()
    scene.assert_untouched()
    # What went elsewhere is there: the universe is not asked for again.
    scene.assert_next_run_completes({MARKET: 1, BY_CODE: len(DEFAULT_INDICES)})


# ---------------------------------------------------------------------- what happens to the process


@contextmanager
def victim(scene: Scene, socket_dir: Path, batch_no: int, *, idle: float = 30.0) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works on the batch; killed at the latest at the end."""
    arguments = {
        "--socket-dir": socket_dir,
        "--database": scene.database.name,
        "--port": scene.emulator.port,
        "--day": DAY,
        "--batch": batch_no,
        "--now": NOW,
        "--idle": idle,
    }
    command = [sys.executable, "-m", "tests.integration.victim"]
    for name, value in arguments.items():
        command += [name, str(value)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until_asked(scene: Scene, process: subprocess.Popen[bytes]) -> None:
    """Until the emulator has the process's request for the market."""
    until(lambda: scene.emulator.count(MARKET) or process.poll() is not None)
    assert process.poll() is None


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    assert process.wait() == -signal.SIGKILL


NOTHING_YET = "state = 'idle in transaction' AND backend_xid IS NULL"
"""The server has begun a transaction and written nothing in it."""
SOME_ROWS = "pid IN (SELECT pid FROM pg_stat_progress_copy WHERE tuples_processed > 100)"
"""It has taken in rows, and waits for more."""
ALL_STAGED = "state = 'idle in transaction' AND query LIKE '%%ANALYZE incoming%%'"
"""It has all rows in the temporary table."""
ALL_LOADED = "state = 'idle in transaction' AND pg_relation_size('ashare.daily_bar') > 2000 * 100"
"""It may be told to keep them: the file has grown by rows that nobody else can see."""


@pytest.mark.parametrize(
    ("has_one", "point", "proof"),
    [
        # The table has none of the bars: they are copied straight into it.
        pytest.param(False, before(b"COPY ashare.daily_bar"), NOTHING_YET, id="before COPY"),
        pytest.param(False, beyond(b"COPY ashare.daily_bar", 200_000), SOME_ROWS, id="in the middle of COPY"),
        pytest.param(False, before(b"COMMIT", after=b"COPY ashare.daily_bar"), ALL_LOADED, id="before the commit"),
        # It has one of them: they are staged and merged.
        pytest.param(True, before(b"CREATE TEMPORARY TABLE"), NOTHING_YET, id="before staging"),
        pytest.param(True, beyond(b"COPY incoming", 200_000), SOME_ROWS, id="in the middle of staging"),
        pytest.param(
            True, before(b"pg_advisory_xact_lock", after=b"ANALYZE incoming"), ALL_STAGED, id="before the merge"
        ),
        pytest.param(
            True, before(b"COMMIT", after=b"INSERT INTO ashare.daily_bar"), ALL_LOADED, id="before the merge's commit"
        ),
    ],
)
def test_a_task_is_killed(big: Scene, own_directory: Path, has_one: bool, point: Point, proof: str) -> None:
    big.begin_with("index")
    if has_one:
        when = date.fromisoformat(DAY)
        lines = check_bars(Table(list(COLUMNS), big.rows("stock")[:1]), None, when, when, day=when).lines
        with big.run().store.transaction() as connection:
            assert merge(connection, BatchRows(StringIO("".join(lines)), 1), "before").inserted == 1
        big.kept = big.table()
    assert big.database.rows("SELECT pg_relation_size('ashare.daily_bar') < 2000 * 50") == [(True,)]
    run, batch_no = planned(big)
    directory = Path(tempfile.mkdtemp(dir=own_directory))
    with (
        Proxy(big.database.server.socket_dir, directory, point) as proxy,
        victim(big, directory, batch_no) as process,
    ):
        until(lambda: proxy.reached.is_set() or process.poll() is not None)
        assert process.poll() is None
        there = f"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND {proof}"
        until(lambda: big.database.rows(there))
        kill(process)
        big.assert_untouched()
    big.assert_untouched()
    big.assert_red(run, rf"{len(big.rows('stock')) - has_one} of \d+ {NO_BAR}")
    big.assert_next_run_completes({MARKET: 1})


def test_whoever_holds_the_lock_and_is_killed_gives_it_up_at_once(scene: Scene) -> None:
    scene.begin_with("index")
    run, batch_no = planned(scene)
    scene.emulator.add_fault(fault(MARKET, "stall"))
    with victim(scene, scene.database.server.socket_dir, batch_no) as process:
        until_asked(scene, process)
        hurried = scene.run(settings=Settings(lock_timeout=1.0))
        with pytest.raises(SourceBusy, match="held by ashare source: victim"), hurried.session():
            pass
        kill(process)
        killed = time.monotonic()
        with scene.run().session() as session:
            assert time.monotonic() - killed < 2
            assert session.trade_dates(run.day, run.day).rows
    scene.assert_untouched()
    scene.assert_red(run, rf"{len(scene.rows('stock'))} of \d+ {NO_BAR}")
    scene.assert_next_run_completes({MARKET: 1})


def test_the_reason_names_the_batch_that_a_killed_task_has_left(scene: Scene) -> None:
    scene.begin_with("index")
    run, batch_no = planned(scene)
    scene.emulator.add_fault(fault(MARKET, "stall"))
    with victim(scene, scene.database.server.socket_dir, batch_no) as process:
        until_asked(scene, process)
        kill(process)
    scene.assert_red(run, "stocks 2025-10-09, whole market: ")


def test_a_hang_does_not_spin_and_ends(scene: Scene) -> None:
    scene.begin_with("index")
    run, batch_no = planned(scene)
    scene.emulator.add_fault(fault(MARKET, "stall"))
    waited_for_before = cpu_of_ended_children()
    with victim(scene, scene.database.server.socket_dir, batch_no, idle=2.0) as process:
        until_asked(scene, process)
        asked = time.monotonic()
        used = psutil.Process(process.pid).cpu_times()
        assert process.wait(timeout=10) == 1
        assert 1.5 < time.monotonic() - asked < 6
    # Its end included: reporting the error, and closing what it had open.
    assert cpu_of_ended_children() - waited_for_before - (used.user + used.system) < 1.0
    scene.assert_untouched()
    scene.assert_red(run, "stocks 2025-10-09, whole market: Baostock sent nothing for 2 s", NO_BAR)
    scene.assert_next_run_completes({MARKET: 1})


def cpu_of_ended_children() -> float:
    """Seconds of CPU time of the processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
