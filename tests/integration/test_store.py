"""The schema and the merge, on a real PostgreSQL."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from ashare.errors import InvalidInput, SourceBusy, StoreBusy, StoreRefused, StoreUnavailable, TerminalError
from ashare.store import Batch, Store, bar_merge, migrate, new_bars
from ashare.store.accepted import ROWS_CHANGED
from ashare.store.migrate import MIGRATIONS
from ashare.store.new_bars import Place
from ashare.store.queries import queries
from ashare.store.rows import BatchRows, MergeCounts, Plan
from ashare.store.work import Scope
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at
from tests.integration.trade_date import MARKET, complete
from tests.waiting import until

DAY = date(2026, 3, 2)
PLAN = Plan(str(DAY), DAY, "run")
FILES = [file.name for file in sorted(MIGRATIONS.glob("*.sql"))]

LINE = "2026-03-02 {code} 9.69 9.77 9.58 {close} 9.72 73404604 710795803.74 0.2204 -0.4115 1 0 \\N \\N \\N \\N"


WAITS = """locktype = 'advisory' AND NOT granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (classid::bigint << 32) | objid::bigint = hashtextextended('ashare merge', 0)"""


def bar(code: str, close: str = "9.68") -> str:
    return LINE.format(code=code, close=close).replace(" ", "\t") + "\n"


@pytest.fixture
def store(database: Database) -> Store:
    made = Store(database.connect)
    made.migrate()
    return made


def load(store: Store, *lines: str, run_id: str = "run") -> MergeCounts:
    (batch,) = store.batches.replace(PLAN, [Batch("stock", "market_day", None, "stocks")])
    rows = BatchRows(io.StringIO("".join(lines)), len(lines))
    return store.bars.load(replace(PLAN, run_id=run_id), batch.batch_no, rows)


# ---------------------------------------------------------------------- migrations


def test_migrating_twice_changes_nothing(bare_database: Database) -> None:
    with bare_database.connect() as connection:
        assert migrate(connection) == FILES
        assert migrate(connection) == []
    assert bare_database.rows("SELECT version, name FROM ashare.schema_migration") == list(enumerate(FILES, start=1))


def test_a_database_of_the_first_version_goes_on_with_what_it_holds(
    database: Database, make_run: MakeRun, emulator: Emulator
) -> None:
    database.do("DROP SCHEMA ashare CASCADE")
    with database.connect() as connection:  # as that version left it
        connection.execute(queries("migrate")["create_schema"])
        connection.execute((MIGRATIONS / FILES[0]).read_bytes())
        connection.execute(queries("migrate")["record"], {"version": 1, "name": FILES[0]})
    database.do(
        "INSERT INTO ashare.sync_status (trade_date, status, kinds, finished_at) "
        "VALUES ('2025-09-30', 'success', '{stock,index}', now() - interval '2 days')"
    )
    database.do(
        "INSERT INTO ashare.daily_bar (trade_date, code, is_trading) VALUES ('2025-09-30', 'sh.600000', true)"
    )
    run = make_run("2025-10-09", now=at("2025-10-10T09:00"))  # brings it up to date
    assert complete(run) == "success"
    asked = [request.params["date"] for request in emulator.requests if request.method == MARKET]
    assert asked == ["2025-10-09", "2025-09-30"]  # what an earlier version loaded is read again, too
    assert database.rows("SELECT revised FROM ashare.sync_status WHERE trade_date = '2025-09-30'") == [(1,)]


def test_many_may_migrate_at_once(bare_database: Database) -> None:
    ready, done = threading.Barrier(6), []

    def start() -> None:
        with bare_database.connect() as connection:
            ready.wait()
            done.append(migrate(connection))

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [[]] * 5 + [FILES]


def test_a_database_newer_than_the_code_is_refused(store: Store, database: Database) -> None:
    database.do("INSERT INTO ashare.schema_migration VALUES (999, 'future.sql')")
    with database.connect() as connection, pytest.raises(TerminalError, match="newer than this code"):
        migrate(connection)


def test_without_the_right_to_create_a_schema_the_sentence_says_what_to_grant(bare_database: Database) -> None:
    bare_database.do("CREATE ROLE nobody_much LOGIN")
    try:
        weak = Store(lambda: psycopg.connect(bare_database.connect().info.dsn, user="nobody_much"))
        with pytest.raises(InvalidInput) as refused, weak:
            weak.migrate()
        assert f"GRANT CREATE ON DATABASE {bare_database.name} TO nobody_much" in str(refused.value)
        Store(bare_database.connect).migrate()
        with pytest.raises(InvalidInput, match="nobody_much lacks a right in the schema ashare"), weak:
            weak.calendar.session(DAY)
    finally:
        weak.close()
        bare_database.do("DROP ROLE nobody_much")


def test_every_table_and_column_says_what_it_holds(store: Store, database: Database) -> None:
    silent = database.rows(
        """SELECT c.relname, a.attname FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND (a.attnum > 0 AND NOT a.attisdropped)
           WHERE c.relnamespace = 'ashare'::regnamespace AND c.relkind IN ('r', 'v')
             AND c.relname <> 'schema_migration'
             AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)"""
    )
    assert silent == []


def test_no_number_is_kept_as_floating_point(store: Store, database: Database) -> None:
    inexact = database.rows(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'ashare' AND data_type IN ('real', 'double precision')"
    )
    assert inexact == []


# ---------------------------------------------------------------------- the merge


def test_new_equal_and_changed_rows(store: Store, database: Database) -> None:
    assert load(store, bar("sh.600000"), bar("sh.600004")) == MergeCounts(2, 0, 0)
    written = database.rows("SELECT code, loaded_at, ctid FROM ashare.daily_bar ORDER BY code")

    # 9.680 is the same number: an equal value writes nothing.
    assert load(store, bar("sh.600000", "9.680"), bar("sh.600004")) == MergeCounts(0, 0, 2)
    assert database.rows("SELECT code, loaded_at, ctid FROM ashare.daily_bar ORDER BY code") == written
    assert database.rows("SELECT count(*) FROM ashare.bar_revision") == [(0,)]

    assert load(store, bar("sh.600000"), bar("sh.600004", "9.70"), run_id="later") == MergeCounts(0, 1, 1)
    assert database.rows("SELECT close FROM ashare.daily_bar WHERE code = 'sh.600004'") == [(Decimal("9.70"),)]
    assert database.rows("SELECT code, old, new, run_id FROM ashare.bar_revision") == [
        ("sh.600004", {"close": 9.68}, {"close": 9.70}, "later")
    ]


def test_a_batch_with_a_bad_line_leaves_nothing_behind(store: Store, database: Database) -> None:
    with pytest.raises(StoreRefused, match=r"does not take this \(.*COPY daily_bar, line 2"):
        load(store, bar("sh.600000"), bar("sh.600004", "not a number"))
    assert database.rows("SELECT count(*) FROM ashare.daily_bar") == [(0,)]
    assert database.rows("SELECT status FROM ashare.sync_batch") == [("pending",)]


def test_a_revision_holds_the_changed_columns_as_the_table_has_them(store: Store, database: Database) -> None:
    load(store, bar("sh.600000"), bar("sh.600004"))
    database.do("UPDATE ashare.daily_bar SET amount = 'NaN', pe_ttm = NULL WHERE code = 'sh.600004'")
    before, now = (
        {"open": None, "volume": 73404604, "amount": "NaN", "is_trading": True, "is_st": False, "pe_ttm": None},
        {"open": 9.6900, "volume": 9223372036854775807, "amount": -0.10, "is_trading": False, "is_st": None},
    )
    database.do("UPDATE ashare.daily_bar SET open = NULL WHERE code = 'sh.600004'")
    line = "2026-03-02 sh.600004 9.6900 9.77 9.58 9.68 9.72 9223372036854775807 -0.10 0.2204 -0.4115 0 _ 5.90 _ _ _\n"
    changed = line.replace(" ", "\t").replace("_", "\\N")
    assert load(store, bar("sh.600000"), changed) == MergeCounts(0, 1, 1)
    assert database.rows("SELECT old, new FROM ashare.bar_revision") == [(before, {**now, "pe_ttm": 5.90})]
    digits = "SELECT new->>'open', new->>'amount', new->>'pe_ttm' FROM ashare.bar_revision"
    assert database.rows(digits) == [("9.6900", "-0.10", "5.90")]


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The places of the batches that were copied straight into the table."""
    places: list[str] = []
    copy_new = bar_merge._copy_new

    def spy(connection: Any, batch_rows: BatchRows, place: Place, others: Any) -> MergeCounts:
        places.append(place.name)
        return copy_new(connection, batch_rows, place, others)

    monkeypatch.setattr(bar_merge, "_copy_new", spy)
    return places


def record(database: Database, day: str, code: str) -> None:
    """Record a bar as absent, rejected and blanked."""
    for statement in (
        "INSERT INTO ashare.absent_bar (trade_date, code, reason) VALUES (%s, %s, 'absent')",
        "INSERT INTO ashare.rejected_bar (trade_date, code, rule, raw) VALUES (%s, %s, 'a rule', '{}')",
        "INSERT INTO ashare.blanked_value (trade_date, code, raw) VALUES (%s, %s, '{}')",
    ):
        database.do(statement, day, code)


RECORDED = """SELECT trade_date::text, code FROM ashare.absent_bar
INTERSECT SELECT trade_date::text, code FROM ashare.rejected_bar WHERE superseded_at IS NULL
INTERSECT SELECT trade_date::text, code FROM ashare.blanked_value ORDER BY 1, 2"""


def test_a_new_date_is_copied_beside_the_indices_and_supersedes_what_is_recorded_of_its_own_bars(
    store: Store, database: Database, copied: list[str]
) -> None:
    load(store, bar("sh.000001"), bar("sh.000300"))
    kept = [("2026-02-27", "sh.600000"), ("2026-03-02", "sh.000001"), ("2026-03-02", "sh.600519")]
    for day, code in [*kept, ("2026-03-02", "sh.600000")]:
        record(database, day, code)
    accept = "INSERT INTO ashare.accepted_date (trade_date, kinds, reason, problem, accepted_by, fingerprint) "
    for day in ("2026-02-27", "2026-03-02"):
        database.do(accept + "VALUES (%s, '{stock}', '', '', 'li', '')", day)
    assert load(store, bar("sh.600000"), bar("sh.600004")) == MergeCounts(2, 0, 0, frozenset([DAY]))
    assert copied == ["of_date", "of_date"]
    assert database.rows(RECORDED) == sorted(kept)
    ended = "SELECT trade_date::text, ended_because FROM ashare.accepted_date ORDER BY 1"
    assert database.rows(ended) == [("2026-02-27", None), ("2026-03-02", ROWS_CHANGED)]
    assert database.rows("SELECT rows FROM ashare.row_versions(%s, %s)", DAY, DAY) == [(4,)]


def test_new_bars_of_one_security_are_copied_beside_its_others(
    store: Store, database: Database, copied: list[str]
) -> None:
    days = ["2026-02-25", "2026-02-26", "2026-02-27"]
    load(store, bar("sh.600000"), bar("sh.600004"))
    load(store, bar("sh.600000").replace(str(DAY), days[1]))
    kept = [(days[0], "sh.600004"), (days[1], "sh.600000"), (str(DAY), "sh.600000")]
    for day, code in [*kept, (days[2], "sh.600000")]:
        record(database, day, code)
    merged = load(store, *(bar("sh.600000").replace(str(DAY), day) for day in (days[0], days[2])))
    assert merged == MergeCounts(2, 0, 0, frozenset([date.fromisoformat(days[2])]))
    assert copied == ["of_date", "of_date", "of_code"]
    assert database.rows(RECORDED) == sorted(kept)
    assert database.rows("SELECT trade_date::text FROM ashare.daily_bar WHERE code = 'sh.600000' ORDER BY 1") == [
        (day,) for day in (*days, str(DAY))
    ]


def test_a_batch_of_which_a_bar_is_there_or_comes_twice_is_merged(
    store: Store, database: Database, copied: list[str]
) -> None:
    load(store, bar("sh.600004"))
    copied.clear()
    assert load(store, bar("sh.600000"), bar("sh.600004", "9.70")) == MergeCounts(1, 1, 0)
    assert load(store, bar("sh.600006"), bar("sh.600006")) == MergeCounts(1, 0, 1)
    other_day = bar("sh.600010").replace(str(DAY), "2026-02-27")
    assert load(store, bar("sh.600007"), other_day) == MergeCounts(2, 0, 0)
    assert copied == []
    assert database.rows("SELECT count(*) FROM ashare.daily_bar") == [(5,)]


def test_a_date_with_many_other_bars_is_merged(
    store: Store, copied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_bars, "MOST_OTHERS", 2)
    load(store, bar("sh.000001"), bar("sh.000300"))
    load(store, bar("sh.600000"))
    assert load(store, bar("sh.600004"), bar("sh.600006")) == MergeCounts(2, 0, 0)
    assert copied == ["of_date", "of_date"]


def test_whether_bars_are_new_is_looked_up_when_no_other_session_merges(
    store: Store, database: Database, copied: list[str]
) -> None:
    lines = [bar("sh.600000"), bar("sh.600004")]
    rows = BatchRows(io.StringIO("".join([lines[1], bar("sh.600006")])), 2)
    with ThreadPoolExecutor(1) as thread:
        with Store(database.connect) as other, other.transaction() as connection:
            bar_merge.merge(connection, rows, "another")
            assert copied == ["of_date"]
            loaded = thread.submit(load, store, *lines)  # sees no bar of the date now
            until(lambda: database.rows(f"SELECT 1 FROM pg_locks WHERE {WAITS}") == [(1,)])
        assert loaded.result(timeout=20) == MergeCounts(1, 0, 1)
    assert copied == ["of_date"]
    assert database.rows("SELECT code FROM ashare.daily_bar ORDER BY 1") == [
        ("sh.600000",),
        ("sh.600004",),
        ("sh.600006",),
    ]


def test_batches_that_bring_the_same_bars_at_once_do_not_fail(store: Store, database: Database) -> None:
    codes = [f"sh.{600000 + n}" for n in range(500)]
    plans = store.batches.replace(PLAN, [Batch("stock", "code", codes, f"part {n}") for n in range(4)])
    ready, merged = threading.Barrier(4), []

    def start(batch: Batch, order: int) -> None:
        lines = [bar(code) for code in codes[:: order or 1]]
        ready.wait()
        with Store(database.connect) as own:
            merged.append(own.bars.load(PLAN, batch.batch_no, BatchRows(io.StringIO("".join(lines)), len(lines))))

    threads = [threading.Thread(target=start, args=(plan, (-1) ** n)) for n, plan in enumerate(plans)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.inserted for one in merged) == 500
    assert sum(one.unchanged for one in merged) == 1500


def test_a_killed_connection_loses_nothing_and_the_store_connects_again(store: Store, database: Database) -> None:
    load(store, bar("sh.600000"))
    with pytest.raises(StoreUnavailable, match="nothing of this step was written"), store.transaction() as connection:
        connection.execute("DELETE FROM ashare.daily_bar")
        database.rows("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
        connection.execute("SELECT 1")
    assert store.bars.has_bars(DAY)


def test_an_unreachable_database_is_one_sentence_without_a_password() -> None:
    store = Store(lambda: psycopg.connect("postgresql://me:s3cret-word@127.0.0.1:1/ashare", connect_timeout=2))
    with pytest.raises(StoreUnavailable) as unavailable:
        store.calendar.session(DAY)
    assert "connection ashare_postgres cannot be reached" in str(unavailable.value)
    assert "s3cret-word" not in str(unavailable.value)
    assert "\n" not in str(unavailable.value)


@pytest.mark.parametrize(
    ("lock", "what"),
    [
        ("ashare merge", "load"),
        (f"ashare batches {DAY}", "plan"),
    ],
)
def test_a_wait_for_a_lock_of_the_store_ends_and_says_for_whom(
    store: Store, database: Database, lock: str, what: str
) -> None:
    (batch,) = store.batches.replace(PLAN, [Batch("stock", "market_day", None, "stocks")])
    store.name_sessions("fetch_and_copy", 0.3)

    def work() -> None:
        if what == "load":
            store.bars.load(PLAN, batch.batch_no, BatchRows(io.StringIO(bar("sh.600000")), 1))
        else:
            store.batches.replace(PLAN, [batch])

    with database.connect() as other:
        other.execute("SELECT set_config('application_name', 'somebody', false)")
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
        said = (
            rf'lock "{lock}" was not free within 0\.3 s \(held by somebody \(pid {other.info.backend_pid}, .*in tra'
        )
        with pytest.raises(StoreBusy, match=said):
            work()
        assert database.rows("SELECT count(*) FROM ashare.daily_bar") == [(0,)]
    work()


@pytest.mark.parametrize("how", ["UPDATE ashare.work SET error = 'x'", "LOCK TABLE ashare.work"])
def test_a_wait_for_a_row_or_a_table_ends_and_says_for_whom(store: Store, database: Database, how: str) -> None:
    scope = Scope(DAY, ["stock_bar"], ["stock_bar"], "run")
    store.work.start(scope)
    store.name_sessions("plan_batches", 0.3)
    with database.connect() as reader, database.connect() as other:
        reader.execute("SELECT set_config('application_name', 'a reader', false)")
        reader.execute("SELECT * FROM ashare.daily_bar")
        other.execute("SELECT set_config('application_name', 'somebody', false)")
        other.execute(how)
        said = (
            r"tables of the schema ashare was not free within 0\.3 s \(held by somebody \(pid \d+, [^;]*\)\); nothing"
        )
        with pytest.raises(StoreBusy, match=said):
            store.work.start(scope)
    store.work.start(scope)


def test_a_second_at_the_same_work_waits_and_is_bounded(store: Store, database: Database) -> None:
    store.name_sessions("plan_batches", 20)
    with store.mutex("the calendar", 5), Store(database.connect) as other:
        with (
            pytest.raises(
                SourceBusy, match=r"at work on the calendar for over 0\.1 s: held by ashare: plan_batches \(pid"
            ),
            other.mutex("the calendar", 0.1),
        ):
            pass
        with other.mutex("something else", 5):
            pass
    with Store(database.connect) as other, other.mutex("the calendar", 0.1):
        pass
