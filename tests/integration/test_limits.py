"""The source's limits: the day's budget and the ban, kept in the database and met by nobody's message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ashare.dates import SHANGHAI
from ashare.errors import BudgetSpent, IncompleteDate, InvalidInput, Postponed, SourceBanned, StoreUnavailable
from ashare.settings import DEFAULT_INDICES, Settings
from ashare.source import Session
from ashare.store import SourceGate, Store
from ashare.sync import (
    check_source,
    fetch_and_copy,
    plan_batches,
    record_status,
    sync_adjust_factors,
    wait_for_trading_day,
)
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.trade_date import BY_CODE, DAY, MARKET, complete

TODAY = date(2025, 10, 9)


@pytest.fixture
def gate(database: Database) -> Callable[..., SourceGate]:
    Store(database.connect).migrate()
    return lambda budget=40_000: SourceGate(database.connect, who="test", wait_seconds=5.0, budget=budget)


def spend(database: Database, requests: int, *, ago: timedelta = timedelta(0)) -> None:
    """Record that so many messages were sent, by whomever."""
    database.do(
        "INSERT INTO ashare.source_request (requested_at, method, detail, who, outcome) "
        "SELECT clock_timestamp() - %s, 'login', '', 'somebody', 'ok' FROM generate_series(1, %s)",
        ago,
        requests,
    )


def let_time_pass(database: Database, hours: float) -> None:
    """All that the ledger knows happened so much longer ago."""
    database.do("UPDATE ashare.source_request SET requested_at = requested_at - %s", timedelta(hours=hours))


def midnight() -> datetime:
    now = datetime.now(SHANGHAI)
    return (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


# ---------------------------------------------------------------------- the budget


def test_a_session_that_would_pass_the_budget_is_not_opened(
    gate: Callable[..., SourceGate], emulator: Emulator, database: Database
) -> None:
    spend(database, 95)
    too_many = Session(source_of(emulator), gate(100), requests=4)
    with (
        pytest.raises(BudgetSpent, match=r"95 of the day's 100 requests .* and 6 more are needed") as spent,
        too_many,
    ):
        pass
    assert spent.value.until == midnight()
    assert emulator.connections == []
    with Session(
        source_of(emulator), gate(100), requests=3
    ) as session:  # the last that fits, login and logout counted
        for _ in range(3):
            session.trade_dates(TODAY, TODAY)
    assert emulator.count() == 5
    assert Store(database.connect).ledger.limit().used_today == 100


def test_a_session_that_needs_more_than_it_said_stops_at_the_budget(
    gate: Callable[..., SourceGate], emulator: Emulator, database: Database
) -> None:
    spend(database, 95)
    with pytest.raises(BudgetSpent), Session(source_of(emulator), gate(100), requests=1) as session:
        for _ in range(10):
            session.trade_dates(TODAY, TODAY)
    assert emulator.count() == 5  # a login and four answers: not even the logout was sent beyond
    assert Store(database.connect).ledger.limit().used_today == 100


def test_the_budget_is_of_the_beijing_day(
    gate: Callable[..., SourceGate], emulator: Emulator, database: Database
) -> None:
    since_midnight = datetime.now(SHANGHAI) - midnight() + timedelta(days=1)
    spend(database, 100, ago=since_midnight + timedelta(seconds=5))
    with Session(source_of(emulator), gate(100)) as session:
        session.trade_dates(TODAY, TODAY)
    assert Store(database.connect).ledger.limit().used_today == 3


def test_what_a_dead_process_sent_counts(gate: Callable[..., SourceGate], database: Database) -> None:
    opened = gate(100)
    opened.open(1)
    opened.begin("query_trade_dates", "")
    opened.close()  # as the system does for a process that was killed: the message's end was never recorded
    assert database.rows("SELECT outcome FROM ashare.source_request") == [(None,)]
    assert Store(database.connect).ledger.limit().used_today == 1


def test_more_than_any_day_allows_is_a_clear_mistake(gate: Callable[..., SourceGate], emulator: Emulator) -> None:
    too_many = Session(source_of(emulator), gate(100), requests=500)
    said = r"sends 502 requests in one session, more than ASHARE_REQUEST_BUDGET \(100"
    with pytest.raises(InvalidInput, match=said), too_many:
        pass


def test_a_budget_beyond_the_services_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASHARE_REQUEST_BUDGET", "60000")
    with pytest.raises(
        InvalidInput, match="ASHARE_REQUEST_BUDGET is '60000': it must be a whole number from 1 to 50000"
    ):
        Settings()


def test_a_date_that_meets_the_budget_waits_says_so_and_goes_on_the_next_day(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    run = make_run(DAY, settings=Settings(lock_timeout=20.0, request_budget=30, history_reserve=0))
    wait_for_trading_day(run)
    stocks, indices = plan_batches(run)
    fetch_and_copy(run, stocks.batch_no)
    used = emulator.count()
    spend(database, 20 - used)
    with pytest.raises(BudgetSpent) as spent:
        fetch_and_copy(run, indices.batch_no)
    assert emulator.count() == used
    said = str(spent.value)
    assert said.startswith("20 of the day's 30 requests") and f"{len(DEFAULT_INDICES) + 2} more are needed" in said
    assert database.rows("SELECT status, reason FROM ashare.sync_status") == [("syncing", said)]
    waiting = "SELECT status, error, requests FROM ashare.sync_batch WHERE batch_no = %s"
    assert database.rows(waiting, indices.batch_no) == [("pending", said, 0)]

    let_time_pass(database, 24)
    fetch_and_copy(run, indices.batch_no)  # what Airflow does by itself when the time has come
    assert database.rows("SELECT status, reason FROM ashare.sync_status") == [("syncing", None)]  # it waits no more
    assert emulator.count(BY_CODE) == len(DEFAULT_INDICES)
    assert emulator.count(MARKET) == 1
    assert complete(run) == "success"
    assert database.rows("SELECT status, reason FROM ashare.sync_status") == [("success", None)]


def test_what_the_market_lacked_waits_when_the_budget_does_not_allow_it(
    make_run: MakeRun, database: Database, emulator: Emulator, market: GeneratedMarket
) -> None:
    run = make_run(DAY, kinds=("stock",), settings=Settings(lock_timeout=20.0, request_budget=20, history_reserve=0))
    wait_for_trading_day(run)
    (batch,) = plan_batches(run)
    lacking = fault(MARKET, "truncated_page", rows=len(market.bars_on(run.day, "stock")) - 15)
    emulator.add_fault(lacking)
    with pytest.raises(BudgetSpent, match="16 more are needed"):
        fetch_and_copy(run, batch.batch_no)
    assert database.rows("SELECT count(*) FROM ashare.daily_bar") == [(0,)]
    let_time_pass(database, 24)
    assert complete(run) == "success"


def test_every_run_but_the_newest_dates_leaves_the_reserve_alone(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    options: dict[str, Any] = {"settings": Settings(lock_timeout=20.0, request_budget=100, history_reserve=40)}
    for evening in ("2025-10-09T20:00", "2025-10-10T09:00"):  # until the next day's bars appear, it is the newest
        newest = make_run(DAY, now=at(evening), **options)
        assert newest.is_newest
        complete(newest)
    spend(database, 58 - emulator.count())
    past = make_run("2025-09-30", now=at("2025-10-10T09:00"), **options)
    assert not past.is_newest
    wait_for_trading_day(past)
    with pytest.raises(BudgetSpent, match=r"40 are kept for the newest date \(ASHARE_HISTORY_RESERVE\)"):
        fetch_and_copy(past, plan_batches(past)[0].batch_no)
    today = make_run("2025-10-10", now=at("2025-10-10T20:00"), **options)
    wait_for_trading_day(today)
    database.do("UPDATE ashare.counted_partition SET counted_at = counted_at - interval '2 days', verified_at = NULL")
    batches = plan_batches(today)
    again = [batch for batch in batches if batch.again]
    assert len(again) == 1
    for batch in batches:
        fetch_and_copy(today, batch.batch_no)  # what is read again is left to a later run
    said = "SELECT status, error FROM ashare.sync_batch WHERE trade_date = '2025-10-10' AND batch_no = %s"
    ((state, error),) = database.rows(said, again[0].batch_no)
    assert state == "superseded"
    assert "40 are kept for the newest date" in error


def test_the_last_session_before_a_holiday_stays_the_newest(make_run: MakeRun) -> None:
    run = make_run("2025-09-30", now=at("2025-10-08T20:00"))
    wait_for_trading_day(run)
    assert run.is_newest


def test_the_reserve_is_never_more_than_half_of_the_budget() -> None:
    assert Settings(request_budget=100, history_reserve=1000).reserve == 50


# ---------------------------------------------------------------------- the ban


def banned(emulator: Emulator, method: str = MARKET) -> None:
    emulator.add_fault(fault(method, "error", code="10001011", message="黑名单用户"))


def test_after_a_ban_nothing_is_sent_until_its_end(make_run: MakeRun, database: Database, emulator: Emulator) -> None:
    run = make_run(DAY)
    wait_for_trading_day(run)
    stocks, indices = plan_batches(run)
    banned(emulator)
    with pytest.raises(SourceBanned, match="10001011, ban 1 of the year") as ban:
        fetch_and_copy(run, stocks.batch_no)
    assert ban.value.until is not None
    left = ban.value.until - datetime.now(SHANGHAI)
    assert timedelta(hours=5, minutes=59) < left <= timedelta(hours=6)
    asked = emulator.count()
    assert [request.method for request in emulator.requests][-2:] == ["login", MARKET]  # no logout either

    later: list[Callable[[], Any]] = [
        lambda: fetch_and_copy(run, stocks.batch_no),
        lambda: fetch_and_copy(run, indices.batch_no),
        lambda: sync_adjust_factors(run),
        lambda: wait_for_trading_day(make_run("2024-10-09")),
        lambda: check_source(run.store, run.source, who="a person"),
    ]
    connections = len(emulator.connections)
    for step in later:
        with pytest.raises(SourceBanned):
            step()
    assert (emulator.count(), len(emulator.connections)) == (asked, connections)
    until = f"{ban.value.until:%Y-%m-%d %H:%M}"
    reasons = database.rows("SELECT trade_date::text, status, reason FROM ashare.sync_status ORDER BY 1 DESC")
    assert [row[:2] for row in reasons] == [(DAY, "syncing"), ("2024-10-09", "syncing")]
    assert all(f"nothing is sent until {until}, Beijing time" in reason for *_, reason in reasons)

    with pytest.raises(IncompleteDate, match="whole market: Baostock has blacklisted this address"):
        record_status(run)  # as when somebody marks the waiting tasks failed

    let_time_pass(database, 6.1)
    fetch_and_copy(run, stocks.batch_no)
    assert complete(run) == "success"


REFUSED = [
    "2024-12-31 22:00",
    "2025-01-01 01:00",  # met again in the new year, in spite of it
    "2025-12-31 22:00",  # last year's
    "2026-06-01 09:00",
    "2026-06-01 09:01",  # asked again in spite of it: the same ban
    "2026-06-01 14:00",
    "2026-07-01 09:00",
    "2026-08-01 09:00",
]


@pytest.mark.parametrize(
    ("moment", "bans", "until", "is_banned"),
    [
        ("2024-12-31 20:00", 0, None, False),
        ("2025-01-01 03:30", 1, "2025-01-01 07:00", True),
        ("2025-06-01 12:00", 1, "2025-01-01 07:00", False),
        ("2026-01-01 03:59", 1, "2026-01-01 04:00", True),
        ("2026-01-01 04:00", 1, "2026-01-01 04:00", False),
        ("2026-06-01 12:30", 1, "2026-06-01 15:01", True),
        ("2026-06-01 19:59", 1, "2026-06-01 20:00", True),
        ("2026-07-01 20:59", 2, "2026-07-01 21:00", True),
        ("2026-08-02 02:59", 3, "2026-08-02 03:00", True),
        ("2026-12-31 09:00", 3, "2026-08-02 03:00", False),
    ],
)
def test_each_ban_of_the_year_lasts_six_hours_longer(
    gate: Callable[..., SourceGate], database: Database, moment: str, bans: int, until: str | None, is_banned: bool
) -> None:
    for when in REFUSED:
        database.do(
            "INSERT INTO ashare.source_request (requested_at, method, detail, who, outcome, seconds) "
            "VALUES (%s::timestamp AT TIME ZONE 'Asia/Shanghai', 'login', '', 'somebody', '10001011', 0)",
            when,
        )
    found = database.rows(
        "SELECT bans, to_char(banned_until AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI'), is_banned "
        "FROM ashare.source_limit_at(%s::timestamp AT TIME ZONE 'Asia/Shanghai')",
        moment,
    )
    assert found == [(bans, until, is_banned)]


def test_a_ban_is_known_also_when_the_lock_was_lost_with_its_reply(
    gate: Callable[..., SourceGate], emulator: Emulator, database: Database
) -> None:
    away = [0]

    def connect() -> psycopg.Connection[Any]:
        away[0] -= 1
        if away[0] >= 0:
            raise psycopg.OperationalError("the database system is starting up")
        return database.connect()

    opened = SourceGate(connect, who="test", wait_seconds=5.0, budget=40_000)
    opened.open(1)
    number = opened.begin("login", "")
    database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ashare source: test'"
    )
    away[0] = 2  # as while it is restarted
    with pytest.raises(StoreUnavailable, match="holds the lock on Baostock was lost"):
        opened.end(number, "10001011", 10)
    opened.close()
    with pytest.raises(Postponed), Session(source_of(emulator), gate()):
        pass
    assert emulator.connections == []
