"""The emulator's server: one thread per connection, so that the log shows if a client's connections overlap."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from ashare.dates import beijing_now
from ashare_emulator import protocol
from ashare_emulator.answers import Answers, Published
from ashare_emulator.fault_effects import change_bytes, change_reply
from ashare_emulator.faults import Fault
from ashare_emulator.market import Market
from ashare_emulator.protocol import Reply, Request, RequestError
from ashare_emulator.records import ConnectionRecord, RequestRecord, overlapping

PEER_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR | select.POLLNVAL


class Emulator:
    """A Baostock server that serves a market for the duration of the ``with`` block.

    :param port: 0 for a free port; the attribute ``port`` is the port in use.
    :param latency: seconds before each reply, or method to seconds.
    :param published_until: returns the last day whose bars are published; by default the date of ``now``.
    :param factors_until: the same for adjust factors; by default ``published_until``.
    :param reference_until: the same for loads of index members and industries; by default ``published_until``.
    :param now: the service's clock, in Beijing time.
    :param users: user to password; by default only the client's default user ``anonymous``.
    :param log_path: a file to which every connect, request and disconnect is appended as a line of JSON.
    :raises OSError: on entering, if the address cannot be used or the log cannot be written.
    """

    def __init__(
        self,
        market: Market,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float | Mapping[str, float] = 0.0,
        faults: Iterable[Fault] = (),
        log_path: str | Path | None = None,
        published_until: Callable[[], date] | None = None,
        factors_until: Callable[[], date] | None = None,
        reference_until: Callable[[], date] | None = None,
        now: Callable[[], datetime] = beijing_now,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.connections: list[ConnectionRecord] = []
        self.requests: list[RequestRecord] = []
        self._answers = Answers(market)
        self._latency = latency
        self._faults = list(faults)
        self._log_path = log_path
        self._log: TextIO | None = None
        self._now = now
        self._published_until = published_until or (lambda: now().date())
        self._factors_until = factors_until or self._published_until
        self._reference_until = reference_until or self._published_until
        self._users = users or {"anonymous": "123456"}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._open: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []
        self._seq = itertools.count(1)
        self._listener: socket.socket | None = None

    # -- the public part

    def __enter__(self) -> Emulator:
        if self._log_path is not None:
            self._log = Path(self._log_path).open("a", encoding="utf-8")
        self._listener = socket.create_server((self.host, self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._listener.settimeout(0.5)  # notices `stop` on platforms where shutdown does not wake accept
        self._write("start", {"pid": os.getpid(), "port": self.port})
        self._spawn(self._accept, self._listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port and all connections, and wait up to 5 seconds for each thread."""
        self._stopping.set()
        if self._listener is not None:
            _shut(self._listener)
        with self._lock:
            for sock in self._open.values():
                _shut(sock)
        for thread in list(self._threads):
            thread.join(timeout=5)
        if self._log is not None:
            self._log.close()
            self._log = None

    def add_fault(self, fault: Fault) -> None:
        """Inject one more fault, from the next request on."""
        with self._lock:
            self._faults.append(fault)

    def clear_faults(self) -> None:
        """Remove all faults, from the next request on."""
        with self._lock:
            self._faults.clear()

    def count(self, method: str | None = None) -> int:
        """Number of requests so far, of one method or in all; each login and each page counts."""
        with self._lock:
            return sum(method in (None, request.method) for request in self.requests)

    def overlaps(self) -> list[tuple[ConnectionRecord, ConnectionRecord]]:
        """The pairs of connections that were open at the same time."""
        with self._lock:
            return overlapping(self.connections)

    # -- connections

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True, name="baostock-emulator")
        self._threads = [known for known in self._threads if known.is_alive()] + [thread]
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            for number in itertools.count(1):
                accepted = self._next_client(listener)
                if accepted is None:
                    return
                sock, address = accepted
                self._register(number, sock, f"{address[0]}:{address[1]}")
                self._spawn(self._serve, number, sock)

    def _next_client(self, listener: socket.socket) -> tuple[socket.socket, Any] | None:
        while not self._stopping.is_set():
            try:
                return listener.accept()
            except TimeoutError:
                continue
            except OSError:
                break
        return None

    def _register(self, number: int, sock: socket.socket, peer: str) -> None:
        with self._lock:
            opened = time.monotonic()
            # A client may close one connection and open the next before the first connection's thread notices.
            # A connection that the peer has closed by now does not overlap with the new one.
            for known, other in list(self._open.items()):
                if _peer_gone(other):
                    self._record_close(known, opened)
            record = ConnectionRecord(number, peer, opened, self._now().isoformat(timespec="milliseconds"))
            self.connections.append(record)
            self._open[number] = sock
            self._write("connect", asdict(record))

    def _record_close(self, number: int, when: float) -> None:
        """Record the end of a connection. The caller holds the lock."""
        record = self.connections[number - 1]
        if record.closed is None:
            record.closed = when
            self._write("disconnect", {"id": number, "closed": when})

    def _serve(self, number: int, sock: socket.socket) -> None:
        try:
            if not self._struck("connect"):
                _Conversation(self, number, sock).run()
        except OSError:
            pass  # a client may close its connection at any time
        finally:
            with self._lock:
                self._record_close(number, time.monotonic())
                self._open.pop(number, None)
                sock.close()

    # -- for the conversations

    def _write(self, event: str, values: Mapping[str, Any]) -> None:
        if self._log is not None:
            self._log.write(json.dumps({"event": event, **values}, ensure_ascii=False) + "\n")
            self._log.flush()

    def _struck(self, method: str, number: int = 0, days: int = 0) -> list[Fault]:
        with self._lock:
            return [fault for fault in self._faults if fault.strikes(method, number, days)]

    def _begin(self, number: int, method: str, params: dict[str, str]) -> RequestRecord:
        at = self._now().isoformat(timespec="milliseconds")
        with self._lock:
            record = RequestRecord(number, next(self._seq), method, params, time.monotonic(), at)
            self.requests.append(record)
        return record

    def _finish(self, record: RequestRecord) -> None:
        with self._lock:
            record.finished = time.monotonic()
            self._write("request", asdict(record))

    def _pause(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _latency_of(self, method: str) -> float:
        return self._latency if isinstance(self._latency, (int, float)) else self._latency.get(method, 0.0)

    def _published(self) -> Published:
        return Published(self._now().date(), self._published_until(), self._factors_until(), self._reference_until())


class _Conversation:
    """One connection's requests, one after the other."""

    def __init__(self, server: Emulator, number: int, sock: socket.socket) -> None:
        self._server = server
        self._number = number
        self._sock = sock
        self._logged_in = False
        self._requests = 0

    def run(self) -> None:
        """Reply to requests until either side closes the connection."""
        buffer = b""
        while True:
            line, newline, rest = buffer.partition(b"\n")
            if newline:
                buffer = rest
                if not self._answer(line):
                    return
                continue
            chunk = self._sock.recv(65536)
            if not chunk or len(buffer) > protocol.MAX_REQUEST:
                return
            buffer += chunk

    def _answer(self, line: bytes) -> bool:
        """Reply to one request; return whether the connection stays open."""
        server = self._server
        request: Request | RequestError
        self._requests += 1
        try:
            request = protocol.parse_request(line)
        except RequestError as error:
            request = error
        method = request.call.method if isinstance(request, Request) else "invalid"
        record = server._begin(self._number, method, _loggable(request))
        # Log the request before sending the reply: a test with the reply in hand finds the request in the log.
        try:
            payload = self._payload(request, record)
        finally:
            server._finish(record)
        return payload is not None and self._send(payload, record.faults)

    def _payload(self, request: Request | RequestError, record: RequestRecord) -> bytes | None:
        """The bytes of the reply, or None to close the connection without a reply."""
        server = self._server
        struck = server._struck(record.method, self._requests, _days(record.params))
        record.faults = [fault.kind for fault in struck]
        delays = sum(float(fault.args.get("seconds", "1")) for fault in struck if fault.kind == "delay")
        server._pause(server._latency_of(record.method) + delays)
        if "close_before_reply" in record.faults:
            return None
        for fault in struck:
            if fault.kind == "page_size" and isinstance(request, Request):
                request = replace(request, page_rows=int(fault.args.get("rows", protocol.MOST_PAGE_ROWS)))
        reply = self._reply(request)
        change_reply(reply, struck)
        record.rows, record.error_code = len(reply.rows), reply.error_code
        if record.method == "login":
            self._logged_in = reply.error_code == protocol.OK
        return change_bytes(protocol.encode(reply), struck)

    def _send(self, payload: bytes, faults: Sequence[str]) -> bool:
        if "close_mid_reply" in faults:
            self._sock.sendall(payload[: len(payload) // 2])
            return False
        if "stall" in faults:
            self._sock.sendall(payload[: len(payload) // 2])
            while self._sock.recv(65536):
                pass  # discards the client's data and never replies
            return False
        self._sock.sendall(payload)
        return "drop" not in faults

    def _reply(self, request: Request | RequestError) -> Reply:
        if isinstance(request, RequestError):
            return Reply(protocol.EXCEPTION, "", "", request.code, str(request))
        call = request.call
        try:
            if call.method == "login":
                return self._login(request)
            if not self._logged_in:
                return Reply(
                    protocol.EXCEPTION, "", "", protocol.NOT_LOGGED_IN, protocol.MESSAGES[protocol.NOT_LOGGED_IN]
                )
            if call.method == "logout":
                self._logged_in = False
                return Reply(call.reply, call.method, request.user, time=self._time())
            return self._server._answers.answer(request, self._server._published())
        except RequestError as error:
            return Reply(call.reply, call.method, request.user, error.code, str(error), compressed=call.compressed)

    def _login(self, request: Request) -> Reply:
        password, options = request.params
        if not request.user:
            raise RequestError(protocol.USER_EMPTY)
        if not password:
            raise RequestError(protocol.PASSWORD_EMPTY)
        if options not in ("", "0") and not protocol.is_api_key(options):
            raise RequestError(protocol.BAD_API_KEY)
        if self._server._users.get(request.user) != password:
            raise RequestError(protocol.WRONG_PASSWORD)
        return Reply(request.call.reply, "login", request.user, time=self._time())

    def _time(self) -> str:
        return f"{self._server._now():%Y%m%d%H%M%S%f}"[:-3]


def _loggable(request: Request | RequestError) -> dict[str, str]:
    """A request's parameters by name, without the password and the API key."""
    if isinstance(request, RequestError):
        return {}
    if request.call.method == "login":
        return {"user_id": request.user, "api_key": "yes" if request.params[1].startswith("bs-") else "no"}
    params = dict(zip(request.call.parameters, request.params, strict=True))
    if request.call.paged:
        params["page"] = str(request.page)
    return params


def _days(params: Mapping[str, str]) -> int:
    """Number of days in a request's range; 0 for a request without a range."""
    try:
        first, last = (date.fromisoformat(params[name]) for name in ("start_date", "end_date"))
    except (KeyError, ValueError):
        return 0
    return (last - first).days + 1


def _peer_gone(sock: socket.socket) -> bool:
    """Whether the peer has closed the connection, even if data from the peer is still unread."""
    poll = select.poll()
    poll.register(sock, PEER_GONE | select.POLLIN)
    events = poll.poll(0)
    if not events:
        return False
    if events[0][1] & PEER_GONE:
        return True
    try:  # where poll does not report a peer's half-close, recv shows the end of the stream
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except OSError:
        return False


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # not connected any more
        sock.shutdown(socket.SHUT_RDWR)
