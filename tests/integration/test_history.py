"""Many years by code: equal to the market, at the fewest requests, whatever happens in between."""

from __future__ import annotations

import math
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ashare import sync
from ashare.cost import PAGE_SESSIONS
from ashare.errors import (
    AshareError,
    BadReply,
    BudgetSpent,
    IncompleteDate,
    InvalidInput,
    SourceUnreachable,
    StoreUnavailable,
)
from ashare.settings import DEFAULT_INDICES, Settings
from ashare.store import Store
from ashare.sync import Run
from ashare.sync.history import HistoryRun, fetch_and_copy, plan_batches, record_status
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS, INDEX, STOCK, Factor, Row, Security
from ashare_emulator.server import Emulator
from tests.conftest import Database, at, source_of
from tests.integration.trade_date import BY_CODE, complete
from tests.waiting import until

FIRST, LATER, LAST = date(2015, 11, 2), date(2022, 11, 1), date(2025, 10, 31)
NOW = "2025-11-03T20:00"
JANUARY = date(2026, 1, 5), date(2026, 1, 30)
FACTORS = "query_adjust_factor"
MARKET_DAY = "query_daily_history_k_AStock"

# As sent; the text of a number keeps its decimals.
TABLE = """
    SELECT trade_date::text, code, open::text, high::text, low::text, close::text, preclose::text, volume::text,
           amount::text, turn::text, is_trading::int::text, pct_chg::text, pe_ttm::text, pb_mrq::text, ps_ttm::text,
           pcf_ncf_ttm::text, is_st::int::text
    FROM ashare.daily_bar
"""
SENT = [COLUMNS.index(name) for name in COLUMNS if name != "adjustflag"]
IS_TRADING = [name for name in COLUMNS if name != "adjustflag"].index("tradestatus")


@pytest.fixture(scope="module")
def decade() -> GeneratedMarket:
    """30 stocks, those that came and went, and the indices, over ten years."""
    return GeneratedMarket(start=FIRST, end=LAST, stocks=30, etfs=3, indices=12)


@pytest.fixture(scope="module")
def triennium() -> GeneratedMarket:
    """The same over three years."""
    return GeneratedMarket(start=LATER, end=LAST, stocks=30, etfs=3, indices=12)


@pytest.fixture(scope="module")
def month() -> GeneratedMarket:
    """60 stocks, indices and ETFs in September and October 2025."""
    return GeneratedMarket(start=date(2025, 9, 1), end=LAST, stocks=60)


class Scene:
    """A history run, its database, and a market to hold it against."""

    def __init__(self, database: Database, emulator: Emulator, market: GeneratedMarket) -> None:
        self.database, self.emulator, self.market = database, emulator, market
        Store(database.connect).migrate()

    def history(self, first: date = date(2025, 9, 1), last: date = LAST, **options: Any) -> HistoryRun:
        options.setdefault("settings", Settings(lock_timeout=20.0))
        options.setdefault("now", at(NOW))
        return HistoryRun(first, last, store=Store(self.database.connect), source=source_of(self.emulator), **options)

    def of_2026(self, **options: Any) -> HistoryRun:
        return self.history(*JANUARY, now=at("2026-02-02T20:00"), **options)

    def run(self, history: HistoryRun) -> str:
        """What the DAG's tasks do."""
        for batch in plan_batches(history):
            with suppress(BadReply):
                fetch_and_copy(history, batch.batch_no)
        return record_status(history)

    def plan_in_words(self, history: HistoryRun) -> str:
        """The recorded plan of a history."""
        ((plan,),) = self.database.rows("SELECT plan FROM ashare.history_run WHERE run_id = %s", history.run_id)
        return str(plan)

    def daily(self, day: date, **options: Any) -> Run:
        settings = Settings(lock_timeout=20.0, recheck_days=0)
        return Run(
            day,
            store=Store(self.database.connect),
            source=source_of(self.emulator),
            now=at(NOW),
            settings=settings,
            **options,
        )

    def securities(self, *types: str) -> list[Security]:
        """Those that are loaded: of the indices, the default ones."""
        return [
            security
            for security in self.market.securities()
            if security.type in types and (security.type != INDEX or security.code in DEFAULT_INDICES)
        ]

    def bars(self, first: date, last: date, codes: Sequence[str] | None = None) -> list[Row]:
        chosen = codes or [security.code for security in self.securities(STOCK, INDEX)]
        return [row for code in chosen for row in self.market.bars_of(code, first, last)]

    def assert_equals_the_market(self, first: date, last: date, codes: Sequence[str] | None = None) -> None:
        expected = sorted(_as_kept(row) for row in self.bars(first, last, codes))
        assert sorted(self.database.rows(TABLE)) == expected
        assert len(expected) > 0

    def assert_factors_are_the_market_s(self) -> None:
        expected = [
            (factor.code, factor.ex_date, factor.back)
            for security in self.securities(STOCK)
            for factor in self.market.factors_of(security.code, date(1990, 1, 1), LAST)
        ]
        found = self.database.rows("SELECT code, ex_date, back_factor::text FROM ashare.adjust_factor")
        assert sorted(found) == sorted(expected)
        assert expected

    def fewest_requests(self, first: date, last: date) -> int:
        """A page of each security for every 1,999 of its sessions, and the factors of each stock."""
        sessions = [day for day, is_open in self.market.trade_dates(first, last) if is_open]
        count = 0
        for security in self.securities(STOCK, INDEX):
            listed = sum(
                security.ipo_date <= day < (security.out_date or date.max)
                and (security.type == STOCK or day.year > 2005)
                for day in sessions
            )
            count += math.ceil(listed / PAGE_SESSIONS) + (security.type == STOCK and listed > 0)
        return count

    def statuses(self) -> dict[str, int]:
        return dict(self.database.rows("SELECT status, count(*) FROM ashare.sync_status GROUP BY status"))


def _as_kept(row: Row) -> tuple[str | None, ...]:
    values = [row[n] or None for n in SENT]
    values[IS_TRADING] = values[IS_TRADING] or "1"  # an index is never suspended
    return tuple(values)


@pytest.fixture
def years(database: Database, decade: GeneratedMarket) -> Iterator[Scene]:
    with Emulator(decade) as emulator:
        yield Scene(database, emulator, decade)


@pytest.fixture
def three_years(database: Database, triennium: GeneratedMarket) -> Iterator[Scene]:
    with Emulator(triennium) as emulator:
        yield Scene(database, emulator, triennium)


@pytest.fixture
def scene(database: Database, month: GeneratedMarket) -> Iterator[Scene]:
    with Emulator(month) as emulator:
        yield Scene(database, emulator, month)


def asked_of(emulator: Emulator) -> list[str]:
    return [record.params["code"] for record in emulator.requests if record.method == BY_CODE]


# ---------------------------------------------------------------------- all of it


def test_ten_years_equal_the_market_at_the_fewest_requests(years: Scene) -> None:
    history = years.history(FIRST)
    assert years.run(history) == f"{FIRST} to {LAST} is complete."
    years.assert_equals_the_market(FIRST, LAST)
    years.assert_factors_are_the_market_s()
    # One more shows that Baostock's bars begin with the range.
    assert years.emulator.count(BY_CODE) + years.emulator.count(FACTORS) == years.fewest_requests(FIRST, LAST) + 1
    assert years.emulator.count() <= 1.03 * years.fewest_requests(FIRST, LAST) + 12  # calendar, list, their session
    assert years.emulator.overlaps() == []
    assert years.database.rows("SELECT count(*) FROM ashare.source_request") == [(years.emulator.count(),)]

    days = years.market.trade_dates(FIRST, LAST)
    sessions = sum(is_open for _, is_open in days)
    closed = sum(not is_open and day.weekday() < 5 for day, is_open in days)
    assert years.statuses() == {"success": sessions, "skipped": closed}
    assert years.database.rows(
        "SELECT DISTINCT kinds, missing, reason FROM ashare.sync_status WHERE missing = 0"
    ) == [(["stock", "index"], 0, None)]

    # Neither another history nor a day's own run finds anything to do.
    asked = years.emulator.count()
    assert plan_batches(history) == []
    for day in (FIRST, date(2020, 2, 3), date(2025, 10, 1), LAST):
        assert complete(years.daily(day)) in ("success", "skipped")
    assert years.emulator.count() == asked


def test_a_killed_batch_goes_on_where_it_was(three_years: Scene) -> None:
    history = three_years.history(LATER)
    plan_batches(history)
    three_years.emulator.add_fault(fault(BY_CODE, "delay", times=0, seconds="0.03"))
    process = _victim(three_years, LATER)
    try:
        _until(lambda: three_years.emulator.count(BY_CODE) >= 30 or process.poll() is not None)
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    three_years.emulator.clear_faults()
    ((there,),) = three_years.database.rows("SELECT count(*) FROM ashare.daily_bar")
    assert there > 10_000
    with pytest.raises(IncompleteDate, match="its process was killed"):
        record_status(history)
    assert three_years.run(history) == f"{LATER} to {LAST} is complete."
    three_years.assert_equals_the_market(LATER, LAST)
    three_years.assert_factors_are_the_market_s()
    # Of the security at which it was killed, a page on its way and one being written at the most.
    sent = three_years.emulator.count(BY_CODE) + three_years.emulator.count(FACTORS)
    assert sent <= three_years.fewest_requests(LATER, LAST) + 3
    assert three_years.emulator.overlaps() == []


def _victim(scene: Scene, first: date) -> subprocess.Popen[bytes]:
    arguments = {
        "--socket-dir": scene.database.server.socket_dir,
        "--database": scene.database.name,
        "--port": scene.emulator.port,
        "--from": first,
        "--day": LAST,
        "--batch": 1,
        "--now": NOW,
        "--idle": 30.0,
    }
    command = [sys.executable, "-m", "tests.integration.victim"]
    for name, value in arguments.items():
        command += [name, str(value)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL)


def _until(look: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# ---------------------------------------------------------------------- what is there, and what is not


def test_exactly_the_gaps_are_asked_for(scene: Scene) -> None:
    scene.run(scene.history())
    deleted = scene.database.rows(
        "DELETE FROM ashare.daily_bar WHERE code IN ('sh.600000', 'sh.000300') AND trade_date IN "
        "('2025-09-08', '2025-09-09', '2025-10-30') RETURNING code"
    )
    assert len(deleted) == 6
    asked = scene.emulator.count(BY_CODE)
    scene.run(scene.history())
    assert asked_of(scene.emulator)[asked:] == ["sh.600000", "sh.000300"]
    assert scene.emulator.count(FACTORS) == len(set(asked_of(scene.emulator)) - set(DEFAULT_INDICES))
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)


def test_dates_that_were_run_one_by_one_are_not_asked_for(scene: Scene) -> None:
    for day in (date(2025, 10, 9), date(2025, 10, 10)):
        assert complete(scene.daily(day)) == "success"
    before = scene.database.rows(f"{TABLE} WHERE trade_date IN ('2025-10-09', '2025-10-10')")
    scene.run(scene.history())
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)
    assert set(before) <= set(scene.database.rows(TABLE))
    assert scene.database.rows("SELECT count(*) FROM ashare.bar_revision") == [(0,)]


def test_a_longer_range_asks_for_what_it_adds(three_years: Scene) -> None:
    middle = date(2024, 6, 3)
    three_years.run(three_years.history(middle))
    asked = three_years.emulator.count(BY_CODE) + three_years.emulator.count(FACTORS)
    three_years.run(three_years.history(LATER))
    three_years.assert_equals_the_market(LATER, LAST)
    added = three_years.emulator.count(BY_CODE) + three_years.emulator.count(FACTORS) - asked
    # A page of each that was listed before; factors only of those that were gone by then.
    assert added <= three_years.fewest_requests(LATER, middle - timedelta(days=1))
    assert three_years.emulator.count(FACTORS) == len(
        {code for (code,) in three_years.database.rows("SELECT code FROM ashare.factor_history")}
    )


def test_some_codes_only(scene: Scene) -> None:
    codes = ["sh.600000", "sh.000300"]
    history = scene.history(codes=codes)
    plan_batches(history)
    assert "2 of 2 securities lack" in scene.plan_in_words(history)
    scene.run(history)
    scene.assert_equals_the_market(date(2025, 9, 1), LAST, codes)
    assert scene.statuses() == {}  # nothing is said of dates that hold two securities of many
    assert set(asked_of(scene.emulator)) == set(codes)


class Without(GeneratedMarket):
    """A market that has lost some bars."""

    def lose(self, lost: Callable[[str, str], bool]) -> None:
        self.lost = lost

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        return [row for row in super().bars_of(code, start, end) if not self.lost(row[1], row[0])]


@pytest.fixture
def january(database: Database) -> Iterator[tuple[Scene, Without]]:
    """The first weeks of which Baostock has bars of ETFs."""
    market = Without(start=date(2025, 12, 1), end=JANUARY[1], stocks=60)
    market.lose(lambda code, day: False)
    with Emulator(market) as emulator:
        yield Scene(database, emulator, market), market


def test_etfs_are_added_to_complete_dates(january: tuple[Scene, Without]) -> None:
    scene, _ = january
    scene.run(scene.of_2026())
    scene.run(scene.of_2026(kinds=("etf",)))
    kinds = scene.database.rows("SELECT DISTINCT kinds FROM ashare.sync_status WHERE status = 'success'")
    assert kinds == [(["stock", "index", "etf"],)]
    codes = {row[1] for row in scene.bars(*JANUARY, [etf.code for etf in scene.securities("5")])}
    found = scene.database.rows(
        "SELECT count(DISTINCT code) FROM ashare.daily_bar JOIN ashare.security USING (code) WHERE kind = 'etf'"
    )
    assert found == [(len(codes),)]


# ---------------------------------------------------------------------- what is not believed


Special = TypeVar("Special", bound=GeneratedMarket)


def _of_a_market(special: type[Special], database: Database) -> Iterator[tuple[Scene, Special]]:
    """Two months of 60 stocks, in a market of this class."""
    market = special(start=date(2025, 9, 1), end=LAST, stocks=60)
    with Emulator(market) as emulator:
        yield Scene(database, emulator, market), market


@pytest.fixture
def lossy(database: Database) -> Iterator[tuple[Scene, Without]]:
    yield from _of_a_market(Without, database)


def test_what_baostock_does_not_have_is_recorded_and_not_asked_again(lossy: tuple[Scene, Without]) -> None:
    scene, market = lossy
    market.lose(lambda code, day: code == "sh.600000" and day in ("2025-09-10", "2025-10-15"))
    scene.run(scene.history())
    assert scene.database.rows("SELECT trade_date::text, code FROM ashare.absent_bar ORDER BY 1") == [
        ("2025-09-10", "sh.600000"),
        ("2025-10-15", "sh.600000"),
    ]
    assert asked_of(scene.emulator).count("sh.600000") == 2
    ((status, reason),) = scene.database.rows(
        "SELECT status, reason FROM ashare.sync_status WHERE trade_date = '2025-09-10'"
    )
    assert (status, reason) == ("success", "1 absent at the source (ashare.absent_bar)")
    assert plan_batches(scene.history()) == []


def test_a_date_that_lacks_too_many_is_not_believed(lossy: tuple[Scene, Without]) -> None:
    scene, market = lossy
    market.lose(lambda code, day: code.startswith("sh.6") and day == "2025-09-10")
    history = scene.history(settings=Settings(lock_timeout=20.0, max_absent=5))
    with pytest.raises(IncompleteDate, match=r"1 trade dates are not complete \(2025-09-10\)"):
        scene.run(history)
    assert scene.database.rows("SELECT count(*) FROM ashare.absent_bar") == [(0,)]
    market.lose(lambda code, day: False)
    scene.run(history)
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)


def test_a_date_that_lacks_more_than_it_has_is_not_believed(lossy: tuple[Scene, Without]) -> None:
    scene, market = lossy
    market.lose(lambda code, day: code[:4] in ("sh.6", "sz.3") and day == "2025-09-10")
    with pytest.raises(IncompleteDate, match=r"1 trade dates are not complete \(2025-09-10\)"):
        scene.run(scene.history())
    assert scene.database.rows("SELECT count(*) FROM ashare.absent_bar") == [(0,)]


def test_empty_answers_to_everything_are_not_believed(scene: Scene) -> None:
    scene.emulator.add_fault(fault(BY_CODE, "empty", times=0))
    scene.emulator.add_fault(fault(FACTORS, "empty", times=0))
    history = scene.history()
    first, *_ = plan_batches(history)
    with pytest.raises(BadReply, match="Baostock sends no bars now, of other securities neither: not believed"):
        fetch_and_copy(history, first.batch_no)
    for table in ("daily_bar", "absent_bar"):
        assert scene.database.rows(f"SELECT count(*) FROM ashare.{table}") == [(0,)]
    with pytest.raises(IncompleteDate):
        record_status(history)
    assert "success" not in scene.statuses()
    scene.emulator.clear_faults()
    scene.run(history)
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)
    scene.assert_factors_are_the_market_s()


def test_a_short_outage_of_empty_answers_is_not_believed(scene: Scene) -> None:
    history = scene.history()
    first, *_ = plan_batches(history)
    scene.emulator.add_fault(fault(BY_CODE, "empty", times=40, after=20))
    with pytest.raises(BadReply, match="of other securities neither"):
        fetch_and_copy(history, first.batch_no)
    assert scene.database.rows("SELECT count(*) FROM ashare.absent_bar") == [(0,)]
    scene.emulator.clear_faults()
    scene.run(history)
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)


def test_a_lone_security_that_lacks_a_day_is_held_against_the_index(lossy: tuple[Scene, Without]) -> None:
    scene, market = lossy
    market.lose(lambda code, day: code == "sh.600000" and day == "2025-09-10")
    history = scene.history(codes=["sh.600000"])
    scene.run(history)
    assert scene.database.rows("SELECT trade_date::text FROM ashare.absent_bar") == [("2025-09-10",)]
    assert plan_batches(history) == []


def test_a_day_of_which_nobody_has_a_bar_is_not_taken_for_absent(lossy: tuple[Scene, Without]) -> None:
    scene, market = lossy
    market.lose(lambda code, day: day == str(LAST))  # as before a day is published
    history = scene.history(codes=["sh.600000"])
    (only,) = plan_batches(history)
    with pytest.raises(BadReply, match=rf"on {LAST}, sh\.600000 for one, nor has any other security"):
        fetch_and_copy(history, only.batch_no)
    assert scene.database.rows("SELECT count(*) FROM ashare.absent_bar") == [(0,)]


def test_what_was_found_absent_is_not_asked_for_again_after_an_interruption(lossy: tuple[Scene, Without]) -> None:
    scene, market = lossy
    market.lose(lambda code, day: code == "sh.600085" and day == "2025-09-10")
    history = scene.history()
    first, *_ = plan_batches(history)
    scene.emulator.add_fault(fault(BY_CODE, "close_before_reply", times=0, after=30))
    with pytest.raises(SourceUnreachable):
        fetch_and_copy(history, first.batch_no)
    scene.emulator.clear_faults()
    scene.run(history)
    assert asked_of(scene.emulator).count("sh.600085") == 2


def test_a_batch_ends_in_its_first_try_when_every_session_is_dropped(scene: Scene) -> None:
    scene.emulator.add_fault(fault("*", "drop", times=0, requests=43))
    history = scene.history()
    for batch in plan_batches(history):
        fetch_and_copy(history, batch.batch_no)
    assert record_status(history).endswith("is complete.")
    assert len(scene.emulator.connections) > 4
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)
    scene.assert_factors_are_the_market_s()
    assert scene.emulator.overlaps() == []


def test_a_read_over_many_years_that_stalls_is_asked_for_in_parts(three_years: Scene) -> None:
    history = three_years.history(LATER)
    batches = plan_batches(history)
    three_years.emulator.add_fault(fault(BY_CODE, "stall", times=0, days=400))
    for batch in batches:
        fetch_and_copy(history, batch.batch_no)
    assert record_status(history).endswith("is complete.")
    three_years.assert_equals_the_market(LATER, LAST)
    stalled = "SELECT count(*) FROM ashare.source_request WHERE outcome = 'SourceStalled'"
    assert three_years.database.rows(stalled) == [(2 * len(batches),)]  # 1,095 days, 547 days, and never again
    codes = sum(len(batch.codes or ()) for batch in batches)
    assert three_years.emulator.count(BY_CODE) <= 2 * len(batches) + 3 * codes
    assert three_years.emulator.overlaps() == []


def test_a_trade_date_whose_codes_are_read_over_years_that_stall_is_complete(three_years: Scene) -> None:
    three_years.emulator.add_fault(fault(BY_CODE, "stall", times=0, days=400))
    assert complete(three_years.daily(LATER, kinds=("index",))) == "success"
    codes = [security.code for security in three_years.securities(INDEX)]
    three_years.assert_equals_the_market(LATER, LAST, codes)
    assert three_years.emulator.count(BY_CODE) == 2 + 3 * len(codes)


def test_a_page_that_was_cut_is_asked_for_again(scene: Scene) -> None:
    scene.emulator.add_fault(fault(BY_CODE, "truncated_page", times=1))
    scene.run(scene.history())
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)
    assert scene.database.rows("SELECT count(*) FROM ashare.absent_bar") == [(0,)]


def test_factors_that_the_prices_contradict_are_asked_for_again(three_years: Scene) -> None:
    three_years.emulator.add_fault(fault(FACTORS, "truncated_page", times=1, rows="1"))
    three_years.run(three_years.history(LATER))
    three_years.assert_factors_are_the_market_s()


def test_no_factors_at_all_are_not_believed_while_prices_moved(three_years: Scene) -> None:
    history = three_years.history(LATER)
    three_years.emulator.add_fault(fault(FACTORS, "empty", times=0))
    first, *_ = plan_batches(history)
    with pytest.raises(BadReply, match=r"sent no adjust factors, and none of sh\.600000 either"):
        fetch_and_copy(history, first.batch_no)
    three_years.emulator.clear_faults()
    three_years.run(history)
    three_years.assert_factors_are_the_market_s()


def test_a_lone_stock_without_factors_is_believed_when_another_has_some(scene: Scene) -> None:
    without = next(
        security.code
        for security in scene.securities(STOCK)
        if scene.bars(date(2025, 9, 1), LAST, [security.code])
        and not scene.market.factors_of(security.code, date(1990, 1, 1), LAST)
        and security.ipo_date < date(2025, 9, 1)
    )
    history = scene.history(codes=[without])
    scene.run(history)
    assert scene.database.rows("SELECT code FROM ashare.factor_history") == [(without,)]
    assert scene.emulator.count(FACTORS) == 2
    assert plan_batches(history) == []


def test_one_reply_that_cannot_be_does_not_hold_up_the_others(scene: Scene) -> None:
    history = scene.history()
    first, *_ = plan_batches(history)
    scene.emulator.add_fault(fault(BY_CODE, "wrong_code", times=1, code="sh.600999"))
    with pytest.raises(BadReply, match=r"^(s[hz]\.\d+): Baostock sent bars of sh\.600999 when \1 was asked for"):
        fetch_and_copy(history, first.batch_no)
    ((codes,),) = scene.database.rows("SELECT count(DISTINCT code) FROM ashare.daily_bar")
    assert codes == len(first.codes or ()) - 1
    ((status, error),) = scene.database.rows(
        "SELECT status, error FROM ashare.batch WHERE batch_no = %s", first.batch_no
    )
    assert status == "failed"
    assert "sh.600999" in error
    scene.run(history)
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)


def test_after_some_replies_that_cannot_be_the_batch_is_given_up(scene: Scene) -> None:
    history = scene.history()
    first, *_ = plan_batches(history)
    asked = scene.emulator.count(BY_CODE)
    scene.emulator.add_fault(fault(BY_CODE, "wrong_code", times=0, code="sh.600999"))
    with pytest.raises(BadReply):
        fetch_and_copy(history, first.batch_no)
    assert scene.emulator.count(BY_CODE) - asked == 10


def test_a_row_that_breaks_a_rule_is_set_aside(scene: Scene) -> None:
    history = scene.history()
    batches = plan_batches(history)
    scene.emulator.add_fault(fault(BY_CODE, "bad_number", times=2))  # asked for twice
    for batch in batches:
        fetch_and_copy(history, batch.batch_no)
    record_status(history)
    ((code, day),) = scene.database.rows("SELECT code, trade_date FROM ashare.rejected_bar")
    ((status, rejected),) = scene.database.rows(
        "SELECT status, rejected FROM ashare.sync_status WHERE trade_date = %s", day
    )
    assert (status, rejected) == ("success", 1)
    assert scene.database.rows("SELECT 1 FROM ashare.daily_bar WHERE code = %s AND trade_date = %s", code, day) == []


def test_rows_that_break_a_rule_on_a_whole_day_are_asked_for_again_by_the_next_run(scene: Scene) -> None:
    scene.emulator.add_fault(fault(BY_CODE, "bad_number", times=0))
    history = scene.history()
    with pytest.raises(IncompleteDate, match=r"1 trade dates are not complete \(2025-09-01\)"):
        scene.run(history)
    scene.emulator.clear_faults()
    assert scene.run(history) == f"2025-09-01 to {LAST} is complete."
    found = scene.database.rows(f"{TABLE} WHERE trade_date = '2025-09-01'")
    assert sorted(found) == sorted(map(_as_kept, scene.bars(date(2025, 9, 1), date(2025, 9, 1))))


class Odd(GeneratedMarket):
    """A market in which one stock's factors are another matter."""

    def make_odd(self, code: str, factors: list[Factor]) -> None:
        self.odd = (code, factors)

    def factors_of(self, code: str, start: date, end: date, as_of: date | None = None) -> list[Factor]:
        return self.odd[1] if code == self.odd[0] else super().factors_of(code, start, end, as_of)


@pytest.fixture
def odd(database: Database) -> Iterator[tuple[Scene, Odd]]:
    yield from _of_a_market(Odd, database)


def test_one_stocks_refused_factors_do_not_hold_up_every_date(odd: tuple[Scene, Odd]) -> None:
    scene, market = odd
    market.make_odd("sh.600000", [Factor("sh.600000", date(2020, 7, 1), "", "1.5")])
    with pytest.raises(IncompleteDate, match=r"sh\.600000: Baostock sent sh\.600000 a factor on 2020-07-01") as told:
        scene.run(scene.history())
    assert "trade dates" not in str(told.value)
    assert set(scene.statuses()) == {"success", "skipped"}


def test_factors_that_are_known_are_kept_when_the_source_has_none_any_more(odd: tuple[Scene, Odd]) -> None:
    scene, market = odd
    market.make_odd("sh.600000", [])
    scene.database.do("INSERT INTO ashare.adjust_factor VALUES ('sh.600000', '2020-07-01', 1, 1.5)")
    scene.run(scene.history())
    kept = "SELECT back_factor::text FROM ashare.adjust_factor WHERE code = 'sh.600000'"
    assert scene.database.rows(kept) == [("1.5",)]


def test_two_ranges_with_a_hole_between_them_are_no_ex_date(years: Scene) -> None:
    years.run(years.history(date(2025, 9, 1)))
    asked = years.emulator.count(FACTORS)
    years.database.do("DELETE FROM ashare.factor_history")
    years.run(years.history(date(2022, 11, 1), date(2023, 2, 28)))
    stocks = len({code for (code,) in years.database.rows("SELECT code FROM ashare.factor_history")})
    assert years.emulator.count(FACTORS) == asked + stocks


def test_factors_that_were_read_before_the_ranges_end_are_read_again(scene: Scene) -> None:
    scene.run(scene.history())
    stocks = scene.emulator.count(FACTORS)
    scene.database.do("UPDATE ashare.factor_history SET read_at = '2025-09-20 12:00+08'")
    assert plan_batches(scene.history()) == []  # each date since has brought its own
    scene.database.do(
        "DELETE FROM ashare.counted_partition WHERE dataset = 'adjust_factor' AND partition = '2025-10-15'"
    )
    assert plan_batches(scene.history(date(2025, 9, 1), date(2025, 9, 12))) == []
    scene.run(scene.history())
    # Of those that were listed then; who was gone before is known for good.
    ((listed,),) = scene.database.rows("SELECT count(*) FROM ashare.expected_security('2025-10-15', '{stock}', '{}')")
    assert scene.emulator.count(FACTORS) == stocks + listed


# ---------------------------------------------------------------------- the record


def test_without_a_plan_nothing_is_complete(scene: Scene) -> None:
    history = scene.history(codes=["sh.609999"])
    with pytest.raises(InvalidInput):
        plan_batches(history)
    with pytest.raises(IncompleteDate, match="the plan could not be made"):
        record_status(history)
    again = scene.history()
    scene.run(again)
    scene.emulator.add_fault(fault("login", "error", times=0, code="10001005", message="no"))
    scene.database.do("UPDATE ashare.trade_calendar SET fetched_at = '2020-01-01'")
    with pytest.raises(AshareError):
        plan_batches(again)
    with pytest.raises(IncompleteDate, match="the plan could not be made"):
        record_status(again)


@pytest.mark.parametrize("gone", ["code = 'sh.600085'", "true"])
def test_a_complete_date_that_has_lost_rows_is_called_failed_by_any_history(scene: Scene, gone: str) -> None:
    scene.run(scene.history())
    scene.database.do(f"DELETE FROM ashare.daily_bar WHERE trade_date = '2025-09-10' AND {gone}")
    other = scene.history(date(2025, 9, 9), date(2025, 9, 11), codes=["sh.600519"])
    scene.run(other)
    assert scene.database.rows("SELECT status FROM ashare.sync_status WHERE trade_date = '2025-09-10'") == [
        ("failed",)
    ]
    scene.run(scene.history())
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)


def test_a_part_of_a_history_that_still_lacks_something_is_not_complete(january: tuple[Scene, Without]) -> None:
    scene, market = january
    scene.run(scene.of_2026())
    market.lose(lambda code, day: code[3:5] in ("51", "56", "58", "15") and day == "2026-01-14")
    etfs = scene.of_2026(kinds=("etf",), settings=Settings(lock_timeout=20.0, max_absent=5))
    with pytest.raises(IncompleteDate, match=r"\d+ securities still lack bars or factors \(s[hz]\.\d{6}, "):
        scene.run(etfs)


def test_what_is_named_twice_is_counted_once(scene: Scene) -> None:
    settings = Settings(lock_timeout=20.0, indices=("sh.000001", "sh.000001"))
    scene.run(scene.history(settings=settings))
    scene.database.do("DELETE FROM ashare.daily_bar WHERE code = 'sh.000001' AND trade_date < '2025-09-15'")
    history = scene.history(settings=settings, codes=["sh.000001", "sh.000001"])
    plan_batches(history)
    assert "1 of 1 securities lack" in scene.plan_in_words(history)
    scene.run(history)
    assert plan_batches(scene.history(settings=settings)) == []


def test_a_range_that_reaches_before_what_the_source_has_begins_where_its_bars_do(scene: Scene) -> None:
    """The month's market has bars from September 2025 on, and lists what was listed before."""
    history = scene.history(first=date(2006, 1, 1))
    batches, plan = plan_batches(history), scene.plan_in_words(history)
    assert plan.startswith("Baostock has no bars before 2025-09-01: the range begins there.")
    asked = scene.emulator.count()
    for batch in batches:
        fetch_and_copy(history, batch.batch_no)
    assert record_status(history) == f"2025-09-01 to {LAST} is complete."
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)
    assert scene.emulator.count() - asked <= scene.fewest_requests(date(2025, 9, 1), LAST) + 2 * len(batches)
    assert scene.database.rows("SELECT min(trade_date)::text FROM ashare.sync_status") == [("2025-09-01",)]


def test_a_range_that_lies_before_what_the_source_has_is_refused(scene: Scene) -> None:
    said = r"Baostock has no bars from 2006-01-01 to 2012-12-31 .*: choose a later range"
    with pytest.raises(InvalidInput, match=said):
        plan_batches(scene.history(first=date(2006, 1, 1), last=date(2012, 12, 31)))
    assert scene.emulator.count(BY_CODE) < 10


class Silent(GeneratedMarket):
    """A market that answers for years of one index without any bar, and for a few weeks with its bars."""

    silent = "sz.399330"

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        return [] if code == self.silent and (end - start).days > 30 else super().bars_of(code, start, end)


def test_years_without_any_bar_of_an_index_are_not_believed_while_it_has_one_of_last_week(database: Database) -> None:
    market = Silent(start=date(2025, 9, 1), end=LAST, stocks=30)
    with Emulator(market) as emulator:
        scene = Scene(database, emulator, market)
        history = scene.history(kinds=("index",))
        (batch,) = plan_batches(history)
        with pytest.raises(
            BadReply, match=r"sz\.399330: Baostock sends no bars of years of which it has some: not believed"
        ):
            fetch_and_copy(history, batch.batch_no)
    assert database.rows("SELECT code FROM ashare.absent_range WHERE code = %s", Silent.silent) == []


def test_an_index_without_bars_in_a_short_range_begins_no_later_for_that(lossy: tuple[Scene, Without]) -> None:
    """Two months prove less than ninety days: each session is held against other securities."""
    scene, market = lossy
    market.lose(lambda code, day: code == Silent.silent)
    scene.run(scene.history())
    assert scene.database.rows("SELECT count(*) FROM ashare.absent_range") == [(0,)]
    absent = scene.database.rows("SELECT count(*) FROM ashare.absent_bar WHERE code = %s", Silent.silent)
    assert absent == [(len(market.bars_of("sh.000001", date(2025, 9, 1), LAST)),)]


# ---------------------------------------------------------------------- limits, interruptions


def test_the_budget_is_used_up_to_what_is_left_to_others_and_it_goes_on(scene: Scene) -> None:
    settings = Settings(lock_timeout=20.0, request_budget=60, history_reserve=10)
    history = scene.history(settings=settings)
    batches, plan = plan_batches(history), scene.plan_in_words(history)
    assert "days of quota" in plan
    with pytest.raises(BudgetSpent, match=r"10 are kept for the newest date \(ASHARE_HISTORY_RESERVE\)"):
        fetch_and_copy(history, batches[0].batch_no)
    assert scene.emulator.count() == 50
    assert scene.database.rows("SELECT status FROM ashare.batch WHERE batch_no = 1") == [("pending",)]
    days = 0
    while plan_batches(history):
        scene.database.do("UPDATE ashare.source_request SET requested_at = requested_at - interval '1 day'")
        for batch in plan_batches(history):
            try:
                fetch_and_copy(history, batch.batch_no)
            except BudgetSpent:
                break
        days += 1
        assert days < 10
    assert record_status(history)
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)
    asked = asked_of(scene.emulator)
    assert len(asked) <= len(set(asked)) + days


def test_the_database_goes_away_while_it_loads(scene: Scene) -> None:
    history = scene.history()
    first, *_ = plan_batches(history)
    scene.database.do(
        "CREATE FUNCTION ashare.fall() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END$$"
    )
    scene.database.do("CREATE TRIGGER fall AFTER INSERT ON ashare.daily_bar EXECUTE FUNCTION ashare.fall()")
    with pytest.raises(StoreUnavailable):
        fetch_and_copy(history, first.batch_no)
    assert scene.emulator.overlaps() == []
    scene.database.do("DROP TRIGGER fall ON ashare.daily_bar")
    scene.run(history)
    scene.assert_equals_the_market(date(2025, 9, 1), LAST)


# ---------------------------------------------------------------------- beside others


WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
LOGINS = "SELECT count(*) FROM ashare.source_request WHERE method = 'login' AND who = %s"


def slow_answers(scene: Scene) -> None:
    for call in (BY_CODE, FACTORS):
        scene.emulator.add_fault(fault(call, "delay", seconds=0.05, times=0))


def test_a_history_lets_others_in_between_its_pages_and_at_most_once_in_a_while(scene: Scene) -> None:
    history = scene.history(who="the history")
    batch, *_ = plan_batches(history)
    ((planned,),) = scene.database.rows("SELECT max(id) FROM ashare.source_request")
    slow_answers(scene)
    with ThreadPoolExecutor() as beside:
        fetching = beside.submit(fetch_and_copy, history, batch.batch_no)
        until(lambda: scene.emulator.count(BY_CODE) > 3)
        with scene.daily(LAST, who="the daily run").session() as session:
            assert session.trade_dates(LAST, LAST).rows
            assert not fetching.done()
        # Who comes a moment later waits until the batch is done: each time costs a login and a logout.
        with scene.daily(LAST, who="another").session():
            asked = scene.emulator.count()
        fetching.result()
        assert scene.emulator.count() == asked + 1  # a logout
    assert scene.emulator.overlaps() == []
    assert scene.database.rows(LOGINS, "the history") == [(2 + 2,)]  # the plan's, and the batch's
    requests = "SELECT requests FROM ashare.batch WHERE batch_no = %s"
    sent = "SELECT count(*)::int FROM ashare.source_request WHERE who = 'the history' AND id > %s"
    assert scene.database.rows(requests, batch.batch_no) == scene.database.rows(sent, planned)
    asked_for = asked_of(scene.emulator)[1:]  # behind the plan's look where the bars begin
    assert len(asked_for) == len(set(asked_for))


def test_the_batches_of_one_history_do_not_take_turns_at_each_page(scene: Scene) -> None:
    history = scene.history(batch_size=30)
    first, second, *_ = plan_batches(history)
    logins = scene.emulator.count("login")
    slow_answers(scene)
    with ThreadPoolExecutor() as beside:
        fetching = [
            beside.submit(fetch_and_copy, scene.history(batch_size=30), batch.batch_no) for batch in (first, second)
        ]
        until(lambda: scene.database.rows(WAITING) == [(1,)])
        for one in fetching:
            one.result()
    assert scene.emulator.count("login") == logins + 2
    assert scene.emulator.overlaps() == []


# ---------------------------------------------------------------------- the plan, and what is refused


def test_the_batches_of_one_date_do_not_take_turns_at_each_page(scene: Scene) -> None:
    """A lone date takes a session for the indices, a session for the market, and one for the adjust factors."""
    run = scene.daily(LAST, run_id="lone", who="the daily run")
    market, indices = sync.plan_batches(run)
    planned = scene.emulator.count()
    slow_answers(scene)
    with ThreadPoolExecutor() as beside:
        fetching = [beside.submit(sync.fetch_and_copy, scene.daily(LAST, run_id="lone"), indices.batch_no)]
        until(lambda: scene.emulator.count(BY_CODE) > 0)
        fetching.append(beside.submit(sync.fetch_and_copy, scene.daily(LAST, run_id="lone"), market.batch_no))
        until(lambda: scene.database.rows(WAITING) == [(1,)])
        for one in fetching:
            one.result()
    sync.sync_adjust_factors(run)
    assert scene.emulator.count() - planned == (2 + len(DEFAULT_INDICES)) + 3 + 3
    assert scene.emulator.overlaps() == []


def test_the_plan_says_what_it_costs_either_way(years: Scene) -> None:
    history = years.history(FIRST, batch_size=10)
    batches, plan = plan_batches(history), years.plan_in_words(history)
    expected = years.fewest_requests(FIRST, LAST)
    assert f"about {expected + 2 * len(batches)} requests" in plan
    said = (
        r"By code about \d+ requests, .*, its 2431 trade dates one by one about 14\d+ requests, .* would be more; in"
    )
    assert re.search(said, plan)
    ((codes,),) = years.database.rows("SELECT sum(cardinality(codes)) FROM ashare.batch")
    assert codes == sum(len(batch.codes or ()) for batch in batches)
    assert max(len(batch.codes or ()) for batch in batches) == 10


def test_a_few_dates_are_cheaper_one_by_one(scene: Scene) -> None:
    """Their bars come by whole-market calls, and only the adjust factors by code."""
    history = scene.history(date(2025, 10, 30))
    batches, plan = plan_batches(history), scene.plan_in_words(history)
    stocks = len(scene.securities(STOCK))
    assert "Its 2 trade dates one by one about" in plan
    assert "by code about" in plan
    assert [batch.label for batch in batches][:2] == ["2025-10-30, whole market", "2025-10-31, whole market"]
    assert {(batch.kind, batch.by) for batch in batches[2:]} == {("stock", "code")}
    for batch in batches:
        fetch_and_copy(history, batch.batch_no)
    assert record_status(history).endswith("is complete.")
    scene.assert_equals_the_market(date(2025, 10, 30), LAST)
    stocks_of_market = [security.code for security in scene.securities(STOCK)]
    listed = {row[1] for row in scene.bars(date(2025, 10, 30), LAST, stocks_of_market)}
    assert {code for (code,) in scene.database.rows("SELECT code FROM ashare.factor_history")} == listed
    assert scene.emulator.count(MARKET_DAY) == 2
    assert scene.emulator.count(BY_CODE) < stocks  # the indices, once
    assert plan_batches(history) == []


def test_dates_one_by_one_leave_no_gap_on_dates_that_count_as_complete(scene: Scene) -> None:
    """An index that was added to the settings after most of the range had been counted."""
    one = Settings(lock_timeout=20.0, indices=("sh.000001",))
    scene.run(scene.history(last=date(2025, 10, 29), settings=one))
    # So few requests are left that by code, the range would take a day more.
    budget = scene.history().store.ledger.limit().used_today + 45
    indices = ("sh.000001", "sh.000016")
    few = Settings(lock_timeout=20.0, indices=indices, request_budget=budget, history_reserve=0)
    history = scene.history(settings=few)
    batches, plan = plan_batches(history), scene.plan_in_words(history)
    assert "Its 2 trade dates one by one" in plan
    for batch in batches:
        fetch_and_copy(history, batch.batch_no)
    assert record_status(history).endswith("is complete.")
    bars = "SELECT count(*) FROM ashare.daily_bar WHERE code = ANY (%s)"
    assert scene.database.rows(bars, list(indices)) == [(len(scene.bars(date(2025, 9, 1), LAST, indices)),)]


def test_dates_one_by_one_leave_the_reserve_to_the_newest_dates_own_run(scene: Scene) -> None:
    """Also on the newest session, whose bars are the newest until the next day's appear."""
    morning = at("2025-11-03T09:00")
    plan_batches(scene.history(date(2025, 10, 30), now=morning))
    used = scene.history().store.ledger.limit().used_today
    few = Settings(lock_timeout=20.0, request_budget=used + 4, history_reserve=used)
    history = scene.history(date(2025, 10, 30), now=morning, settings=few)
    assert history.on(LAST).is_newest
    assert few.reserve >= 4
    for batch in plan_batches(history)[:2]:
        with pytest.raises(BudgetSpent, match=r"are kept for the newest date \(ASHARE_HISTORY_RESERVE\)"):
            fetch_and_copy(history, batch.batch_no)
    assert scene.emulator.count(MARKET_DAY) == 0


def test_the_session_after_a_history_is_held_against_what_was_loaded(scene: Scene) -> None:
    assert complete(scene.daily(LAST)) == "success"
    scene.database.do("UPDATE ashare.daily_bar SET preclose = 2 * preclose WHERE trade_date = %s", LAST)
    scene.run(scene.history(last=date(2025, 10, 30)))
    state = scene.database.rows("SELECT status, reason FROM ashare.sync_status WHERE trade_date = %s", LAST)
    assert [(status, "preclose" in reason) for status, reason in state] == [("failed", True)]


def test_dates_one_by_one_that_are_more_than_airflow_maps_go_by_code(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ashare.sync.history.range_plan.MOST_BATCHES", 2)
    history = scene.history(date(2025, 10, 30))
    batches, plan = plan_batches(history), scene.plan_in_words(history)
    assert "would be more batches than Airflow takes; in 2 batches" in plan
    assert [batch.by for batch in batches] == ["code", "code"]


def test_a_batch_of_a_date_says_how_many_rows_it_loaded(scene: Scene) -> None:
    history = scene.history(date(2025, 10, 30))
    batch = plan_batches(history)[0]
    merged = fetch_and_copy(history, batch.batch_no)
    loaded = "SELECT rows, status FROM ashare.history_batch WHERE batch_no = 1"
    assert scene.database.rows(loaded) == [(merged.inserted, "success")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"codes": ["600000"]}, "'600000' is not a code: write it with its exchange, for example sh.600000"),
        ({"codes": ["sh.609999"]}, "There is no security sh.609999"),
        ({"codes": ["bj.430047"]}, "bj.430047: Baostock lists the Beijing exchange, but has no bars of it"),
        ({"codes": ["sz.159915"]}, "sz.159915 is of the kind etf, and kinds is stock, index"),
        ({"kinds": ("bond",)}, "There is no kind of security bond"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"first": date(1989, 1, 3)}, "Trade date 1989-01-03 is before 1990-12-19"),
        ({"first": date(2025, 10, 31), "last": date(2025, 9, 1)}, "is before the start date"),
        ({"last": date(2025, 11, 3)}, "The end date 2025-11-03 is not over in Beijing: choose one before 2025-11-03"),
    ],
)
def test_what_cannot_be_is_one_sentence(scene: Scene, options: dict[str, Any], said: str) -> None:
    if "codes" in options and options["codes"] == ["sz.159915"]:
        options = {"codes": [next(security.code for security in scene.securities("5"))]}
        said = said.replace("sz.159915", options["codes"][0])
    with pytest.raises(InvalidInput) as refused:
        plan_batches(scene.history(**options))
    assert said in str(refused.value)
    assert scene.emulator.count(BY_CODE) == 0


def test_more_batches_than_airflow_maps_are_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ashare.sync.history.range_plan.MOST_BATCHES", 5)
    with pytest.raises(InvalidInput, match=r"batch_size 1 makes .* batches, and Airflow takes 5: choose"):
        plan_batches(scene.history(batch_size=1))


class Begins(GeneratedMarket):
    """A market in which an index begins in October."""

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        return super().bars_of(code, max(start, date(2025, 10, 9)) if code == "sh.000016" else start, end)


def test_the_pages_before_an_indexs_first_bar_are_one_range_although_a_later_page_failed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ashare.sync.history.range_fetch.PAGE_SESSIONS", 10)
    market = Begins(start=date(2025, 9, 1), end=LAST, stocks=6)
    with Emulator(market) as server:
        scene = Scene(database, server, market)
        settings = Settings(lock_timeout=20.0, indices=("sh.000016",))
        history = scene.history(kinds=("index",), settings=settings)
        server.add_fault(fault(BY_CODE, "wrong_code", after=6))  # two pages, each twice and with a witness
        (batch,) = plan_batches(history)
        with pytest.raises(BadReply, match=r"sh\.000016: Baostock sent bars of"):
            fetch_and_copy(history, batch.batch_no)
        assert database.rows("SELECT count(*) FROM ashare.absent_bar") == [(0,)]
        fetch_and_copy(history, batch.batch_no)
        assert record_status(history).endswith("is complete.")
    found = "SELECT first_date::text, last_date::text FROM ashare.absent_range"
    assert database.rows(found) == [("2025-09-01", "2025-10-08")]


def test_a_history_named_like_a_trade_date_leaves_the_dates_batches_alone(scene: Scene) -> None:
    day = date(2025, 10, 31)
    run = scene.daily(day)
    complete(run)
    scene.database.do("UPDATE ashare.batch SET status = 'failed' WHERE batch_no = 1")
    batches = "SELECT batch_no, status FROM ashare.sync_batch ORDER BY batch_no"
    before = scene.database.rows(batches)
    history = scene.history(date(2025, 10, 30), run_id=str(day), codes=["sh.600000"])
    planned = plan_batches(history)
    assert [batch.batch_no for batch in planned] == [1]
    assert scene.database.rows(batches) == before


def test_a_batch_that_was_never_planned(scene: Scene) -> None:
    with pytest.raises(AshareError, match="There is no batch 7"):
        fetch_and_copy(scene.history(), 7)


def test_a_range_without_a_session(scene: Scene) -> None:
    history = scene.history(date(2025, 10, 1), date(2025, 10, 8))
    assert scene.run(history) == "2025-10-01 to 2025-10-08 is complete."
    assert scene.statuses() == {"skipped": 6}
    assert scene.emulator.count(BY_CODE) == 0


def test_one_dataset_alone(january: tuple[Scene, Without]) -> None:
    scene, _ = january
    stocks = len(scene.market.securities())
    assert scene.run(scene.of_2026(datasets=["adjust_factor"])).endswith("is complete.")
    assert scene.database.rows("SELECT count(*) FROM ashare.daily_bar") == [(0,)]
    asked = scene.emulator.count("query_adjust_factor")
    assert 0 < asked <= stocks
    assert scene.run(scene.of_2026(datasets=["stock_bar"])).endswith("is complete.")
    assert scene.emulator.count("query_adjust_factor") == asked
    kinds = "SELECT DISTINCT kind FROM ashare.daily_bar JOIN ashare.security USING (code)"
    assert scene.database.rows(kinds) == [("stock",)]
    with pytest.raises(InvalidInput, match="There is no dataset dividends: datasets is a list of stock_bar,"):
        scene.of_2026(datasets=["dividends"])
