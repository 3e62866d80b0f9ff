"""Stores that stay connected between two readings: no reading meets a lost session, and none is kept for long."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack

import pytest

from ashare.status import status_reader
from ashare.store import IdleStores, Store
from tests.conftest import Database


def session_of(store: Store) -> int:
    with store.transaction() as connection:
        return connection.info.backend_pid


def sessions(database: Database) -> set[int]:
    rows = database.rows(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'ashare' AND datname = current_database()"
    )
    return {pid for (pid,) in rows}


def gone(database: Database, pid: int) -> bool:
    deadline = time.monotonic() + 20
    while pid in sessions(database) and time.monotonic() < deadline:
        time.sleep(0.05)
    return pid not in sessions(database)


def lend(idle: IdleStores, database: Database, key: str = "one") -> int:
    with idle.lend(key, lambda: Store(database.connect)) as store, status_reader(store) as reader:
        reader.bounds()
        return session_of(store)


def test_the_next_reading_goes_over_the_same_session(database: Database) -> None:
    idle = IdleStores()
    first = lend(idle, database)
    assert lend(idle, database) == first
    assert lend(idle, database, "another connection") != first


def test_two_readings_at_once_share_no_session(database: Database) -> None:
    idle = IdleStores()
    with ExitStack() as both:
        pids = {session_of(both.enter_context(idle.lend("one", lambda: Store(database.connect)))) for _ in range(6)}
        assert len(pids) == 6
    assert len(sessions(database) & pids) == 4, "more than a few are kept"


def test_a_session_that_the_server_ended_is_replaced(database: Database) -> None:
    idle = IdleStores()
    first = lend(idle, database)
    database.rows("SELECT pg_terminate_backend(%s)", first)
    assert gone(database, first)
    assert lend(idle, database) != first


def test_a_session_that_does_not_answer_is_replaced(database: Database) -> None:
    idle = IdleStores()
    frozen = lend(idle, database)
    os.kill(frozen, signal.SIGSTOP)
    try:
        assert lend(idle, database) != frozen
    finally:
        os.kill(frozen, signal.SIGCONT)


def test_a_store_that_failed_is_closed(database: Database) -> None:
    idle = IdleStores()
    with pytest.raises(LookupError), idle.lend("one", lambda: Store(database.connect)) as store:
        failed = session_of(store)
        raise LookupError
    assert gone(database, failed)
    assert lend(idle, database) != failed


def test_a_store_that_nobody_borrows_is_closed(database: Database) -> None:
    idle = IdleStores(seconds=0.2)
    assert gone(database, lend(idle, database))
    assert lend(idle, database)
