"""Corrections by the source: the last complete dates are read again, and what changed is updated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Literal

import pytest

from ashare.errors import BadReply, SourceBanned
from ashare.settings import DEFAULT_INDICES, Settings
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
from ashare_emulator.market import COLUMNS, Row
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.trade_date import BY_CODE, DAY, MARKET, assert_table_equals, complete, status

EARLIER = ("2025-09-26", "2025-09-29", "2025-09-30")
CORRECTED = "2025-09-30"


@pytest.fixture
def make_run(make_run: MakeRun) -> MakeRun:
    """Runs on the morning after their date: only the newest date's run reads earlier ones again."""

    def make(day: str, **options: Any) -> Run:
        options.setdefault("now", at(f"{date.fromisoformat(day) + timedelta(days=1)}T09:00"))
        return make_run(day, **options)

    return make


class Correcting(GeneratedMarket):
    """A market whose source has since corrected the amount of some bars of a day, or found a bar that it lacked."""

    corrected: frozenset[str] = frozenset()
    lacks: str = ""

    def bars_on(self, day: date, kind: Literal["stock", "etf"]) -> list[Row]:
        return [self._now(row) for row in super().bars_on(day, kind) if self._has(row)]

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        return [self._now(row) for row in super().bars_of(code, start, end) if self._has(row)]

    def _has(self, row: Row) -> bool:
        return (row[0], row[1]) != (CORRECTED, self.lacks)

    def _now(self, row: Row) -> Row:
        if row[0] != CORRECTED or row[1] not in self.corrected:
            return row
        at = COLUMNS.index("amount")
        return [*row[:at], str(float(row[at] or 0) + 1), *row[at + 1 :]]


@pytest.fixture(scope="module")
def correcting() -> Correcting:
    return Correcting(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=300)


@pytest.fixture
def market(correcting: Correcting) -> Iterator[Correcting]:
    yield correcting
    correcting.corrected, correcting.lacks = frozenset(), ""


@pytest.fixture
def loaded(make_run: MakeRun, database: Database, market: Correcting) -> None:
    """Three complete dates, last read two days ago."""
    for day in EARLIER:
        assert complete(make_run(day)) == "success"
    age(database)


def age(database: Database) -> None:
    database.do("UPDATE ashare.counted_partition SET verified_at = verified_at - interval '2 days'")


def dates_asked(emulator: Emulator, since: int) -> list[str]:
    """The dates whose whole market was asked for, after so many requests."""
    return [request.params["date"] for request in emulator.requests[since:] if request.method == MARKET]


def everything(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT b.*, s.status, s.revised, s.finished_at FROM ashare.daily_bar b "
        "JOIN ashare.sync_status s USING (trade_date) WHERE trade_date < %s ORDER BY trade_date, code",
        DAY,
    )


def stocks_of(market: GeneratedMarket, day: str) -> list[Row]:
    return market.bars_on(date.fromisoformat(day), "stock")


@pytest.mark.usefixtures("loaded")
def test_what_the_source_corrected_is_updated_and_told(
    make_run: MakeRun, database: Database, emulator: Emulator, market: Correcting
) -> None:
    codes = [row[1] for row in stocks_of(market, CORRECTED)][5:8]
    old = dict(database.rows("SELECT code, amount FROM ashare.daily_bar WHERE trade_date = %s", CORRECTED))
    market.corrected = frozenset(codes)
    asked = emulator.count()
    assert complete(make_run(DAY)) == "success"
    assert dates_asked(emulator, asked) == [DAY, *EARLIER]  # one request each
    assert_table_equals(database, stocks_of(market, CORRECTED), CORRECTED)
    revisions = database.rows("SELECT trade_date::text, code, old, new FROM ashare.bar_revision ORDER BY code")
    assert [row[:2] for row in revisions] == [(CORRECTED, code) for code in codes]
    for _, code, before, after in revisions:
        assert before == {"amount": float(old[code] or 0)}
        assert after == {"amount": float(old[code] or 0) + 1}
    changed = database.rows("SELECT trade_date::text, status, revised FROM ashare.sync_status ORDER BY 1")
    assert changed == [*((day, "success", 0) for day in EARLIER[:2]), (CORRECTED, "success", 3), (DAY, "success", 0)]
    (batch,) = database.rows(
        "SELECT label, status, rows, again::text[] FROM ashare.sync_batch WHERE again IS NOT NULL"
    )
    total = sum(len(stocks_of(market, day)) for day in EARLIER)
    assert batch == ("2025-09-26 to 2025-09-30 again", "success", total, list(EARLIER))

    asked = emulator.count()
    assert complete(make_run(DAY)) == "success"
    assert emulator.count() == asked  # they have just been read


@pytest.mark.usefixtures("loaded")
def test_no_change_writes_nothing(make_run: MakeRun, database: Database, emulator: Emulator) -> None:
    before = everything(database)
    asked = emulator.count()
    complete(make_run(DAY))
    assert len(dates_asked(emulator, asked)) == 4
    assert everything(database) == before
    assert database.rows("SELECT * FROM ashare.bar_revision") == []


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(("days", "again"), [(0, ()), (1, EARLIER[2:]), (2, EARLIER[1:])])
def test_so_many_days_back_as_the_setting_says(
    make_run: MakeRun, emulator: Emulator, days: int, again: tuple[str, ...]
) -> None:
    asked = emulator.count()
    complete(make_run(DAY, settings=Settings(lock_timeout=20.0, recheck_days=days)))
    assert dates_asked(emulator, asked) == [DAY, *again]


@pytest.mark.usefixtures("loaded")
def test_the_indices_are_corrected_by_the_request_that_is_due_anyway(
    make_run: MakeRun, database: Database, emulator: Emulator, market: Correcting
) -> None:
    # The requests of the first date brought the later ones along: make the date lack its own.
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s", DAY)
    market.corrected = frozenset({"sh.000001"})
    asked = emulator.count(BY_CODE)
    complete(make_run(DAY))
    assert emulator.count(BY_CODE) == asked + len(DEFAULT_INDICES)
    assert database.rows("SELECT trade_date::text, code FROM ashare.bar_revision") == [(CORRECTED, "sh.000001")]
    assert database.rows("SELECT revised FROM ashare.sync_status WHERE trade_date = %s", CORRECTED) == [(1,)]


def test_a_bar_that_was_absent_comes_when_the_source_has_it(
    make_run: MakeRun, database: Database, market: Correcting
) -> None:
    market.lacks = stocks_of(market, CORRECTED)[50][1]
    assert complete(make_run(CORRECTED)) == "success"
    assert "1 absent" in status(database, CORRECTED)[4]
    age(database)
    code, market.lacks = market.lacks, ""
    complete(make_run(DAY))
    assert database.rows("SELECT * FROM ashare.absent_bar") == []
    assert database.rows(
        "SELECT count(*) FROM ashare.daily_bar WHERE (trade_date, code) = (%s, %s)", CORRECTED, code
    ) == [(1,)]
    state, expected, loaded, missing, reason = status(database, CORRECTED)
    assert (state, loaded, missing, reason) == ("success", expected, 0, None)


def test_what_an_evening_lacked_for_good_is_asked_for_by_code_before_that_is_final(
    make_run: MakeRun, database: Database, emulator: Emulator, market: Correcting
) -> None:
    market.lacks = stocks_of(market, CORRECTED)[50][1]
    complete(make_run(CORRECTED, kinds=("stock",), now=at("2025-09-30T20:30")))
    database.do("UPDATE ashare.absent_bar SET recorded_at = '2025-09-30 20:30+08'")
    age(database)
    asked = emulator.count(BY_CODE)
    complete(make_run(DAY, kinds=("stock",)))
    assert emulator.count(BY_CODE) == asked + 1
    ((settled,),) = database.rows("SELECT recorded_at > '2025-10-01' FROM ashare.absent_bar")
    assert settled


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("wrong", ["empty", "exact_rows", "wrong_date", "garbage", "drop_column"])
def test_a_wrong_reply_about_an_earlier_date_changes_nothing_and_holds_nothing_up(
    make_run: MakeRun, database: Database, emulator: Emulator, wrong: str
) -> None:
    before = everything(database)
    run = make_run(DAY)
    wait_for_trading_day(run)
    *own, again = plan_batches(run)
    for batch in own:
        fetch_and_copy(run, batch.batch_no)
    arguments = {"rows": 10} if wrong == "exact_rows" else {}
    emulator.add_fault(fault(MARKET, wrong, times=0, **arguments))
    with pytest.raises(BadReply):
        fetch_and_copy(run, again.batch_no)
    sync_adjust_factors(run)
    assert record_status(run) == "success"
    assert [row[:18] for row in everything(database)] == [row[:18] for row in before]
    states = database.rows("SELECT trade_date::text, status FROM ashare.sync_status ORDER BY 1")
    assert states == [(day, "success") for day in (*EARLIER, DAY)]
    if wrong == "empty":
        assert (
            "2025-09-26 to 2025-09-30 again: Baostock has no stocks for 2025-09-26, a trading day"
            in status(database)[4]
        )

    emulator.clear_faults()
    complete(make_run(DAY))
    assert status(database)[4] is None


@pytest.mark.usefixtures("loaded")
def test_another_days_bars_never_overwrite_a_good_date(
    make_run: MakeRun, database: Database, emulator: Emulator, market: Correcting
) -> None:
    wrong = [[CORRECTED, *row[1:]] for row in stocks_of(market, EARLIER[1])]

    class Confused(Correcting):
        def bars_on(self, day: date, kind: Literal["stock", "etf"]) -> list[Row]:
            return wrong if str(day) == CORRECTED else super().bars_on(day, kind)

    before = everything(database)
    with Emulator(Confused(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=300)) as confused:
        assert complete_as_airflow(make_run(DAY, source=source_of(confused))) == "success"
    assert everything(database) == before
    assert "2025-09-30 contradicts what is known, and nothing of it was written" in status(database)[4]


def complete_as_airflow(run: Any) -> str:
    """As ``complete``, but a task that fails does not keep the others from running."""
    wait_for_trading_day(run)
    for batch in plan_batches(run):
        try:
            fetch_and_copy(run, batch.batch_no)
        except BadReply:
            continue
    sync_adjust_factors(run)
    return record_status(run)


@pytest.mark.usefixtures("loaded")
def test_the_runs_own_date_does_not_wait_for_corrections(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    run = make_run(DAY)
    wait_for_trading_day(run)
    *own, again = plan_batches(run)
    for batch in own:
        fetch_and_copy(run, batch.batch_no)
    sync_adjust_factors(run)
    emulator.add_fault(fault(MARKET, "error", code="10001011"))
    fetch_and_copy(run, again.batch_no)  # banned: left to a later run
    assert database.rows("SELECT reason FROM ashare.sync_status WHERE trade_date = %s", DAY) == [(None,)]
    assert record_status(run) == "success"
    with pytest.raises(SourceBanned):
        complete(make_run("2025-10-10"))


@pytest.mark.usefixtures("loaded")
def test_dates_of_a_backfill_that_plan_the_same_ones_read_them_once(make_run: MakeRun, emulator: Emulator) -> None:
    runs = [make_run(day) for day in (DAY, "2025-10-10")]
    asked = emulator.count()
    for run in runs:
        wait_for_trading_day(run)
    for run, batches in [(run, plan_batches(run)) for run in runs]:
        for batch in batches:
            fetch_and_copy(run, batch.batch_no)
    assert sorted(dates_asked(emulator, asked)) == sorted([DAY, "2025-10-10", *EARLIER])


# ---------------------------------------------------------------------- corrections that concern two days


class Saying(GeneratedMarket):
    """A market whose source can be made to say something else about a day."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.says: dict[str, Callable[[Row], Row]] = {}

    def bars_on(self, day: date, kind: Literal["stock", "etf"]) -> list[Row]:
        rows = super().bars_on(day, kind)
        say = self.says.get(str(day))
        return [say(list(row)) for row in rows] if say else rows


@pytest.fixture
def saying() -> Saying:
    return Saying(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=60)


def moved(column: str, by: float) -> Callable[[Row], Row]:
    def move(row: Row) -> Row:
        at = COLUMNS.index(column)
        if row[COLUMNS.index("tradestatus")] == "1":
            row[at] = f"{float(row[at]) + by:.4f}"
            row[COLUMNS.index("high")] = f"{float(row[COLUMNS.index('high')]) + abs(by):.4f}"
        return row

    return move


def states(database: Database) -> list[str]:
    return [row[0] for row in database.rows("SELECT status FROM ashare.sync_status ORDER BY trade_date")]


def test_a_correction_of_a_close_and_of_the_preclose_after_it_arrives_whole(
    make_run: MakeRun, database: Database, saying: Saying
) -> None:
    with Emulator(saying) as server:
        for day in (CORRECTED, DAY):
            complete(make_run(day, source=source_of(server), kinds=("stock",)))
        saying.says = {CORRECTED: moved("close", 0.0001), DAY: moved("preclose", 0.0001)}
        age(database)
        assert complete(make_run("2025-10-10", source=source_of(server), kinds=("stock",))) == "success"
    assert states(database) == ["success"] * 3
    for day in (CORRECTED, DAY):
        assert_table_equals(database, stocks_of(saying, day), day)
    revised = database.rows("SELECT revised FROM ashare.sync_status WHERE trade_date <= %s", DAY)
    assert all(count > 40 for (count,) in revised)


def test_a_correction_that_the_day_after_contradicts_is_not_believed(
    make_run: MakeRun, database: Database, saying: Saying
) -> None:
    with Emulator(saying) as server:
        for day in (CORRECTED, DAY):
            complete(make_run(day, source=source_of(server), kinds=("stock",)))
        before = everything(database)
        saying.says = {CORRECTED: moved("close", 0.0001)}
        age(database)
        run = make_run("2025-10-10", source=source_of(server), kinds=("stock",))
        assert complete_as_airflow(run) == "success"
        assert [row[:18] for row in everything(database)] == [row[:18] for row in before]
        assert states(database) == ["success"] * 3
        assert "contradicts what is known" in status(database, "2025-10-10")[4]
        saying.says = {}
        complete(make_run("2025-10-13", source=source_of(server), kinds=("stock",)))
    assert states(database) == ["success"] * 4


@pytest.mark.parametrize("days", [0, 5])
def test_a_date_that_was_wrong_is_mended_by_its_own_rerun_and_frees_the_one_after_it(
    make_run: MakeRun, database: Database, saying: Saying, days: int
) -> None:
    settings = Settings(lock_timeout=20.0, recheck_days=days)
    with Emulator(saying) as server:
        options: dict[str, Any] = {"source": source_of(server), "kinds": ("stock",), "settings": settings}
        saying.says = {CORRECTED: moved("close", 0.0001)}
        complete(make_run(CORRECTED, **options))
        saying.says = {}
        run = make_run(DAY, **options)
        wait_for_trading_day(run)
        plan_batches(run)
        with pytest.raises(BadReply, match="contradicts what is known"):
            fetch_and_copy(run, 1)
        complete(make_run(CORRECTED, **options))
        assert_table_equals(database, stocks_of(saying, CORRECTED), CORRECTED)
        assert complete(make_run(DAY, **options)) == "success"


def test_etfs_are_read_again_beside_the_stocks(make_run: MakeRun, database: Database) -> None:
    new = GeneratedMarket(start=date(2026, 1, 5), end=date(2026, 1, 30), stocks=20, etfs=60)
    with Emulator(new) as server:
        options: dict[str, Any] = {"source": source_of(server), "kinds": ("stock", "etf")}
        complete(make_run("2026-01-12", **options))
        age(database)
        complete(make_run("2026-01-13", **options))
        etfs = [r.params["date"] for r in server.requests if r.method == "query_daily_history_k_ETF"]
    assert etfs == ["2026-01-12", "2026-01-13", "2026-01-12"]


def test_an_index_that_comes_late_counts_in_its_date(
    make_run: MakeRun, database: Database, market: Correcting
) -> None:
    market.lacks = "sh.000300"
    complete(make_run(CORRECTED, now=at("2025-09-30T21:00")))
    assert "1 absent" in status(database, CORRECTED)[4]
    market.lacks = ""
    complete(make_run(DAY))  # its requests by code bring the days before along
    state, expected, loaded, missing, reason = status(database, CORRECTED)
    assert (state, loaded, missing, reason) == ("success", expected, 0, None)


@pytest.mark.usefixtures("loaded")
def test_dates_that_are_run_again_ask_for_no_market(make_run: MakeRun, emulator: Emulator) -> None:
    """As after `airflow dags backfill --reset-dagruns`: each would read the five before it again."""
    asked = emulator.count()
    for day in EARLIER:
        assert complete(make_run(day, now=at("2025-11-03T20:00"))) == "success"
    assert emulator.count() == asked
