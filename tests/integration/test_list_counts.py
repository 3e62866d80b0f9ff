"""The triggers of the weekly lists: after whatever changes spans or snapshots, each knows how many rows cover it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Database, Databases
from tests.waiting import until

Statement = Callable[[psycopg.Connection[Any]], object]

LISTS = ("index_member", "industry", "security_name")
WRONG = """
WITH span AS (
    SELECT 'index_member' AS dataset, start_date, end_date FROM ashare.index_member
    UNION ALL SELECT 'industry', start_date, end_date FROM ashare.industry
    UNION ALL SELECT 'security_name', start_date, end_date FROM ashare.security_name
)
SELECT s.dataset, s.as_of, s.loaded, count(p.dataset)
FROM ashare.snapshot s
LEFT JOIN span p ON p.dataset = s.dataset AND p.start_date <= s.as_of AND (p.end_date IS NULL OR p.end_date > s.as_of)
GROUP BY s.dataset, s.as_of HAVING s.loaded <> count(p.dataset)
"""
MONDAY = date(2025, 1, 6)
SPAN = {
    "index_member": "(index_code, code, start_date, end_date) VALUES ('sh.000300', %s, %s, %s)",
    "industry": "(classification, code, start_date, end_date) VALUES ('c', %s, %s, %s)",
    "security_name": "(name, code, start_date, end_date) VALUES ('n', %s, %s, %s)",
}


def monday(week: int) -> date:
    return MONDAY + timedelta(weeks=week)


def span(dataset: str, code: str, start: int, weeks: int | None) -> Statement:
    values = (code, monday(start), None if weeks is None else monday(start + weeks))
    statement = f"INSERT INTO ashare.{dataset} {SPAN[dataset]} ON CONFLICT DO NOTHING"
    return lambda connection: connection.execute(statement.encode(), values)


def snapshot(dataset: str, week: int) -> Statement:
    statement = """
        INSERT INTO ashare.snapshot (dataset, as_of, rows, update_date, loaded) VALUES (%s, %s, 3, %s, 77)
        ON CONFLICT (dataset, as_of) DO UPDATE SET rows = 2
    """
    return lambda connection: connection.execute(statement, (dataset, monday(week), monday(week)))


def done(statement: str, *values: object) -> Statement:
    return lambda connection: connection.execute(statement.encode(), values)


datasets, codes, weeks = st.sampled_from(LISTS), st.sampled_from("abc"), st.integers(0, 5)
WIDER = "SET start_date = start_date - %s, end_date = end_date + %s"
MOVED = "UPDATE ashare.snapshot SET dataset = %s WHERE dataset = %s AND as_of > %s"
statements: st.SearchStrategy[Statement] = st.one_of(
    st.builds(span, datasets, codes, weeks, st.none() | st.integers(1, 4)),
    st.builds(snapshot, datasets, weeks),
    st.builds(lambda name, code: done(f"DELETE FROM ashare.{name} WHERE code = %s", code), datasets, codes),
    st.builds(
        lambda name, day: done(f"DELETE FROM ashare.{name} WHERE start_date >= %s", day), datasets, weeks.map(monday)
    ),
    st.builds(lambda name, by: done(f"UPDATE ashare.{name} {WIDER}", by, by), datasets, st.sampled_from([0, 7])),
    st.builds(
        lambda name, day: done(f"UPDATE ashare.{name} SET end_date = NULL WHERE start_date = %s", day),
        datasets,
        weeks.map(monday),
    ),
    st.builds(lambda old, new: done(MOVED, new, old, MONDAY), datasets, datasets),
    st.just(done("UPDATE ashare.snapshot SET as_of = as_of + 70, update_date = update_date + 70")),
    st.builds(lambda name: done(f"TRUNCATE ashare.{name}"), datasets),
)


class Undo(Exception):
    """Rolls a transaction back."""


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Any:
    """A database for all examples, each of which empties it."""
    with databases.copied("migrated") as made, made.connect() as connection:
        connection.autocommit = True
        yield connection


@given(st.lists(st.tuples(statements, st.booleans()), max_size=12))
@settings(max_examples=150)
def test_each_snapshot_knows_the_rows_that_cover_it(
    shared: psycopg.Connection[Any], chosen: list[tuple[Statement, bool]]
) -> None:
    shared.execute("TRUNCATE ashare.snapshot, ashare.index_member, ashare.industry, ashare.security_name")
    for dataset in LISTS:
        span(dataset, "a", 0, None)(shared)
        snapshot(dataset, 1)(shared)
    for statement, is_kept in chosen:
        try:
            with shared.transaction():
                statement(shared)
                assert shared.execute(WRONG).fetchall() == []
                if not is_kept:
                    raise Undo
        except (psycopg.errors.UniqueViolation, Undo):
            pass
        assert shared.execute(WRONG).fetchall() == []


def test_a_snapshot_and_a_change_of_spans_beside_it_wait_for_each_other(database: Database) -> None:
    """Neither session sees the other's rows before it commits."""
    with database.connect() as deleting, database.connect() as loading, ThreadPoolExecutor() as beside:
        for code in "abc":
            span("industry", code, 0, None)(deleting)
        deleting.commit()
        deleting.execute("DELETE FROM ashare.industry WHERE code = 'a'")
        loaded = beside.submit(snapshot("industry", 1), loading)
        until(lambda: bool(database.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")))
        deleting.commit()
        loaded.result(timeout=30)
        deleted = beside.submit(deleting.execute, "DELETE FROM ashare.industry WHERE code = 'b'")
        until(lambda: bool(database.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")))
        loading.commit()
        deleted.result(timeout=30)
        deleting.commit()
    assert database.rows("SELECT loaded FROM ashare.snapshot") == [(1,)]
    assert database.rows(WRONG) == []


def test_lists_are_written_as_of_now_or_not_at_all(database: Database) -> None:
    with database.connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with pytest.raises(psycopg.errors.RaiseException, match="READ COMMITTED"):
            span("industry", "a", 0, None)(connection)
