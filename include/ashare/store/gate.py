"""The gate in front of Baostock: one connection at a time, by an advisory lock, and every request counted.

Lock and ledger share one database connection. A session whose lock is lost (the database restarted) therefore
cannot record its next request, and so cannot send it. The ledger also keeps the gate shut: for the rest of a day
whose requests are used up, and for as long as a ban lasts.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from include.ashare.dates import SHANGHAI
from include.ashare.errors import BLACKLISTED, BudgetSpent, InvalidInput, SourceBanned, SourceBusy, StoreUnavailable
from include.ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

REPORT_EVERY_SECONDS = 60
RESTART_SECONDS = 120


@dataclass(frozen=True)
class SourceLimit:
    """What the ledger says about asking Baostock now: the view ``ashare.source_limit``.

    :ivar used_today: messages sent since midnight, Asia/Shanghai.
    :ivar bans: bans of the year of the last one, ``banned_at``; its end is ``banned_until``.
    """

    used_today: int
    day_ends: datetime
    banned_at: datetime | None
    bans: int
    banned_until: datetime | None
    is_banned: bool

    def check(self, requests: int, budget: int, reserved: int = 0) -> None:
        """Fail when ``requests`` more may not be sent now.

        :param reserved: how many of the budget are left to others.
        :raises SourceBanned: a ban is in force.
        :raises BudgetSpent: they would pass the day's budget.
        :raises InvalidInput: they would pass the budget of any day.
        """
        if self.is_banned and self.banned_at and self.banned_until:
            raise SourceBanned(
                f"Baostock has blacklisted this address (10001011, ban {self.bans} of the year, on "
                f"{_clock(self.banned_at)}): nothing is sent until {_clock(self.banned_until)}, Beijing time; it "
                "goes on by itself then.",
                self.banned_until,
            )
        if requests > budget - reserved:
            less = f" less ASHARE_HISTORY_RESERVE, {reserved}," if reserved else ""
            raise InvalidInput(
                f"This step sends {requests} requests in one session, more than ASHARE_REQUEST_BUDGET ({budget})"
                f"{less} allows in a day: raise it, or choose a smaller batch_size where securities go one by one."
            )
        if self.used_today + requests > budget - reserved:
            left_alone = f", {reserved} are kept for the newest date (ASHARE_HISTORY_RESERVE)" if reserved else ""
            raise BudgetSpent(
                f"{self.used_today} of the day's {budget} requests to Baostock (ASHARE_REQUEST_BUDGET) are used"
                f"{left_alone}, and {requests} more are needed: it goes on by itself from {_clock(self.day_ends)} "
                "on, Beijing time.",
                self.day_ends,
            )


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


class SourceGate:
    """Baostock's gate kept in PostgreSQL; ends with the process, however that ends.

    :param connect: opens a connection to the ``ashare`` database.
    :param who: shown to those who wait, and recorded with each request.
    :param wait_seconds: how long to wait for the one connection to Baostock.
    :param budget: requests a day, over all who ask.
    :param reserved: how many of them are left to others.
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
    ) -> None:
        self._connect, self._who, self._wait = connect, who, wait_seconds
        self._budget, self._reserved = budget, reserved
        self._trade_date = trade_date
        self._connection: psycopg.Connection[Any] | None = None
        self._begun: dict[int, float] = {}

    def open(self, requests: int) -> None:
        """Wait for the lock, and make sure that so many requests may be sent.

        :raises SourceBusy: it was not to be had within ``wait_seconds``; the text says who holds it.
        :raises Postponed: the day's budget does not allow them, or a ban is in force.
        """
        import psycopg

        self._connection = connection = self._connect()
        _notice_silence(connection)
        try:
            self._lock(connection)
            self.admit(requests)
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

    def admit(self, requests: int) -> None:
        """Fail when so many more requests may not be sent now, as ``SourceLimit.check``."""
        row = self._run("limit")
        assert row is not None
        SourceLimit(*row).check(requests, self._budget, self._reserved)

    def begin(self, method: str, detail: str) -> int:
        """Record that a message is about to be sent, and return its number in the ledger.

        :raises Postponed: it may not be sent now.
        :raises StoreUnavailable: the database connection, and with it the lock, is lost.
        """
        values = {"method": method, "detail": detail, "trade_date": self._trade_date, "who": self._who}
        while (row := self._run("begin", **values, budget=self._budget - self._reserved)) is None:
            self.admit(1)  # raises, unless midnight has just passed
        request_id = int(row[0])
        self._begun[request_id] = time.monotonic()
        return request_id

    def end(self, request_id: int, outcome: str, reply_chars: int) -> None:
        """Record how the message ended.

        :raises StoreUnavailable: the database connection, and with it the lock, is lost; that it ended is recorded
            over another one, if there is one to be had.
        """
        seconds = round(time.monotonic() - self._begun.pop(request_id), 3)
        values = {"id": request_id, "outcome": outcome, "seconds": seconds, "reply_chars": reply_chars}
        try:
            self._run("end", **values)
        except StoreUnavailable:
            self._end_anew(values)
            raise

    def _end_anew(self, values: dict[str, Any]) -> None:
        """Record an end over a new connection: a ban has to be known also when the lock is lost."""
        import psycopg

        # A database that is restarted is back within seconds, and the others are not to ask meanwhile.
        deadline = time.monotonic() + (RESTART_SECONDS if values["outcome"] == BLACKLISTED else 0)
        while True:
            with suppress(StoreUnavailable, psycopg.OperationalError), closing(self._connect()) as connection:
                connection.execute(queries("gate")["end"], values)
                connection.commit()
                return
            if time.monotonic() >= deadline:
                return
            time.sleep(1)

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

    def _run(self, name: str, **values: object) -> tuple[Any, ...] | None:
        import psycopg

        if self._connection is None:
            raise StoreUnavailable("The connection to Baostock is not ours: the gate is closed.")
        try:
            return self._connection.execute(queries("gate")[name], values).fetchone()
        except psycopg.OperationalError as error:
            raise StoreUnavailable(
                "The database connection that holds the lock on Baostock was lost; nothing more is sent "
                f"({one_line(error)})."
            ) from error

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
