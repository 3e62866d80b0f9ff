"""The emulator over a real socket: with the unmodified client, and byte by byte where the client would hang."""

from __future__ import annotations

import csv
import gzip
import json
import re
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from ashare.dates import SHANGHAI
from ashare_emulator.faults import KINDS, fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.log_report import check_log
from ashare_emulator.market import COLUMNS
from ashare_emulator.panel import PanelMarket
from ashare_emulator.pytest_plugin import client_connects_to
from ashare_emulator.server import Emulator

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
DAY = "2026-03-02"
KEY = "bs-" + "A" * 29 + "g"  # 29 letters of value 10 are 290, and 290 modulo 62 is 42, "g"
A_STOCK = "query_daily_history_k_AStock"


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    return GeneratedMarket(start=date(2016, 1, 1), stocks=150, etfs=40, indices=60, seed=2)


def clock(text: str) -> Any:
    moment = datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    return lambda: moment


@pytest.fixture
def emulator(market: GeneratedMarket, tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(market, log_path=tmp_path / "log", now=clock("2026-11-03T20:00")) as server:
        yield server


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    """The real baostock client, logged in."""
    yield from logged_in(emulator)


def logged_in(emulator: Emulator) -> Iterator[Any]:
    import baostock
    from baostock.common import context

    with client_connects_to(emulator):
        assert baostock.login().error_code == "0"
        context.default_socket.settimeout(10)
        yield baostock


def rows_of(result: Any) -> list[list[str]]:
    rows = []
    while result.error_code == "0" and result.next():
        rows.append(result.get_row_data())
    assert result.error_code == "0", result.error_msg
    return rows


class Wire:
    """A connection whose bytes a test sees."""

    def __init__(self, emulator: Emulator, *, login: bool = True) -> None:
        self.sock = socket.create_connection((emulator.host, emulator.port), timeout=5)
        if login:
            assert self.fields("00", "login", "anonymous", "123456", "0")[0] == "0"

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, kind: str, *fields: str, version: str = "00.9.40", crc: int | None = None) -> None:
        body = "\1".join(fields)
        message = f"{version}\1{kind}\1{len(body):010d}{body}"
        check = zlib.crc32(message.encode()) if crc is None else crc
        self.sock.sendall(f"{message}\1{check}\n".encode())

    def receive(self) -> bytes:
        """Everything up to the end marker, or to the end of the stream."""
        data = b""
        while not data.endswith(b"<![CDATA[]]>\n"):
            chunk = self.sock.recv(65536)
            if not chunk:
                break
            data += chunk
        return data

    def fields(self, kind: str, *fields: str, **how: Any) -> list[str]:
        """The fields of the reply's body, with the frame around it checked."""
        self.send(kind, *fields, **how)
        reply = self.receive()
        reply_kind, body = unframe(reply)
        return (zlib.decompress(body) if reply_kind in ("96", "99", "9B", "9D") else body).decode().split("\1")


def unframe(reply: bytes) -> tuple[str, bytes]:
    header = re.fullmatch(r"00\.9\.00\x01(\w\w)\x01(\d{10})", reply[:21].decode())
    assert header
    body = unframe_unchecked(reply)
    is_compressed = header[1] in ("96", "99", "9B", "9D")
    assert int(header[2]) == len(body if is_compressed else body.decode(errors="replace"))
    crc = str(zlib.crc32(reply[:21] + body)).encode()
    assert reply[21 + len(body) :] == b"\1" + crc + (b"\n" if is_compressed else b"") + b"<![CDATA[]]>\n"
    return header[1], body


def unframe_unchecked(reply: bytes) -> bytes:
    return reply[21:].rpartition(b"\1")[0]


# -- every call, with the real client


def test_trade_dates(client: Any) -> None:
    result = client.query_trade_dates("2026-09-30", "2026-10-09")
    assert result.fields == ["calendar_date", "is_trading_day"]
    assert [row[1] for row in rows_of(result)] == ["1", *"0" * 7, "1", "1"]
    assert [result.start_date, result.end_date] == ["2026-09-30", "2026-10-09"]
    assert rows_of(client.query_trade_dates("2026-12-30", "2027-03-01"))[-1] == ["2026-12-31", "1"]
    assert rows_of(client.query_trade_dates("2027-01-01", "2027-12-31")) == []
    everything = rows_of(client.query_trade_dates("1980-01-01", "2026-12-31"))
    assert everything[0] == ["1990-12-19", "1"]
    assert len(everything) == (date(2026, 12, 31) - date(1990, 12, 19)).days + 1


def test_all_stock(client: Any, market: GeneratedMarket) -> None:
    result = client.query_all_stock(DAY)
    assert result.fields == ["code", "tradeStatus", "code_name"]
    # The client deletes white space inside of values.
    expected = [[code, status, name.replace(" ", "")] for code, status, name in market.listed_on(date(2026, 3, 2))]
    assert rows_of(result) == expected
    assert any(" " in name for _, _, name in market.listed_on(date(2026, 3, 2)))
    assert rows_of(client.query_all_stock("2026-10-01")) == []


def test_stock_basic(client: Any) -> None:
    everything = rows_of(client.query_stock_basic())
    assert {row[4] for row in everything} == {"1", "2", "3", "4", "5"}
    delisted = [row for row in everything if row[5] == "0"]
    assert delisted
    assert all(row[3] for row in delisted)
    (one,) = rows_of(client.query_stock_basic(code="sh.000001"))
    assert one == ["sh.000001", "上证综指", "1991-07-15", "", "2", "1"]
    named = rows_of(client.query_stock_basic(code_name="沪深300"))
    assert named == [row for row in everything if "沪深300" in row[1]]
    assert rows_of(client.query_stock_basic(code="sh.609999")) == []


def test_history_in_pages(client: Any, market: GeneratedMarket, emulator: Emulator) -> None:
    fields = "close,date,isST,volume"
    result = client.query_history_k_data_plus("sh.600000", fields, "2016-01-01", "2026-10-30")
    assert result.fields == fields.split(",")
    expected = market.bars_of("sh.600000", date(2016, 1, 1), date(2026, 10, 30))
    assert len(expected) > 2000
    assert rows_of(result) == [[row[5], row[0], row[17], row[7]] for row in expected]
    assert [request.params["page"] for request in emulator.requests[1:]] == ["1", "2"]
    result = client.query_history_k_data_plus("sh.000001", ",".join(COLUMNS), DAY, DAY)
    assert rows_of(result) == market.bars_of("sh.000001", date(2026, 3, 2), date(2026, 3, 2))


def test_a_day_of_all_stocks_and_etfs(client: Any, market: GeneratedMarket) -> None:
    result = client.query_daily_history_k_AStock(DAY)
    assert result.fields == list(COLUMNS)
    assert rows_of(result) == market.bars_on(date(2026, 3, 2), "stock")
    assert rows_of(client.query_daily_history_k_ETF(DAY)) == market.bars_on(date(2026, 3, 2), "etf")
    assert rows_of(client.query_daily_history_k_ETF("2025-12-31")) == []
    assert market.bars_on(date(2025, 12, 31), "etf")


def test_adjust_factors(client: Any, market: GeneratedMarket) -> None:
    history = rows_of(client.query_adjust_factor("sh.600000", "1990-01-01", "2026-12-31"))
    assert len(history) >= 4
    assert history[-1][2] == "1.000000"
    result = client.query_adjust_factor("sh.600000", history[0][1], history[0][1])
    assert result.fields[-1] == "adjustFactor"
    assert rows_of(result) == history[:1]
    result = client.query_daily_adjust_factor(history[1][1])
    assert result.fields == ["code", "dividOperateDate", "foreAdjustFactor", "backAdjustFactor", "adjustFacto"]
    assert ["sh.600000", history[1][1], "1.000000", history[1][3], history[1][3]] in rows_of(result)


@pytest.mark.parametrize("day", ["2026-10-01", "2026-11-04", "2027-03-02", "2015-03-02"])
def test_no_data_is_not_an_error(client: Any, day: str) -> None:
    for result in (
        client.query_all_stock(day),
        client.query_daily_history_k_AStock(day),
        client.query_daily_history_k_ETF(day),
        client.query_daily_adjust_factor(day),
        client.query_history_k_data_plus("sh.600000", "date,close", day, day),
        client.query_history_k_data_plus("sz.099999", "date,close", day, day),
    ):
        assert (result.error_code, result.data) == ("0", [])


def test_wrong_parameters(client: Any) -> None:
    history = client.query_history_k_data_plus
    assert history("sh.600000", "date,klose", DAY, DAY).error_code == "10004012"
    assert history("sh.600000", "date,date", DAY, DAY).error_code == "10004018"
    assert history("xx.600000", "date", DAY, DAY).error_code == "10004011"
    assert history("sh.600000", "date", DAY, DAY, frequency="5").error_code == "10004006"
    assert client.query_trade_dates("soon", DAY).error_code == "10004007"
    assert client.query_trade_dates(DAY, "later").error_code == "10004008"
    assert client.query_trade_dates(DAY, "2020-01-01").error_code == "10004009"
    assert client.query_all_stock("yesterday").error_code == "10004010"
    assert client.query_adjust_factor("sh.60000x", DAY, DAY).error_code == "10004011"


def test_login_and_logout(client: Any) -> None:
    assert client.login("anonymous", "wrong").error_code == "10001002"
    assert client.query_all_stock(DAY).error_code == "10001001"
    client.set_API_key(KEY)
    assert client.login().error_code == "0"
    assert client.logout().error_code == "0"


def test_a_key_is_never_recorded(client: Any, emulator: Emulator, tmp_path: Path) -> None:
    client.set_API_key(KEY)
    assert client.login().error_code == "0"
    assert emulator.requests[-1].params == {"user_id": "anonymous", "api_key": "yes"}
    written = repr(emulator.requests) + (tmp_path / "log").read_text(encoding="utf-8")
    assert KEY not in written
    assert "123456" not in written


def test_before_and_after_publication(market: GeneratedMarket) -> None:
    until = [date(2026, 6, 10)]
    with Emulator(market, published_until=lambda: until[0], now=clock("2026-06-11T17:00")) as server:
        for client in logged_in(server):
            assert rows_of(client.query_daily_history_k_AStock("2026-06-11")) == []
            assert rows_of(client.query_history_k_data_plus("sh.600000", "date", "2026-06-10", "2026-06-30")) == [
                ["2026-06-10"]
            ]
            until[0] = date(2026, 6, 11)
            assert rows_of(client.query_daily_history_k_AStock("2026-06-11"))
            assert rows_of(client.query_history_k_data_plus("sh.600000", "date", "2026-06-11", "2026-06-30")) == [
                ["2026-06-11"]
            ]


# -- index members and industries


INDEX_OF = {
    "query_hs300_stocks": "sh.000300",
    "query_sz50_stocks": "sh.000016",
    "query_zz500_stocks": "sh.000905",
}


def names_on(market: GeneratedMarket, day: date) -> dict[str, str]:
    """Code to the name on a session, without the white space that the client deletes."""
    return {code: name.replace(" ", "") for code, _, name in market.listed_on(day)}


@pytest.mark.parametrize("call", INDEX_OF)
@pytest.mark.parametrize(
    ("asked", "load"),
    [
        ("2025-06-16", "2025-06-16"),  # a rebalance
        ("2025-06-15", "2025-06-09"),
        ("2025-6-18", "2025-06-16"),
        ("2025-10-06", "2025-09-29"),  # a Monday that is a holiday
        ("2026-11-03", "2026-11-02"),  # today
        ("", "2026-11-02"),
        ("2031-05-05", "2026-11-02"),
    ],
)
def test_members_are_those_of_the_newest_monday(
    client: Any, market: GeneratedMarket, call: str, asked: str, load: str
) -> None:
    result = getattr(client, call)(asked)
    assert result.fields == ["updateDate", "code", "code_name"]
    monday = date.fromisoformat(load)
    members = market.members(INDEX_OF[call], monday)
    named = names_on(market, monday)
    assert len(members) > 5
    assert rows_of(result) == [[load, code, named[code]] for code in members]


def test_nothing_is_loaded_before_the_first_loads(client: Any) -> None:
    for asked, counts in {
        "2006-01-08": (False, False, False, False),
        "2006-01-09": (True, True, False, False),
        "2007-01-14": (True, True, False, False),
        "2007-01-15": (True, True, True, False),
        "2009-01-04": (True, True, True, False),
        "2009-01-05": (True, True, True, True),
    }.items():
        replies = [rows_of(getattr(client, call)(asked)) for call in INDEX_OF]
        replies.append(rows_of(client.query_stock_industry(date=asked)))
        assert tuple(map(bool, replies)) == counts, asked


def test_industries(client: Any, market: GeneratedMarket) -> None:
    result = client.query_stock_industry(date="2025-06-18")
    assert result.fields == ["updateDate", "code", "code_name", "industry", "industryClassification"]
    rows = rows_of(result)
    assert rows == [[value.replace(" ", "") for value in row] for row in market.industry_rows(date(2025, 6, 16))]
    named = names_on(market, date(2025, 6, 16))
    assert {row[1]: row[2] for row in rows if row[1] in named} == {
        code: name
        for code, name in named.items()
        if code.startswith(("sh.6", "sz.0", "sz.3")) and not code.startswith("sz.399")
    }
    (one,) = rows_of(client.query_stock_industry("sh.600000", "2025-06-18"))
    assert one in rows
    assert rows_of(client.query_stock_industry("sh.609999")) == []


def test_industries_come_in_pages() -> None:
    market = GeneratedMarket(start=date(2025, 6, 2), end=date(2025, 6, 30), stocks=2000, etfs=0, indices=0)
    with Emulator(market, now=clock("2025-06-20T20:00")) as server:
        for client in logged_in(server):
            rows = rows_of(client.query_stock_industry())
            assert [row[1] for row in rows] == [row[1] for row in market.industry_rows(date(2025, 6, 20))]
            assert len(rows) > 2000
            assert [request.rows for request in server.requests[1:]] == [2000, len(rows) - 2000]
            assert len(rows_of(client.query_hs300_stocks())) == 300
            assert len(rows_of(client.query_sz50_stocks())) == 50
            assert len(rows_of(client.query_zz500_stocks())) == 500


def test_wrong_dates_and_codes_of_members_and_industries(client: Any, emulator: Emulator) -> None:
    assert client.query_hs300_stocks("yesterday").error_code == "10004010"
    with Wire(emulator) as wire:
        for kind, call in (("61", "query_hs300_stocks"), ("63", "query_sz50_stocks"), ("65", "query_zz500_stocks")):
            assert wire.fields(kind, call, "anonymous", "1", "2000", "20250616")[:2] == ["10004010", "日期格式不正确"]
        industries = ("59", "query_stock_industry", "anonymous", "1", "2000")
        assert wire.fields(*industries, "", "2025-13-01")[0] == "10004010"
        assert wire.fields(*industries, "600000", "")[0] == "10004011"
        assert wire.fields(*industries, "")[0] == "10004006"


def test_a_load_appears_when_it_is_published(market: GeneratedMarket) -> None:
    until = [date(2026, 6, 14)]
    with Emulator(market, reference_until=lambda: until[0], now=clock("2026-06-15T17:00")) as server:
        for client in logged_in(server):
            assert rows_of(client.query_hs300_stocks("2026-06-15"))[0][0] == "2026-06-08"
            assert rows_of(client.query_stock_industry("sh.600000"))[0][0] == "2026-06-08"
            assert rows_of(client.query_daily_history_k_AStock("2026-06-15"))
            until[0] = date(2026, 6, 15)
            assert rows_of(client.query_hs300_stocks())[0][0] == "2026-06-15"


# -- the wire


def test_messages_that_are_wrong(emulator: Emulator) -> None:
    with Wire(emulator, login=False) as wire:
        query = ("35", "query_all_stock", "anonymous", "1", "2000", DAY)
        assert wire.fields(*query)[0] == "10001001"
        assert wire.fields("00", "login", "", "123456", "0")[0] == "10001008"
        assert wire.fields("00", "login", "anonymous", "", "0")[0] == "10001009"
        assert wire.fields("00", "login", "anonymous", "123456", "bs-nonsense")[0] == "10001012"
        assert wire.fields("00", "login", "anonymous", "123456", "0", version="00.8.80")[0] == "10001004"
        assert wire.fields("00", "login", "anonymous", "123456", KEY)[2:4] == ["login", "anonymous"]
        assert wire.fields(*query)[0] == "0"
        assert wire.fields(*query, crc=1)[0] == "10004019"
        assert wire.fields("77", "query_cpi", "anonymous")[0] == "10004020"
        assert wire.fields("35", "query_trade_dates", "anonymous", "1", "2000", DAY)[0] == "10004019"
        assert wire.fields("35", "query_all_stock", "anonymous", "0", "2000", DAY)[0] == "10004006"
        assert wire.fields("35", "query_all_stock", "anonymous", "1", "2000") == ["10004006", "请求参数个数不正确"]
        assert wire.fields("35", "query_all_stock", "anonymous", "99", "2000", DAY)[:7] == [
            *("0", "success", "query_all_stock", "anonymous", "99", "2000"),
            "",
        ]
        wire.sock.sendall(b"hello\n")
        assert unframe(wire.receive()) == ("04", "10004019\1消息格式不正确".encode())
        assert wire.fields("02", "logout", "anonymous", "20261103200000")[0] == "0"
        assert wire.fields(*query)[0] == "10001001"


def test_a_request_in_pieces_and_two_in_one(emulator: Emulator) -> None:
    with Wire(emulator) as wire:
        body = f"query_all_stock\1anonymous\1{1}\1{2}\1{DAY}"
        message = f"00.9.40\1{35}\1{len(body):010d}{body}"
        request = f"{message}\1{zlib.crc32(message.encode())}\n".encode()
        for n in range(0, len(request), 7):
            wire.sock.sendall(request[n : n + 7])
        first = wire.receive()
        wire.sock.sendall(request + request)
        both = b""
        while len(both) < 2 * len(first):
            both += wire.receive()
        assert both == first + first
        assert len(json.loads(unframe(first)[1].split(b"\1")[6])["record"]) == 2


def day_of(wire: Wire) -> list[str]:
    return wire.fields("98", A_STOCK, "anonymous", DAY)


def changed(emulator: Emulator, kind: str, **args: Any) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """A day with a fault: the fields of the reply, its rows, and the rows without the fault."""
    with Wire(emulator) as wire:
        emulator.add_fault(fault(A_STOCK, kind, **args))
        fields = day_of(wire)
        right = day_of(wire)
    rows = [json.loads(reply[4])["record"] if reply[4] else [] for reply in (fields, right)]
    assert right[:4] == ["0", "success", A_STOCK, "anonymous"]
    assert right[5].split(",") == list(COLUMNS)
    assert emulator.requests[-2].faults == [kind]
    assert emulator.requests[-1].faults == []
    return fields, rows[0], rows[1]


def test_fault_error(emulator: Emulator) -> None:
    with Wire(emulator) as wire:
        emulator.add_fault(fault(A_STOCK, "error", code=10001011, after=1, times=2))
        assert [day_of(wire)[0] for _ in range(4)] == ["0", "10001011", "10001011", "0"]
        assert [request.error_code for request in emulator.requests[-3:]] == ["10001011", "10001011", "0"]


def test_faults_in_rows(emulator: Emulator) -> None:
    assert changed(emulator, "empty")[1] == []
    _, rows, right = changed(emulator, "truncated_page", rows=7)
    assert rows == right[:7]
    _, rows, right = changed(emulator, "truncated_page")
    assert rows == right[: len(right) // 2]
    _, rows, right = changed(emulator, "exact_rows", rows=2000)
    assert len(rows) == 2000
    _, rows, right = changed(emulator, "duplicate_row")
    assert rows == [right[0], *right]
    _, rows, right = changed(emulator, "bad_number", column="volume", value="many")
    assert rows[0] == [*right[0][:7], "many", *right[0][8:]]
    assert rows[1:] == right[1:]
    _, rows, right = changed(emulator, "wrong_date", date="2026-02-27")
    assert rows == [["2026-02-27", *row[1:]] for row in right]
    _, rows, right = changed(emulator, "wrong_code", code="sz.000001")
    assert {row[1] for row in rows} == {"sz.000001"}


def members_of(wire: Wire) -> list[list[str]]:
    fields = wire.fields("61", "query_hs300_stocks", "anonymous", "1", "2000", "2025-06-16")
    rows: list[list[str]] = json.loads(fields[6])["record"]
    return rows


@pytest.mark.parametrize(
    ("kind", "args", "change"),
    [
        ("wrong_date", {"date": "2025-06-09"}, lambda rows: [["2025-06-09", *row[1:]] for row in rows]),
        ("wrong_code", {"code": "sz.000001"}, lambda rows: [[row[0], "sz.000001", row[2]] for row in rows]),
        ("truncated_page", {"rows": "7"}, lambda rows: rows[:7]),
        ("duplicate_row", {}, lambda rows: [rows[0], *rows]),
        ("exact_rows", {"rows": "50"}, lambda rows: (rows * 5)[:50]),
        (
            "rename_half",
            {},
            lambda rows: [[*row[:2], f"新{row[2]}" if place % 2 else row[2]] for place, row in enumerate(rows)],
        ),
    ],
)
def test_faults_in_members(emulator: Emulator, kind: str, args: dict[str, Any], change: Any) -> None:
    with Wire(emulator) as wire:
        emulator.add_fault(fault("query_hs300_stocks", kind, **args))
        wrong, right = members_of(wire), members_of(wire)
    assert len(right) > 20
    assert wrong == change(right) != right


def test_faults_in_columns_and_echo(emulator: Emulator) -> None:
    fields, rows, right = changed(emulator, "drop_column", column="code")
    assert "code" not in fields[5].split(",")
    assert rows == [[row[0], *row[2:]] for row in right]
    fields, rows, right = changed(emulator, "rename_column", column="close", to="last")
    assert fields[5].split(",")[5] == "last"
    assert rows == right
    assert changed(emulator, "wrong_method")[0][2] == "query_all_stock"
    with Wire(emulator) as wire:
        emulator.add_fault(fault("*", "wrong_page", page=3))
        assert wire.fields("35", "query_all_stock", "anonymous", "1", "2000", DAY)[4] == "3"


@pytest.mark.parametrize("kind", ["cut_body", "garbage"])
def test_faults_in_the_body_keep_the_frame(emulator: Emulator, kind: str) -> None:
    with Wire(emulator) as wire:
        emulator.add_fault(fault("*", kind, times=2))
        wire.send("98", A_STOCK, "anonymous", DAY)
        reply_kind, body = unframe(wire.receive())
        assert reply_kind == "99"
        with pytest.raises(zlib.error):
            zlib.decompress(body)
        wire.send("35", "query_all_stock", "anonymous", "1", "2000", DAY)
        reply_kind, body = unframe(wire.receive())
        assert reply_kind == "36"
        assert len(body.split(b"\1")) < 9
        assert day_of(wire)[0] == "0"


@pytest.mark.parametrize("kind", ["close_before_reply", "close_mid_reply"])
def test_faults_that_close(emulator: Emulator, kind: str) -> None:
    with Wire(emulator) as wire:
        emulator.add_fault(fault("*", kind))
        wire.send("98", A_STOCK, "anonymous", DAY)
        data = wire.receive()
        assert (data == b"") == (kind == "close_before_reply")
        assert not data.endswith(b"\n")
        assert wire.sock.recv(1) == b""


def test_fault_stall_keeps_the_connection(emulator: Emulator) -> None:
    with Wire(emulator) as wire:
        emulator.add_fault(fault(A_STOCK, "stall"))
        wire.send("98", A_STOCK, "anonymous", DAY)
        wire.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            wire.receive()
        assert emulator.connections[-1].closed is None


def test_fault_stall_on_long_ranges_alone(emulator: Emulator) -> None:
    with Wire(emulator) as wire:
        emulator.add_fault(fault("*", "stall", days=10))
        query = ("33", "query_trade_dates", "anonymous", "1", "2000", "2026-03-01")
        assert wire.fields(*query, "2026-03-10")[0] == "0"
        wire.send(*query, "2026-03-11")
        wire.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            wire.receive()


def test_fault_drop_counts_the_requests_of_each_connection(emulator: Emulator) -> None:
    emulator.add_fault(fault("*", "drop", times=0, requests=3))
    for _ in range(2):
        with Wire(emulator) as wire:
            assert [day_of(wire)[0] for _ in range(2)] == ["0", "0"]
            assert wire.sock.recv(1) == b""
    assert emulator.count() == 6


def test_fault_page_size(emulator: Emulator) -> None:
    query = ("35", "query_all_stock", "anonymous", "1", "2000", DAY)
    with Wire(emulator) as wire:
        emulator.add_fault(fault("*", "page_size", rows=50))
        emulator.add_fault(fault("*", "page_size", after=1))
        small, large, asked = (wire.fields(*query) for _ in range(3))
    assert [fields[5] for fields in (small, large, asked)] == ["50", "10000", "2000"]
    assert json.loads(small[6])["record"] == json.loads(large[6])["record"][:50]
    assert large[6] == asked[6]


def test_fault_changed_digit_keeps_the_checksum(emulator: Emulator) -> None:
    with Wire(emulator) as wire:
        emulator.add_fault(fault("*", "changed_digit", times=2))
        replies = []
        for kind, method in (("35", "query_all_stock"), ("98", A_STOCK)) * 2:
            paging = () if kind == "98" else ("1", "2000")
            wire.send(kind, method, "anonymous", *paging, DAY)
            replies.append(wire.receive())
        plain, packed, plain_right, packed_right = replies
        for wrong, right in ((plain, plain_right), (packed, packed_right)):
            assert len(wrong) == len(right)
            assert sum(a != b for a, b in zip(wrong, right, strict=True)) == 1
            assert wrong[-30:] == right[-30:]
        assert len(json.loads(plain[21:].split(b"\1")[6])["record"]) > 100
        with pytest.raises(zlib.error):
            zlib.decompress(unframe_unchecked(packed))


def test_fault_refuse(emulator: Emulator) -> None:
    emulator.add_fault(fault("connect", "refuse"))
    with Wire(emulator, login=False) as wire:
        assert wire.sock.recv(1) == b""
    with Wire(emulator) as wire:
        assert day_of(wire)[0] == "0"


def test_delay_and_latency(market: GeneratedMarket) -> None:
    with Emulator(market, latency={A_STOCK: 0.15}, faults=[fault("login", "delay", seconds=0.2)]) as server:
        began = time.monotonic()
        with Wire(server) as wire:
            assert time.monotonic() - began >= 0.2
            began = time.monotonic()
            day_of(wire)
            assert time.monotonic() - began >= 0.15


def test_faults_can_be_cleared(emulator: Emulator) -> None:
    with Wire(emulator) as wire:
        emulator.add_fault(fault("*", "empty", times=0))
        assert [day_of(wire)[4] for _ in range(3)] == [""] * 3
        emulator.clear_faults()
        assert day_of(wire)[4] != ""


def test_no_kind_is_untested() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{kind}"' in text for kind in KINDS)


# -- what it proves


def test_connections_one_after_the_other_do_not_overlap(emulator: Emulator) -> None:
    for _ in range(200):
        with Wire(emulator) as wire:
            # Closed with a reply on its way: the hardest case to tell from an open connection.
            wire.send("35", "query_all_stock", "anonymous", "1", "2000", DAY)
    assert len(emulator.connections) == 200
    assert emulator.overlaps() == []


def test_two_connections_at_once_are_seen(emulator: Emulator, tmp_path: Path) -> None:
    with Wire(emulator), Wire(emulator) as second:
        assert day_of(second)[0] == "0"
    with Wire(emulator):
        pass
    assert [(a.id, b.id) for a, b in emulator.overlaps()] == [(1, 2)]
    assert emulator.count() == 4
    assert emulator.count("login") == 3
    emulator.stop()
    report, overlaps = check_log(tmp_path / "log")
    assert overlaps == 1
    assert "1.1 and 1.2 were open at once" in report
    assert "4 requests on 3 connections" in report
    assert "query_daily_history_k_AStock: 1" in report


def test_many_connections_at_once_get_their_own_answers(emulator: Emulator) -> None:
    wires = [Wire(emulator) for _ in range(8)]
    days = ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"] * 2
    for wire, day in zip(wires, days, strict=True):
        wire.send("98", A_STOCK, "anonymous", day)
    for wire, day in zip(wires, days, strict=True):
        rows = json.loads(zlib.decompress(unframe(wire.receive())[1]).split(b"\1")[4])["record"]
        assert {row[0] for row in rows} == {day}
        wire.sock.close()
    assert len(emulator.overlaps()) == 28


# -- the command line


def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ashare_emulator", *arguments]
    return subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_and_check(tmp_path: Path, number: signal.Signals) -> None:
    log, port_file = tmp_path / "log", tmp_path / "port"
    command = [sys.executable, "-m", "ashare_emulator", "serve", "--port", "0", "--stocks", "50"]
    command += ["--log", str(log), "--port-file", str(port_file), "--now", "2026-05-08T17:29"]
    command += ["--fault", "method=query_all_stock,kind=error,code=10001011"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        ready = re.match(r"Baostock emulator on 127\.0\.0\.1:(\d+) ", server.stdout.readline())
        assert ready
        assert port_file.read_text(encoding="ascii") == f"{ready[1]}\n"
        address = Emulator(GeneratedMarket(stocks=1), port=int(ready[1]))
        with Wire(address) as wire:
            assert wire.fields("35", "query_all_stock", "anonymous", "1", "2000", "2026-05-07")[0] == "10001011"
            assert wire.fields("98", A_STOCK, "anonymous", "2026-05-07")[4] != ""
            assert wire.fields("98", A_STOCK, "anonymous", "2026-05-08")[4] == ""
        server.send_signal(number)
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.wait()
    checked = run("check", str(log))
    assert checked.returncode == 0
    assert "4 requests on 1 connections" in checked.stdout
    assert "error 10001011: 1" in checked.stdout


@pytest.mark.parametrize(("now", "load"), [("2026-05-11T17:59", "2026-04-27"), ("2026-05-11T18:00", "2026-05-11")])
def test_a_served_load_appears_at_18_on_its_monday(tmp_path: Path, now: str, load: str) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "ashare_emulator", "serve", "--port", "0", "--stocks", "50", "--now", now]
    server = subprocess.Popen([*command, "--port-file", str(port_file)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        assert server.stdout.readline().startswith("Baostock emulator on ")
        with Wire(Emulator(GeneratedMarket(stocks=1), port=int(port_file.read_text(encoding="ascii")))) as wire:
            fields = wire.fields("61", "query_hs300_stocks", "anonymous", "1", "2000", "")
        assert json.loads(fields[6])["record"][0][0] == load
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--start", "yesterday"],
        ["serve", "--stocks", "0"],
        ["serve", "--members", "sh.000300=members.csv"],
        ["serve", "--industries", "industries.csv"],
        ["serve", "--panel", "panel.csv", "--members", "members.csv"],
        ["serve", "--panel", "panel.csv", "--members", "sh.000001=members.csv"],
        ["serve", "--stocks", "-3"],
        ["serve", "--port", "70000"],
        ["serve", "--start", "2026-03-01", "--end", "2026-02-01"],
        ["serve", "--panel", "nowhere.csv"],
        ["serve", "--basic", "somewhere.csv"],
        ["serve", "--fault", "method=login,kind=explode"],
        ["serve", "--colour", "red"],
        ["check", "nowhere.log"],
        [],
    ],
)
def test_wrong_arguments(arguments: list[str]) -> None:
    from ashare_emulator.__main__ import main

    done = subprocess.CompletedProcess[str](arguments, 0)
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr(sys.stderr, "write", written.append)
        try:
            done.returncode = main(arguments)
        except SystemExit as end:
            done.returncode = int(str(end.code))
    assert done.returncode == 2
    said = "".join(written)
    assert said.endswith(".\n")
    assert said.count("\n") == 1


def test_a_port_that_is_taken(emulator: Emulator) -> None:
    done = run("serve", "--stocks", "10", "--port", str(emulator.port))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--port" in done.stderr


def test_a_file_that_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("hello\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        check_log(tmp_path / "log")


def test_compare_counts_the_bars_that_the_generated_market_has() -> None:
    market = GeneratedMarket(start=date(2025, 1, 1), end=date(2025, 12, 31), stocks=50)
    close, volume = COLUMNS.index("close"), COLUMNS.index("volume")
    bars = [bar for bar in market.bars_on(date(2025, 3, 3), "stock") if bar[volume]]
    lines = [f"2025-03-03,{bar[1]},{bar[close]},{bar[volume]}" for bar in bars]
    lines[0] = f"2025-03-03,{bars[0][1]},{bars[0][close]},{int(bars[0][volume]) + 1}"
    lines[1] = f"2025-03-04,{bars[1][1]},{bars[1][close]},{bars[1][volume]}"
    lines[2] = f"2025-03-03,sh.609999,{bars[2][close]},{bars[2][volume]}"
    compare = ("compare", "--stocks", "50", "--start", "2025-01-01", "--end", "2025-12-31")
    done = run(*compare, given="\n".join(lines))
    assert done.stdout == f"{len(bars) - 3}\n", done.stderr
    wrong = run(*compare, given="2025-03-03,sh.600000,nine,1\n")
    assert wrong.returncode == 2
    assert wrong.stderr == "'2025-03-03,sh.600000,nine,1' is not a bar: write date,code,close,volume.\n"


# -- recorded markets


def recorded(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not here")
    return path


def read(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_recorded_market_day_is_served_as_recorded() -> None:
    path = recorded("market_20260302_20260331.csv.gz")
    basic = recorded("stock_basic_20260430.csv")
    wanted = [row for row in read(path) if row["date"] == DAY]
    market = PanelMarket([path], basic=basic, calendar=recorded("trade_dates_20160810_20260821.csv"))
    with Emulator(market) as server:
        for client in logged_in(server):
            result = client.query_daily_history_k_AStock(DAY)
            served = [dict(zip(result.fields, row, strict=True)) for row in rows_of(result)]
            for row in served:
                assert [row.pop(name) for name in ("peTTM", "pbMRQ", "psTTM", "pcfNcfTTM")] == [""] * 4
            assert served == sorted(wanted, key=lambda row: row["code"])
            listed = rows_of(client.query_all_stock(DAY))
            assert [row[:2] for row in listed] == [[row["code"], row["tradestatus"]] for row in served]
            assert ["sh.600000", "1", "浦发银行"] in listed
            assert len(rows_of(client.query_stock_basic())) == 5525
            assert rows_of(client.query_trade_dates("2026-02-13", "2026-02-14")) == [
                ["2026-02-13", "1"],
                ["2026-02-14", "0"],
            ]


def test_recorded_histories_are_served_as_recorded() -> None:
    path = recorded("hs300_20240601_20241231.csv.gz")
    by_code: dict[str, list[list[str]]] = defaultdict(list)
    for row in read(path):
        by_code[row["code"]].append([row[name] for name in COLUMNS])
    market = PanelMarket([path], factors=[recorded("adjust_factor_sh600000.csv")])
    with Emulator(market) as server:
        for client in logged_in(server):
            for code, rows in by_code.items():
                result = client.query_history_k_data_plus(code, ",".join(COLUMNS), "2024-06-01", "2024-12-31")
                assert rows_of(result) == rows
            factors = rows_of(client.query_adjust_factor("sh.600000", "1990-01-01", "2024-12-31"))
            assert factors[-1] == ["sh.600000", "2024-07-18", "0.926782", "12.388310", "12.388310"]
            days = [
                date.fromisoformat(day)
                for day, is_open in rows_of(client.query_trade_dates("2024-06-01"))
                if is_open == "1"
            ]
            assert days == sorted({date.fromisoformat(rows[0]) for bars in by_code.values() for rows in bars})


def test_recorded_members_and_industries_are_served_as_recorded() -> None:
    reference = recorded("real_reference")
    members = [reference / f"hs300_stocks_{day}.csv" for day in ("20191209", "20230320")]
    market = PanelMarket(
        [recorded("market_20260302_20260331.csv.gz")],
        members={"sh.000300": members},
        industries=[reference / f"stock_industry_{day}.csv" for day in ("20200817", "20230320")],
    )
    with Emulator(market) as server:
        for client in logged_in(server):
            for asked, path in (("2023-03-19", members[0]), ("2023-03-20", members[1]), ("", members[1])):
                assert rows_of(client.query_hs300_stocks(asked)) == csv_rows(path)
            assert rows_of(client.query_hs300_stocks("2019-12-08")) == []
            assert rows_of(client.query_sz50_stocks("2023-03-20")) == []
            assert rows_of(client.query_stock_industry()) == csv_rows(reference / "stock_industry_20230320.csv")
            (one,) = rows_of(client.query_stock_industry("sh.600000", "2020-08-18"))
            assert one == ["2020-08-17", "sh.600000", "浦发银行", "银行", "申万一级行业"]


def csv_rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def test_a_panel_of_few_columns(tmp_path: Path) -> None:
    path = tmp_path / "panel.csv"
    path.write_text("date,code,close\n2026-03-02,sh.600000,9.6800\n2026-03-04,sh.510300,4.0000\n", encoding="utf-8")
    market = PanelMarket([path])
    day = date(2026, 3, 2)
    (row,) = market.bars_on(day, "stock")
    assert row == [DAY, "sh.600000", "", "", "", "9.6800", *[""] * 12]
    assert market.bars_on(date(2026, 3, 4), "etf")[0][1] == "sh.510300"
    assert market.trade_dates(date(2026, 1, 1), date(2026, 12, 31)) == [
        (date(2026, 3, 2), True),
        (date(2026, 3, 3), False),
        (date(2026, 3, 4), True),
    ]
    assert market.securities()[1].ipo_date < day
    assert market.listed_on(day) == [("sh.600000", "1", "")]
    assert market.member_rows("sh.000300", day) == market.industry_rows(day) == []
    for text in ("date,close\n", "date,code\n2026-03-02,sh.600000,1\n", "date,code\nsoon,sh.600000\n", "date,code\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"\.$"):
            PanelMarket([path])


BARS = "date,code,close\n2026-03-02,sh.600000,9.6800\n"
BASIC = "code,code_name,ipoDate,outDate,type,status\nsh.600000,浦发银行,1999-11-10,,1,1\n"
CALENDAR = "calendar_date,is_trading_day\n2026-03-02,1\n"
FACTORS = "code,dividOperateDate,backAdjustFactor\nsh.600000,2026-03-02,1.500000\n"
MEMBERS = "updateDate,code,code_name\n2026-03-02,sh.600000,浦发银行\n"
INDUSTRIES = "updateDate,code,code_name,industry,industryClassification\n2026-03-02,sh.600000,浦发银行,银行,申万\n"
FILES = {
    "panel": BARS,
    "basic": BASIC,
    "calendar": CALENDAR,
    "factors": FACTORS,
    "members": MEMBERS,
    "industries": INDUSTRIES,
}


def panel_of(folder: Path, **contents: bytes) -> PanelMarket:
    """The market of the six files, UTF-8 where nothing else is given."""
    for name, text in FILES.items():
        (folder / f"{name}.csv").write_bytes(contents.get(name, text.encode()))
    more: dict[str, Any] = {"basic": folder / "basic.csv", "calendar": folder / "calendar.csv"}
    more["members"] = {"sh.000300": [folder / "members.csv"]}
    more["industries"] = [folder / "industries.csv"]
    return PanelMarket([folder / "panel.csv"], **more, factors=[folder / "factors.csv"])


def test_csv_files_with_a_byte_order_mark_are_read_like_others(tmp_path: Path) -> None:
    marked = {name: text.encode("utf-8-sig") for name, text in FILES.items()}
    plain, market = panel_of(tmp_path), panel_of(tmp_path, **marked)
    day = date(2026, 3, 2)
    assert market.bars_on(day, "stock") == plain.bars_on(day, "stock") != []
    assert market.listed_on(day) == plain.listed_on(day) == [("sh.600000", "1", "浦发银行")]
    assert market.trade_dates(day, day) == plain.trade_dates(day, day) == [(day, True)]
    assert market.factors_on(day) == plain.factors_on(day) != []
    assert market.member_rows("sh.000300", day) == plain.member_rows("sh.000300", day) != []
    assert market.industry_rows(day) == plain.industry_rows(day) != []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "contents",
    [
        "date,浦发银行\n".encode("gbk"),
        BASIC.encode("gbk"),
        BASIC.encode("utf-16"),
        FILES["panel"].encode() + b"2026-03-03,sh.600000,\xff\n",
        b"\0" * 40,
        b"",
        b"code\n" + b"x" * 200_000,
    ],
    ids=["gbk-header", "gbk", "utf-16", "one-bad-byte", "nul", "empty", "endless-value"],
)
def test_a_file_that_cannot_be_read_is_named_in_one_sentence(tmp_path: Path, name: str, contents: bytes) -> None:
    with pytest.raises(ValueError, match=r"\.$") as refused:
        panel_of(tmp_path, **{name: contents})
    assert str(tmp_path / f"{name}.csv") in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("contents", [BARS.encode(), gzip.compress(BARS.encode() * 500)[:-30], b""])
def test_a_gzip_file_that_is_not_whole_is_named_at_the_prompt(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "panel.csv.gz"
    path.write_bytes(contents)
    done = run("serve", "--port", "0", "--panel", str(path))
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(".\n")
