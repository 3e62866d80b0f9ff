"""A PostgreSQL session: its settings, its lock timeouts, and what its errors mean to an operator."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from ashare.dates import SHANGHAI
from ashare.errors import AshareError, InvalidInput, StoreBusy, StoreRefused, StoreUnavailable
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

LOCK_SECONDS = 300.0
"""Longest wait for a lock in the database, except the lock on Baostock and the mutexes of pieces of work."""

NOTHING_WRITTEN = "nothing of this step was written"
REPORT_EVERY_SECONDS = 60
NAMED = 3
"""How many sessions an error names."""

LockHolder = tuple[int, str | None, str | None, IPv4Address | IPv6Address | None, str | None, datetime | None]
"""Another session, which holds a lock: pid, application_name, user, address, state, since when."""


def set_up(connection: psycopg.Connection[Any], name: str, lock_seconds: float) -> None:
    """Set up a new connection for the store, overriding the settings of role, database and environment.

    The connection is in autocommit: a statement costs one message, not three.

    :param name: the session's name, which reports of lock holders show.
    :param lock_seconds: how long a statement waits for a lock.
    :raises InvalidInput: the database's encoding cannot hold the names of the securities.
    """
    refuse_encoding(connection.info.parameter_status("server_encoding"), connection.info.dbname)
    connection.autocommit = True
    connection.execute(queries("database")["set_up"], {"name": name, "lock_timeout": _milliseconds(lock_seconds)})
    _notice_silence(connection)


def refuse_encoding(encoding: str | None, database: str) -> None:
    """Refuse a database that is not in UTF8.

    LATIN1 has no Chinese, EUC_CN lacks characters of some names, and SQL_ASCII stores bytes without an encoding, so
    that clients decode them differently.

    :raises InvalidInput: the database has another encoding.
    """
    if encoding != "UTF8":
        raise InvalidInput(
            f"The database {database} has the encoding {encoding}, which cannot hold the names of the securities; "
            "nothing was written: make another with CREATE DATABASE name ENCODING 'UTF8' LOCALE 'C' TEMPLATE "
            "template0, and point the connection ashare_postgres to it."
        )


def limit_wait(connection: psycopg.Connection[Any], seconds: float) -> None:
    """Set the lock timeout of each statement in the open transaction, and turn its statement timeout off."""
    connection.execute(queries("database")["limit_wait"], {"lock_timeout": _milliseconds(seconds)})


class LockHeld(Exception):
    """An advisory lock was not free in time.

    :ivar lock: the lock's name; the hash of the name is the lock's key.
    """

    def __init__(self, lock: str) -> None:
        super().__init__(lock)
        self.lock = lock


def take_lock(connection: psycopg.Connection[Any], lock: str, *, for_session: bool = False) -> None:
    """Take an advisory lock until the transaction ends, or until the session ends or unlocks it.

    :raises LockHeld: another session held the lock for longer than ``lock_timeout``.
    """
    from psycopg import errors

    try:
        connection.execute(queries("database")["lock" if for_session else "lock_transaction"], {"lock": lock})
    except errors.LockNotAvailable as error:
        raise LockHeld(lock) from error


def lock_merging(connection: psycopg.Connection[Any]) -> None:
    """Take the advisory lock that serializes merges of bars, until the transaction ends.

    Two batches may bring the same bar: serialized merges cannot deadlock.

    :raises LockHeld: another session held the lock for longer than ``lock_timeout``.
    """
    take_lock(connection, "ashare merge")


def wait_for_lock(
    connection: psycopg.Connection[Any], lock: str, connect: Callable[[], psycopg.Connection[Any]], waiting: str
) -> None:
    """Take an advisory lock for the session. While another session holds it, log its holder every minute.

    :param lock: the lock's name.
    :param connect: opens a connection over which the holder is asked for.
    :param waiting: what is waited for: the beginning of the logged sentence.
    :raises LockHeld: another session held the lock for longer than ``lock_timeout``.
    """
    row = connection.execute(queries("database")["try_lock"], {"lock": lock}).fetchone()
    if row and not row[0]:
        with _wait_logged(connect, lock, waiting):
            take_lock(connection, lock, for_session=True)


@contextmanager
def _wait_logged(connect: Callable[[], psycopg.Connection[Any]], lock: str, waiting: str) -> Iterator[None]:
    """While the block waits for an advisory lock, log the lock's holder every minute.

    The query runs over another connection: interrupting the wait would lose the place in the lock's queue.
    """
    over = threading.Event()

    def report() -> None:
        import psycopg

        while not over.wait(REPORT_EVERY_SECONDS):
            with suppress(AshareError, psycopg.Error), closing(connect()) as beside:
                who = lock_holders(beside, lock)
                if not over.is_set():
                    log.info("%s: %s.", waiting, who)

    threading.Thread(target=report, name="lock-report", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def lock_holders(connection: psycopg.Connection[Any], lock: str) -> str:
    """Who holds an advisory lock, in words."""
    return _named(connection.execute(queries("database")["lock_holders"], {"lock": lock}).fetchall())


def table_lock_holders(connection: psycopg.Connection[Any], *, readers: bool) -> str:
    """Who holds locks on the tables, in words.

    :param readers: also sessions that only read.
    """
    return _named(connection.execute(queries("database")["table_lock_holders"], {"readers": readers}).fetchall())


def _named(sessions: Sequence[LockHolder]) -> str:
    if not sessions:
        return "whoever held it has just ended"
    more = f" and {len(sessions) - NAMED} more" if len(sessions) > NAMED else ""
    return f"held by {'; '.join(map(_in_words, sessions[:NAMED]))}{more}"


def _in_words(session: LockHolder) -> str:
    pid, name, user, address, state, since = session
    doing = f", {state}" if state else ""
    if state and since:
        doing = f", {state} since {since.astimezone(SHANGHAI):%m-%d %H:%M:%S}"
    return f"{name or 'an unnamed session'} (pid {pid}, user {user}, {address or 'local'}{doing})"


def is_lost(error: Exception, connection: psycopg.Connection[Any]) -> bool:
    """Whether the session has ended, and its locks with it."""
    import psycopg

    if connection.closed or isinstance(error, psycopg.InterfaceError):
        return True
    # Errors before the connection counts as closed: of libpq (no code), a pooler or the server.
    code = getattr(error, "sqlstate", None)
    return isinstance(error, psycopg.OperationalError) and (code is None or code.startswith(("08", "57P")))


def as_ashare_error(
    error: Exception, connection: psycopg.Connection[Any], lock_seconds: float, what: str = NOTHING_WRITTEN
) -> AshareError:
    """Translate an error of the database into an error of this package. The failed transaction has ended already.

    :param error: an error of psycopg, ``UnicodeError`` (a text that UTF-8 cannot carry), or ``LockHeld``.
    :param what: the consequence, for the message.
    """
    import psycopg
    from psycopg import errors

    info = connection.info
    if isinstance(error, LockHeld):
        who = _asked(connection, lambda: lock_holders(connection, error.lock))
        return StoreBusy(
            f'The database\'s lock "{error.lock}" was not free within {lock_seconds:g} s ({who}); {what}.'
        )
    if isinstance(error, errors.LockNotAvailable):
        who = _asked(connection, lambda: table_lock_holders(connection, readers=False))
        return StoreBusy(
            f"A lock on the tables of the schema ashare was not free within {lock_seconds:g} s ({who}); {what}."
        )
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return StoreUnavailable(
            f"The database {info.dbname} at {info.host or 'localhost'} is read-only ({_why_read_only(info)}); {what}."
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return InvalidInput(
            f"The database user {info.user} lacks a right in the schema ashare ({error.diag.message_primary}): grant "
            "it, or connect as the schema's owner."
        )
    if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn | errors.UndefinedFunction):
        return StoreRefused(
            f"The schema ashare of the database {info.dbname} is not what this code knows "
            f"({error.diag.message_primary}); {what}: run ashare migrate; if that has "
            "nothing to do, the schema was changed by hand: restore a backup."
        )
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
        return StoreUnavailable(f"The database went away or refused ({one_line(error)}); {what}.")
    return StoreRefused(
        f"The database does not take this ({one_line(error)}); {what}, and the same "
        "would be refused again: look at what the part in brackets names, then run it again."
    )


def _why_read_only(info: psycopg.ConnectionInfo) -> str:
    if info.parameter_status("in_hot_standby") == "on":
        return "a standby, as after a failover: point the connection ashare_postgres to the server that takes writes"
    return (
        "default_transaction_read_only is on, of the server, the database or the role; some services set it when the "
        "disk is full: have it taken off"
    )


def _asked(connection: psycopg.Connection[Any], ask: Callable[[], str]) -> str:
    """The result of a query for an error's text; if the query fails, a text that says so."""
    import psycopg

    try:
        with connection.transaction():
            return ask()
    except psycopg.Error as error:
        return f"by whom cannot be asked: {one_line(error)}"


def _milliseconds(seconds: float) -> str:
    return str(max(1, min(round(seconds * 1000), 2**31 - 1)))


def answers(connection: psycopg.Connection[Any], seconds: float) -> bool:
    """Whether the server answers an empty query in time. psycopg itself would wait for a frozen server for ever."""
    import psycopg

    session = connection.pgconn
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(session.socket, selectors.EVENT_READ)
            session.send_query(b"")
            session.flush()
            while session.is_busy():
                if not selector.select(seconds):
                    return False
                session.consume_input()
            while session.get_result():
                pass
    except psycopg.Error:
        return False
    return session.status == psycopg.pq.ConnStatus.OK


def _notice_silence(connection: psycopg.Connection[Any]) -> None:
    """Set keepalive: the client notices a dead network before the server, which frees locks after a minute."""
    with socket.socket(fileno=os.dup(connection.fileno())) as sock:
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        options = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
        for name, value in options.items():
            if hasattr(socket, name):  # not every system has all of these options
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def one_line(error: Exception) -> str:
    """The text of a database error, without line breaks."""
    return " ".join(str(error).split())
