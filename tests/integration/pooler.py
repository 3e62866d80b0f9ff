"""Pools PostgreSQL's server sessions by transaction, as pgbouncer's ``pool_mode = transaction`` does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102

Choice = Callable[[list[int]], int]
"""Which of the free server sessions gets the next transaction; the one that was free first stands first."""


class Pooler:
    """Two server sessions for any number of clients, for as long as the ``with`` block lasts.

    :param server: the directory of PostgreSQL's socket.
    :param directory: where clients find this one's; it has to exist.
    """

    def __init__(self, server: Path, directory: Path, choose: Choice) -> None:
        self.directory = directory
        self._server, self._choose = server, choose
        self._sessions: list[socket.socket] = []
        self._greeting = b""
        self._free: list[int] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Pooler:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.directory / SOCKET_NAME))
        self._listener.listen()
        threading.Thread(target=self._accept, name="pooler", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for session in self._sessions:
            session.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), name="pooler", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            startup = self._startup(client)
            with self._changed:
                if not self._sessions:
                    self._open(startup)
            client.sendall(self._greeting)
            while asked := _until(client, b"QS"):  # a simple query, or the Sync of an extended one
                with self._session() as session:
                    while True:
                        session.sendall(asked)
                        answer = _until(session, b"ZGW")  # ready, or a COPY
                        client.sendall(answer)
                        if answer.endswith(b"Z\0\0\0\5I"):
                            break
                        asked = _until(client, b"QScf")
                        if not asked:
                            # A client that is gone leaves a transaction behind: it is rolled back.
                            session.sendall(_query("ROLLBACK"))
                            _until(session, b"Z")
                            return

    @contextmanager
    def _session(self) -> Iterator[socket.socket]:
        with self._changed:
            self._changed.wait_for(lambda: self._free)
            number = self._choose(self._free)
            self._free.remove(number)
        try:
            yield self._sessions[number]
        finally:
            with self._changed:
                self._free.append(number)
                self._changed.notify()

    def _startup(self, client: socket.socket) -> bytes:
        while True:
            size = _exactly(client, 4)
            rest = _exactly(client, struct.unpack("!I", size)[0] - 4)
            code = struct.unpack("!I", rest[:4])[0]
            if code == CANCEL_REQUEST:
                raise OSError
            if code not in (SSL_REQUEST, GSS_REQUEST):
                return size + rest
            client.sendall(b"N")

    def _open(self, startup: bytes) -> None:
        for _ in range(2):
            session = socket.socket(socket.AF_UNIX)
            session.connect(str(self._server / SOCKET_NAME))
            session.sendall(startup)
            self._greeting = _until(session, b"Z")
            self._sessions.append(session)
        self._free = list(range(len(self._sessions)))


def _query(text: str) -> bytes:
    body = text.encode() + b"\0"
    return b"Q" + struct.pack("!I", len(body) + 4) + body


def _until(sock: socket.socket, kinds: bytes) -> bytes:
    """The messages up to one of these kinds; nothing when the other side has gone, or says that it goes."""
    read = b""
    try:
        while True:
            head = _exactly(sock, 5)
            read += head + _exactly(sock, struct.unpack("!I", head[1:])[0] - 4)
            if head[:1] == b"X":
                return b""
            if head[:1] in kinds:
                return read
    except EOFError:
        return b""


def _exactly(sock: socket.socket, count: int) -> bytes:
    read = b""
    while len(read) < count:
        chunk = sock.recv(count - len(read))
        if not chunk:
            raise EOFError
        read += chunk
    return read
