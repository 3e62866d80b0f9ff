"""The session over a real socket, with the real client: every way a reply can go wrong ends in a typed error."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ashare.errors import (
    AshareError,
    BadReply,
    BudgetSpent,
    InvalidInput,
    SourceBusy,
    SourceRefused,
    SourceStalled,
    SourceUnreachable,
    StoreUnavailable,
    TerminalError,
)
from ashare.source import Session, SourceConfig
from ashare.store import SourceGate, Store
from ashare.sync import check_source
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from tests.conftest import Database, source_of
from tests.integration.pooler import Choice, Pooler
from tests.waiting import until

DAY = date(2025, 10, 9)
MARKET = "query_daily_history_k_AStock"
BY_CODE = "query_history_k_data_plus"


@pytest.fixture
def gate(database: Database) -> Callable[..., SourceGate]:
    Store(database.connect).migrate()

    def make(who: str = "test", wait_seconds: float = 5.0, budget: int = 40_000) -> SourceGate:
        return SourceGate(database.connect, who=who, wait_seconds=wait_seconds, budget=budget, trade_date=DAY)

    return make


def test_every_call_brings_what_the_market_holds(
    emulator: Emulator, market: GeneratedMarket, gate: Callable[..., SourceGate]
) -> None:
    stock = next(s for s in market.securities() if s.type == "1" and s.out_date is None)
    with Session(source_of(emulator), gate()) as session:
        assert session.market_day(DAY, "stock").rows == market.bars_on(DAY, "stock")
        first, last = date(2025, 9, 1), date(2025, 10, 31)
        assert session.bars(stock.code, first, last).rows == market.bars_of(stock.code, first, last)
        assert len(session.trade_dates(first, last).rows) == 61
        basics = list(session.security_basics().columns("code", "code_name"))
        assert basics == [(s.code, s.name) for s in market.securities()]  # white space inside names included
        assert any(" " in name for _, name in basics)
        assert set(session.listed_on(DAY).column("code")) == {code for code, _, _ in market.listed_on(DAY)}
        assert session.market_day(date(2025, 10, 1), "stock").rows == []
        assert session.requests == len(emulator.requests)
    assert emulator.count("logout") == 1
    assert emulator.overlaps() == []


@pytest.mark.parametrize(
    ("strikes", "error", "said"),
    [
        (fault(MARKET, "close_before_reply"), SourceUnreachable, "closed the connection in the middle of a reply"),
        (fault(MARKET, "close_mid_reply"), SourceUnreachable, "closed the connection in the middle of a reply"),
        (fault(MARKET, "stall"), SourceUnreachable, "sent nothing for 2 s"),
        (fault(MARKET, "garbage"), BadReply, "cannot be read"),
        (fault(MARKET, "cut_body"), BadReply, "cannot be read"),
        (fault(MARKET, "wrong_method"), BadReply, f"when {MARKET} was asked"),
        (fault(MARKET, "drop_column", column="close"), BadReply, "lacks the column close"),
        (fault(MARKET, "rename_column", column="close", to="last"), BadReply, "lacks the column close"),
        (fault(MARKET, "error", code="10001005", message="x"), SourceRefused, "10001005"),
        (fault(MARKET, "error", code="10002007", message="x"), SourceUnreachable, "10002007"),
        (fault(MARKET, "error", code="10005001", message="x"), BadReply, "10005001"),
        (fault(MARKET, "error", code="10004013", message="x"), TerminalError, "the request itself is wrong"),
        (fault("connect", "refuse"), SourceUnreachable, "Baostock"),
        (fault("login", "error", code="10001002", message="密码错误"), SourceRefused, "10001002"),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_a_faulty_reply_is_an_error_that_says_what_happened(
    emulator: Emulator, gate: Callable[..., SourceGate], strikes: Any, error: type[AshareError], said: str
) -> None:
    emulator.add_fault(strikes)
    with pytest.raises(error, match=said), Session(source_of(emulator), gate()) as session:
        session.market_day(DAY, "stock")
    with Session(source_of(emulator), gate()) as session:  # nothing is left behind: lock, socket, client state
        assert session.market_day(DAY, "stock").rows


def test_after_a_refusal_nothing_more_is_sent(emulator: Emulator, gate: Callable[..., SourceGate]) -> None:
    emulator.add_fault(fault(MARKET, "error", code="10001006", message="用户权限不足"))
    with pytest.raises(SourceRefused), Session(source_of(emulator), gate()) as session:
        session.market_day(DAY, "stock")
    assert [request.method for request in emulator.requests] == ["login", MARKET]


@pytest.fixture(scope="module")
def long_market() -> GeneratedMarket:
    """Few stocks over 12 years: the bars of one are more than a page."""
    return GeneratedMarket(start=date(2013, 10, 31), end=date(2025, 10, 31), stocks=5, etfs=1)


@pytest.mark.parametrize("kind", ["close_mid_reply", "cut_body", "wrong_page", "error", None])
def test_a_page_that_fails_is_an_error_and_never_the_end(
    long_market: GeneratedMarket, gate: Callable[..., SourceGate], kind: str | None
) -> None:
    first, last = date(2013, 10, 31), date(2025, 10, 31)
    with Emulator(long_market) as server:
        if kind is None:
            with Session(source_of(server), gate()) as session:
                rows = session.bars("sh.000001", first, last).rows
            assert rows == long_market.bars_of("sh.000001", first, last)
            assert len(rows) > 2000
        else:
            arguments: dict[str, Any] = {"code": "10002007", "message": "x"} if kind == "error" else {}
            server.add_fault(fault(BY_CODE, kind, after=1, times=0, **arguments))
            with pytest.raises((SourceUnreachable, BadReply)), Session(source_of(server), gate()) as session:
                session.bars("sh.000001", first, last)
        assert server.count(BY_CODE) == (3 if kind == "close_mid_reply" else 2)  # a dropped session is opened again


def test_a_whole_market_reply_of_exactly_2000_rows_asks_for_no_further_page(
    emulator: Emulator, gate: Callable[..., SourceGate]
) -> None:
    emulator.add_fault(fault(MARKET, "exact_rows", rows=2000))
    with Session(source_of(emulator), gate()) as session:
        assert len(session.market_day(DAY, "stock").rows) == 2000
    assert emulator.count(MARKET) == 1


def test_a_lost_session_is_mended_by_one_fresh_login(emulator: Emulator, gate: Callable[..., SourceGate]) -> None:
    emulator.add_fault(fault(MARKET, "error", code="10001001", message="用户未登陆"))
    with Session(source_of(emulator), gate()) as session:
        assert session.market_day(DAY, "stock").rows
    assert emulator.count("login") == 2
    assert emulator.overlaps() == []


def test_a_session_that_is_dropped_goes_on_in_a_new_one(
    emulator: Emulator, market: GeneratedMarket, database: Database, gate: Callable[..., SourceGate]
) -> None:
    emulator.add_fault(fault("*", "drop", times=0, requests=43))
    with Session(source_of(emulator), gate(), requests=100) as session:
        for _ in range(100):
            assert session.bars("sh.000001", DAY, DAY).rows == market.bars_of("sh.000001", DAY, DAY)
        counted = session.requests + 1  # the logout
    assert [emulator.count("login"), emulator.count(BY_CODE), emulator.count("logout")] == [3, 100, 1]
    outcomes = "SELECT method, outcome, count(*) FROM ashare.source_request GROUP BY 1, 2 ORDER BY 1, 2"
    assert database.rows(outcomes) == [
        ("login", "ok", 3),
        ("logout", "ok", 1),
        (BY_CODE, "SourceDropped", 2),  # sent into a closed connection, as far as anybody knows
        (BY_CODE, "ok", 100),
    ]
    assert counted == 106
    assert emulator.overlaps() == []


def test_a_session_dropped_between_two_pages_goes_on_with_the_second(
    long_market: GeneratedMarket, gate: Callable[..., SourceGate]
) -> None:
    first, last = date(2013, 10, 31), date(2025, 10, 31)
    with Emulator(long_market) as server:
        server.add_fault(fault("*", "drop", requests=2))
        with Session(source_of(server), gate()) as session:
            assert session.bars("sh.000001", first, last).rows == long_market.bars_of("sh.000001", first, last)
        assert [request.params["page"] for request in server.requests if request.method == BY_CODE] == ["1", "2"]


@pytest.mark.parametrize(
    ("requests", "logins", "answered"),
    [
        (1, 1, 0),  # no progress at all
        (2, 4, 4),  # an answer a session
        (9, 4, 32),
    ],
)
def test_a_session_that_is_dropped_with_little_progress_is_opened_again_three_times(
    emulator: Emulator, gate: Callable[..., SourceGate], requests: int, logins: int, answered: int
) -> None:
    emulator.add_fault(fault("*", "drop", times=0, requests=requests))
    with pytest.raises(SourceUnreachable), Session(source_of(emulator), gate()) as session:
        for _ in range(100):
            session.trade_dates(DAY, DAY)
    assert [emulator.count("login"), emulator.count("query_trade_dates")] == [logins, answered]
    with Session(source_of(emulator), gate()):
        pass  # the lock is free
    assert emulator.overlaps() == []


def test_a_dropped_session_is_not_opened_again_against_a_refusal(
    emulator: Emulator, gate: Callable[..., SourceGate]
) -> None:
    emulator.add_fault(fault("*", "drop", requests=20))
    emulator.add_fault(fault("login", "error", after=1, times=0, code="10001005", message="账号登陆数达到上限"))
    with pytest.raises(SourceRefused, match="10001005"), Session(source_of(emulator), gate()) as session:
        for _ in range(100):
            session.trade_dates(DAY, DAY)
    assert [request.method for request in emulator.requests][-2:] == ["query_trade_dates", "login"]
    assert emulator.count("login") == 2


def test_a_dropped_session_is_not_opened_again_beyond_the_budget(
    emulator: Emulator, gate: Callable[..., SourceGate]
) -> None:
    emulator.add_fault(fault("*", "drop", times=0, requests=20))
    with pytest.raises(BudgetSpent), Session(source_of(emulator), gate(budget=23)) as session:
        for _ in range(100):
            session.trade_dates(DAY, DAY)
    assert emulator.count() == 20  # with the one that was lost, 21, and the next three did not fit


def test_a_session_is_renewed_before_it_has_sent_as_many_requests_as_are_set(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    config = replace(source_of(emulator), session_requests=10)
    emulator.add_fault(fault("*", "drop", times=0, requests=11))
    too_few, enough = gate(budget=37), gate(budget=38)  # 30 calls are four sessions
    with pytest.raises(InvalidInput, match="sends 38 requests"), Session(config, too_few, requests=30):
        pass
    with Session(config, enough, requests=30) as session:
        for _ in range(30):
            session.trade_dates(DAY, DAY)
    by_connection = Counter(request.connection for request in emulator.requests)
    assert list(by_connection.values()) == [10, 10, 10, 8]
    assert database.rows("SELECT DISTINCT outcome FROM ashare.source_request") == [("ok",)]
    assert emulator.count("logout") == 4
    assert emulator.overlaps() == []


def test_a_read_over_years_that_stalls_is_asked_for_in_halves_and_what_came_is_kept(
    long_market: GeneratedMarket, gate: Callable[..., SourceGate]
) -> None:
    first, last = date(2013, 10, 31), date(2025, 10, 31)
    with Emulator(long_market) as server:
        server.add_fault(fault(BY_CODE, "stall", days=4000))
        server.add_fault(fault(BY_CODE, "stall", after=2))  # the second half
        with Session(source_of(server, idle=0.5), gate()) as session:
            assert session.bars("sh.000001", first, last).rows == long_market.bars_of("sh.000001", first, last)
        asked = [request.params for request in server.requests if request.method == BY_CODE]
        assert [(params["start_date"], params["end_date"]) for params in asked] == [
            ("2013-10-31", "2025-10-31"),
            ("2013-10-31", "2019-10-31"),
            ("2019-11-01", "2025-10-31"),
            ("2019-11-01", "2022-10-31"),
            ("2022-11-01", "2025-10-31"),
        ]
        assert server.count("login") == 3
        assert server.overlaps() == []


@pytest.mark.parametrize("limits", [{"idle": 0.5}, {"idle": 5.0, "reply": 0.5}], ids=["nothing", "not to its end"])
def test_a_read_that_stalls_on_a_year_is_an_error(
    long_market: GeneratedMarket, gate: Callable[..., SourceGate], limits: dict[str, float]
) -> None:
    with Emulator(long_market) as server:
        server.add_fault(fault(BY_CODE, "stall", times=0))
        with pytest.raises(SourceStalled), Session(source_of(server, **limits), gate()) as session:
            session.bars("sh.000001", date(2013, 10, 31), date(2025, 10, 31))
        asked = [request.params for request in server.requests if request.method == BY_CODE]
    days = [(date.fromisoformat(p["end_date"]) - date.fromisoformat(p["start_date"])).days for p in asked]
    assert days == [4383, 2191, 1095, 547, 366]


@pytest.mark.parametrize(("rows", "pages"), [(10_000, 1), (1_000, 3)])
def test_the_page_size_is_the_servers(
    long_market: GeneratedMarket, gate: Callable[..., SourceGate], rows: int, pages: int
) -> None:
    first, last = date(2013, 10, 31), date(2025, 10, 31)
    with Emulator(long_market) as server:
        server.add_fault(fault(BY_CODE, "page_size", times=0, rows=rows))
        with Session(source_of(server), gate()) as session:
            assert session.bars("sh.000001", first, last).rows == long_market.bars_of("sh.000001", first, last)
        assert server.count(BY_CODE) == pages


def test_a_page_size_that_changes_between_two_pages_is_not_believed(
    long_market: GeneratedMarket, gate: Callable[..., SourceGate]
) -> None:
    with Emulator(long_market) as server:
        server.add_fault(fault(BY_CODE, "page_size", rows=1000))
        with pytest.raises(BadReply, match="not of one size"), Session(source_of(server), gate()) as session:
            session.bars("sh.000001", date(2013, 10, 31), date(2025, 10, 31))


@pytest.mark.parametrize("method", ["query_trade_dates", MARKET], ids=["plain", "compressed"])
def test_a_reply_that_is_not_what_its_checksum_was_taken_of_is_an_error(
    emulator: Emulator, gate: Callable[..., SourceGate], method: str
) -> None:
    emulator.add_fault(fault(method, "changed_digit"))
    with pytest.raises(BadReply, match="cannot be read"), Session(source_of(emulator), gate()) as session:
        session.trade_dates(DAY, DAY)
        session.market_day(DAY, "stock")


def test_a_hang_ends_within_its_time_limit_and_without_spinning(
    emulator: Emulator, gate: Callable[..., SourceGate]
) -> None:
    emulator.add_fault(fault(MARKET, "stall"))
    started, cpu = time.monotonic(), time.process_time()
    with pytest.raises(SourceUnreachable), Session(source_of(emulator, idle=1.0), gate()) as session:
        session.market_day(DAY, "stock")
    assert time.monotonic() - started < 8
    assert time.process_time() - cpu < 2


def test_a_server_that_trickles_for_ever_is_given_up(gate: Callable[..., SourceGate]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection:
                while not done.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        config = SourceConfig("127.0.0.1", listener.getsockname()[1], limits=_limits(idle=1.0, reply=1.5))
        with pytest.raises(SourceUnreachable, match=r"not finished within 1\.5 s"), Session(config, gate()):
            pass
        done.set()
        thread.join()


def _limits(**limits: float) -> Any:
    from ashare.source.transport import Limits

    return Limits(**limits)  # type: ignore[arg-type]


def test_a_reply_without_end_is_given_up_by_its_size(gate: Callable[..., SourceGate], emulator: Emulator) -> None:
    config = SourceConfig("127.0.0.1", emulator.port, limits=_limits(reply_bytes=10_000))
    with pytest.raises(BadReply, match="larger than 10000 bytes"), Session(config, gate()) as session:
        session.security_basics()


@pytest.mark.parametrize(
    ("host", "said"),
    [("127.0.0.1", "cannot be reached"), ("no-such-host.invalid", "cannot be resolved")],
)
def test_a_source_out_of_reach_is_said_with_its_address(
    gate: Callable[..., SourceGate], host: str, said: str
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(SourceUnreachable, match=said) as unreachable, Session(SourceConfig(host, port), gate()):
            pass
        assert f"{host}:{port}" in str(unreachable.value)


def test_whether_the_source_is_in_reach_is_found_out_without_a_message(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    check_source(Store(database.connect), source_of(emulator), who="make up")
    assert emulator.count() == 0
    emulator.stop()
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        check_source(Store(database.connect), source_of(emulator), who="make up")


def test_nothing_is_printed_and_the_client_is_left_as_it_was(
    emulator: Emulator, gate: Callable[..., SourceGate], capfd: pytest.CaptureFixture[str]
) -> None:
    import baostock.common.context as state
    import baostock.util.socketutil as wire

    before = wire.send_msg
    with Session(source_of(emulator), gate()) as session:
        session.market_day(DAY, "stock")
    assert capfd.readouterr() == ("", "")
    assert wire.send_msg is before
    assert not {"user_id", "apiKey", "default_socket"} & set(vars(state))


def test_no_secret_reaches_the_ledger_or_an_error(
    market: GeneratedMarket, database: Database, gate: Callable[..., SourceGate], tmp_path: Path
) -> None:
    key = "bs-" + "A1" + "b" * 27
    key += _checksum(key)
    users = {"me": "s3cret-word"}
    with Emulator(market, users=users, log_path=tmp_path / "log") as server:
        limits = source_of(server).limits
        with Session(SourceConfig("127.0.0.1", server.port, "me", "s3cret-word", key, limits), gate()) as session:
            session.trade_dates(DAY, DAY)
        wrong = SourceConfig("127.0.0.1", server.port, "me", "wr0ng-word", key, limits)
        with pytest.raises(SourceRefused) as refused, Session(wrong, gate()):
            pass
    everything = repr(database.rows("SELECT * FROM ashare.source_request")) + str(refused.value) + repr(wrong)
    assert "login" in everything
    for secret in ("s3cret-word", "wr0ng-word", key):
        assert secret not in everything


def _checksum(key: str) -> str:
    from baostock.login.loginout import calculate_checksum

    return str(calculate_checksum(key[3:5], key[5:32]))


def test_an_api_key_that_cannot_be_one_is_refused_before_anything_is_sent(
    emulator: Emulator, gate: Callable[..., SourceGate]
) -> None:
    config = SourceConfig("127.0.0.1", emulator.port, api_key="bs-short")
    with pytest.raises(SourceRefused, match="10001012"), Session(config, gate()):
        pass
    assert emulator.count() == 0


def test_the_ledger_has_every_message_with_its_end(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    emulator.add_fault(fault(MARKET, "error", code="10005001", message="x"))
    with pytest.raises(BadReply), Session(source_of(emulator), gate("somebody")) as session:
        session.trade_dates(DAY, DAY)
        session.market_day(DAY, "stock")
    rows = database.rows("SELECT method, outcome, who, trade_date FROM ashare.source_request ORDER BY id")
    assert rows == [
        ("login", "ok", "somebody", DAY),
        ("query_trade_dates", "ok", "somebody", DAY),
        (MARKET, "BadReply", "somebody", DAY),
        ("logout", "ok", "somebody", DAY),
    ]
    assert len(emulator.requests) == 4


def test_a_good_end_is_in_the_ledger_with_the_next_message_and_any_other_at_once(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    outcomes = "SELECT method, outcome, seconds >= 0 FROM ashare.source_request ORDER BY id"
    with Session(source_of(emulator), gate()) as session:
        session.trade_dates(DAY, DAY)
        assert database.rows(outcomes) == [("login", "ok", True), ("query_trade_dates", None, None)]
        emulator.add_fault(fault(MARKET, "error", code="10005001", message="x"))
        with pytest.raises(BadReply):
            session.market_day(DAY, "stock")
        assert database.rows(outcomes)[1:] == [("query_trade_dates", "ok", True), (MARKET, "BadReply", True)]
        session.trade_dates(DAY, DAY)
    assert database.rows(outcomes)[3:] == [("query_trade_dates", "ok", True), ("logout", "ok", True)]


def test_a_good_end_is_in_the_ledger_although_the_lock_is_lost_behind_it(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    with Session(source_of(emulator), gate()) as session:
        session.trade_dates(DAY, DAY)
        database.do(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ashare source: %%'"
        )
    # Without the lock nothing is sent, not even a logout.
    assert [request.method for request in emulator.requests] == ["login", "query_trade_dates"]
    assert database.rows("SELECT outcome FROM ashare.source_request ORDER BY id") == [("ok",), ("ok",)]


def test_two_sessions_never_overlap_and_the_second_says_who_it_waits_for(
    emulator: Emulator, gate: Callable[..., SourceGate]
) -> None:
    with Session(source_of(emulator), gate("the daily run")) as session:
        with (
            pytest.raises(SourceBusy, match=r"was not free within 0\.2 s: held by ashare source: the daily run"),
            Session(source_of(emulator), gate("a person", wait_seconds=0.2)),
        ):
            pass
        session.trade_dates(DAY, DAY)
    ready = threading.Barrier(4)

    def ask() -> None:
        ready.wait()
        with Session(source_of(emulator), gate()) as session:
            session.bars("sh.000001", DAY, DAY)

    # One process has one client: threads would share it. Sessions in one process take turns all the same.
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert emulator.count(BY_CODE) == 4
    assert emulator.overlaps() == []


def end_holder(database: Database) -> None:
    """End the database connection that holds the lock on Baostock."""
    database.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(application_name, 'ashare source')"
    )


def test_a_lock_lost_in_the_middle_of_a_request_ends_the_connection_at_once(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    emulator.add_fault(fault(MARKET, "delay", seconds=1.5))
    lost_at = []

    def lose() -> None:
        while database.rows("SELECT 1 FROM ashare.source_request WHERE method = %s", MARKET) == []:
            time.sleep(0.02)
        time.sleep(0.2)  # the request is recorded before it is sent
        lost_at.append(time.monotonic())
        end_holder(database)

    losing = threading.Thread(target=lose)
    with pytest.raises(StoreUnavailable, match="holds the lock"), Session(source_of(emulator), gate()) as session:
        losing.start()
        session.market_day(DAY, "stock")
    noticed = time.monotonic()
    losing.join()
    assert noticed - lost_at[0] < 0.8  # long before the reply
    with Session(source_of(emulator), gate()) as session:
        session.trade_dates(DAY, DAY)
    assert emulator.overlaps() == []


def test_a_lock_lost_in_the_pause_before_a_new_login_opens_no_connection(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    emulator.add_fault(fault(MARKET, "close_mid_reply"))
    source = source_of(emulator)
    source = replace(source, limits=replace(source.limits, reopen=1.0))

    def lose() -> None:
        until(
            lambda: database.rows("SELECT FROM ashare.source_request WHERE method = %s AND outcome <> 'ok'", MARKET)
        )
        end_holder(database)

    with ThreadPoolExecutor() as beside:
        lost = beside.submit(lose)
        with pytest.raises(StoreUnavailable, match="holds the lock"), Session(source, gate()) as session:
            session.trade_dates(DAY, DAY)
            session.market_day(DAY, "stock")
        lost.result()
    assert len(emulator.connections) == 1


def test_a_word_from_the_database_is_no_lost_lock(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    emulator.add_fault(fault(MARKET, "delay", seconds=1))
    opened = gate()
    said = threading.Timer(0.3, lambda: _reload(database))
    with Session(source_of(emulator), opened) as session:
        said.start()
        assert session.market_day(DAY, "stock").rows
    said.join()
    assert emulator.overlaps() == []


def _reload(database: Database) -> None:
    """Make the server tell every session of a changed parameter."""
    with database.connect() as connection:
        connection.autocommit = True
        connection.execute("ALTER SYSTEM SET timezone = 'Asia/Tokyo'")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("ALTER SYSTEM RESET timezone")
        connection.execute("SELECT pg_reload_conf()")


def test_a_session_that_lost_its_lock_sends_nothing_more(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    with pytest.raises(StoreUnavailable, match="holds the lock"), Session(source_of(emulator), gate()) as session:
        end_holder(database)
        session.market_day(DAY, "stock")
    assert emulator.count(MARKET) == 0


# ---------------------------------------------------------------------- whose lock it is, and who is next


@pytest.fixture
def pooled(database: Database, own_directory: Path) -> Iterator[Callable[..., Pooler]]:
    """Poolers in front of the test's database."""
    Store(database.connect).migrate()
    with ExitStack() as poolers:
        yield lambda choose: poolers.enter_context(
            Pooler(database.server.socket_dir, Path(tempfile.mkdtemp(dir=own_directory)), choose)
        )


def through(pooler: Pooler, database: Database, who: str, wait_seconds: float = 5.0) -> SourceGate:
    """A gate over the pooler, as a task has it."""

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(pooler.directory), user="postgres", dbname=database.name)

    return SourceGate(Store(connect).connect, who=who, wait_seconds=wait_seconds, budget=40_000, trade_date=DAY)


@pytest.mark.parametrize("choose", [lambda free: free[-1], lambda free: free[0]], ids=["last used", "in turn"])
def test_behind_a_pooler_by_transaction_two_never_get_through(
    emulator: Emulator, database: Database, pooled: Callable[..., Pooler], choose: Choice
) -> None:
    pooler = pooled(choose)
    refused = []

    def ask(who: str) -> None:
        try:
            with Session(source_of(emulator), through(pooler, database, who, wait_seconds=0.5)) as session:
                for _ in range(4):
                    session.trade_dates(DAY, DAY)
                    inner(who)
        except (TerminalError, SourceBusy) as error:
            refused.append(str(error))

    def inner(who: str) -> None:
        if who == "the first":
            ask("the second")

    ask("the first")
    assert emulator.overlaps() == []
    assert any("pools by transaction" in said and "pool_mode = session" in said for said in refused)
    assert database.rows("SELECT count(*) FROM ashare.source_request WHERE who = 'the second'") == [(0,)]


def test_where_another_server_session_holds_the_lock_nothing_is_sent(
    emulator: Emulator, database: Database, pooled: Callable[..., Pooler]
) -> None:
    pooler = pooled(lambda free: free[0])
    opened = through(pooler, database, "a task")
    opened.open(0)  # the lock is on one of the two, and what was asked for after it is another transaction
    holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
    with psycopg.connect(host=str(pooler.directory), user="postgres", dbname=database.name) as other:
        while other.execute("SELECT pg_backend_pid()").fetchall() != database.rows(holder):
            other.rollback()
        with pytest.raises(TerminalError, match="pools by transaction"):
            opened.begin("login", "")
    opened.close()
    assert database.rows("SELECT * FROM ashare.source_request") == []


def test_a_lock_that_was_given_up_is_not_begun_upon(
    emulator: Emulator, database: Database, gate: Callable[..., SourceGate]
) -> None:
    opened: list[psycopg.Connection[Any]] = []

    def connect() -> psycopg.Connection[Any]:
        opened.append(database.connect())
        return opened[-1]

    mine = SourceGate(connect, who="test", wait_seconds=5.0, budget=40_000)
    with pytest.raises(TerminalError, match="pools by transaction"), Session(source_of(emulator), mine) as session:
        opened[0].execute("SELECT pg_advisory_unlock_all()")
        session.market_day(DAY, "stock")
    assert emulator.count(MARKET) == 0


def test_those_who_wait_are_served_in_the_order_in_which_they_came(
    database: Database,
    gate: Callable[..., SourceGate],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("ashare.store.database.REPORT_EVERY_SECONDS", 0.05)
    caplog.set_level("INFO")
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    served: list[int] = []

    def wait(number: int) -> None:
        mine = gate(f"waiter {number}")
        mine.open(0)
        served.append(number)
        mine.close()

    first = gate("the daily run")
    first.open(0)
    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        until(lambda count=number + 1: database.rows(waiting) == [(count,)])  # type: ignore[misc]
        time.sleep(0.12)  # those who are there are told more than once for whom they wait
    first.close()
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4]
    said = [text for text in caplog.messages if "Waiting for the one connection to Baostock: held by" in text]
    assert len(said) > 5
    assert "held by ashare source: the daily run (pid" in said[0]
