"""What PostgreSQL is set to, and what it refuses: none of it changes what is loaded, and all of it is a sentence."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ashare.errors import AshareError, IncompleteDate, InvalidInput, StoreBusy, StoreRefused, StoreUnavailable
from ashare.read import load_bars, universe
from ashare.settings import Settings
from ashare.store import Store, migrate
from ashare.sync import Run, fetch_and_copy, plan_batches, record_status, sync_adjust_factors
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local.postgres import EmbeddedPostgres
from tests.conftest import Database, at, source_of
from tests.integration.trade_date import DAY, assert_table_equals, complete, status

ENCODINGS = ("SQL_ASCII", "LATIN1", "EUC_CN")
SCHEMA = "SELECT to_regnamespace('ashare') IS NOT NULL"


@pytest.fixture
def database(bare_database: Database) -> Database:
    """These tests make the schema themselves."""
    return bare_database


@contextmanager
def another_database(postgres: EmbeddedPostgres, name: str, encoding: str = "UTF8") -> Iterator[Database]:
    create = "CREATE DATABASE {} ENCODING {} LOCALE 'C' TEMPLATE template0"
    with postgres.connect("postgres") as admin:
        admin.execute(sql.SQL(create).format(sql.Identifier(name), sql.Literal(encoding)))
        try:
            yield Database(postgres, name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def another_setting(database: Database, name: str, value: str) -> Iterator[None]:
    """What the database's later sessions begin with."""
    alter, of = "ALTER DATABASE {} ", (sql.Identifier(database.name), sql.Identifier(name))
    with database.server.connect("postgres") as admin:
        admin.execute(sql.SQL(alter + "SET {} = {}").format(*of, sql.Literal(value)))
        try:
            yield
        finally:
            admin.execute(sql.SQL(alter + "RESET {}").format(*of))


def run_of(database: Database, emulator: Emulator, connect: Callable[[], Any] | None = None, **options: Any) -> Run:
    options.setdefault("settings", Settings(lock_timeout=20.0))
    store = Store(connect or database.connect)
    return Run(
        date.fromisoformat(DAY), store=store, source=source_of(emulator), now=at("2025-11-03T20:00"), **options
    )


def as_role(database: Database, role: str, *settings: str) -> Callable[[], psycopg.Connection[Any]]:
    """Connect as a new role that owns the schema's rights and has these settings."""
    database.do(f"CREATE ROLE {role} LOGIN SUPERUSER")
    for setting in settings:
        database.do(f"ALTER ROLE {role} SET {setting}")
    return lambda: psycopg.connect(host=str(database.server.socket_dir), user=role, dbname=database.name)


# ---------------------------------------------------------------------- what it is set to


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_database_that_cannot_hold_the_names_is_refused_before_anything_is_written(
    postgres: EmbeddedPostgres, emulator: Emulator, encoding: str
) -> None:
    with another_database(postgres, f"in_{encoding.lower()}", encoding) as database:
        run = run_of(database, emulator)

        def migrate_directly() -> None:
            with database.connect() as connection:
                migrate(connection)

        for work in (run.store.migrate, migrate_directly, lambda: plan_batches(run), run.session):
            with pytest.raises(InvalidInput) as refused:
                work()
            said = str(refused.value)
            assert said.startswith(
                f"The database in_{encoding.lower()} has the encoding {encoding}, which cannot hold"
            )
            assert "CREATE DATABASE name ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0" in said
        assert emulator.requests == []
        assert database.rows(SCHEMA) == [(False,)]


def test_what_the_sentence_says_makes_a_database_that_is_taken(
    postgres: EmbeddedPostgres, emulator: Emulator
) -> None:
    with another_database(postgres, "as_told") as database:
        run = run_of(database, emulator)
        run.store.migrate()
        assert complete(run) == "success"
        run.store.close()


ODD = (
    "client_encoding = 'LATIN1'",
    "datestyle = 'German, DMY'",
    "timezone = 'America/New_York'",
    "default_transaction_isolation = 'serializable'",
    "lock_timeout = '1ms'",
    "idle_session_timeout = '50ms'",
)


@pytest.mark.parametrize("where", ["role", "environment"])
def test_whatever_role_and_environment_set_names_and_dates_are_the_markets(
    database: Database, emulator: Emulator, market: GeneratedMarket, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    connect = as_role(database, "odd", *ODD) if where == "role" else database.connect
    if where != "role":
        monkeypatch.setenv("PGCLIENTENCODING", "GBK")
        monkeypatch.setenv("PGDATESTYLE", "SQL, DMY")
    try:
        run = run_of(database, emulator, connect)
        run.store.migrate()
        assert complete(run) == "success"
        monkeypatch.undo()
        names = dict(database.rows("SELECT code, name FROM ashare.security"))
        assert names == {security.code: security.name for security in market.securities()}
        assert_table_equals(database, market.bars_on(run.day, "stock"), DAY)
        run.store.close()
    finally:
        if where == "role":
            database.do("DROP OWNED BY odd")
            database.do("DROP ROLE odd")


@pytest.mark.parametrize("variable", ["GBK", "EUC_TW"])
def test_readers_get_the_same_whatever_the_environment_sets(
    database: Database, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    run = run_of(database, emulator)
    run.store.migrate()
    assert complete(run) == "success"
    conninfo = f"host={database.server.socket_dir} user=postgres dbname={database.name}"
    bars, listed = load_bars(connection=conninfo, incomplete="ignore"), universe(DAY, connection=conninfo)
    monkeypatch.setenv("PGCLIENTENCODING", variable)
    monkeypatch.setenv("PGDATESTYLE", "German")
    assert load_bars(connection=conninfo, incomplete="ignore").equals(bars)
    assert universe(DAY, connection=conninfo).equals(listed)


# ---------------------------------------------------------------------- what it refuses


def failures_of(run: Run) -> list[AshareError]:
    """What the DAG's tasks fail with, each an error of this package."""
    failures: list[AshareError] = []

    def attempt(step: Callable[[], Any]) -> Any:
        try:
            return step()
        except AshareError as error:
            failures.append(error)
            return None

    for batch in attempt(lambda: plan_batches(run)) or []:
        attempt(partial(fetch_and_copy, run, batch.batch_no))
    attempt(lambda: sync_adjust_factors(run))
    attempt(lambda: record_status(run))
    return failures


def test_a_role_that_may_only_read_is_a_sentence(database: Database, emulator: Emulator) -> None:
    Store(database.connect).migrate()
    connect = as_role(database, "read_only", "default_transaction_read_only = on")
    try:
        run = run_of(database, emulator, connect)
        failures = failures_of(run)
        assert len(failures) >= 3
        said = rf"The database {database.name} at .* is read-only (default_transaction_read_only is on, of the server"
        for failure in failures:
            assert isinstance(failure, StoreUnavailable)
            assert str(failure).startswith(said.split(".*")[0]) and said.split(".*")[1] in str(failure)
        assert database.rows("SELECT * FROM ashare.sync_status") == []
        assert emulator.requests == []
        run.store.close()
    finally:
        database.do("DROP ROLE read_only")


def test_a_server_that_turns_read_only_in_the_middle_sends_nothing_more_and_says_so(
    database: Database, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of(database, emulator)
    run.store.migrate()
    batches = plan_batches(run)
    asked = len(emulator.requests)
    with another_setting(database, "default_transaction_read_only", "on"):
        run.store.close()
        with pytest.raises(StoreUnavailable, match="is read-only"):
            fetch_and_copy(run, batches[0].batch_no)
        with caplog.at_level(logging.ERROR), pytest.raises(StoreUnavailable, match="is read-only"):
            record_status(run)
        assert any(f"The reason why {DAY} ended could not be recorded" in text for text in caplog.messages)
        assert len(emulator.requests) == asked
    run.store.close()
    assert complete(run) == "success"


def test_a_standby_is_told_as_one(own_directory: Path, emulator: Emulator) -> None:
    directory = Path(tempfile.mkdtemp(dir=own_directory))
    server = EmbeddedPostgres(directory / "postgres", databases=("ashare",), durable=False)
    with server:
        Store(Database(server, "ashare").connect).migrate()
    (server.data_dir / "standby.signal").touch()
    with server:
        run = run_of(Database(server, "ashare"), emulator)
        with pytest.raises(StoreUnavailable, match=r"is read-only \(a standby, as after a failover: point the conn"):
            plan_batches(run)
        with pytest.raises(StoreUnavailable, match="is read-only"), run.session():
            pass
        run.store.close()
    assert emulator.requests == []


TRIGGER = """
    CREATE FUNCTION ashare.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {}
    RETURN NULL; END$$;
    CREATE TRIGGER refuse AFTER INSERT OR UPDATE ON {} EXECUTE FUNCTION ashare.refuse()
"""
REFUSALS = [
    ("RAISE 'out of range' USING ERRCODE = '22003';", StoreRefused, "does not take this"),
    ("RAISE 'one too many' USING ERRCODE = '23514';", StoreRefused, "does not take this"),
    ("RAISE 'no such thing' USING ERRCODE = '0A000';", StoreRefused, "does not take this"),
    ("RAISE 'gone' USING ERRCODE = '42P01';", StoreRefused, "is not what this code knows"),
    ("RAISE 'raised by hand';", StoreRefused, "does not take this"),
    ("RAISE 'broken inside' USING ERRCODE = 'XX000';", StoreUnavailable, "went away or refused"),
    ("PERFORM pg_sleep(3);--'time limit'", StoreUnavailable, "canceling statement due to statement timeout"),
]


@pytest.mark.parametrize("table", ["daily_bar", "security", "batch", "adjust_factor"])
@pytest.mark.parametrize(("how", "kind", "said"), REFUSALS, ids=[how.split("'")[1] for how, *_ in REFUSALS])
def test_whatever_the_database_refuses_is_the_dates_reason(
    database: Database, emulator: Emulator, how: str, kind: type[AshareError], said: str, table: str
) -> None:
    run = run_of(database, emulator)
    run.store.migrate()
    run.store.close()  # the next session is one of those settings
    database.do(TRIGGER.format(how, f"ashare.{table}"))
    with another_setting(database, "statement_timeout", "1s"):
        failures = failures_of(run)
    assert any(type(failure) is kind and said in str(failure) for failure in failures)
    assert all(isinstance(failure, kind | IncompleteDate) for failure in failures)
    state, *_, reason = status(database)
    assert state == "failed"
    assert said in reason and "\n" not in reason
    database.do(f"DROP TRIGGER refuse ON ashare.{table}")
    run.store.close()
    assert complete(run) == "success"


def test_a_date_that_cannot_be_counted_is_failed_and_not_left_syncing(database: Database, emulator: Emulator) -> None:
    run = run_of(database, emulator, settings=Settings(lock_timeout=1.0))
    run.store.migrate()
    for batch in plan_batches(run):
        fetch_and_copy(run, batch.batch_no)
    sync_adjust_factors(run)
    with Store(database.connect) as other, other.mutex("the record of trade dates", 5):
        with pytest.raises(AshareError):
            record_status(run)
        state, *_, reason = status(database)
        assert state == "failed"
        assert "Another task has been at work on the record of trade dates for over 1 s: held by ashare" in reason
    assert record_status(run) == "success"


def test_a_reader_behind_a_locked_table_is_told_by_whom(
    database: Database, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(database.connect).migrate()
    monkeypatch.setattr("ashare.store.read_connection.LOCK_SECONDS", 0.3)
    conninfo = f"host={database.server.socket_dir} user=postgres dbname={database.name}"
    with database.connect() as other:
        other.execute("SELECT set_config('application_name', 'a vacuum', false)")
        other.execute("LOCK TABLE ashare.daily_bar")
        with pytest.raises(
            StoreBusy, match=r"not free within 0\.3 s \(held by a vacuum \(pid .*\); nothing was read"
        ):
            load_bars(connection=conninfo, incomplete="ignore")
