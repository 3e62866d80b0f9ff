"""The gate in front of Baostock: one connection at a time, by an advisory lock, and every request counted.

Lock and ledger share one database connection. A session whose lock is lost (the database restarted) therefore
cannot record its next request, and so cannot send it.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from include.ashare.errors import SourceBusy, StoreUnavailable
from include.ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

REPORT_EVERY_SECONDS = 60


class SourceGate:
    """Baostock's gate kept in PostgreSQL; ends with the process, however that ends.

    :param connect: opens a connection to the ``ashare`` database.
    :param who: shown to those who wait, and recorded with each request.
    :param wait_seconds: how long to wait for the one connection to Baostock.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        *,
        who: str,
        wait_seconds: float,
        trade_date: date | None = None,
    ) -> None:
        self._connect, self._who, self._wait = connect, who, wait_seconds
        self._trade_date = trade_date
        self._connection: psycopg.Connection[Any] | None = None
        self._begun: dict[int, float] = {}

    def open(self) -> None:
        """Wait for the lock.

        :raises SourceBusy: it was not to be had within ``wait_seconds``; the text says who holds it.
        """
        import psycopg

        self._connection = connection = self._connect()
        _notice_silence(connection)
        try:
            self._lock(connection)
        except psycopg.OperationalError as error:
            self.close()
            raise StoreUnavailable(
                f"The database went away while waiting for the connection to Baostock ({one_line(error)})."
            ) from error
        except BaseException:
            self.close()
            raise

    def _lock(self, connection: psycopg.Connection[Any]) -> None:
        from psycopg import errors

        connection.autocommit = True
        deadline = time.monotonic() + self._wait
        while True:
            left = deadline - time.monotonic()
            slice_ms = max(1, round(1000 * min(left, REPORT_EVERY_SECONDS)))
            try:
                connection.execute(queries("gate")["limit_wait"], {"milliseconds": str(slice_ms)})
                connection.execute(queries("gate")["lock"])
            except errors.LockNotAvailable:
                holder = self._holder(connection)
                if time.monotonic() >= deadline:
                    raise SourceBusy(
                        f"The one connection to Baostock was not free within {self._wait:g} s: {holder}."
                    ) from None
                log.info("Waiting for the one connection to Baostock: %s.", holder)
            else:
                break
        name = f"ashare source: {self._who}"[:63]
        connection.execute(queries("gate")["name_holder"], {"name": name})

    def begin(self, method: str, detail: str) -> int:
        """Record that a message is about to be sent, and return its number in the ledger.

        :raises StoreUnavailable: the database connection, and with it the lock, is lost.
        """
        row = self._run("begin", method=method, detail=detail, trade_date=self._trade_date, who=self._who)
        request_id = int(row[0])
        self._begun[request_id] = time.monotonic()
        return request_id

    def end(self, request_id: int, outcome: str, reply_chars: int) -> None:
        """Record how the message ended."""
        seconds = round(time.monotonic() - self._begun.pop(request_id), 3)
        self._run("end", id=request_id, outcome=outcome, seconds=seconds, reply_chars=reply_chars)

    def fileno(self) -> int:
        """The database connection's socket: readable when the server ends it, or just has something to say."""
        if self._connection is None:
            raise StoreUnavailable("The connection to Baostock is not ours: the gate is closed.")
        return self._connection.fileno()

    def check(self) -> None:
        """Fail unless the database connection, and with it the lock, is alive.

        :raises StoreUnavailable: it is lost.
        """
        self._run("check")

    def close(self) -> None:
        """Give the lock up by ending the database session."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, name: str, **values: object) -> tuple[Any, ...]:
        import psycopg

        if self._connection is None:
            raise StoreUnavailable("The connection to Baostock is not ours: the gate is closed.")
        try:
            row: tuple[Any, ...] | None = self._connection.execute(queries("gate")[name], values).fetchone()
        except psycopg.OperationalError as error:
            raise StoreUnavailable(
                "The database connection that holds the lock on Baostock was lost; nothing more is sent "
                f"({one_line(error)})."
            ) from error
        assert row is not None
        return row

    def _holder(self, connection: psycopg.Connection[Any]) -> str:
        row = connection.execute(queries("gate")["holder"]).fetchone()
        if row is None:
            return "it was just given up"
        name, address, since = row
        held = f"held by {name or 'an unnamed session'} ({address or 'local'})"
        return f"{held} since {since:%H:%M:%S}" if since else held  # hidden from other database users


def _notice_silence(connection: psycopg.Connection[Any]) -> None:
    """Let this end notice a dead network sooner than the server, which gives the lock away after a minute."""
    with socket.socket(fileno=os.dup(connection.fileno())) as sock:
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        options = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
        for name, value in options.items():
            if hasattr(socket, name):  # not every system has all of them
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def one_line(error: Exception) -> str:
    """The text of a database error, without line breaks."""
    return " ".join(str(error).split())
