"""The evening of a trade date: what is late is waited for with growing pauses, few requests, and no fault in the end.

An evening runs as the DAG's tasks do, by a clock that jumps to when each of them wants to look again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime, time
from functools import partial
from typing import Any

import pytest

from ashare.dates import SHANGHAI
from ashare.errors import NotPublishedYet, TerminalError
from ashare.settings import DEFAULT_INDICES, Settings
from ashare.sync import (
    Run,
    fetch_and_copy,
    plan_batches,
    record_status,
    sync_adjust_factors,
    wait_for_trading_day,
)
from ashare.sync.publication import LATE_CODES, PUBLICATION
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import BarKind, Row
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.trade_date import BY_CODE, DAY, MARKET, assert_table_equals, complete, status

TODAY = date.fromisoformat(DAY)
CALENDAR = "query_trade_dates"


class LateMarket(GeneratedMarket):
    """A market of which something comes late, by the clock of the evening.

    :ivar clock: the time of the evening.
    :ivar whole_at: when the whole-market call has all of the day; before, it has ``part`` rows.
    :ivar late: codes of which the day's bars are late, by both calls.
    :ivar late_until: when they come; ``None``: never.
    """

    clock: datetime = datetime(2025, 10, 9, 18, 5, tzinfo=SHANGHAI)
    whole_at: time = time(17, 30)
    part: int = 0
    late: Collection[str] = ()
    late_until: time | None = None

    def reset(self, now: str = f"{DAY}T18:05") -> None:
        self.clock = datetime.fromisoformat(now).replace(tzinfo=SHANGHAI)
        self.whole_at, self.part, self.late, self.late_until = time(17, 30), 0, (), None

    def _is_late(self, row: Row) -> bool:
        come = self.late_until is not None and self.clock.time() >= self.late_until
        return row[0] == DAY and row[1] in self.late and not (come or self.clock.date() > TODAY)

    def bars_on(self, day: date, kind: BarKind) -> list[Row]:
        rows = super().bars_on(day, kind)
        if day == TODAY and self.clock.date() == TODAY and self.clock.time() < self.whole_at:
            rows = rows[: self.part]
        return [row for row in rows if not self._is_late(row)]

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        return [row for row in super().bars_of(code, start, end) if not self._is_late(row)]


@pytest.fixture(scope="module")
def big() -> LateMarket:
    """So many stocks that most of them may be late."""
    return LateMarket(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=900)


@pytest.fixture
def late(big: LateMarket) -> LateMarket:
    big.reset()
    return big


class Evening:
    """Runs a trade date's tasks as Airflow does: each comes back at its time, and the others go on meanwhile."""

    def __init__(self, run: Run, market: LateMarket, server: Emulator) -> None:
        self.run, self.market, self.server = run, market, server
        self.looks: list[str] = []
        """The times at which something was not out."""

    def go(self) -> str:
        """Until the date is recorded."""
        while True:
            try:
                is_session = wait_for_trading_day(self.run).is_session
                break
            except NotPublishedYet as early:
                assert early.until is not None
                self._come_back(early.until)
        if is_session:
            self._load()
        return record_status(self.run)

    def _load(self) -> None:
        steps: list[Callable[[], Any]] = [
            partial(fetch_and_copy, self.run, batch.batch_no) for batch in plan_batches(self.run)
        ]
        steps.append(partial(sync_adjust_factors, self.run))
        order = itertools.count()
        waiting = [(self.market.clock, next(order), step) for step in steps]
        while waiting:
            moment, _, step = waiting.pop(waiting.index(min(waiting)))
            self.market.clock = max(self.market.clock, moment)
            try:
                step()
            except NotPublishedYet as early:
                assert early.until is not None and early.until > self.market.clock
                self.looks.append(f"{self.market.clock:%H:%M}")
                waiting.append((early.until, next(order), step))

    def _come_back(self, until: datetime) -> None:
        assert until > self.market.clock
        self.looks.append(f"{self.market.clock:%H:%M}")
        self.market.clock = until


MakeEvening = Callable[..., Evening]


@pytest.fixture
def evening(make_run: MakeRun, late: LateMarket) -> Iterator[MakeEvening]:
    with Emulator(late, now=lambda: late.clock, published_until=lambda: late.clock.date()) as server:

        def make(day: str = DAY, **options: Any) -> Evening:
            options.setdefault("settings", Settings(lock_timeout=20.0))
            return Evening(make_run(day, source=source_of(server), now=lambda: late.clock, **options), late, server)

        yield make


def assert_whole(database: Database, market: LateMarket) -> None:
    assert_table_equals(database, GeneratedMarket.bars_on(market, TODAY, "stock"), DAY)
    state, expected, loaded, missing, _ = status(database)
    assert (state, loaded, missing) == ("success", expected, 0)


# ---------------------------------------------------------------------- the whole market


@pytest.mark.parametrize("part", [0, 150])
def test_a_market_that_is_late_or_partial_is_waited_for_and_green_the_same_evening(
    evening: MakeEvening, database: Database, late: LateMarket, part: int
) -> None:
    late.whole_at, late.part = time(19, 20), part
    night = evening()
    assert night.go() == "success"
    assert_whole(database, late)
    # Growing pauses, and none of them more than half an hour.
    assert night.looks == ["18:05", "18:10", "18:20", "18:40", "19:10"]
    assert night.server.count(MARKET) == 7  # six looks, and the load
    assert night.server.count(BY_CODE) == len(DEFAULT_INDICES)


def test_less_than_half_of_a_small_market_is_not_out(
    make_run: MakeRun, market: GeneratedMarket, database: Database
) -> None:
    with Emulator(market, now=at(f"{DAY}T18:05"), published_until=lambda: TODAY) as server:
        run = make_run(DAY, source=source_of(server), now=at(f"{DAY}T18:05"))
        server.add_fault(fault(MARKET, "truncated_page", rows=120))
        with pytest.raises(NotPublishedYet, match=f"^{DAY}: 120 of 301 stocks are out.$"):
            wait_for_trading_day(run)
        assert wait_for_trading_day(run).is_session


def test_a_market_that_turns_partial_between_the_look_and_the_load_is_no_fault(
    evening: MakeEvening, database: Database, late: LateMarket
) -> None:
    night = evening(kinds=("stock",))
    assert wait_for_trading_day(night.run).is_session
    (batch,) = plan_batches(night.run)
    late.whole_at, late.part = time(18, 30), 150
    with pytest.raises(NotPublishedYet, match=r"150 of \d+ stocks are out") as early:
        fetch_and_copy(night.run, batch.batch_no)
    assert early.value.until == datetime(2025, 10, 9, 18, 10, tzinfo=SHANGHAI)
    assert database.rows("SELECT status FROM ashare.sync_batch WHERE batch_no = %s", batch.batch_no) == [("pending",)]
    assert night.go() == "success"
    assert_whole(database, late)


@pytest.mark.parametrize("step", ["look", "load"])
def test_a_market_that_never_comes_is_given_up_at_23_and_says_so(
    evening: MakeEvening, database: Database, late: LateMarket, step: str
) -> None:
    night = evening(kinds=("stock",))
    if step == "load":
        wait_for_trading_day(night.run)
        plan_batches(night.run)
    late.whole_at, late.part = time(23, 59), 150
    said = r"has not published 2025-10-09 by 23:00 \(150 of \d+ stocks are out\): run the date again tomorrow"
    with pytest.raises(TerminalError, match=said):
        night.go()
    assert night.looks[-1] != "23:00"
    assert late.clock.time() == time(23, 0)
    assert len(night.looks) < 15
    assert database.rows("SELECT count(*) FROM ashare.daily_bar") == [(0,)]


# ---------------------------------------------------------------------- single codes


def code_of(market: LateMarket, number: int) -> str:
    return GeneratedMarket.bars_on(market, TODAY, "stock")[number][1]


def test_an_evening_with_one_absent_code_takes_at_most_40_requests(
    evening: MakeEvening, database: Database, late: LateMarket
) -> None:
    absent = code_of(late, 50)
    late.late = {absent}
    night = evening()
    assert night.go() == "success"
    assert late.clock.time() == time(20, 0)  # when an absence is believed
    assert night.server.count() <= 40
    assert night.server.count(MARKET) == 2  # a look, and the load: never again for one code
    assert database.rows("SELECT code FROM ashare.absent_bar") == [(absent,)]
    assert status(database)[3:] == (0, "1 absent at the source (ashare.absent_bar)")


def test_one_code_that_comes_late_is_asked_for_by_itself(
    evening: MakeEvening, database: Database, late: LateMarket
) -> None:
    late.late, late.late_until = {code_of(late, 50)}, time(18, 20)
    night = evening()
    assert night.go() == "success"
    assert late.clock.time() < time(19, 0)
    assert_whole(database, late)
    assert night.server.count(MARKET) == 2
    assert database.rows("SELECT * FROM ashare.absent_bar") == []


@pytest.mark.parametrize("until", [time(19, 0), time(22, 0)])
def test_an_evening_with_400_late_codes_takes_at_most_2000_requests_and_ends_whole(
    evening: MakeEvening, database: Database, late: LateMarket, until: time
) -> None:
    late.late, late.late_until = {code_of(late, n) for n in range(0, 800, 2)}, until
    night = evening()
    assert night.go() == "success"
    assert_whole(database, late)
    assert night.server.count() <= 100
    assert database.rows("SELECT * FROM ashare.absent_bar") == []


def test_400_codes_that_never_come_are_not_believed_absent(
    evening: MakeEvening, database: Database, late: LateMarket
) -> None:
    late.late = {code_of(late, n) for n in range(0, 800, 2)}
    night = evening()
    with pytest.raises(TerminalError, match=r"400 stocks have no bar yet, .* more than ASHARE_MAX_ABSENT \(100\)"):
        night.go()
    assert late.clock.time() == time(23, 0)
    assert night.server.count() <= 2000
    assert database.rows("SELECT * FROM ashare.absent_bar") == []


def test_an_absence_is_believed_where_others_of_its_kind_are_there_whoever_loaded_them(
    evening: MakeEvening, database: Database, late: LateMarket
) -> None:
    """The others were loaded by an earlier look, and nothing answers any more."""
    late.late = {"sz.399330"}
    night = evening(kinds=("index",))
    assert night.go() == "success"
    assert late.clock.time() == time(20, 0)
    assert status(database) == (
        "success", len(DEFAULT_INDICES), len(DEFAULT_INDICES) - 1, 0, "1 absent at the source (ashare.absent_bar)"
    )  # fmt: skip


def test_of_a_long_list_that_is_late_only_a_few_are_asked_for(
    evening: MakeEvening, database: Database, late: LateMarket
) -> None:
    """By the per-security call: when the first few have no bar, the others are not out either."""
    late.late = {row[1] for row in GeneratedMarket.bars_on(late, TODAY, "stock")}
    night = evening(kinds=("stock",), fetch="code", batch_size=1000)
    plan_batches(night.run)  # as when the sensor was cleared
    with pytest.raises(NotPublishedYet):
        fetch_and_copy(night.run, 1)
    assert night.server.count(BY_CODE) == 3
    late.late_until = time(18, 30)
    late.clock = late.clock.replace(hour=18, minute=30)
    fetch_and_copy(night.run, 1)
    sync_adjust_factors(night.run)
    assert record_status(night.run) == "success"
    assert_whole(database, late)


def test_the_requests_and_rows_of_a_batch_that_came_back_are_counted_once(
    evening: MakeEvening, database: Database, late: LateMarket
) -> None:
    late.late, late.late_until = {code_of(late, 50)}, time(18, 20)
    night = evening(kinds=("stock",))
    assert night.go() == "success"
    rows = len(GeneratedMarket.bars_on(late, TODAY, "stock"))
    counted = "SELECT rows, requests FROM ashare.sync_batch WHERE batch_no = 1"
    # Login, market, the code, logout; login, the code, logout.
    assert database.rows(counted) == [(rows, 7)]


def test_what_one_batch_waits_for_is_said_also_while_others_work(
    evening: MakeEvening, database: Database, late: LateMarket
) -> None:
    late.late = {"sz.399330"}
    night = evening()
    assert wait_for_trading_day(night.run).is_session
    stocks, indices = plan_batches(night.run)
    with pytest.raises(NotPublishedYet):
        fetch_and_copy(night.run, indices.batch_no)
    fetch_and_copy(night.run, stocks.batch_no)
    sync_adjust_factors(night.run)
    assert "1 indices have no bar yet, sz.399330 for one" in status(database)[4]


# ---------------------------------------------------------------------- the calendar, the list, the factors


def test_a_calendar_that_ends_with_last_year_is_waited_for(make_run: MakeRun, database: Database) -> None:
    market = LateMarket(start=date(2025, 12, 1), end=date(2026, 1, 31), stocks=30)
    market.reset("2026-01-05T18:05")
    read_at = datetime(2026, 1, 5, 18, 30, tzinfo=SHANGHAI)

    def now() -> datetime:  # the service's new calendar comes at half past six
        return market.clock if market.clock >= read_at else datetime(2025, 12, 31, 20, 0, tzinfo=SHANGHAI)

    with Emulator(market, now=now, published_until=lambda: market.clock.date()) as server:
        run = make_run("2026-01-05", source=source_of(server), now=lambda: market.clock)
        night = Evening(run, market, server)
        assert night.go() == "success"
        assert night.looks[:3] == ["18:05", "18:10", "18:20"]
        assert server.count(CALENDAR) == 4
    assert status(database, "2026-01-05")[0] == "success"


def test_a_calendar_that_does_not_come_is_given_up_at_23_and_never_guessed(
    make_run: MakeRun, database: Database
) -> None:
    market = LateMarket(start=date(2025, 12, 1), end=date(2026, 1, 31), stocks=30)
    market.reset("2026-01-05T18:05")
    with Emulator(market, now=lambda: datetime(2025, 12, 31, 20, 0, tzinfo=SHANGHAI)) as server:
        night = Evening(make_run("2026-01-05", source=source_of(server), now=lambda: market.clock), market, server)
        with pytest.raises(TerminalError, match=r"by 23:00 \(Baostock's calendar ends before it\)"):
            night.go()
    assert market.clock.time() == time(23, 0)
    assert database.rows("SELECT status FROM ashare.sync_status") == [("failed",)]
    assert database.rows("SELECT count(*) FROM ashare.trade_calendar WHERE calendar_date > '2025-12-31'") == [(0,)]


def test_an_index_that_baostock_does_not_list_is_said_once_and_not_asked_for(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    settings = Settings(lock_timeout=20.0, indices=("sh.000001", "sh.000688", "sz.000001"))
    for day in ("2025-09-29", "2025-09-30"):
        assert complete(make_run(day, settings=settings, kinds=("index",))) == "success"
    asked = {request.params["code"] for request in emulator.requests if request.method == BY_CODE}
    assert asked == {"sh.000001"}
    assert status(database, "2025-09-29") == (
        "success", 1, 1, 0,
        "Baostock's list has no such index of ASHARE_INDICES, so none is asked for: sh.000688, sz.000001",
    )  # fmt: skip
    assert status(database, "2025-09-30") == ("success", 1, 1, 0, None)
    corrected = Settings(lock_timeout=20.0, indices=("sh.000001",))
    complete(make_run("2025-09-29", settings=corrected, kinds=("index",)))
    assert status(database, "2025-09-29") == ("success", 1, 1, 0, None)


# ---------------------------------------------------------------------- pauses


@pytest.mark.parametrize(
    ("pace", "minutes"),
    [(PUBLICATION, [5, 10, 20, 30, 30]), (LATE_CODES, [20, 80, 120, 120])],
)
def test_pauses_grow_up_to_a_limit(pace: Any, minutes: list[int]) -> None:
    assert [pace.pause(n, 300.0).total_seconds() / 60 for n in range(1, len(minutes) + 1)] == minutes
    assert pace.pause(10**9, 300.0) == pace.longest


def test_an_ordinary_evening_with_dates_to_read_again_and_one_absent_code_takes_at_most_40_requests(
    evening: MakeEvening, database: Database, late: LateMarket
) -> None:
    for day in ("2025-09-24", "2025-09-25", "2025-09-26", "2025-09-29", "2025-09-30"):
        late.reset(f"{day}T20:30")
        assert evening(day).go() == "success"
    database.do("UPDATE ashare.counted_partition SET counted_at = counted_at - interval '2 days', verified_at = NULL")
    database.do("UPDATE ashare.security SET updated_at = '2025-09-30 20:30+08'")
    late.reset()
    late.late = {code_of(late, 50)}
    night = evening()
    asked = night.server.count()
    assert night.go() == "success"
    assert night.server.count() - asked <= 40
