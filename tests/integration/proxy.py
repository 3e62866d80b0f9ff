"""Carries bytes between a client and PostgreSQL's unix socket, up to a point in what the client says."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

Point = Callable[[bytes], "int | None"]
"""How many of the bytes that a client has sent may pass; None: all of them, so far."""

SOCKET_NAME = ".s.PGSQL.5432"


def before(marker: bytes, *, after: bytes = b"") -> Point:
    """The server never sees ``marker``: of those that follow upon ``after``, the first."""

    def find(said: bytes) -> int | None:
        start = said.find(after)
        found = -1 if start < 0 else said.find(marker, start + len(after))
        return None if found < 0 else found

    return find


def beyond(marker: bytes, more: int) -> Point:
    """The server sees so many bytes more than ``marker``."""

    def find(said: bytes) -> int | None:
        found = said.find(marker)
        limit = found + len(marker) + more
        return None if found < 0 or len(said) < limit else limit

    return find


@dataclass
class _Way:
    """One direction of a conversation; only what a client says has a point at which it is held."""

    sink: socket.socket
    is_client: bool
    said: bytearray = field(default_factory=bytearray)
    passed: int = 0


class Proxy:
    """Forwards for as long as the ``with`` block lasts; a client that reaches the point is not heard any more.

    :param server: the directory of PostgreSQL's socket.
    :param directory: where clients find this one's; it has to exist.
    :ivar reached: set when a client has reached the point; its connection stays open, in both directions.
    """

    def __init__(self, server: Path, directory: Path, point: Point) -> None:
        self.directory = directory
        self.reached = threading.Event()
        self._server, self._point = server, point
        self._ways: dict[socket.socket, _Way] = {}
        self._thread = threading.Thread(target=self._forward, name="postgres-proxy")

    def __enter__(self) -> Proxy:
        self._end, self._ended = socket.socketpair()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.directory / SOCKET_NAME))
        self._listener.listen()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.close()
        self._thread.join()

    def _forward(self) -> None:
        with ExitStack() as sockets, selectors.DefaultSelector() as selector:
            for sock in (self._listener, self._ended):
                selector.register(sockets.enter_context(sock), selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._ended in ready:
                    return
                if self._listener in ready:
                    self._accept(sockets, selector)
                for sock in [known for known in self._ways if known in ready]:
                    if sock in self._ways:  # the other side may just have ended the conversation
                        self._carry(sock, selector)

    def _accept(self, sockets: ExitStack, selector: selectors.BaseSelector) -> None:
        client = sockets.enter_context(self._listener.accept()[0])
        server = sockets.enter_context(socket.socket(socket.AF_UNIX))
        server.connect(str(self._server / SOCKET_NAME))
        self._ways |= {client: _Way(server, is_client=True), server: _Way(client, is_client=False)}
        for sock in (client, server):
            selector.register(sock, selectors.EVENT_READ)

    def _carry(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        way = self._ways[sock]
        limit = None
        try:
            chunk = sock.recv(1 << 16)
            way.said += chunk
            limit = self._point(bytes(way.said)) if way.is_client else None
            way.sink.sendall(chunk if limit is None else way.said[way.passed : limit])
        except OSError:
            chunk = b""
        way.passed += len(chunk)
        if limit is not None:
            self._leave(sock, selector)
            self.reached.set()
        elif not chunk:
            for end in self._leave(sock, selector):
                end.close()

    def _leave(self, sock: socket.socket, selector: selectors.BaseSelector) -> tuple[socket.socket, socket.socket]:
        """Hear neither side of a conversation any more."""
        ends = (sock, self._ways[sock].sink)
        for end in ends:
            del self._ways[end]
            selector.unregister(end)
        return ends
