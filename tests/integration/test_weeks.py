"""A week's lists from the emulated Baostock: loaded whole, believed only if right, and never lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from ashare.datasets import INDEX_MEMBERS
from ashare.errors import (
    BadReply,
    InvalidInput,
    NotPublishedYet,
    SourceUnreachable,
    StoreUnavailable,
    TerminalError,
)
from ashare.settings import Settings
from ashare.source import SourceConfig
from ashare.store import Store
from ashare.store.recorded_partitions import RecordedWeeks
from ashare.store.rows import HeldRows
from ashare.store.weekly_lists import WeeklyList
from ashare.sync.weeks import WeekRun, sync_week
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from tests.conftest import Database, at, source_of

MONDAY = date(2025, 9, 15)
HOLIDAY = date(2025, 10, 6)
LISTS = ["query_hs300_stocks", "query_sz50_stocks", "query_zz500_stocks", "query_stock_industry"]
MakeWeek = Callable[..., WeekRun]


@pytest.fixture(scope="module")
def large_market() -> GeneratedMarket:
    """Enough stocks for indices of their full size."""
    return GeneratedMarket(start=date(2025, 6, 2), end=date(2025, 10, 31), stocks=1000, etfs=2, indices=18)


@pytest.fixture
def emulator(large_market: GeneratedMarket) -> Iterator[Emulator]:
    with Emulator(large_market) as server:
        yield server


@pytest.fixture
def make_week(database: Database, emulator: Emulator) -> Iterator[MakeWeek]:
    stores: list[Store] = []

    def make(day: date, **options: Any) -> WeekRun:
        options.setdefault("source", source_of(emulator))
        options.setdefault("settings", Settings(lock_timeout=20.0))
        options.setdefault("now", at("2025-11-03T20:30"))
        stores.append(Store(database.connect))
        return WeekRun(day, store=stores[-1], run_id="weekly", **options)

    yield make
    for store in stores:
        store.close()


def lists_of(emulator: Emulator) -> list[str]:
    return [request.method for request in emulator.requests if request.method in LISTS]


def truth_of(market: GeneratedMarket, day: date) -> set[tuple[str, str]]:
    return {(index, code) for index in ("sh.000300", "sh.000016", "sh.000905") for code in market.members(index, day)}


def members(database: Database, day: date) -> set[tuple[str, str]]:
    return set(
        database.rows(
            "SELECT index_code, code FROM ashare.index_member "
            "WHERE start_date <= %s AND (end_date IS NULL OR end_date > %s)",
            day,
            day,
        )
    )


def test_a_week_is_loaded_with_six_requests_and_not_again(
    make_week: MakeWeek, database: Database, emulator: Emulator, large_market: GeneratedMarket
) -> None:
    result = sync_week(make_week(MONDAY))
    names = len(large_market.industry_rows(MONDAY))
    assert result == [
        HeldRows("index_member", 850, 0),
        HeldRows("industry", names, 0),
        HeldRows("security_name", names, 0),
    ]
    assert members(database, MONDAY) == truth_of(large_market, MONDAY)
    assert lists_of(emulator) == LISTS
    assert database.rows("SELECT dataset, as_of, rows, update_date FROM ashare.snapshot ORDER BY 1") == [
        (name, MONDAY, rows, MONDAY) for name, rows, _ in result
    ]
    assert database.rows("SELECT * FROM ashare.work") == []

    sent = len(emulator.requests)
    assert sync_week(make_week(MONDAY)) == result
    assert len(emulator.requests) == sent


def test_a_holidays_list_is_the_one_of_the_monday_before(make_week: MakeWeek, database: Database) -> None:
    sync_week(make_week(HOLIDAY))
    assert database.rows("SELECT DISTINCT as_of, update_date FROM ashare.snapshot") == [(HOLIDAY, date(2025, 9, 29))]
    assert database.rows("SELECT DISTINCT note FROM ashare.coverage WHERE partition = %s", HOLIDAY) == [
        ("A holiday: it is Baostock's list of 2025-09-29.",)
    ]


WRONG = {
    "an older list": (fault("query_hs300_stocks", "wrong_date", date="2025-09-08"), "sent those of 2025-09-08"),
    "a list to come": (fault("query_hs300_stocks", "wrong_date", date="2025-09-22"), "sent those of 2025-09-22"),
    "no list": (fault("query_sz50_stocks", "empty"), "sent no members of SSE 50"),
    "half a list": (fault("query_zz500_stocks", "truncated_page"), "has 250; 490 to 500 are believed"),
    "a member twice": (fault("query_hs300_stocks", "duplicate_row"), "1 codes more than once"),
    "one member only": (fault("query_sz50_stocks", "wrong_code", code="sh.600000"), "codes more than once"),
    "a lost column": (fault("query_hs300_stocks", "drop_column", column="code"), "lacks the column code"),
    "half the industries": (fault("query_stock_industry", "truncated_page"), "listed stocks"),
    "industries of another week": (fault("query_stock_industry", "wrong_date", date="2025-09-08"), "2025-09-08"),
    "half the names changed": (fault("query_stock_industry", "rename_half"), "names of 2025-09-15 are not those of"),
    "no reply": (fault("query_zz500_stocks", "cut_body"), "reply cannot be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_list_is_not_believed_and_the_next_run_loads_the_right_one(
    case: str, make_week: MakeWeek, database: Database, large_market: GeneratedMarket
) -> None:
    wrong, sentence = WRONG[case]
    with Emulator(large_market) as right:
        sync_week(make_week(date(2025, 9, 8), source=source_of(right)))
    before = database.rows("SELECT * FROM ashare.index_member ORDER BY 1, 2, 3")
    with Emulator(large_market, faults=[wrong]) as faulty:
        with pytest.raises(BadReply, match=sentence):
            sync_week(make_week(MONDAY, source=source_of(faulty)))
        is_of_industries = wrong.method == "query_stock_industry"
        held = database.rows("SELECT DISTINCT dataset FROM ashare.snapshot WHERE as_of = %s", MONDAY)
        others = {"index_member"} if is_of_industries else {"industry", "security_name"}
        assert {name for (name,) in held} == others
        if not is_of_industries:
            assert database.rows("SELECT * FROM ashare.index_member ORDER BY 1, 2, 3") == before
        for state in make_week(MONDAY).states():
            assert state.state == ("complete" if state.dataset in others else "failed")
            assert state.dataset in others or sentence in state.reason

        sync_week(make_week(MONDAY, source=source_of(faulty)))
    assert members(database, MONDAY) == truth_of(large_market, MONDAY)
    assert database.rows("SELECT * FROM ashare.work") == []


def test_this_weeks_lists_are_waited_for_until_wednesday(
    make_week: MakeWeek, database: Database, large_market: GeneratedMarket
) -> None:
    monday = date(2025, 10, 27)
    with Emulator(large_market, reference_until=lambda: date(2025, 10, 26)) as early:
        with pytest.raises(NotPublishedYet, match="its newest are of 2025-10-20") as waits:
            sync_week(make_week(monday, source=source_of(early), now=at("2025-10-27T20:05")))
        assert waits.value.until is not None and waits.value.until > at("2025-10-27T20:05")()
        assert {state.state for state in make_week(monday).states()} == {"waiting"}
        with pytest.raises(TerminalError, match="by 2025-10-29 23:00"):
            sync_week(make_week(monday, source=source_of(early), now=at("2025-10-29T23:00")))
    assert members(database, monday) == set()
    with Emulator(large_market) as late:
        sync_week(make_week(monday, source=source_of(late), now=at("2025-10-28T02:00")))
    assert members(database, monday) == truth_of(large_market, monday)


def test_the_newest_weeks_run_closes_earlier_holes(
    make_week: MakeWeek, database: Database, emulator: Emulator
) -> None:
    for week in (date(2025, 9, 29), date(2025, 10, 20)):
        sync_week(make_week(week))
    # A run of an earlier week leaves the weeks before it to their own runs.
    assert database.rows("SELECT DISTINCT as_of FROM ashare.snapshot ORDER BY 1") == [
        (date(2025, 9, 29),),
        (date(2025, 10, 20),),
    ]
    database.do("DELETE FROM ashare.index_member WHERE code = 'sh.600519'")
    sync_week(make_week(date(2025, 10, 27), now=at("2025-10-27T20:30")))
    rows = database.rows("SELECT DISTINCT as_of FROM ashare.snapshot WHERE dataset = 'index_member' ORDER BY 1")
    assert rows == [
        (date(2025, 9, 29),),
        (HOLIDAY,),
        (date(2025, 10, 13),),
        (date(2025, 10, 20),),
        (date(2025, 10, 27),),
    ]
    assert database.rows("SELECT partition FROM ashare.coverage WHERE NOT is_complete") == []


@pytest.mark.parametrize(
    ("day", "sentence"),
    [
        (date(2025, 9, 16), "2025-09-16 is not a Monday: a week is written as its Monday, which is 2025-09-15."),
        (date(2005, 12, 26), "choose a Monday from 2006-01-02 on"),
    ],
)
def test_a_wrong_week_is_refused(make_week: MakeWeek, day: date, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        make_week(day)


def test_an_unknown_dataset_is_refused(make_week: MakeWeek) -> None:
    with pytest.raises(InvalidInput, match="no weekly dataset members"):
        make_week(MONDAY, wanted=["members"])


def test_industries_bring_the_names_along(make_week: MakeWeek, emulator: Emulator) -> None:
    assert [result.dataset for result in sync_week(make_week(MONDAY, wanted=["security_name"]))] == [
        "industry",
        "security_name",
    ]
    assert lists_of(emulator) == ["query_stock_industry"]


# ---------------------------------------------------------------------- what a waiting backfill is told


def test_the_record_of_a_week_is_judged_by_its_rows(
    make_week: MakeWeek, database: Database, large_market: GeneratedMarket
) -> None:
    recorded = RecordedWeeks(make_week(MONDAY).store, ["index_member", "industry"])
    assert recorded.datasets == ("index_member", "industry", "security_name")
    before, after = date(2005, 12, 26), date(2025, 9, 22)
    assert recorded.record(MONDAY) is None
    assert recorded.complete([before, MONDAY]) == {before}  # Baostock has no list of it

    sync_week(make_week(MONDAY))
    assert recorded.complete([MONDAY, after]) == {MONDAY}
    record = recorded.record(MONDAY)
    assert record is not None
    assert (record.status, record.run_id, record.reason) == ("success", "weekly", None)

    with Emulator(large_market, faults=[fault("query_sz50_stocks", "empty")]) as faulty, pytest.raises(BadReply):
        sync_week(make_week(after, source=source_of(faulty)))
    record = recorded.record(after)
    assert record is not None
    assert (record.status, record.reason) == (
        "failed",
        "Baostock sent no members of SSE 50: an empty list is not believed.",
    )
    database.do("DELETE FROM ashare.security_name WHERE code = 'sh.600519'")
    assert recorded.complete([MONDAY]) == set()  # a backfill runs it


def test_a_database_without_the_schema_has_no_record_of_a_week(bare_database: Database) -> None:
    with Store(bare_database.connect) as store:
        recorded = RecordedWeeks(store, ["index_member"])
        assert recorded.complete([MONDAY]) == set()
        assert recorded.record(MONDAY) is None


# ---------------------------------------------------------------------- lists that are well-formed and wrong


def test_members_of_another_market_are_not_believed(make_week: MakeWeek, database: Database) -> None:
    sync_week(make_week(MONDAY, wanted=["industry"]))  # the list of securities is this market's
    other = GeneratedMarket(start=date(2025, 6, 2), end=date(2025, 10, 31), stocks=1000, etfs=2, indices=18, seed=2)
    with Emulator(other) as wrong, pytest.raises(BadReply, match="members of indices were not listed on 2025-09-15"):
        sync_week(make_week(MONDAY, wanted=["index_member"], source=source_of(wrong)))
    assert database.rows("SELECT * FROM ashare.index_member") == []


def test_members_that_are_not_those_of_the_nearest_week_are_not_believed(
    make_week: MakeWeek, database: Database, large_market: GeneratedMarket
) -> None:
    run = make_week(MONDAY)
    # The list of the CSI 300 under the week before has other stocks, the other two are right.
    others = sorted(
        {row[1] for row in large_market.industry_rows(MONDAY)} - set(large_market.members("sh.000300", MONDAY))
    )
    wrong = {row for row in truth_of(large_market, MONDAY) if row[0] != "sh.000300"}
    wrong |= {("sh.000300", code) for code in others[:300]}
    week = MONDAY - timedelta(weeks=1)
    run.store.weekly_lists.save([WeeklyList(INDEX_MEMBERS, week, week, sorted(wrong))], "test")
    with pytest.raises(BadReply, match="300 of 300 members of CSI 300 of 2025-09-15 are not those of 2025-09-08"):
        sync_week(run)
    assert members(database, MONDAY) == wrong


def test_of_two_runs_of_one_week_at_once_the_second_asks_for_nothing(make_week: MakeWeek, emulator: Emulator) -> None:
    with ThreadPoolExecutor() as pool:
        results = [pool.submit(sync_week, run) for run in (make_week(MONDAY), make_week(MONDAY))]
    assert results[0].result() == results[1].result()
    assert lists_of(emulator) == LISTS


@pytest.mark.parametrize("error", [SourceUnreachable, StoreUnavailable])
def test_a_dead_source_or_database_is_one_sentence_and_nothing_is_written(
    error: type[Exception], make_week: MakeWeek, database: Database
) -> None:
    run = make_week(MONDAY, source=SourceConfig("127.0.0.1", 1))
    if error is StoreUnavailable:
        run = replace(run, store=Store(lambda: psycopg.connect("host=127.0.0.1 port=1 user=x dbname=x")))
    with pytest.raises(error) as refused:
        sync_week(run)
    assert len(str(refused.value).splitlines()) == 1
    assert database.rows("SELECT * FROM ashare.snapshot") == []
    if error is SourceUnreachable:
        assert {state.state for state in make_week(MONDAY).states()} == {"failed"}
