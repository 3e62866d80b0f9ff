"""The triggers of ``row_count``: after whatever changes the bars or the kinds, the counts are those of the rows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Database, Databases, MakeRun
from tests.integration.trade_date import DAY, complete
from tests.waiting import until

Statement = Callable[[psycopg.Connection[Any]], object]

DIFFERENCE = """
SELECT dataset, partition, c.loaded, b.bars
FROM (SELECT * FROM ashare.loaded_rows('-infinity', 'infinity') WHERE dataset <> 'adjust_factor') AS c
FULL JOIN (
    SELECT coalesce(s.kind, 'stock') || '_bar', b.trade_date, count(*)
    FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code) GROUP BY 1, 2
) AS b (dataset, partition, bars) USING (dataset, partition)
WHERE c.loaded IS DISTINCT FROM b.bars
"""
STALE = """
WITH told AS (
    SELECT * FROM ashare.date_summaries('-infinity', 'infinity')
), fresh AS (
    SELECT * FROM ashare.summary_of(ARRAY(SELECT partition FROM ashare.loaded_rows('-infinity', 'infinity')
                                          UNION SELECT partition FROM ashare.counted_partition
                                          UNION SELECT calendar_date FROM ashare.trade_calendar WHERE is_trading_day))
)
(TABLE told EXCEPT TABLE fresh) UNION ALL (TABLE fresh EXCEPT TABLE told)
"""
STALE_YEARS = """
WITH told AS (
    SELECT * FROM ashare.year_summaries(%(first)s, %(last)s) WHERE days <> '{}'
), fresh AS (
    SELECT extract(year FROM trade_date)::integer, complete, is_counted, is_closed, is_session, holds_bars,
           array_agg(trade_date ORDER BY trade_date)
    FROM ashare.date_summaries(%(first)s, %(last)s) GROUP BY 1, 2, 3, 4, 5, 6
)
(TABLE told EXCEPT TABLE fresh) UNION ALL (TABLE fresh EXCEPT TABLE told)
"""
RANGES = (("-infinity", "infinity"), ("2025-01-02", "2025-02-02"), ("2025-02-02", "2026-01-06"))
WRONG_AT_SIGHT = """
WITH sight AS (
    SELECT day, state FROM ashare.dates_at_sight(%(datasets)s, '-infinity', 'infinity'), unnest(days) AS day
), derived AS (
    SELECT * FROM ashare.trade_date_state(%(datasets)s, '-infinity', 'infinity', '-infinity', 'infinity', '{}')
)
SELECT day, state FROM sight s
WHERE state IN ('complete', 'closed')
  AND NOT EXISTS (SELECT FROM derived d WHERE d.trade_date = s.day AND d.coverage = s.state)
UNION ALL
SELECT trade_date, coverage FROM derived d
WHERE (is_recorded OR coverage NOT IN ('closed', 'missing', 'unpublished')
       OR EXISTS (SELECT FROM ashare.trade_calendar c WHERE c.calendar_date = d.trade_date AND c.is_trading_day))
  AND NOT EXISTS (SELECT FROM sight s WHERE s.day = d.trade_date)
  AND NOT EXISTS (SELECT FROM ashare.work w WHERE w.partition = d.trade_date)
"""
ASKED = (["stock_bar", "adjust_factor"], ["stock_bar", "index_bar", "etf_bar", "adjust_factor"])
INSERT = """
INSERT INTO ashare.daily_bar (trade_date, code, is_trading)
SELECT date '2025-01-01' + %(day)s + n, code, true FROM generate_series(0, %(days)s) n,
     unnest(%(codes)s::text[]) AS c (code)
ON CONFLICT (trade_date, code) DO
"""
CONTENT = """
SELECT v.partition::text, v.version, b.content
FROM (SELECT partition, array_agg((dataset, version)::text ORDER BY dataset) AS version
      FROM ashare.row_versions('-infinity', 'infinity') WHERE dataset <> 'adjust_factor' GROUP BY 1) AS v
JOIN (SELECT trade_date, array_agg((b.code, b.close, coalesce(s.kind, 'stock'))::text ORDER BY b.code) AS content
      FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code) GROUP BY 1) AS b ON b.trade_date = v.partition
"""
TABLES = "TRUNCATE ashare.daily_bar, ashare.security, ashare.counted_partition, ashare.trade_calendar, ashare.work"


def assert_counted(connection: psycopg.Connection[Any]) -> None:
    assert connection.execute(DIFFERENCE).fetchall() == []
    assert connection.execute(STALE).fetchall() == []


def assert_versions(connection: psycopg.Connection[Any], seen: dict[tuple[str, ...], object]) -> None:
    """The same version of a date has the same rows, now and in each earlier state in ``seen``."""
    for day, version, content in connection.execute(CONTENT).fetchall():
        assert seen.setdefault((day, *version), content) == content, day


def assert_summarised(connection: psycopg.Connection[Any]) -> None:
    for first, last in RANGES:
        assert connection.execute(STALE_YEARS, {"first": first, "last": last}).fetchall() == []
    for asked in ASKED:
        assert connection.execute(WRONG_AT_SIGHT, {"datasets": asked}).fetchall() == []


def insert(
    connection: psycopg.Connection[Any], *codes: str, day: int = 0, days: int = 0, then: str = "NOTHING"
) -> None:
    connection.execute((INSERT + then).encode(), {"codes": list(codes), "day": day, "days": days})


def list_security(connection: psycopg.Connection[Any], code: str, kind: str) -> None:
    connection.execute(
        "INSERT INTO ashare.security (code, kind) VALUES (%s, %s) "
        "ON CONFLICT (code) DO UPDATE SET kind = excluded.kind",
        (code, kind),
    )


# ---------------------------------------------------------------------- any sequence of statements

codes = st.sampled_from(["sh.600000", "sh.000001", "sh.510300"])
days = st.integers(0, 2)
kinds = st.sampled_from(["stock", "index", "etf", "bond"])
datasets = st.sampled_from(["stock_bar", "index_bar", "etf_bar", "adjust_factor"])


def inserted(chosen: list[str], day: int, more: int, then: str) -> Statement:
    return lambda connection: insert(connection, *chosen, day=day, days=more, then=then)


def copied(code: str, day: int) -> Statement:
    def copy(connection: psycopg.Connection[Any]) -> None:
        with connection.cursor().copy("COPY ashare.daily_bar (trade_date, code, is_trading) FROM STDIN") as rows:
            rows.write(f"2025-02-{day + 1:02}\t{code}\tt\n2025-03-{day + 1:02}\t{code}\tt\n")

    return copy


def done(statement: str, *values: object) -> Statement:
    return lambda connection: connection.execute(statement.encode(), values)


UPSERTS = ["NOTHING", "UPDATE SET close = 1", "UPDATE SET trade_date = daily_bar.trade_date + 40"]
FIRST = "date '2025-01-01' + %s"
COUNT = f"""
INSERT INTO ashare.counted_partition (dataset, partition, expected, rows, missing, is_closed, counted_at)
SELECT %s, {FIRST} + n, 2, %s, %s, %s, now() FROM generate_series(0, 1) n
ON CONFLICT (dataset, partition) DO UPDATE SET rows = excluded.rows, missing = excluded.missing
"""
CALENDAR = "INSERT INTO ashare.trade_calendar (calendar_date, is_trading_day) SELECT"
DAYS = """FROM generate_series(0, 2) n
ON CONFLICT (calendar_date) DO UPDATE SET is_trading_day = excluded.is_trading_day, fetched_at = now()
"""
statements: st.SearchStrategy[Statement] = st.one_of(
    st.builds(inserted, st.lists(codes, min_size=1, max_size=3, unique=True), days, days, st.sampled_from(UPSERTS)),
    st.builds(copied, codes, days),
    st.builds(lambda code: done("DELETE FROM ashare.daily_bar WHERE code = %s", code), codes),
    st.builds(lambda day: done(f"DELETE FROM ashare.daily_bar WHERE trade_date <= {FIRST}", day), days),
    st.builds(
        lambda code, by: done(
            "UPDATE ashare.daily_bar SET trade_date = trade_date + %s::int WHERE code = %s", by, code
        ),
        codes,
        st.sampled_from([0, 50, 369]),  # the last is the first day of ETFs
    ),
    st.builds(lambda old, new: done("UPDATE ashare.daily_bar SET code = %s WHERE code = %s", new, old), codes, codes),
    st.builds(lambda code: done("UPDATE ashare.daily_bar SET close = 2 WHERE code = %s", code), codes),
    st.builds(lambda code, kind: lambda connection: list_security(connection, code, kind), codes, kinds),
    st.builds(lambda code: done("DELETE FROM ashare.security WHERE code = %s", code), codes),
    st.builds(lambda old, new: done("UPDATE ashare.security SET code = %s WHERE code = %s", new, old), codes, codes),
    st.builds(lambda kind: done("UPDATE ashare.security SET kind = %s", kind), kinds),
    st.builds(
        lambda *values: done(COUNT, *values),
        datasets,
        days,
        st.integers(0, 2),
        st.sampled_from([0, 0, 1]),
        st.booleans(),
    ),
    st.builds(
        lambda dataset: done("UPDATE ashare.counted_partition SET problem = 'doubt' WHERE dataset = %s", dataset),
        datasets,
    ),
    st.builds(lambda day: done(f"DELETE FROM ashare.counted_partition WHERE partition = {FIRST}", day), days),
    st.builds(lambda day, by: done(f"{CALENDAR} {FIRST} + n, n %% 2 = %s {DAYS}", day, by), days, st.integers(0, 2)),
    st.builds(lambda day: done(f"{CALENDAR} {FIRST} + 369 + n, true {DAYS}", day), days),
    st.builds(lambda by: done("UPDATE ashare.trade_calendar SET calendar_date = calendar_date + %s::int", by), days),
    st.builds(lambda day: done(f"DELETE FROM ashare.trade_calendar WHERE calendar_date <= {FIRST}", day), days),
    st.builds(
        lambda dataset, day: done(
            f"INSERT INTO ashare.work (dataset, partition, run_id) VALUES (%s, {FIRST}, 'r') ON CONFLICT DO NOTHING",
            dataset,
            day,
        ),
        datasets,
        days,
    ),
    st.sampled_from(["daily_bar", "security", "counted_partition", "trade_calendar", "work"]).map(
        lambda name: done(f"TRUNCATE ashare.{name}")
    ),
    st.just(done("SELECT ashare.fold_row_count_changes()")),
)
groups = st.lists(
    st.tuples(st.lists(statements, min_size=1, max_size=4), st.sampled_from(["commit", "rollback", "savepoint"])),
    max_size=6,
)


class Undo(Exception):
    """Rolls a transaction or a savepoint back."""


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Any:
    """A database for all examples, each of which empties it."""
    with databases.copied("migrated") as made, made.connect() as connection:
        connection.autocommit = True
        yield connection


@given(groups)
@settings(max_examples=200)
def test_the_counts_are_those_of_the_rows(
    shared: psycopg.Connection[Any], groups: list[tuple[list[Statement], str]]
) -> None:
    shared.execute(TABLES)
    seen: dict[tuple[str, ...], object] = {}
    for code, kind in (("sh.600000", "stock"), ("sh.000001", "index")):
        list_security(shared, code, kind)
        insert(shared, code, "sh.510300", days=2)
    for group, end in groups:
        try:
            with shared.transaction():
                for statement in group:
                    try:
                        with shared.transaction():
                            statement(shared)
                            assert_counted(shared)
                            assert_versions(shared, seen)
                            if end == "savepoint":
                                raise Undo
                    except (psycopg.errors.UniqueViolation, Undo):  # back to the savepoint
                        assert_counted(shared)
                if end == "rollback":
                    raise Undo
        except Undo:
            pass
        assert_counted(shared)
        assert_versions(shared, seen)
    assert_summarised(shared)


# ---------------------------------------------------------------------- one by one


@pytest.mark.parametrize(
    "change", ["DELETE FROM ashare.daily_bar", "UPDATE ashare.counted_partition SET problem = 'doubt'"]
)
def test_a_change_that_another_session_folds_beside_is_not_lost(database: Database, change: str) -> None:
    """A summary that is made before the change is committed knows nothing of it."""
    with database.connect() as connection:
        insert(connection, "sh.600000")
        done(COUNT, "stock_bar", 0, 1, 0, False)(connection)
        done("DELETE FROM ashare.counted_partition WHERE partition > '2025-01-01'")(connection)
        done("SELECT ashare.fold_row_count_changes()")(connection)

    def complete_days() -> list[tuple[Any, ...]]:
        return database.rows(
            "SELECT trade_date::text FROM ashare.date_summaries('-infinity', 'infinity') "
            "WHERE complete = '{stock_bar}'"
        )

    assert complete_days() == [("2025-01-01",)]
    with database.connect() as changing:
        changing.execute(change.encode())
        database.do(
            "INSERT INTO ashare.row_count_change (dataset, partitions, changes) "
            "VALUES ('stock_bar', '{2025-01-01}', '{0}')"
        )
        database.do("SELECT ashare.fold_row_count_changes()")
        assert complete_days() == [("2025-01-01",)]
    assert complete_days() == []
    database.do("SELECT ashare.fold_row_count_changes()")
    assert database.rows("SELECT count(*) FROM ashare.row_count_change") == [(0,)]
    assert complete_days() == []


@pytest.mark.parametrize("table", ["counted_partition", "daily_bar", "trade_calendar"])
def test_a_table_that_is_emptied_leaves_no_summary_behind(database: Database, table: str) -> None:
    with database.connect() as connection:
        insert(connection, "sh.600000")
        done(COUNT, "stock_bar", 0, 1, 0, False)(connection)
        done(f"{CALENDAR} {FIRST} + n, true {DAYS}", 0)(connection)
        done("SELECT ashare.fold_row_count_changes()")(connection)
        connection.execute(f"TRUNCATE ashare.{table}".encode())
        assert_counted(connection)
        assert_summarised(connection)
        done("SELECT ashare.fold_row_count_changes()")(connection)
        assert_counted(connection)
        assert_summarised(connection)


def test_many_statements_are_folded(database: Database) -> None:
    with database.connect() as connection:
        list_security(connection, "sh.000001", "index")
        for day in range(120):
            insert(connection, "sh.600000", "sh.000001", day=day)
            connection.execute("DELETE FROM ashare.daily_bar WHERE trade_date = date '2025-01-01' + %s - 1", (day,))
            connection.commit()
            assert_counted(connection)
            row = connection.execute("SELECT count(*) FROM ashare.row_count_change").fetchone()
            assert row is not None
            assert row[0] <= 52
    assert database.rows("SELECT count(*) > 0 FROM ashare.row_count") == [(True,)]


def test_a_date_that_is_recorded_leaves_no_changes_to_readers(make_run: MakeRun, database: Database) -> None:
    assert complete(make_run(DAY)) == "success"
    assert database.rows("SELECT count(*) FROM ashare.row_count_change") == [(0,)]
    with database.connect() as connection:
        assert_counted(connection)


def test_a_merge_of_changed_values_counts_nothing(database: Database) -> None:
    with database.connect() as connection:
        insert(connection, "sh.600000", "sz.000001", days=3)
        insert(connection, "sh.600000", "sz.000001", days=3, then="UPDATE SET close = 3")
        connection.execute("UPDATE ashare.daily_bar SET code = code, trade_date = trade_date, close = 4")
    changes = database.rows("SELECT dataset, changes, salt <> 0 FROM ashare.row_count_change ORDER BY id")
    assert changes == [("stock_bar", [change] * 4, True) for change in (2, 0, 0)]
    assert {row[0] for row in database.rows("SELECT loaded FROM ashare.loaded_rows('-infinity', 'infinity')")} == {2}


def test_facts_change_no_version(database: Database) -> None:
    with database.connect() as connection:
        insert(connection, "sh.600000")
        versions = connection.execute("SELECT * FROM ashare.row_versions('-infinity', 'infinity')").fetchall()
        done(COUNT, "stock_bar", 0, 1, 0, False)(connection)
        done("UPDATE ashare.counted_partition SET problem = 'doubt'")(connection)
        assert connection.execute("SELECT * FROM ashare.row_versions('-infinity', 'infinity')").fetchall() == versions
        done("SELECT ashare.fold_row_count_changes()")(connection)
        assert connection.execute("SELECT * FROM ashare.row_versions('-infinity', 'infinity')").fetchall() == versions


def test_a_change_that_is_committed_late_changes_the_version(database: Database) -> None:
    """Its running number and its clock are older than those of a change that is there already."""
    with database.connect() as connection:
        insert(connection, "sh.600000", "sz.000001")
    with database.connect() as late:
        late.execute("UPDATE ashare.daily_bar SET close = 3 WHERE code = 'sh.600000'")
        database.do("UPDATE ashare.daily_bar SET close = 4 WHERE code = 'sz.000001'")
        before = database.rows("SELECT version FROM ashare.row_versions('-infinity', 'infinity')")
    assert database.rows("SELECT version FROM ashare.row_versions('-infinity', 'infinity')") != before


def test_whoever_empties_the_table_forgets_the_counts(database: Database) -> None:
    with database.connect() as connection:
        insert(connection, "sh.600000", days=3)
        connection.execute("TRUNCATE ashare.daily_bar")
        assert_counted(connection)
    assert database.rows("SELECT * FROM ashare.loaded_rows('-infinity', 'infinity')") == []


def test_two_sessions_count_and_fold_at_once(database: Database) -> None:
    def load(code: str) -> None:
        with database.connect() as connection:
            for day in range(80):
                insert(connection, code, day=day)
                if day % 3 == 0:
                    connection.execute("DELETE FROM ashare.daily_bar WHERE code = %s AND is_trading", (code,))
                if day % 5 == 0:
                    connection.rollback()
                connection.commit()

    over = threading.Event()

    def read() -> None:
        with database.connect() as connection:
            connection.autocommit = True
            while not over.is_set():
                assert_counted(connection)
                assert_summarised(connection)

    with ThreadPoolExecutor() as beside:
        reading = beside.submit(read)
        for loading in [beside.submit(load, code) for code in ("sh.600000", "sh.000001", "sz.000001")]:
            loading.result(timeout=60)
        over.set()
        reading.result(timeout=60)


def test_a_kind_that_changes_while_another_session_loads_bars(database: Database) -> None:
    """Neither session sees the other's rows before it commits."""
    with database.connect() as loading, database.connect() as listing, ThreadPoolExecutor() as beside:
        insert(loading, "sh.000001", days=3)
        listed = beside.submit(list_security, listing, "sh.000001", "index")
        until(
            lambda: (
                database.rows(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = "
                    "(SELECT oid FROM pg_database WHERE datname = current_database())"
                )
                == [(1,)]
            )
        )
        loading.commit()
        listed.result(timeout=30)
        inserting = beside.submit(insert, loading, "sh.000001", day=9)
        until(lambda: bool(database.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")))
        listing.commit()
        inserting.result(timeout=30)
        loading.commit()
        assert_counted(loading)
    assert database.rows("SELECT DISTINCT dataset FROM ashare.loaded_rows('-infinity', 'infinity')") == [
        ("index_bar",)
    ]


def test_a_list_of_securities_that_changes_no_kind_waits_for_nobody(database: Database) -> None:
    with database.connect() as loading, database.connect() as listing:
        list_security(loading, "sh.000001", "index")
        loading.commit()
        insert(loading, "sh.000001", "sh.600000")
        listing.execute("SET lock_timeout = '1s'")
        list_security(listing, "sh.000001", "index")
        list_security(listing, "sh.600000", "stock")
        listing.commit()
        loading.commit()
        assert_counted(loading)


@pytest.mark.parametrize("table", ["daily_bar", "security"])
def test_bars_of_a_kind_that_is_not_loaded_are_forgotten_with_the_others(database: Database, table: str) -> None:
    with database.connect() as connection:
        list_security(connection, "sh.000001", "index")
        insert(connection, "sh.000001", "sh.600000", days=2)
        list_security(connection, "sh.000001", "bond")
        assert_counted(connection)
        connection.execute(f"TRUNCATE ashare.{table}".encode())
        assert_counted(connection)
