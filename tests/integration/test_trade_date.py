"""What a trade date goes through: real PostgreSQL, real client, emulated Baostock."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any, Literal

import pytest

from ashare.errors import (
    BadReply,
    IncompleteDate,
    InvalidInput,
    NotPublishedYet,
    SourceUnreachable,
    StoreUnavailable,
    TerminalError,
)
from ashare.settings import DEFAULT_INDICES, Settings
from ashare.sync import (
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
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.trade_date import BY_CODE, DAY, MARKET, assert_table_equals, complete, status


def test_a_trade_date_arrives_whole_and_exact(
    make_run: MakeRun, database: Database, emulator: Emulator, market: GeneratedMarket
) -> None:
    run = make_run(DAY)
    assert complete(run) == "success"
    stocks = market.bars_on(run.day, "stock")
    assert any(row[COLUMNS.index("tradestatus")] == "0" for row in stocks)
    assert_table_equals(database, stocks, DAY)
    indices = [row for code in DEFAULT_INDICES for row in market.bars_of(code, run.day, run.day)]
    assert len(indices) == len(DEFAULT_INDICES)
    assert_table_equals(database, indices, DAY)
    total = len(stocks) + len(indices)
    assert status(database) == ("success", total, total, 0, None)
    (counts,) = database.rows("SELECT suspended, requests, rejected, revised FROM ashare.sync_status")
    suspended = sum(row[COLUMNS.index("tradestatus")] == "0" for row in stocks)
    assert counts == (suspended, len(emulator.requests), 0, 0)
    assert len(emulator.requests) <= 30
    assert emulator.count(MARKET) == 1
    assert emulator.overlaps() == []
    factors = database.rows("SELECT code, ex_date::text, back_factor::text FROM ashare.adjust_factor ORDER BY code")
    assert factors == [(f.code, str(f.ex_date), f.back) for f in market.factors_on(run.day)]


def test_a_complete_date_costs_no_request(make_run: MakeRun, emulator: Emulator, database: Database) -> None:
    complete(make_run(DAY))
    asked, bars = emulator.count(), database.rows("SELECT * FROM ashare.daily_bar ORDER BY 1, 2")
    assert complete(make_run(DAY)) == "success"
    assert emulator.count() == asked
    assert database.rows("SELECT * FROM ashare.daily_bar ORDER BY 1, 2") == bars


def test_the_indices_of_later_dates_are_there_already(make_run: MakeRun, emulator: Emulator) -> None:
    complete(make_run("2025-09-29"))
    asked = emulator.count()
    complete(make_run("2025-09-30"))
    assert emulator.count(BY_CODE) == len(DEFAULT_INDICES)
    assert emulator.count() - asked == 6  # a login, the market, a logout; a login, the factors, a logout


def test_of_dates_planned_at_once_the_first_to_ask_asks_for_all(make_run: MakeRun, emulator: Emulator) -> None:
    runs = [make_run(day, kinds=("index",)) for day in ("2025-09-29", "2025-09-30", "2025-10-09")]
    for run in runs:
        wait_for_trading_day(run)
    plans = [(run, plan_batches(run)) for run in runs]
    for run, batches in reversed(plans):  # the latest happens to get the connection first
        for batch in batches:
            fetch_and_copy(run, batch.batch_no)
    assert emulator.count(BY_CODE) == len(DEFAULT_INDICES)
    assert not any(run.store.universe.remaining(run.expectation) for run in runs)


def test_what_a_dead_run_left_open_is_not_asked_for(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    dead = make_run("2025-09-10", kinds=("index",))
    wait_for_trading_day(dead)
    plan_batches(dead)
    database.do("UPDATE ashare.work SET error = 'killed', ended_at = now()")
    assert complete(make_run(DAY, kinds=("index",))) == "success"
    assert database.rows("SELECT min(trade_date)::text FROM ashare.daily_bar") == [(DAY,)]


def test_exactly_the_deleted_rows_come_back(make_run: MakeRun, database: Database, emulator: Emulator) -> None:
    complete(make_run(DAY))
    before = database.rows("SELECT code, close, loaded_at FROM ashare.daily_bar ORDER BY trade_date, code")
    gone = database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND hashtext(code) %% 7 = 0", DAY)
    assert gone > 10
    asked = emulator.count(MARKET)
    assert complete(make_run(DAY)) == "success"
    after = database.rows("SELECT code, close, loaded_at FROM ashare.daily_bar ORDER BY trade_date, code")
    assert [row[:2] for row in after] == [row[:2] for row in before]
    assert sum(old[2] != new[2] for old, new in zip(before, after, strict=True)) == gone
    assert emulator.count(MARKET) == asked + 1
    assert database.rows("SELECT count(*) FROM ashare.bar_revision") == [(0,)]


@pytest.mark.parametrize(("day", "what"), [("2025-10-01", "an exchange holiday"), ("2025-10-11", "a weekend")])
def test_a_closed_day_is_skipped_with_the_reason(
    make_run: MakeRun, database: Database, emulator: Emulator, day: str, what: str
) -> None:
    assert complete(make_run(day)) == "skipped"
    assert status(database, day) == (
        "skipped", None, None, None, f"{day} is not a trading day: {what}, by Baostock's calendar."
    )  # fmt: skip
    assert [request.method for request in emulator.requests] == ["login", "query_trade_dates", "logout"]


def test_next_years_calendar_is_unknown_and_never_guessed(
    make_run: MakeRun, database: Database, market: GeneratedMarket
) -> None:
    with Emulator(market, now=at("2025-12-31T20:00")) as server:
        run = make_run("2026-01-05", source=source_of(server), now=at("2026-01-06T10:00"))
        with pytest.raises(TerminalError, match="calendar does not cover 2026-01-05"):
            wait_for_trading_day(run)
        with pytest.raises(IncompleteDate, match="calendar"):
            record_status(run)
    assert status(database, "2026-01-05")[0] == "failed"


def test_a_past_day_that_was_closed_at_short_notice_is_found_out(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    """As 31 January 2020: a session when the calendar was read, closed when the day came."""
    wait_for_trading_day(make_run("2025-10-01"))
    database.do(
        "UPDATE ashare.trade_calendar SET is_trading_day = true, fetched_at = '2025-09-01' WHERE calendar_date = %s",
        "2025-10-01",
    )
    assert complete(make_run("2025-10-01")) == "skipped"
    assert emulator.count("query_trade_dates") == 2
    assert emulator.count(MARKET) == 0


# ---------------------------------------------------------------------- today


def test_today_waits_for_the_clock_then_for_the_source(make_run: MakeRun, market: GeneratedMarket) -> None:
    day, before = date(2025, 10, 9), date(2025, 10, 8)
    published = before
    with Emulator(market, now=at("2025-10-09T18:00"), published_until=lambda: published) as server:
        source = source_of(server)
        early = make_run(DAY, source=source, now=at("2025-10-09T17:00"))
        with pytest.raises(NotPublishedYet):
            wait_for_trading_day(early)
        # The clock says no: only the calendar and the list of securities were read, in one session.
        assert [request.method for request in server.requests] == [
            *("login", "query_trade_dates", "query_stock_basic", "logout")
        ]
        run = make_run(DAY, source=source, now=at("2025-10-09T18:00"))
        with pytest.raises(NotPublishedYet):
            wait_for_trading_day(run)
        published = day
        assert wait_for_trading_day(run).is_session
        assert complete(run) == "success"


def test_today_unpublished_at_23_is_a_clear_failure(
    make_run: MakeRun, market: GeneratedMarket, database: Database
) -> None:
    with Emulator(market, now=at("2025-10-09T23:00"), published_until=lambda: date(2025, 10, 8)) as server:
        run = make_run(DAY, source=source_of(server), now=at("2025-10-09T23:00"))
        with pytest.raises(
            TerminalError, match=r"has not published 2025-10-09 by 23:00 .*: run the date again tomorrow"
        ):
            wait_for_trading_day(run)
        with pytest.raises(IncompleteDate, match="has not published 2025-10-09 by 23:00"):
            record_status(run)
    assert status(database)[0] == "failed"


def test_todays_factors_are_waited_for_until_an_answer_of_none_is_believed(
    make_run: MakeRun, market: GeneratedMarket, database: Database
) -> None:
    with Emulator(
        market, now=at("2025-10-09T18:05"), factors_until=lambda: date(2025, 10, 8)
    ) as server:  # fmt: skip
        source = source_of(server)
        early = make_run(DAY, source=source, now=at("2025-10-09T18:05"))
        assert wait_for_trading_day(early).is_session
        with pytest.raises(NotPublishedYet, match="2025-10-09: no adjust factors yet"):
            sync_adjust_factors(early)
        late = make_run(DAY, source=source, now=at("2025-10-09T19:00"))
        sync_adjust_factors(late)
        assert late.store.coverage.factors_are_in(late.day, late.today)


# ---------------------------------------------------------------------- what the source does wrong


def test_an_empty_reply_on_an_open_day_is_never_no_data(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    run = make_run(DAY)
    emulator.add_fault(fault(MARKET, "empty"))
    wait_for_trading_day(run)
    stocks, indices = plan_batches(run)
    with pytest.raises(BadReply, match="Baostock has no stocks for 2025-10-09, a trading day"):
        fetch_and_copy(run, stocks.batch_no)
    fetch_and_copy(run, indices.batch_no)
    sync_adjust_factors(run)
    with pytest.raises(IncompleteDate, match="stocks have no bar"):
        record_status(run)
    state, _, loaded, missing, reason = status(database)
    assert (state, loaded) == ("failed", len(DEFAULT_INDICES))
    assert missing > 200
    assert "Baostock has no stocks for 2025-10-09" in reason
    assert complete(make_run(DAY)) == "success"
    assert emulator.count(BY_CODE) == len(DEFAULT_INDICES)  # what was there is not asked for again


def test_what_the_whole_market_lacks_is_asked_for_one_by_one(
    make_run: MakeRun, database: Database, emulator: Emulator, market: GeneratedMarket
) -> None:
    run = make_run(DAY, kinds=("stock",))
    rows = len(market.bars_on(run.day, "stock"))
    emulator.add_fault(fault(MARKET, "truncated_page", rows=rows - 20))
    assert complete(run) == "success"
    assert emulator.count(MARKET) == 1
    assert emulator.count(BY_CODE) == 20
    assert_table_equals(database, market.bars_on(run.day, "stock"), DAY)
    (batch,) = database.rows("SELECT kind, by, cardinality(codes), status FROM ashare.sync_batch WHERE by = 'code'")
    assert batch == ("stock", "code", 20, "success")


def test_a_market_reply_that_lacks_too_much_is_not_believed(make_run: MakeRun, database: Database) -> None:
    big = GeneratedMarket(start=date(2025, 10, 1), end=date(2025, 10, 31), stocks=1200)
    with Emulator(big) as server:
        server.add_fault(fault(MARKET, "truncated_page", rows=500))
        run = make_run(DAY, source=source_of(server), kinds=("stock",))
        wait_for_trading_day(run)
        (batch,) = plan_batches(run)
        with pytest.raises(BadReply, match=r"has 500 stocks and lacks \d+ of \d+ that were expected; nothing was"):
            fetch_and_copy(run, batch.batch_no)
        assert database.rows("SELECT count(*) FROM ashare.daily_bar") == [(0,)]
        assert complete(make_run(DAY, source=source_of(server), kinds=("stock",))) == "success"


LACKED = ("sh.000010", "sh.000015", "sh.000903")


class Without(GeneratedMarket):
    """A market whose source has no bar of one stock and of some indices, although they are listed."""

    lacks = ""

    def bars_on(self, day: date, kind: Literal["stock", "etf"]) -> list[list[str]]:
        return [row for row in super().bars_on(day, kind) if row[1] != self.lacks]

    def bars_of(self, code: str, start: date, end: date) -> list[list[str]]:
        return [] if code in (self.lacks, *LACKED) else super().bars_of(code, start, end)


@pytest.fixture(scope="module")
def gappy() -> Without:
    market = Without(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=300)
    market.lacks = market.bars_on(date(2025, 10, 9), "stock")[100][1]
    return market


def test_absent_at_the_source_is_asked_one_by_one_before_it_is_believed(
    make_run: MakeRun, database: Database, gappy: Without
) -> None:
    with Emulator(gappy) as server:
        assert complete(make_run(DAY, source=source_of(server))) == "success"
        asked = [r.params.get("code") for r in server.requests if r.method == BY_CODE]
        assert gappy.lacks in asked
        assert database.rows("SELECT code, trade_date::text FROM ashare.absent_bar") == [(gappy.lacks, DAY)]
        assert status(database)[3:] == (0, "1 absent at the source (ashare.absent_bar)")
        before = server.count()
        assert complete(make_run(DAY, source=source_of(server))) == "success"
        assert server.count() == before


@pytest.mark.parametrize("hour", [18, 20])
def test_what_is_late_today_is_asked_for_again_and_not_lost(
    make_run: MakeRun, database: Database, gappy: Without, hour: int
) -> None:
    """A stock whose bar comes hours after the others: waited for, then believed for the evening only."""
    late = gappy.lacks
    try:
        with Emulator(gappy, now=at(f"{DAY}T{hour}:30")) as server:
            run = make_run(DAY, source=source_of(server), now=at(f"{DAY}T{hour}:30"), kinds=("stock",))
            wait_for_trading_day(run)
            (batch,) = plan_batches(run)
            if hour < 20:
                with pytest.raises(NotPublishedYet, match=f"{DAY}: 1 stocks have no bar yet, {late} for one"):
                    fetch_and_copy(run, batch.batch_no)
                assert run.store.universe.remaining(run.expectation) == {"stock": [late]}
                return
            fetch_and_copy(run, batch.batch_no)
            database.do("UPDATE ashare.absent_bar SET recorded_at = %s", f"{DAY} {hour}:30+08")
            sync_adjust_factors(run)
            assert record_status(run) == "success"
            assert status(database)[4] == "1 absent at the source (ashare.absent_bar)"
        gappy.lacks = ""
        with Emulator(gappy) as server:
            assert complete(make_run(DAY, source=source_of(server), kinds=("stock",))) == "success"
            assert status(database)[4] is None
    finally:
        gappy.lacks = late


def test_indices_that_are_late_today_are_not_believed_absent(
    make_run: MakeRun, database: Database, gappy: Without
) -> None:
    settings = Settings(lock_timeout=20.0, indices=LACKED[:2])
    with Emulator(gappy, now=at(f"{DAY}T21:00")) as server:
        run = make_run(DAY, source=source_of(server), now=at(f"{DAY}T21:00"), settings=settings)
        wait_for_trading_day(run)
        stocks, indices = plan_batches(run)
        fetch_and_copy(run, stocks.batch_no)
        with pytest.raises(NotPublishedYet, match=r"2 indices have no bar yet, .* no other of the indices has one"):
            fetch_and_copy(run, indices.batch_no)


def test_more_absences_than_allowed_are_not_believed(make_run: MakeRun, database: Database, gappy: Without) -> None:
    settings = Settings(max_absent=1, lock_timeout=20.0, indices=LACKED)
    with Emulator(gappy) as server:
        run = make_run(DAY, source=source_of(server), settings=settings)
        wait_for_trading_day(run)
        stocks, indices = plan_batches(run)
        fetch_and_copy(run, stocks.batch_no)
        with pytest.raises(BadReply, match="3 indices have no bar on 2025-10-09 even when asked for one by one"):
            fetch_and_copy(run, indices.batch_no)
        sync_adjust_factors(run)
        with pytest.raises(IncompleteDate, match=r"3 of 3 indices have no bar: sh\.000010, sh\.000015, sh\.000903"):
            record_status(run)


def test_absences_are_counted_over_all_kinds_of_a_date(make_run: MakeRun, database: Database, gappy: Without) -> None:
    settings = Settings(max_absent=1, lock_timeout=20.0, indices=("sh.000001", LACKED[0]))
    with Emulator(gappy) as server:
        run = make_run(DAY, source=source_of(server), settings=settings)
        wait_for_trading_day(run)
        stocks, indices = plan_batches(run)
        fetch_and_copy(run, stocks.batch_no)
        with pytest.raises(
            BadReply, match=r"one by one, besides 1 recorded as absent, more than ASHARE_MAX_ABSENT \(1\)"
        ):
            fetch_and_copy(run, indices.batch_no)
    assert database.rows("SELECT code FROM ashare.absent_bar") == [(gappy.lacks,)]


def test_where_no_index_has_a_bar_one_is_asked_for_twice_before_all_are_believed(
    make_run: MakeRun, database: Database, gappy: Without
) -> None:
    settings = Settings(lock_timeout=20.0, indices=LACKED)
    with Emulator(gappy) as server:
        assert complete(make_run(DAY, source=source_of(server), settings=settings)) == "success"
        asked = [request.params["code"] for request in server.requests if request.method == BY_CODE]
    assert [asked.count(code) for code in (gappy.lacks, *LACKED)] == [1, 2, 1, 1]
    assert database.rows("SELECT count(*) FROM ashare.absent_bar") == [(4,)]


def test_where_an_index_has_a_bar_after_all_each_other_one_is_asked_for_twice(
    make_run: MakeRun, database: Database, gappy: Without
) -> None:
    settings = Settings(lock_timeout=20.0, indices=(*LACKED, "sz.399001"))
    with Emulator(gappy) as server:
        assert complete(make_run(DAY, source=source_of(server), settings=settings)) == "success"
        asked = [request.params["code"] for request in server.requests if request.method == BY_CODE]
    assert [asked.count(code) for code in (*LACKED, "sz.399001")] == [2, 2, 2, 1]
    assert database.rows("SELECT count(*) FROM ashare.absent_bar") == [(4,)]


def test_before_a_day_is_published_an_empty_answer_is_not_absence(
    make_run: MakeRun, database: Database, market: GeneratedMarket
) -> None:
    with Emulator(market, published_until=lambda: date(2025, 10, 8)) as server:
        run = make_run(DAY, source=source_of(server), kinds=("index",), now=at("2025-10-10T20:00"))
        wait_for_trading_day(run)
        (batch,) = plan_batches(run)
        with pytest.raises(BadReply, match="not published yet, or is lost"):
            fetch_and_copy(run, batch.batch_no)
    assert database.rows("SELECT * FROM ashare.absent_bar") == []


def test_a_bad_row_is_set_aside_and_counted(make_run: MakeRun, database: Database, emulator: Emulator) -> None:
    emulator.add_fault(fault(MARKET, "bad_number"))
    emulator.add_fault(fault(BY_CODE, "bad_number"))  # asked for by itself, it is no better
    assert complete(make_run(DAY)) == "success"
    ((code, rule, raw),) = database.rows("SELECT code, rule, raw FROM ashare.rejected_bar")
    assert (rule, raw["close"]) == ("close is not a number", "1.2.3")
    assert database.rows("SELECT rejected, missing FROM ashare.sync_status") == [(1, 0)]
    assert database.rows("SELECT count(*) FROM ashare.daily_bar WHERE trade_date = %s AND code = %s", DAY, code) == [
        (0,)
    ]


def test_of_a_bad_row_of_the_market_the_other_call_is_asked(
    make_run: MakeRun, database: Database, emulator: Emulator, market: GeneratedMarket
) -> None:
    emulator.add_fault(fault(MARKET, "bad_number"))
    run = make_run(DAY, kinds=("stock",))
    assert complete(run) == "success"
    assert emulator.count(BY_CODE) == 1
    assert_table_equals(database, market.bars_on(run.day, "stock"), DAY)
    assert database.rows("SELECT rejected FROM ashare.sync_status") == [(0,)]
    assert database.rows("SELECT rule, superseded_at IS NOT NULL FROM ashare.rejected_bar") == [
        ("close is not a number", True)
    ]


def test_a_rejected_bar_that_came_right_and_was_deleted_comes_back(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    emulator.add_fault(fault(MARKET, "bad_number"))
    emulator.add_fault(fault(BY_CODE, "bad_number"))
    complete(make_run(DAY))
    ((code,),) = database.rows("SELECT code FROM ashare.rejected_bar")
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s", DAY)  # a clean reply brings them all
    complete(make_run(DAY))
    bar = "SELECT count(*) FROM ashare.daily_bar WHERE trade_date = %s AND code = %s"
    assert database.rows(bar, DAY, code) == [(1,)]
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = %s", DAY, code)
    assert complete(make_run(DAY)) == "success"
    assert database.rows(bar, DAY, code) == [(1,)]


def test_bars_of_another_security_than_asked_for_are_refused(make_run: MakeRun, emulator: Emulator) -> None:
    run = make_run(DAY, kinds=("index",))
    wait_for_trading_day(run)
    (batch,) = plan_batches(run)
    emulator.add_fault(fault(BY_CODE, "wrong_code", code="sh.000002"))
    with pytest.raises(BadReply, match=r"sent bars of sh\.000002 when sh\.000001 was asked for"):
        fetch_and_copy(run, batch.batch_no)
    assert complete(run) == "success"


def test_too_many_bad_rows_fail_the_date_and_the_next_run_asks_again(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    emulator.add_fault(fault(MARKET, "wrong_date", date="2025-10-08"))
    with pytest.raises(IncompleteDate, match="rows broke a rule, more than ASHARE_MAX_REJECTED"):
        complete(make_run(DAY))
    assert database.rows("SELECT count(*) FROM ashare.daily_bar b JOIN ashare.security s USING (code) "
                         "WHERE s.kind = 'stock'") == [(0,)]  # fmt: skip
    assert complete(make_run(DAY)) == "success"


def test_a_revision_by_the_source_keeps_the_old_values(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    complete(make_run(DAY))
    (code, close) = database.rows("SELECT code, close FROM ashare.daily_bar b JOIN ashare.security s USING (code) "
                                  "WHERE s.kind = 'stock' AND is_trading LIMIT 1")[0]  # fmt: skip
    database.do("UPDATE ashare.daily_bar SET close = 1.23 WHERE code = %s", code)
    # Reading the market again, since others are lacking, brings the changed row too.
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code <> %s", DAY, code)
    complete(make_run(DAY))
    ((revised, old, new),) = database.rows("SELECT code, old, new FROM ashare.bar_revision")
    assert (revised, old["close"], new["close"]) == (code, 1.23, float(close))
    assert database.rows("SELECT revised FROM ashare.sync_status") == [(1,)]


# ---------------------------------------------------------------------- other ways to fetch


def test_one_by_one_brings_the_same_bars(
    make_run: MakeRun, database: Database, market: GeneratedMarket, emulator: Emulator
) -> None:
    run = make_run("2025-10-30", fetch="code", batch_size=120, kinds=("stock",))
    assert complete(run) == "success"
    assert emulator.count(MARKET) == 0
    assert_table_equals(database, market.bars_on(run.day, "stock"), "2025-10-30")
    assert database.rows("SELECT label FROM ashare.sync_batch WHERE batch_no > 0 ORDER BY batch_no")[:2] == [
        ("stocks 1-120",), ("stocks 121-240",)
    ]  # fmt: skip


def test_etfs_one_by_one_are_the_same_bars(make_run: MakeRun, database: Database) -> None:
    day = "2026-01-09"
    small = GeneratedMarket(start=date(2026, 1, 5), end=date(2026, 1, 16), stocks=5, etfs=8)
    with Emulator(small) as server:
        run = make_run(day, source=source_of(server), kinds=("etf",), fetch="code", now=at("2026-01-19T20:00"))
        assert complete(run) == "success"
        assert server.count("query_daily_history_k_ETF") == 0
    (listed,) = database.rows("SELECT count(*) FROM ashare.expected_security(%s, '{etf}', '{}')", day)[0]
    assert listed > 0
    assert status(database, day)[:4] == ("success", listed, listed, 0)


def test_the_status_speaks_of_the_kinds_that_were_asked_for(make_run: MakeRun, database: Database) -> None:
    complete(make_run(DAY))
    count = len(DEFAULT_INDICES)
    assert complete(make_run("2025-10-10", kinds=("index",))) == "success"
    assert status(database, "2025-10-10") == ("success", count, count, 0, None)
    assert database.rows("SELECT kinds FROM ashare.sync_status ORDER BY trade_date") == [
        (["stock", "index"],),
        (["index"],),
    ]


def test_a_run_of_one_kind_alone_never_lowers_what_a_date_is_complete_for(
    make_run: MakeRun, database: Database
) -> None:
    day = "2026-01-12"
    options: dict[str, Any] = {"now": at("2026-02-02T20:00")}
    with Emulator(GeneratedMarket(start=date(2025, 12, 1), end=date(2026, 1, 31), stocks=60)) as server:
        options |= {"source": source_of(server)}
        complete(make_run(day, **options))
        whole = status(database, day)
        assert complete(make_run(day, kinds=("index",), **options)) == "success"
        assert status(database, day) == whole
        assert database.rows("SELECT kinds FROM ashare.sync_status") == [(["stock", "index"],)]
        etfs = make_run(day, kinds=("etf",), **options)
        plan_batches(etfs)  # and none of them is loaded
        assert status(database, day) == whole  # while the run works on it, too
    with pytest.raises(IncompleteDate, match="ETFs have no bar"):
        record_status(etfs)
    assert status(database, day) == whole
    assert database.rows("SELECT kinds FROM ashare.sync_status") == [(["stock", "index"],)]
    # Now it is not complete for stocks either: rows say so, without a run.
    database.do("DELETE FROM ashare.daily_bar WHERE code = 'sh.600000'")
    assert status(database, day)[0::4] == (
        "failed",
        "1 bars that were counted are gone: run the date again.",
    )


def test_before_2010_stocks_go_one_by_one(make_run: MakeRun, database: Database) -> None:
    old = GeneratedMarket(start=date(2009, 12, 1), end=date(2010, 1, 29), stocks=40)
    with Emulator(old) as server:
        run = make_run("2009-12-31", source=source_of(server), now=at("2010-01-29T20:00"))
        assert complete(run) == "success"
        assert server.count(MARKET) == 0
        # Each request brought the days after it, too.
        before = server.count(BY_CODE)
        assert complete(make_run("2010-01-04", source=source_of(server), now=at("2010-01-29T20:00"))) == "success"
        assert server.count(BY_CODE) == before
    assert_table_equals(database, old.bars_on(date(2009, 12, 31), "stock"), "2009-12-31")


# ---------------------------------------------------------------------- wrong input, lost connections, kills


@pytest.mark.parametrize(
    ("day", "said"), [("2025-11-04", "is in the future"), ("1990-12-18", "is before 1990-12-19")]
)
def test_a_date_that_cannot_be_is_refused_before_anything_happens(make_run: MakeRun, day: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make_run(day)


def test_an_unreachable_source_is_recorded_as_the_reason(make_run: MakeRun, database: Database) -> None:
    with Emulator(GeneratedMarket(start=date(2025, 10, 1), end=date(2025, 10, 31), stocks=5)) as gone:
        source = source_of(gone)
    run = make_run(DAY, source=source)
    with pytest.raises(SourceUnreachable):
        wait_for_trading_day(run)
    with pytest.raises(IncompleteDate, match=r"calendar is not known.*cannot be reached"):
        record_status(run)
    assert status(database)[0] == "failed"


def test_a_database_that_goes_away_in_the_middle_of_a_batch_leaves_it_absent(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    run = make_run(DAY, kinds=("stock",))
    wait_for_trading_day(run)
    (batch,) = plan_batches(run)
    emulator.add_fault(fault(MARKET, "delay", seconds=1))
    cut = threading.Timer(
        0.5,
        lambda: database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            database.name,
        ),
    )
    cut.start()
    with pytest.raises(StoreUnavailable):
        fetch_and_copy(run, batch.batch_no)
    cut.join()
    assert database.rows("SELECT count(*) FROM ashare.daily_bar") == [(0,)]
    fetch_and_copy(run, batch.batch_no)  # the retry completes it
    sync_adjust_factors(run)
    assert record_status(run) == "success"


def test_two_runs_of_one_date_at_once_are_harmless(
    make_run: MakeRun, database: Database, emulator: Emulator, market: GeneratedMarket
) -> None:
    done, ready = [], threading.Barrier(3)

    def start() -> None:
        run = make_run(DAY)
        ready.wait()
        done.append(complete(run))

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == ["success"] * 3
    assert emulator.overlaps() == []
    assert emulator.count(MARKET) == 1
    assert emulator.count("query_stock_basic") == 1
    assert_table_equals(database, market.bars_on(date(2025, 10, 9), "stock"), DAY)


class Odd(GeneratedMarket):
    """A market that lacks a bar of one day, or sends one of another day beside the day's."""

    lacks = ""
    adds: tuple[str, str] | None = None

    def bars_on(self, day: date, kind: Literal["stock", "etf"]) -> list[list[str]]:
        rows = [row for row in super().bars_on(day, kind) if (row[0], row[1]) != (DAY, self.lacks)]
        if self.adds:
            rows += [[self.adds[1], *row[1:]] for row in rows if row[1] == self.adds[0]]
        return rows

    def bars_of(self, code: str, start: date, end: date) -> list[list[str]]:
        return [row for row in super().bars_of(code, start, end) if (row[0], row[1]) != (DAY, self.lacks)]


@pytest.mark.parametrize(("kind", "fetch"), [("index", "auto"), ("stock", "code")])
def test_what_comes_a_second_time_with_a_bar_that_lacks_is_loaded_once(
    make_run: MakeRun, database: Database, kind: str, fetch: str
) -> None:
    market = Odd(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=30)
    market.lacks = "sh.000300" if kind == "index" else market.bars_on(date(2025, 10, 9), "stock")[10][1]
    with Emulator(market) as server:
        assert complete(make_run(DAY, source=source_of(server), kinds=(kind,), fetch=fetch)) == "success"
        asked = [request.params["code"] for request in server.requests if request.method == BY_CODE]
    assert asked.count(market.lacks) == 2
    days = [row[0] for row in market.bars_of(market.lacks, date.fromisoformat(DAY), date(2025, 10, 31))]
    loaded = "SELECT trade_date::text FROM ashare.daily_bar WHERE code = %s ORDER BY 1"
    assert [day for (day,) in database.rows(loaded, market.lacks)] == days
    assert not database.rows("SELECT FROM ashare.bar_revision")


def test_a_stock_that_is_asked_for_because_of_another_days_row_is_loaded_once(
    make_run: MakeRun, database: Database
) -> None:
    market = Odd(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=30)
    stock = market.bars_on(date(2025, 10, 9), "stock")[10][1]
    market.adds = (stock, "2025-09-30")
    with Emulator(market) as server:
        assert complete(make_run(DAY, source=source_of(server), kinds=("stock",))) == "success"
        assert [request.params["code"] for request in server.requests if request.method == BY_CODE] == [stock]
    assert database.rows("SELECT count(*) FROM ashare.daily_bar WHERE trade_date = %s AND code = %s", DAY, stock) == [
        (1,)
    ]
    assert not database.rows("SELECT FROM ashare.bar_revision")


class Typed(GeneratedMarket):
    """A market that sends JSON's null for what is missing, and a number for the state of trading."""

    def bars_on(self, day: date, kind: Literal["stock", "etf"]) -> list[list[str]]:
        trading = COLUMNS.index("tradestatus")
        rows: list[list[Any]] = [[value or None for value in row] for row in super().bars_on(day, kind)]
        for row in rows:
            row[trading] = int(row[trading])
        return rows


def test_nulls_and_numbers_of_json_are_read_as_the_blanks_and_texts_they_stand_for(
    make_run: MakeRun, database: Database
) -> None:
    market = Typed(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=300)
    sent = market.bars_on(date(2025, 10, 9), "stock")
    assert any(None in row for row in sent)
    with Emulator(market) as server:
        assert complete(make_run(DAY, source=source_of(server), kinds=("stock",))) == "success"
        assert server.count(MARKET) == 1
        assert server.count(BY_CODE) == 0
    assert_table_equals(database, GeneratedMarket.bars_on(market, date(2025, 10, 9), "stock"), DAY)
    assert not database.rows("SELECT FROM ashare.rejected_bar")


def test_a_batch_that_another_run_is_at_is_not_said_to_have_been_killed(
    make_run: MakeRun, database: Database
) -> None:
    other, own = make_run(DAY, run_id="other"), make_run(DAY, run_id="own")
    (batch, *_) = plan_batches(other)
    other.store.batches.start(other.plan, batch.batch_no)
    with pytest.raises(IncompleteDate, match=r"the run other has been at work on it since \d\d:\d\d:\d\d"):
        record_status(own)
    with pytest.raises(IncompleteDate, match="and did not end: its process was killed"):
        record_status(other)
