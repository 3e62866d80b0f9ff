"""The number of requests of each day is that of the ledger's rows, whoever changes them, and nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ashare.store import Store
from tests.conftest import Database

Statement = Callable[[psycopg.Connection[Any]], object]

NOON = "'2026-03-02 12:00+08'::timestamptz"
INSERT = (
    "INSERT INTO ashare.source_request (requested_at, method, detail, who) "
    f"SELECT {NOON} + make_interval(hours => %s + n * %s), 'login', '', 'me' FROM generate_series(1, %s) AS n"
)
DELETE = f"DELETE FROM ashare.source_request WHERE requested_at > {NOON} + make_interval(hours => %s)"
COUNTED = "SELECT day, sum(requests) FROM ashare.request_count GROUP BY 1 HAVING sum(requests) <> 0 ORDER BY 1"
HELD = """SELECT (requested_at AT TIME ZONE 'Asia/Shanghai')::date, count(*)
FROM ashare.source_request GROUP BY 1 ORDER BY 1"""
USED = f"SELECT used_today FROM ashare.source_limit_at({NOON})"


@pytest.fixture(autouse=True)
def _schema(database: Database) -> None:
    Store(database.connect).migrate()


def assert_counted(connection: psycopg.Connection[Any]) -> None:
    assert connection.execute(COUNTED).fetchall() == connection.execute(HELD.encode()).fetchall()


def done(statement: str, *values: object) -> Statement:
    return lambda connection: connection.execute(statement.encode(), values)


hours = st.sampled_from([0, 1, 11, 12, 30])
statements: st.SearchStrategy[Statement] = st.one_of(
    st.builds(lambda *values: done(INSERT, *values), hours, hours, st.integers(0, 4)),
    st.builds(lambda hour: done(DELETE, hour), hours),
    st.builds(
        lambda by, hour: done(
            "UPDATE ashare.source_request SET requested_at = requested_at + make_interval(hours => %s) "
            f"WHERE requested_at >= {NOON} + make_interval(hours => %s)",
            by,
            hour,
        ),
        hours,
        hours,
    ),
    st.sampled_from(["UPDATE ashare.source_request SET outcome = 'ok'", "TRUNCATE ashare.source_request"]).map(done),
)
groups = st.lists(
    st.tuples(st.lists(statements, min_size=1, max_size=4), st.sampled_from(["commit", "rollback", "savepoint"])),
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups)
def test_the_count_is_that_of_the_rows(database: Database, groups: list[tuple[list[Statement], str]]) -> None:
    with database.connect() as connection:
        connection.execute("TRUNCATE ashare.source_request")
        for some, ends in groups:
            connection.execute("SAVEPOINT before")
            for statement in some:
                statement(connection)
                assert_counted(connection)
            if ends == "savepoint":
                connection.execute("ROLLBACK TO before")
            elif ends == "rollback":
                connection.rollback()
            else:
                connection.commit()
            assert_counted(connection)


def test_the_limit_at_a_moment_is_of_the_moments_day(database: Database) -> None:
    database.do(INSERT, -24, 0, 2)
    database.do(INSERT, -12, 0, 3)  # midnight
    database.do(INSERT, 11, 0, 4)
    database.do(INSERT, 12, 0, 5)
    assert database.rows(USED) == [(7,)]
    at = "SELECT used_today FROM ashare.source_limit_at('{}+08')"
    days = ("2026-03-01 23:59:59", "2026-03-02 00:00", "2026-03-02 23:59:59", "2026-03-03 00:00", "2026-03-04 00:00")
    assert [database.rows(at.format(day)) for day in days] == [[(n,)] for n in (2, 7, 7, 5, 0)]


def test_nobody_waits_for_an_open_transaction_and_nothing_is_lost(database: Database) -> None:
    database.do(INSERT, 0, 0, 5)
    with database.connect() as person, database.connect() as other:
        person.execute("DELETE FROM ashare.source_request WHERE id <= 2")
        other.execute("SET lock_timeout = '2s'")
        other.execute(INSERT.encode(), (0, 0, 1))
        assert other.execute(USED.encode()).fetchone() == (6,)  # the deletion is not committed
        with database.connect() as third:
            third.execute("SET lock_timeout = '2s'")
            third.execute(INSERT.encode(), (0, 0, 10))
        assert other.execute(USED.encode()).fetchone() == (16,)
        other.rollback()
        assert_counted(person)
    assert database.rows(USED) == [(13,)]
    with database.connect() as connection:
        assert_counted(connection)


def test_many_sessions_at_once_are_all_counted(database: Database) -> None:
    ready = threading.Barrier(6)

    def send(n: int) -> None:
        with database.connect() as connection:
            connection.autocommit = True
            ready.wait()
            for _ in range(40):
                connection.execute(INSERT.encode(), (0, 0, 1))
            if n % 2:
                connection.execute("DELETE FROM ashare.source_request WHERE id %% 3 = %s", (n // 2,))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(send, range(6)))
    with database.connect() as connection:
        assert_counted(connection)
        ((parts,),) = connection.execute("SELECT count(*) FROM ashare.request_count").fetchall()
    assert parts <= 6  # never more than there were sessions at once


def test_a_days_requests_leave_one_row_and_few_pages(database: Database) -> None:
    with database.connect() as connection:
        connection.autocommit = True
        for _ in range(1000):
            connection.execute(INSERT.encode(), (0, 0, 1))
        assert connection.execute("SELECT count(*) FROM ashare.request_count").fetchall() == [(1,)]
        # Each version takes the place of one before: no other version is kept, and no index entry is made.
        size = "SELECT pg_relation_size('ashare.request_count') + pg_relation_size('ashare.request_count_pkey')"
        ((taken,),) = connection.execute(size).fetchall()
    assert taken <= 8 * 8192
