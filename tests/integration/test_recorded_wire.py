"""What the public server sent on 2026-04-22, byte for byte: the session reads it, and the emulator sends the like."""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import pytest

from ashare.dates import SHANGHAI
from ashare.errors import BadReply, SourceUnreachable, TerminalError
from ashare.source import Session, SourceConfig, Table
from ashare.source.transport import Limits, Transport
from ashare.store import SourceGate, Store
from ashare_emulator.market import Factor, Security
from ashare_emulator.protocol import CALLS, HEADER_LENGTH, Reply, encode
from ashare_emulator.reference_loads import CSI300, CSI500, SSE50
from ashare_emulator.server import Emulator
from tests.conftest import SHARED_DATA, Database, needs_shared_data

pytestmark = needs_shared_data

WIRE = SHARED_DATA / "wire"
NAMES = sorted(path.name for path in WIRE.iterdir()) if WIRE.is_dir() else []
COMPRESSED = [name for name in NAMES if "k_data_plus" in name]
REFUSED = {name: "10004006" for name in NAMES if name.endswith("_round1")} | {
    "query_stock_concept_refused": "10004020"
}
LIMITS = Limits(connect=2.0, idle=2.0, reply=10.0)
HISTORY_FIELDS = "date,code,open,high,low,close,preclose,volume,amount,adjustflag,turn,tradestatus,pctChg,isST"

Cut = Callable[[bytes], Sequence[bytes]]


def request_of(name: str) -> str:
    return (WIRE / name / "request.bin").read_bytes().decode().removesuffix("\n")


def response_of(name: str) -> bytes:
    return (WIRE / name / "response.bin").read_bytes()


def fields_of(name: str) -> list[str]:
    """The fields of a recorded reply's body, read by other means than the package's."""
    payload = response_of(name)[HEADER_LENGTH:].rpartition(b"\1")[0]
    return (zlib.decompress(payload) if name in COMPRESSED else payload).decode().split("\1")


def rows_of(name: str) -> list[list[str]]:
    rows: list[list[str]] = json.loads(fields_of(name)[6])["record"]
    return rows


def every(size: int) -> Cut:
    return lambda reply: [reply[n : n + size] for n in range(0, len(reply), size)]


def before_the_end(*places: int) -> Cut:
    """Cut so many bytes before the end."""

    def cut(reply: bytes) -> list[bytes]:
        at = [0, *sorted(len(reply) - place for place in places), len(reply)]
        return [reply[first:last] for first, last in pairwise(at)]

    return cut


CUTS: dict[str, Cut] = {
    "whole": lambda reply: [reply],
    "in the header, in odd pieces": lambda reply: [
        reply[:5],
        reply[5:22],
        *every(max(len(reply) // 7, 977))(reply[22:]),
    ],
    "at the trailer": before_the_end(1, 12, 13, 14, 18),
    "within the trailer": before_the_end(6),
}
BYTE_BY_BYTE = 400
"""Replies of up to so many bytes are sent one byte at a time, too."""


@contextmanager
def player(answer: Callable[[str], Sequence[bytes]]) -> Iterator[int]:
    """A server that replies to each request with these pieces, each sent alone; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rb") as requests:
                for line in requests:
                    for piece in answer(line.decode().split("\1")[2][10:]):
                        connection.sendall(piece)
                        time.sleep(0.001)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=10)


@pytest.fixture
def gate(database: Database) -> SourceGate:
    Store(database.connect).migrate()
    return SourceGate(database.connect, who="test", wait_seconds=5.0, budget=40_000)


# ---------------------------------------------------------------------- what the transport reads


def cuts_of(name: str) -> list[Cut]:
    return [*CUTS.values(), *([every(1)] if len(response_of(name)) <= BYTE_BY_BYTE else [])]


@pytest.mark.parametrize("name", NAMES)
def test_the_transport_reads_every_recorded_reply_however_it_arrives(name: str) -> None:
    for cut in cuts_of(name):
        with player(lambda _, cut=cut: cut(response_of(name))) as port:  # type: ignore[misc]
            transport = Transport("127.0.0.1", port, LIMITS)
            transport.connect()
            read = transport.exchange(request_of(name))
            transport.close()
        assert read[:HEADER_LENGTH] == response_of(name)[:HEADER_LENGTH].decode()
        assert read[HEADER_LENGTH:].removesuffix("\n").split("\1") == fields_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_reply_of_which_a_byte_changed_is_not_read(name: str) -> None:
    whole = response_of(name)
    end = whole.rindex(b"\1")
    for place in {HEADER_LENGTH, (HEADER_LENGTH + end) // 2, end - 1}:
        garbled = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with player(lambda _, garbled=garbled: [garbled]) as port:  # type: ignore[misc]
            transport = Transport("127.0.0.1", port, LIMITS)
            transport.connect()
            with pytest.raises(BadReply, match="body of Baostock's reply cannot be read"):
                transport.exchange(request_of(name))
            transport.close()


@pytest.mark.parametrize("name", ["query_trade_dates", "query_all_stock", "query_forecast_report"])
def test_a_reply_without_a_checksum_is_read(name: str) -> None:
    body = response_of(name)[: response_of(name).rindex(b"\1")]
    with player(lambda _: [body + b"<![CDATA[]]>\n"]) as port:
        transport = Transport("127.0.0.1", port, LIMITS)
        transport.connect()
        read = transport.exchange(request_of(name))
        transport.close()
    assert read[HEADER_LENGTH:].removesuffix("\n").split("\1") == fields_of(name)


# ---------------------------------------------------------------------- what the session reads


def play(gate: SourceGate, name: str, cut: Cut, ask: Any) -> Any:
    """Ask a session while a server answers with the recorded login, reply and logout."""
    recorded = {"login": "login", "logout": "logout"}
    with (
        player(lambda method: cut(response_of(recorded.get(method, name)))) as port,
        Session(SourceConfig("127.0.0.1", port, limits=LIMITS), gate) as session,
    ):
        return ask(session)


def ask_history(fields: str, last: str, frequency: str) -> Callable[[Session], Table]:
    def ask(session: Session) -> Table:
        import baostock

        start = "2024-01-01" if frequency == "d" else "2024-01-02"
        return session._query(
            "query_history_k_data_plus",
            lambda: baostock.query_history_k_data_plus("sh.600000", fields, start, last, frequency, "2"),
            fields.split(","),
            echo={"code": "sh.600000"},
        )

    return ask


MINUTES = "date,time,code,open,high,low,close,volume,amount,adjustflag"
ASKED: dict[str, tuple[Callable[[Session], Table], Sequence[str]]] = {
    "query_trade_dates": (
        lambda session: session.trade_dates(date(2024, 1, 1), date(2024, 1, 10)),
        ["calendar_date", "is_trading_day"],
    ),
    "query_stock_basic": (
        lambda session: session.security_basics(),
        ["code", "code_name", "ipoDate", "outDate", "type", "status"],
    ),
    "query_all_stock": (lambda session: session.listed_on(date(2024, 1, 2)), ["code", "tradeStatus", "code_name"]),
    "query_adjust_factor": (
        lambda session: session.adjust_factors("sh.600000", date(2023, 1, 1), date(2023, 12, 31)),
        ["code", "dividOperateDate", "foreAdjustFactor", "backAdjustFactor", "adjustFactor"],
    ),
    "query_history_k_data_plus": (ask_history(HISTORY_FIELDS, "2024-01-31", "d"), HISTORY_FIELDS.split(",")),
    "query_history_k_data_plus_5min": (ask_history(MINUTES, "2024-01-03", "5"), MINUTES.split(",")),
    "query_history_k_data_plus_60min": (ask_history(MINUTES, "2024-01-03", "60"), MINUTES.split(",")),
}


@pytest.mark.parametrize("name", ASKED)
def test_the_session_reads_what_the_server_sent_however_it_arrives(gate: SourceGate, name: str) -> None:
    ask, columns = ASKED[name]
    for cut in cuts_of(name):
        table = play(gate, name, cut, ask)
        assert table.fields == columns
        assert table.rows == rows_of(name)
        assert len(table.rows) > 0


def test_white_space_inside_a_recorded_name_is_kept(gate: SourceGate) -> None:
    table = play(gate, "query_all_stock", CUTS["whole"], ASKED["query_all_stock"][0])
    assert ["sh.000846", "1", "中证财通中国可持续发展100(ECPI ESG)指数"] in table.rows


def test_a_page_of_5638_rows_is_whole_where_the_server_says_that_its_pages_are_of_10000(gate: SourceGate) -> None:
    table = play(gate, "query_all_stock", CUTS["whole"], ASKED["query_all_stock"][0])
    assert len(table.rows) == 5638
    assert fields_of("query_all_stock")[4:6] == ["1", "10000"]


def test_a_recorded_reply_about_other_columns_is_refused_by_name(gate: SourceGate) -> None:
    def ask(session: Session) -> Table:
        return session.bars("sh.600000", date(2024, 1, 1), date(2024, 1, 31))

    with pytest.raises(BadReply, match="lacks the column peTTM, pbMRQ, psTTM, pcfNcfTTM"):
        play(gate, "query_history_k_data_plus", CUTS["whole"], ask)


@pytest.mark.parametrize("name", ["query_all_stock", "query_adjust_factor", "query_history_k_data_plus"])
def test_a_recorded_reply_to_another_call_is_refused(gate: SourceGate, name: str) -> None:
    with pytest.raises(BadReply, match="Baostock answered"):
        play(gate, name, CUTS["whole"], ASKED["query_trade_dates"][0])


@pytest.mark.parametrize("name", REFUSED)
def test_a_recorded_refusal_says_its_code_and_is_not_tried_again(gate: SourceGate, name: str) -> None:
    for cut in cuts_of(name):
        with pytest.raises(TerminalError, match=rf"{REFUSED[name]} \({fields_of(name)[1]}\): the request itself"):
            play(gate, name, cut, ASKED["query_trade_dates"][0])


def test_a_recorded_reply_that_ends_early_is_an_error(gate: SourceGate) -> None:
    with pytest.raises(SourceUnreachable), player(lambda _: [response_of("login")[:-1]]) as port:
        limits = Limits(connect=2.0, idle=0.3, reply=1.0)
        with Session(SourceConfig("127.0.0.1", port, limits=limits), gate):
            pass


# ---------------------------------------------------------------------- what the emulator sends


class Recorded:
    """The recorded rows as a market; ``Market`` says what each of these is."""

    end = date(2026, 4, 22)

    def trade_dates(self, first: date, last: date) -> list[tuple[date, bool]]:
        return [(date.fromisoformat(day), is_open == "1") for day, is_open in rows_of("query_trade_dates")]

    def securities(self) -> list[Security]:
        return [
            Security(code, name, date.fromisoformat(ipo), None, kind, status)
            for code, name, ipo, _, kind, status in rows_of("query_stock_basic")
        ]

    def listed_on(self, day: date) -> list[list[str]]:
        return rows_of("query_all_stock")

    def factors_of(self, code: str, first: date, last: date, until: date) -> list[Factor]:
        return [
            Factor(code, date.fromisoformat(ex), fore, back)
            for code, ex, fore, back, _ in rows_of("query_adjust_factor")
        ]

    def member_rows(self, index: str, day: date) -> list[list[str]]:
        calls = {CSI300: "query_hs300_stocks", SSE50: "query_sz50_stocks", CSI500: "query_zz500_stocks"}
        return rows_of(calls[index])

    def industry_rows(self, day: date) -> list[list[str]]:
        return rows_of("query_stock_industry")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    moment = datetime.fromisoformat("2026-04-22T16:37:59.563").replace(tzinfo=SHANGHAI)
    market: Any = Recorded()
    with Emulator(market, now=lambda: moment) as server:
        yield server


def answers(emulator: Emulator, *names: str) -> list[bytes]:
    """What the emulator replies to recorded requests on one connection."""
    with socket.create_connection((emulator.host, emulator.port), timeout=5) as sock, sock.makefile("rb") as replies:
        found = []
        for name in names:
            sock.sendall((WIRE / name / "request.bin").read_bytes())
            reply = b""
            while not reply.endswith(b"<![CDATA[]]>\n"):
                reply += replies.readline()
            found.append(reply)
        return found


SERVED = ["query_trade_dates", "query_stock_basic", "query_all_stock", "query_adjust_factor"]
SERVED += ["query_stock_industry", "query_hs300_stocks", "query_sz50_stocks", "query_zz500_stocks"]


@pytest.mark.parametrize("name", [*SERVED, "query_stock_concept_refused"])
def test_the_emulator_sends_the_same_bytes(emulator: Emulator, name: str) -> None:
    assert answers(emulator, "login", name) == [response_of("login"), response_of(name)]


def test_the_emulator_logs_out_as_the_server_does_but_for_the_time(emulator: Emulator) -> None:
    said = answers(emulator, "login", "logout")[1]
    time_and_checksum = slice(-len("20260422163818112\1" + "3770645638<![CDATA[]]>\n"), None)
    assert said[: time_and_checksum.start] == response_of("logout")[: time_and_checksum.start]
    assert said[time_and_checksum].startswith(b"20260422163759563\1")


def test_the_emulator_refuses_a_wrong_number_of_parameters_as_the_server_does(emulator: Emulator) -> None:
    body = "query_all_stock\1anonymous\0011\00110000"
    message = f"00.9.10\00135\1{len(body):010d}{body}"
    with socket.create_connection((emulator.host, emulator.port), timeout=5) as sock, sock.makefile("rb") as replies:
        sock.sendall(f"{message}\1{zlib.crc32(message.encode())}\n".encode())
        assert replies.readline() == response_of("query_st_stocks_round1")


@pytest.mark.parametrize("name", COMPRESSED)
def test_the_emulator_compresses_and_frames_as_the_server_does(name: str) -> None:
    """All but the checksum: what the server takes it of is not known."""
    call = CALLS["95"]
    code, columns, start, end, frequency, adjust = fields_of(name)[7:]
    said = encode(
        Reply(
            call.reply,
            call.method,
            "anonymous",
            columns=columns.split(","),
            rows=rows_of(name),
            page=1,
            page_rows=10_000,
            tail=(code, None, start, end, frequency, adjust),
            compressed=True,
        )
    )
    trailer = said.rindex(b"\1")
    assert said[:trailer] == response_of(name)[: response_of(name).rindex(b"\1")]
    assert said[trailer + 1 :].endswith(b"\n<![CDATA[]]>\n")
    assert said[trailer + 1 : -len(b"\n<![CDATA[]]>\n")].isdigit()


def test_the_emulator_sends_an_empty_result_as_the_server_does(emulator: Emulator) -> None:
    """An empty field where the rows would be, and all the others as ever."""
    nothing = fields_of("query_suspended_stocks_round2")
    said = encode(
        Reply(
            "70",
            nothing[2],
            nothing[3],
            columns=nothing[-1].split(", "),
            page=1,
            page_rows=10_000,
            tail=("2024-01-02", None),
            column_separator=", ",
        )
    )
    assert said == response_of("query_suspended_stocks_round2")


def test_every_recorded_call_that_the_emulator_serves_is_held_against_it() -> None:
    recorded = {request_of(name)[8:10]: name for name in NAMES}
    served = {recorded[kind] for kind in CALLS if kind in recorded}
    assert served - {"login", "logout", *COMPRESSED} == set(SERVED)
