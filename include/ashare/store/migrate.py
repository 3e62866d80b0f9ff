"""Schema changes: numbered SQL files, each applied once, under a lock, recorded in the database."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ashare.errors import InvalidInput, StoreBusy, TerminalError
from ashare.store.database import (
    LOCK_SECONDS,
    LockHeld,
    limit_wait,
    lock_holders,
    refuse_encoding,
    table_lock_holders,
    take_lock,
)
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"

LOCK = "ashare schema"

TABLE_LOCK_SECONDS = 1.2
"""How long one attempt waits for a table's lock: new readers of the table queue behind the attempt.

Longer than PostgreSQL's deadlock_timeout (1 s), after which a waiter cancels autovacuum.
"""
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 15.0
"""Backoff between two attempts: the first pause, which then doubles, and the longest pause."""


def migrate(connection: psycopg.Connection[Any], wait_seconds: float = LOCK_SECONDS) -> list[str]:
    """Bring the schema ``ashare`` up to date; a cheap no-op if it is. Returns the names of the applied files.

    Safe at every start and from several processes at once: an advisory lock lets one process at a time apply the
    files. Each file has its own transaction, so that after a kill the next start continues with the next file. The
    wait for a table in use is split into short attempts: new readers would queue behind one long wait.

    :param connection: a connection without an open transaction.
    :param wait_seconds: how long to wait for the advisory lock, and then for tables in use.
    :raises InvalidInput: the database user may not create the schema, the database's encoding cannot hold names, or
        an object of somebody else's depends on one that a migration replaces.
    :raises StoreBusy: another session held a lock for too long; the text says who. Files applied so far stay.
    :raises TerminalError: the database is newer than this code.
    """
    from psycopg import errors

    files = migration_files()
    with connection.transaction():
        if applied(connection) == len(files):
            return []
    refuse_encoding(connection.info.parameter_status("server_encoding"), connection.info.dbname)
    try:
        with _one_at_a_time(connection, wait_seconds):
            return _apply(connection, files, wait_seconds)
    except errors.InsufficientPrivilege as error:
        info = connection.info
        raise InvalidInput(
            f"The database user {info.user} may not create or change the schema ashare in the database {info.dbname} "
            f"({error.diag.message_primary}): as its owner run "
            f"GRANT CREATE ON DATABASE {info.dbname} TO {info.user}, or where the schema is there, "
            f"GRANT ALL ON SCHEMA ashare TO {info.user}."
        ) from error
    except errors.DependentObjectsStillExist as error:
        raise InvalidInput(
            f"The schema ashare cannot be brought up to date while others' objects depend on it "
            f"({error.diag.message_detail}): drop those, and make them anew afterwards. Files before are applied."
        ) from error


@contextmanager
def _one_at_a_time(connection: psycopg.Connection[Any], wait_seconds: float) -> Iterator[None]:
    import psycopg

    try:
        with connection.transaction():
            limit_wait(connection, wait_seconds)
            # For the session: each file has its own transaction.
            take_lock(connection, LOCK, for_session=True)
    except LockHeld:
        with connection.transaction():
            who = lock_holders(connection, LOCK)
        raise StoreBusy(
            f"Another process has been at work on the schema ashare for over {wait_seconds:g} s ({who}); nothing was "
            "changed."
        ) from None
    try:
        yield
    finally:
        # A lost connection has released the lock already, and must not hide the block's own error.
        with suppress(psycopg.Error), connection.transaction():
            connection.execute(queries("database")["unlock"], {"lock": LOCK})


def _apply(connection: psycopg.Connection[Any], files: list[Path], wait_seconds: float) -> list[str]:
    from psycopg import errors

    done: list[str] = []
    deadline, pause = time.monotonic() + wait_seconds, PAUSE_SECONDS
    while True:
        try:
            with connection.transaction():
                limit_wait(connection, TABLE_LOCK_SECONDS)
                file = _apply_next(connection, files)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            with connection.transaction():
                who = table_lock_holders(connection, readers=True)
            if time.monotonic() + pause > deadline:
                raise StoreBusy(
                    f"The schema ashare could not be brought up to date within {wait_seconds:g} s, as others use its "
                    f"tables ({who}): it is tried again; stop them if they do not end."
                ) from None
            log.info("A schema migration waits %g s for others who use the tables (%s).", pause, who)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        else:
            if file is None:
                return done
            log.info("Applied schema migration %s", file.name)
            done.append(file.name)


def _apply_next(connection: psycopg.Connection[Any], files: list[Path]) -> Path | None:
    """Apply and record the first unapplied file, in the caller's transaction; ``None`` if there is none."""
    sql = queries("migrate")
    number = applied(connection)
    if number == len(files):
        return None
    if number > len(files):
        raise TerminalError(
            f"The schema ashare is at version {number}, newer than this code knows ({len(files)}): "
            "update the package."
        )
    connection.execute(sql["create_schema"])
    file = files[number]
    connection.execute(file.read_bytes())
    connection.execute(sql["record"], {"version": number + 1, "name": file.name})
    return file


def applied(connection: psycopg.Connection[Any]) -> int:
    """The number of applied migrations; 0 without the schema."""
    sql = queries("migrate")
    row = connection.execute(sql["is_recorded"]).fetchone()
    if row is None or row[0] is None:
        return 0
    version = connection.execute(sql["version"]).fetchone()
    return int(version[0]) if version else 0


def migration_files() -> list[Path]:
    """The files of all migrations, in order."""
    return sorted(MIGRATIONS.glob("[0-9]*.sql"))


def newest_version() -> int:
    """The version of the schema that this code knows."""
    return len(migration_files())
