"""Many weeks of lists: by ashare_history, in any order and through faults, recorded ones, and their cost."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from ashare.datasets import INDEX_MEMBERS, MEMBER_LISTS
from ashare.dates import mondays
from ashare.errors import AshareError, BadReply, BudgetSpent, IncompleteDate, InvalidInput
from ashare.settings import Settings
from ashare.source import SourceConfig, Table
from ashare.store import Store
from ashare.store.rows import Security
from ashare.store.weekly_lists import WeeklyList
from ashare.sync import history
from ashare.sync.history import HistoryRun
from ashare.sync.weeks import WeekRun, sync_week
from ashare.sync.weeks.lists import check_listed, read_members, update_date_of
from ashare.sync.weeks.week import ensure_week_reference, fetch_lists
from ashare_emulator import trading_days
from ashare_emulator.faults import Fault, fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.panel import PanelMarket
from ashare_emulator.server import Emulator
from tests.conftest import SHARED_DATA, Database, at, needs_shared_data, source_of

START, END = date(2016, 1, 4), date(2025, 12, 26)
LISTS = ["query_hs300_stocks", "query_sz50_stocks", "query_zz500_stocks", "query_stock_industry"]
INDICES = ("sh.000300", "sh.000016", "sh.000905")


@pytest.fixture(scope="module")
def ten_years() -> GeneratedMarket:
    """Ten years with enough stocks, from the first year on, for indices of their full size."""
    return GeneratedMarket(start=date(2015, 12, 1), end=date(2025, 12, 31), stocks=1250, etfs=2, indices=18)


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    with Store(database.connect) as opened:
        yield opened


def wrong_replies() -> Iterator[Fault]:
    """Each kind of fault, on each of the calls in turn."""
    kinds = ["empty", "truncated_page", "duplicate_row", "close_mid_reply", "garbage", "wrong_code", "drop_column"]
    for n, (kind, method) in enumerate(zip(cycle(kinds), cycle(LISTS), strict=False)):
        arguments: dict[str, Any] = {"code": "sh.600000"} if kind == "wrong_code" else {}
        yield fault(method, kind, after=4 * n + 1, **arguments)


def test_the_spans_of_ten_years_are_the_truth_of_every_day_though_weeks_came_in_any_order_and_with_faults(
    store: Store, database: Database, ten_years: GeneratedMarket
) -> None:
    weeks = mondays(START, END)
    random.Random(18).shuffle(weeks)
    faults = [each for each, _ in zip(wrong_replies(), range(56), strict=False)]
    refused = 0
    with Emulator(ten_years, faults=faults) as server:

        def run_of(week: date) -> WeekRun:
            return WeekRun(
                week,
                store=store,
                source=source_of(server),
                settings=Settings(lock_timeout=20.0),
                now=at("2026-01-05T20:30"),
            )

        ensure_week_reference(run_of(START))
        while weeks:
            try:
                with run_of(weeks[0]).session() as session:
                    while weeks:
                        fetch_lists(run_of(weeks[0]), session, run_of(weeks[0]).lacking())
                        weeks.pop(0)
            except AshareError:
                refused += 1
                weeks.append(weeks.pop(0))
    assert refused >= 40, "Too few of the faults struck."
    assert database.rows("SELECT count(*) FROM ashare.coverage WHERE NOT is_complete") == [(0,)]
    spans = {
        "index_member": database.rows("SELECT index_code, code, NULL, start_date, end_date FROM ashare.index_member"),
        "industry": database.rows("SELECT classification, code, industry, start_date, end_date FROM ashare.industry"),
        "security_name": database.rows("SELECT code, NULL, name, start_date, end_date FROM ashare.security_name"),
    }
    sessions = set(trading_days.sessions(START, END))
    loaded = START
    for day in (START + timedelta(days=n) for n in range((END - START).days + 1)):
        if day.weekday() == 0 and day in sessions:
            loaded = day
        elif day > loaded + timedelta(days=1):
            continue  # as on the day before: no span begins or ends
        held = {
            name: {row[:3] for row in rows if row[3] <= day and (row[4] is None or row[4] > day)}
            for name, rows in spans.items()
        }
        industries = ten_years.industry_rows(loaded)
        assert held["index_member"] == {
            (index, code, None) for index in INDICES for code in ten_years.members(index, loaded)
        }
        assert held["industry"] == {(group, code, industry or None) for _, code, _, industry, group in industries}
        assert held["security_name"] == {(code, None, name.strip()) for _, code, name, *_ in industries}
    ends = {row[3] for rows in spans.values() for row in rows} | {row[4] for rows in spans.values() for row in rows}
    assert all(day is None or day.weekday() == 0 for day in ends)
    # The ten years hold what this test is about.
    assert len(spans["index_member"]) > 1300
    assert len({row[0] for row in spans["industry"]}) == 2
    assert any("*ST" in str(row[2]) and row[4] for row in spans["security_name"])


# ---------------------------------------------------------------------- ashare_history


@pytest.fixture(scope="module")
def one_year() -> GeneratedMarket:
    return GeneratedMarket(start=date(2025, 1, 2), end=date(2025, 12, 31), stocks=1000, etfs=2, indices=18)


def history_of(store: Store, server: Emulator, **options: Any) -> HistoryRun:
    values: dict[str, Any] = {
        "datasets": ["index_member", "industry"],
        "settings": Settings(lock_timeout=20.0),
        "now": at("2025-11-03T20:30"),
        "run_id": "years",
        **options,
    }
    return HistoryRun(date(2025, 2, 1), date(2025, 10, 31), store=store, source=source_of(server), **values)


def requests_to(server: Emulator, prefix: str = "query_") -> int:
    return sum(request.method.startswith(prefix) for request in server.requests)


def test_a_history_of_weeks_is_planned_and_resumes_at_the_snapshot(
    store: Store, database: Database, one_year: GeneratedMarket, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="ashare")
    weeks = mondays(date(2025, 2, 1), date(2025, 10, 31))
    with Emulator(one_year, faults=[fault("query_zz500_stocks", "empty", after=9)]) as server:
        run = history_of(store, server)
        (batch,) = history.plan_batches(run)
        assert f"{len(weeks)} of {len(weeks)} weeks lack lists of index_member, industry" in caplog.text
        with pytest.raises(BadReply, match="sent no members of CSI 500"):
            history.fetch_and_copy(run, batch.batch_no)
        with pytest.raises(IncompleteDate, match=f"1 weeks are not complete \\({weeks[9]}\\)"):
            history.record_status(run)
        assert database.rows("SELECT count(*) FROM ashare.snapshot WHERE dataset = 'index_member'") == [
            (len(weeks) - 1,)
        ]

        sent = requests_to(server)
        history.fetch_and_copy(run, batch.batch_no)
        assert requests_to(server) - sent == 3  # the industries of that week came the first time
        assert history.record_status(run).endswith(f"{len(weeks)} weeks of index_member, industry are complete.")

        sent = len(server.requests)
        assert history.plan_batches(run) == []
        assert len(server.requests) == sent
    assert database.rows("SELECT count(*) FROM ashare.counted_partition") == [(0,)], "A trade date was recorded."
    assert database.rows("SELECT kind, by, status, requests FROM ashare.batch") == [
        ("week", "week", "success", 4 * len(weeks) + 3 + 4)
    ]


def test_the_budget_is_kept_and_the_rest_waits_for_the_next_day(
    store: Store, database: Database, one_year: GeneratedMarket
) -> None:
    with Emulator(one_year) as server:
        run = history_of(store, server, settings=Settings(lock_timeout=20.0, request_budget=100, history_reserve=0))
        (batch,) = history.plan_batches(run)
        with pytest.raises(BudgetSpent):
            history.fetch_and_copy(run, batch.batch_no)
        assert len(server.requests) <= 100
        lists = [request.method for request in server.requests if request.method in LISTS]
        assert lists == LISTS * (len(lists) // 4), "A week was begun that the budget does not cover."
        assert len(lists) > 80
    assert database.rows("SELECT status FROM ashare.batch") == [("pending",)]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"datasets": ["index_member", "stock_bar"]}, "index_member are weekly lists, and stock_bar are not"),
        ({"datasets": ["members"]}, "There is no dataset members"),
        ({"codes": ["sh.600000"]}, "A weekly list comes whole: leave codes out."),
    ],
)
def test_a_wrong_param_of_a_history_of_weeks_is_refused(
    store: Store, one_year: GeneratedMarket, options: dict[str, Any], sentence: str
) -> None:
    with Emulator(one_year) as server, pytest.raises(InvalidInput, match=sentence):
        history_of(store, server, **options)


# ---------------------------------------------------------------------- recorded lists


def rows_on_the_wire(call: str) -> list[list[str]]:
    """The rows of a recorded reply that is not compressed."""
    reply = (SHARED_DATA / "wire" / call / "response.bin").read_bytes().decode()
    rows: list[list[str]] = json.loads(reply.split("\1")[8])["record"]
    return rows


@needs_shared_data
def test_recorded_lists_load(store: Store, database: Database, tmp_path: Path) -> None:
    recorded = SHARED_DATA / "real_reference"
    calls = {"sh.000300": "query_hs300_stocks", "sh.000016": "query_sz50_stocks", "sh.000905": "query_zz500_stocks"}
    lists = {}
    for index, call in calls.items():
        lists[index] = tmp_path / f"{index}.csv"
        with lists[index].open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("updateDate", "code", "code_name"), *rows_on_the_wire(call)])
    industries = [recorded / f"stock_industry_{day}.csv" for day in ("20200817", "20230320")]
    market = PanelMarket(
        [SHARED_DATA / "real_sz_odd_rows.csv"],
        basic=SHARED_DATA / "stock_basic_20260430.csv",
        calendar=SHARED_DATA / "trade_dates_20160810_20260821.csv",
        members={index: [path] for index, path in lists.items()},
        industries=industries,
    )
    with Emulator(market) as server:
        for week, wanted in (
            (date(2026, 4, 20), "index_member"),
            (date(2023, 3, 20), "industry"),
            (date(2020, 8, 17), "industry"),
        ):
            run = WeekRun(week, wanted=[wanted], store=store, source=source_of(server), now=at("2026-08-20T20:30"))
            sync_week(run)
    assert database.rows("SELECT index_code, count(*) FROM ashare.index_member GROUP BY 1 ORDER BY 1") == [
        ("sh.000016", 50),
        ("sh.000300", 300),
        ("sh.000905", 500),
    ]
    facts = "SELECT dataset, as_of, rows FROM ashare.snapshot WHERE dataset <> 'index_member' ORDER BY 2, 1"
    assert database.rows(facts) == [
        (name, day, rows)
        for day, rows in ((date(2020, 8, 17), 4061), (date(2023, 3, 20), 5132))
        for name in ("industry", "security_name")
    ]
    assert database.rows(
        "SELECT name, start_date, end_date FROM ashare.security_name WHERE code = 'sh.600898' ORDER BY 2"
    )


@needs_shared_data
@pytest.mark.parametrize(
    ("file", "index"),
    [
        ("hs300_stocks_20191209", "sh.000300"),
        ("hs300_stocks_20230320", "sh.000300"),
        ("sz50_stocks_20230320", "sh.000016"),
        ("zz500_stocks_20191209", "sh.000905"),
    ],
)
def test_recorded_members_pass_the_checks(file: str, index: str) -> None:
    with (SHARED_DATA / "real_reference" / f"{file}.csv").open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    table = Table(header, rows)
    monday = update_date_of(table, "members")
    assert monday.weekday() == 0
    found = WeeklyList(INDEX_MEMBERS, monday, monday, read_members(table, MEMBER_LISTS[index]))
    with (SHARED_DATA / "stock_basic_20260430.csv").open(encoding="utf-8", newline="") as lines:
        listed = {
            row["code"]
            for row in csv.DictReader(lines)
            if row["ipoDate"] <= str(monday) and not "" < row["outDate"] <= str(monday)
        }
    check_listed(found, listed, MEMBER_LISTS[index].members - MEMBER_LISTS[index].fewest)
    with pytest.raises(BadReply, match="were not listed"):
        check_listed(found, set(sorted(listed)[:1000]), MEMBER_LISTS[index].members - MEMBER_LISTS[index].fewest)


# ---------------------------------------------------------------------- costs


@needs_shared_data
def test_all_lists_since_2006_are_planned_at_no_more_than_6100_requests(
    store: Store, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="ashare")
    with (SHARED_DATA / "stock_basic_20260430.csv").open(encoding="utf-8", newline="") as lines:
        stocks = [
            Security(row["code"], row["code_name"], "stock", date.fromisoformat(row["ipoDate"]), None)
            for row in csv.DictReader(lines)
            if row["type"] == "1"
        ]
    store.universe.save(stocks)
    store.calendar.save(trading_days.calendar_days(date(2005, 1, 1), date(2026, 12, 31)))
    database.do("UPDATE ashare.trade_calendar SET fetched_at = '2027-01-01'")
    database.do("UPDATE ashare.security SET updated_at = '2027-01-01'")
    run = HistoryRun(
        date(2006, 1, 1),
        date(2026, 11, 29),
        store=store,
        source=SourceConfig("127.0.0.1", 1),
        datasets=["index_member", "industry"],
        now=at("2026-11-30T12:00"),
    )
    batches = history.plan_batches(run)
    weeks = [week for batch in batches for week in batch.codes or ()]
    assert (weeks[0], weeks[-1]) == ("2006-01-09", "2026-11-23")
    found = re.search(r"about (\d+) requests", caplog.text)
    assert found and 5000 < int(found[1]) <= 6100, caplog.text
