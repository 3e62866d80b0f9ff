"""The gate in front of Baostock: one connection at a time, by an advisory lock, and every request counted.

Lock and ledger share one database connection. A session whose lock is lost (the database restarted) therefore
cannot record its next request, and so cannot send it. The ledger also closes the gate: for the rest of a day whose
budget is used up, and for the duration of a ban.
"""

from __future__ import annotations

import time
import uuid
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.errors import (
    BLACKLISTED,
    AshareError,
    SourceBusy,
    StoreUnavailable,
    TerminalError,
)
from ashare.store.database import (
    LOCK_SECONDS,
    LockHeld,
    as_ashare_error,
    is_lost,
    limit_wait,
    one_line,
    wait_for_lock,
)
from ashare.store.queries import queries
from ashare.store.request_ledger import SourceLimit
from ashare.texts import bounded

if TYPE_CHECKING:
    import psycopg

LOCK = "ashare baostock"
RESTART_SECONDS = 120
GIVE_WAY_SECONDS = 30
"""Shortest time between two handovers of the connection to waiting sessions: each costs a login and a logout."""
NONE_ENDED: dict[str, Any] = {"id": None, "outcome": None, "seconds": None, "reply_chars": None}
LOOK_SECONDS = 1
"""Shortest time between two looks whether sessions wait: Baostock waits meanwhile."""

POOLED = (
    "The lock on Baostock is not this session's own: a pooler between here and PostgreSQL pools by transaction, so "
    "that two could be connected to Baostock at once, and be banned. Nothing more is sent: connect to PostgreSQL "
    "directly, or let the pooler pool by session (pgbouncer: pool_mode = session)."
)


class SourceGate:
    """The gate in front of Baostock, kept in PostgreSQL. Its lock ends with the process, even a killed one.

    Each method of an open gate raises ``StoreUnavailable`` if the database connection, and with it the lock, is lost.

    :param connect: opens a connection to the ``ashare`` database.
    :param who: name of the holder, shown to waiting sessions and recorded with each request.
    :param wait_seconds: how long to wait for the one connection to Baostock.
    :param budget: requests a day, over all sessions.
    :param reserved: the part of the budget that is kept for other sessions.
    :param party: sessions of one party give way to sessions of other parties, and not to each other.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        *,
        who: str,
        wait_seconds: float,
        budget: int,
        reserved: int = 0,
        trade_date: date | None = None,
        party: str = "",
    ) -> None:
        self._connect, self._who, self._wait = connect, who, wait_seconds
        self._budget, self._reserved = budget, reserved
        self._trade_date = trade_date
        self._token = uuid.uuid4().hex
        # The party comes first, as PostgreSQL cuts a session's name after 63 bytes.
        self._waiter = f"ashare waits {zlib.crc32((party or self._token).encode()):08x}: "
        self._looks_again_at = 0.0
        self._connection: psycopg.Connection[Any] | None = None
        self._begun: dict[int, float] = {}
        self._ended = NONE_ENDED

    def open(self, requests: int) -> None:
        """Wait for the lock, and check that ``requests`` requests may be sent.

        :raises SourceBusy: the lock was not free within ``wait_seconds``; the text says who holds it.
        :raises Postponed: the day's budget does not allow the requests, or a ban is in force.
        :raises InvalidInput: the requests exceed the budget of any day.
        :raises StoreUnavailable: the database cannot be reached, or went away.
        :raises TerminalError: PostgreSQL is reached through a pooler that gives sessions to others.
        """
        import psycopg

        self._connection = connection = self._connect()
        try:
            self._lock(connection)
            self.admit(requests)
        except psycopg.Error as error:
            self.close()
            raise StoreUnavailable(
                f"The database went away while waiting for the connection to Baostock ({one_line(error)})."
            ) from error
        except BaseException:
            self.close()
            raise

    def _lock(self, connection: psycopg.Connection[Any]) -> None:
        """Wait for the lock without a break: a retry would stand at the end of PostgreSQL's queue."""
        sql = queries("source_gate")
        connection.autocommit = True
        try:
            # One transaction: a pooler runs it on one server process, and that process holds the lock.
            with connection.transaction():
                limit_wait(connection, self._wait)
                held = connection.execute(sql["is_held_here"]).fetchone()
                if held and held[0]:
                    raise TerminalError(POOLED)  # the server process holds the lock for another client
                connection.execute(sql["name_waiter"], {"name": f"{self._waiter}{self._who}"})
                wait_for_lock(connection, LOCK, self._connect, "Waiting for the one connection to Baostock")
                name = f"ashare source: {self._who}"
                connection.execute(sql["name_holder"], {"name": name, "token": self._token})
        except LockHeld:
            raise SourceBusy(
                f"The one connection to Baostock was not free within {self._wait:g} s: {self._holder(connection)}."
            ) from None

    def should_give_way(self) -> bool:
        """Whether sessions of other parties wait, and no handover was within ``GIVE_WAY_SECONDS``."""
        if time.monotonic() < self._looks_again_at:
            return False
        row = self._run("others_wait", party=self._waiter)
        is_awaited = bool(row and row[0])
        self._looks_again_at = time.monotonic() + (GIVE_WAY_SECONDS if is_awaited else LOOK_SECONDS)
        return is_awaited

    def admit(self, requests: int) -> None:
        """Check that ``requests`` more requests may be sent now; raises the errors of ``SourceLimit.check``."""
        row = self._run("limit")
        assert row is not None
        SourceLimit(*row).check(requests, self._budget, self._reserved)

    def begin(self, method: str, detail: str) -> int:
        """Record that a message is about to be sent, and the good end of the one before; return its number.

        :raises Postponed: the message may not be sent now.
        :raises TerminalError: this session does not hold the lock.
        """
        values = {"method": method, "detail": detail, "trade_date": self._trade_date, "who": self._who}
        budget = self._budget - self._reserved
        while True:
            row = self._run("begin", **values, **self._ended, budget=budget, token=self._token)
            self._ended = NONE_ENDED
            if row is None or not row[1]:
                raise TerminalError(POOLED)
            if row[0] is not None:
                break
            self.admit(1)  # raises, unless midnight has just passed
        request_id = int(row[0])
        self._begun[request_id] = time.monotonic()
        return request_id

    def end(self, request_id: int, outcome: str, reply_chars: int) -> None:
        """Record how the message ended: a good end with the next message or at the gate's end, any other at once.

        If the connection is lost, it is recorded over a new one, if that can be opened.
        """
        seconds = round(time.monotonic() - self._begun.pop(request_id), 3)
        values = {"id": request_id, "outcome": outcome, "seconds": seconds, "reply_chars": reply_chars}
        if outcome == "ok":
            self._ended = values
            return
        try:
            self._run("end", **values)
        except StoreUnavailable:
            self._end_anew(values)
            raise

    def record_outage(self, error: str) -> None:
        """Record that no connection could be opened, and why."""
        self._run("record_outage", error=bounded(error))

    def _end_anew(self, values: dict[str, Any]) -> None:
        """Record the end of a message over a new connection: a ban must be recorded even if the lock is lost."""
        import psycopg

        # A restarted database is back within seconds. Other sessions must not send requests during a ban.
        deadline = time.monotonic() + (RESTART_SECONDS if values["outcome"] == BLACKLISTED else 0)
        while True:
            with suppress(AshareError, psycopg.Error), closing(self._connect()) as connection:
                connection.execute(queries("source_gate")["end"], values)
                connection.commit()
                return
            if time.monotonic() >= deadline:
                return
            time.sleep(1)

    def fileno(self) -> int:
        """The database connection's socket: readable if the server closes the connection, or sends a message."""
        return self._opened().fileno()

    def check(self) -> None:
        """Check that the database connection, and with it the lock, is alive."""
        self._run("check")

    def close(self) -> None:
        """Give the lock up by ending the database session."""
        import psycopg

        if self._connection is None:
            return
        ended, self._ended = self._ended, NONE_ENDED
        try:
            if ended is not NONE_ENDED:
                self._connection.execute(queries("source_gate")["end"], ended)
        except psycopg.Error:
            self._end_anew(ended)
        finally:
            self._connection.close()
            self._connection = None

    def _opened(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise StoreUnavailable("The connection to Baostock is not ours: the gate is closed.")
        return self._connection

    def _run(self, name: str, **values: object) -> tuple[Any, ...] | None:
        import psycopg

        connection = self._opened()
        try:
            return connection.execute(queries("source_gate")[name], values).fetchone()
        except (psycopg.Error, UnicodeError) as error:
            if not is_lost(error, connection):
                raise as_ashare_error(error, connection, LOCK_SECONDS) from error
            raise StoreUnavailable(
                "The database connection that holds the lock on Baostock was lost; nothing more is sent "
                f"({one_line(error)})."
            ) from error

    def _holder(self, connection: psycopg.Connection[Any]) -> str:
        row = connection.execute(queries("source_gate")["holder"]).fetchone()
        if row is None:
            return "it was just given up"
        name, address, since, pid = row
        # PostgreSQL hides the time from other database users.
        since_then = f" since {since:%H:%M:%S}" if since else ""
        return f"held by {name or 'an unnamed session'} ({address or 'local'}){since_then}, pid {pid}"
