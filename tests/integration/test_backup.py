"""`make backup` and `make restore`: round trips on a real PostgreSQL, what is refused, and nothing is left half."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ashare.connection import POSTGRES_VARIABLE
from ashare.settings import Settings
from ashare.store import Store, migrate
from ashare.store.migrate import MIGRATIONS
from ashare.store.source_gate import SourceGate
from ashare.sync import Run
from ashare_emulator.server import Emulator
from ashare_local import PROJECT
from ashare_local import programs as programs_module
from ashare_local import restore as restore_module
from ashare_local.backup import backup
from ashare_local.postgres import EmbeddedPostgres, bin_dir
from ashare_local.programs import BackupError
from ashare_local.programs import database as chosen_database
from ashare_local.restore import restore
from tests.conftest import AtVersion, Database, Databases, MakeRun, at, source_of
from tests.integration.test_migrations import assert_held, catalog, fill
from tests.integration.trade_date import DAY, complete, status
from tests.waiting import until

FILES = sorted(MIGRATIONS.glob("*.sql"))
NEXT_DAY = "2025-10-10"
SECRET = "opensesame"

Say = Callable[..., str]


@pytest.fixture
def database(bare_database: Database) -> Database:
    """These tests make the schema themselves."""
    return bare_database


@pytest.fixture
def other(databases: Databases) -> Iterator[Database]:
    """A second empty database."""
    with databases.copied("template1") as made:
        yield made


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Say:
    """Back up or restore a database as the command does; what it prints."""

    def run(work: Callable[..., None], database: Database, file: Path | None, **options: Any) -> str:
        monkeypatch.setenv(POSTGRES_VARIABLE, url(database))
        name = f"make {work.__name__}"
        with chosen_database(name, may_be_new=False) as programs:
            work(programs, file, **options)
        return capfd.readouterr().out

    return run


def url(database: Database) -> str:
    host = str(database.server.socket_dir).replace("/", "%2F")
    return f"postgresql://postgres:{SECRET}@{host}/{database.name}"


@pytest.fixture
def small(database: Database) -> Database:
    """A schema of today with a few rows, in no time."""
    Store(database.connect).migrate()
    database.do(
        "INSERT INTO ashare.daily_bar (trade_date, code, close, is_trading) "
        "SELECT date '2025-01-01' + n, 'sh.600000', n + 0.10, true FROM generate_series(0, 99) n"
    )
    database.do("INSERT INTO ashare.bar_revision (trade_date, code, old, new) VALUES ('2025-01-02', 'x', '{}', '{}')")
    database.do(
        "INSERT INTO ashare.source_request (requested_at, method, detail, who) "
        "VALUES ('2025-01-02', 'login', '', 'a run')"
    )
    return database


def contents(database: Database) -> dict[str, Counter[str]]:
    """Every row of every table and view, as text."""
    relations = database.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('ashare') AND relkind IN ('r', 'v') "
        "AND relname <> 'source_limit'"  # that of the clock
    )
    return {
        name: Counter(row for (row,) in database.rows(f"SELECT t::text FROM ashare.{name} t"))
        for (name,) in relations
    }


def schema(database: Database) -> str:
    """The schema as pg_dump writes it; nothing if there is none."""
    return catalog(database) if database.rows("SELECT to_regnamespace('ashare')") != [(None,)] else ""


def sequences(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'ashare' ORDER BY sequencename"
    )


def run_of(database: Database, emulator: Emulator, day: str) -> Run:
    store = Store(database.connect)
    settings = Settings(lock_timeout=20.0)
    return Run(
        date.fromisoformat(day),
        store=store,
        source=source_of(emulator),
        settings=settings,
        now=at("2025-11-03T20:00"),
    )


def fake(directory: Path, name: str, script: str, version: int = 99) -> Path:
    """A program that goes before the real one: newer, as it says, and with something up its sleeve."""
    directory.mkdir(exist_ok=True)
    program = directory / name
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "{name} (PostgreSQL) {version}.1"; exit; }}\n'
        f'real="{bin_dir()}/{name}"\n{script}\n'
    )
    program.chmod(0o755)
    return program


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that goes before all others of ``PATH``."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    return directory


# ---------------------------------------------------------------------- round trips


def test_what_comes_back_is_what_was_there_and_goes_on(
    make_run: MakeRun, database: Database, other: Database, emulator: Emulator, say: Say, tmp_path: Path
) -> None:
    assert complete(make_run(DAY)) == "success"
    raw = '{"close": "中文 \\\\ \\t"}'
    for code in ("sh.600000", "sh.600004"):
        database.do(
            "INSERT INTO ashare.rejected_bar (trade_date, code, rule, raw) VALUES (%s, %s, 'a', %s)", DAY, code, raw
        )
        database.do(
            "INSERT INTO ashare.bar_revision (trade_date, code, old, new) VALUES (%s, %s, '{}', '{}')", DAY, code
        )
    database.do("DELETE FROM ashare.bar_revision WHERE code = 'sh.600004'")  # its number is not used again
    ((bars, newest),) = database.rows("SELECT count(*), max(trade_date) FROM ashare.daily_bar")

    file = tmp_path / "a backup.dump"
    told = say(backup, database, file)
    holds = rf"schema version {len(FILES)}, {bars} bars up to {newest}, in [\d.]+ s\.\n"
    assert re.fullmatch(rf"{re.escape(str(file))}: [\d.]+ (kB|MB), {holds}", told)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]
    told = say(restore, other, file)
    assert re.fullmatch(rf"Restored {re.escape(str(file))}: {holds}", told)

    assert contents(other) == contents(database)
    assert schema(other) == schema(database)
    assert sequences(other) == sequences(database)
    assert len(contents(other)["daily_bar"]) == bars > 300
    assert other.rows("SELECT 1 FROM pg_stats WHERE schemaname = 'ashare' AND tablename = 'daily_bar' LIMIT 1")
    for place in (database, other):
        place.do(
            "INSERT INTO ashare.bar_revision (trade_date, code, old, new, revised_at) "
            "VALUES (%s, 'b', '{}', '{}', 'yesterday')",
            DAY,
        )
    assert other.rows("SELECT max(id) FROM ashare.bar_revision") == [(3,)]
    assert contents(other) == contents(database)

    asked = []
    for place in (database, other):
        before = len(emulator.requests)
        assert complete(run_of(place, emulator, NEXT_DAY)) == "success"
        # Without the time of a logout, which may be another second's.
        asked.append([(sent.method, sent.params | {"time": ""}) for sent in emulator.requests[before:]])
        assert complete(run_of(place, emulator, DAY)) == "success"
    assert asked[1] == asked[0]
    assert 0 < len(asked[1]) < 10
    assert status(other, NEXT_DAY) == status(database, NEXT_DAY)
    without_time = "SELECT (to_jsonb(b) - 'loaded_at')::text FROM ashare.daily_bar b ORDER BY trade_date, code"
    assert other.rows(without_time) == database.rows(without_time)


@pytest.mark.parametrize("version", [1, 11, 12])
def test_a_backup_of_an_earlier_version_is_brought_up_to_date(
    version: int, at_version: AtVersion, other: Database, say: Say, tmp_path: Path
) -> None:
    database = at_version(version)
    before = fill(database)
    say(backup, database, tmp_path / "x.dump")
    Store(other.connect).migrate()
    wanted = schema(other)
    told = say(restore, other, tmp_path / "x.dump", overwrite=True)
    assert f": schema version {len(FILES)}, 4 bars up to {DAY} (the backup was of version {version}), in " in told
    assert_held(other, before)
    assert counted_bars(other) == bars_in_the_table(other)
    assert schema(other) == wanted
    with other.connect() as connection:
        assert migrate(connection) == []
    assert other.rows("SELECT version, name FROM ashare.schema_migration ORDER BY version") == [
        (number, file.name) for number, file in enumerate(FILES, start=1)
    ]


def counted_bars(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT dataset, partition, loaded FROM ashare.loaded_rows('-infinity', 'infinity') "
        "WHERE dataset <> 'adjust_factor' ORDER BY 1, 2"
    )


def bars_in_the_table(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT coalesce(s.kind, 'stock') || '_bar', b.trade_date, count(*) "
        "FROM ashare.daily_bar b LEFT JOIN ashare.security s USING (code) GROUP BY 1, 2 ORDER BY 1, 2"
    )


def test_bars_are_counted_once_after_a_restore(small: Database, other: Database, say: Say, tmp_path: Path) -> None:
    """Triggers count the rows that a person or a run adds, and not those of the backup, which holds their counts."""
    small.do("INSERT INTO ashare.security (code, kind) VALUES ('sh.000001', 'index')")
    small.do(
        "INSERT INTO ashare.daily_bar (trade_date, code, is_trading) SELECT date '2025-01-01' + n, code, true "
        "FROM generate_series(0, 8) n, unnest('{sh.000001,sz.000001}'::text[]) AS c (code)"
    )
    say(backup, small, tmp_path / "x.dump")
    small.do("DELETE FROM ashare.daily_bar WHERE code = 'sz.000001'")
    for place in (small, other):
        say(restore, place, tmp_path / "x.dump", overwrite=True)
        assert counted_bars(place) == bars_in_the_table(place)
        assert counted_bars(place)[0] == ("index_bar", date(2025, 1, 1), 1)
        place.do("DELETE FROM ashare.daily_bar WHERE trade_date < '2025-02-01'")
        assert counted_bars(place) == bars_in_the_table(place)
        place.do("TRUNCATE ashare.daily_bar")
        assert counted_bars(place) == []


def test_a_server_before_postgresql_17_is_not_told_what_it_does_not_know(
    small: Database, other: Database, say: Say, tmp_path: Path, fakes: Path
) -> None:
    file, read = tmp_path / "x.dump", tmp_path / "read.sql"
    say(backup, small, file)
    fake(fakes, "psql", f'case "$*" in *"-f -"*) tee "{read}" | "$real" "$@";; *) exec "$real" "$@";; esac')
    say(restore, other, file)
    assert "\nSET lock_timeout = 0;\n" in read.read_text()
    assert "transaction_timeout" not in read.read_text()


def test_the_line_and_the_file_are_of_one_moment(
    small: Database, other: Database, say: Say, tmp_path: Path, fakes: Path
) -> None:
    insert = "INSERT INTO ashare.daily_bar (trade_date, code, is_trading) VALUES ('2025-06-01', 'late', true)"
    fake(fakes, "pg_dump", f'"{bin_dir()}/psql" -qc "{insert}" && exec "$real" "$@"')
    file = tmp_path / "while a run goes on.dump"
    assert ", 100 bars up to 2025-04-10, " in say(backup, small, file)
    assert small.rows("SELECT count(*) FROM ashare.daily_bar") == [(101,)]
    assert ", 100 bars up to 2025-04-10, " in say(restore, other, file)


def test_by_the_commands_on_the_embedded_database(own_directory: Path, small: Database, say: Say) -> None:
    """A restore makes the database of a new machine; a backup starts it for as long, or uses the running one."""
    state = own_directory / "state"
    first, second, third = (own_directory / f"{name}.dump" for name in ("first", "second", "third"))
    say(backup, small, first)

    def make(command: str, file: Path, **more: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name != POSTGRES_VARIABLE}
        env = kept | {"ASHARE_STATE_DIR": str(state), "FILE": str(file)} | more
        return subprocess.run(
            ["make", "--silent", "--old-file=.venv/.run-ready", command],
            env=env,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    nothing = make("backup", second)
    assert nothing.returncode != 0
    assert f"There is no database in {state} yet: run `make up` first." in nothing.stderr
    restored = make("restore", first)
    assert restored.returncode == 0, restored.stderr
    assert not (state / "postgres" / "data" / "postmaster.pid").exists()
    stopped = make("backup", second)
    assert stopped.stdout.startswith(f"{second}: "), stopped.stderr
    with EmbeddedPostgres(state / "postgres") as server:
        running = make("backup", third)
        assert running.stdout.startswith(f"{third}: "), running.stderr
        assert server.pid is not None
        again = make("restore", third)
        assert again.returncode != 0
        assert "has a schema ashare already (schema version" in again.stderr
        assert make("restore", third, OVERWRITE="1").returncode == 0
        assert contents(Database(server, "ashare")) == contents(small)


def test_in_the_container_by_the_same_way(
    postgres: EmbeddedPostgres,
    other: Database,
    say: Say,
    fakes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`docker compose exec -T postgres` is played by a program that drops these words; what is made is the role's."""
    docker = fakes / "docker"
    docker.write_text(
        '#!/bin/sh\n[ "$1 $2 $3 $4" = "compose exec -T postgres" ] || exit 64\nshift 4\n'
        f'export PATH="{bin_dir()}:$PATH" PGHOST="{postgres.socket_dir}"\nexec "$@"\n'
    )
    docker.chmod(0o755)
    monkeypatch.setenv("COMPOSE", "1")
    monkeypatch.setenv(POSTGRES_VARIABLE, "postgresql://nobody@nowhere/none")
    file = tmp_path / "of the container.dump"
    with postgres.connect("postgres") as admin:
        admin.execute("CREATE ROLE ashare LOGIN")
        admin.execute("CREATE ROLE reader")
        admin.execute("CREATE DATABASE ashare OWNER ashare")
        try:
            inside = Database(postgres, "ashare")
            with inside.connect() as connection:
                connection.execute("SET ROLE ashare")
                migrate(connection)
                connection.execute("GRANT USAGE ON SCHEMA ashare TO reader")
            inside.do("INSERT INTO ashare.daily_bar (trade_date, code, is_trading) VALUES ('2025-01-02', 'x', true)")
            held = contents(inside)
            with chosen_database("make backup", may_be_new=False) as programs:
                backup(programs, file)
                inside.do("DELETE FROM ashare.daily_bar")
                restore(programs, file, overwrite=True)
            assert contents(inside) == held
            owners = (
                "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'ashare'::regnamespace"
            )
            assert inside.rows(owners) == [("ashare",)]
            docker.write_text("#!/bin/sh\necho 'service \"postgres\" is not running' >&2\nexit 1\n")
            with pytest.raises(BackupError, match='psql in the container failed: service "postgres" is not running'):
                backup(programs, file)
        finally:
            admin.execute("DROP DATABASE ashare WITH (FORCE)")
            admin.execute("DROP ROLE ashare, reader")
    # Where these roles are not, it all belongs to the user who restores.
    monkeypatch.delenv("COMPOSE")
    say(restore, other, file)
    assert contents(other) == held


# ---------------------------------------------------------------------- a backup is whole or absent


def test_the_password_is_in_the_environment_alone(
    small: Database, say: Say, tmp_path: Path, fakes: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen = tmp_path / "seen"
    fake(fakes, "pg_dump", f'echo "$@" >"{seen}"; echo "$PGPASSWORD" >"{seen}.env"; exec "$real" "$@"')
    told = say(backup, small, tmp_path / "x.dump")
    assert SECRET not in seen.read_text() + told
    assert Path(f"{seen}.env").read_text().strip() == SECRET
    fake(fakes, "pg_dump", "exit 1")
    with pytest.raises(BackupError) as refused:
        say(backup, small, tmp_path / "x.dump")
    captured = capfd.readouterr()
    assert SECRET not in f"{refused.value}{captured.out}{captured.err}"


@pytest.mark.parametrize("end", ["exit 1", "kill -9 $$"])
def test_a_backup_that_fails_leaves_the_one_before(
    end: str, small: Database, say: Say, tmp_path: Path, fakes: Path
) -> None:
    file = tmp_path / "x.dump"
    say(backup, small, file)
    before = file.read_bytes()
    fake(fakes, "pg_dump", f'"$real" "$@" | head -c 1000; echo "pg_dump: error: the disk is full" >&2; {end}')
    with pytest.raises(BackupError, match=r"pg_dump (failed: the disk is full|was ended by signal 9)"):
        say(backup, small, file)
    assert file.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [fakes, file]


def test_a_server_newer_than_every_pg_dump(
    small: Database, say: Say, tmp_path: Path, fakes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(fakes, "pg_dump", "exit 3", version=14)
    assert "100 bars" in say(backup, small, tmp_path / "by the wheel.dump")
    monkeypatch.setattr(programs_module, "bin_dir", lambda: fakes)
    fake(fakes, "psql", f'exec "{bin_dir()}/psql" "$@"')
    with pytest.raises(BackupError, match=r"The server is PostgreSQL (\d+), .* install .*, version \1 or newer"):
        say(backup, small, tmp_path / "never.dump")
    assert not (tmp_path / "never.dump").exists()


def test_what_cannot_be_backed_up_or_written(small: Database, other: Database, say: Say, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="holds no schema ashare of this package, so there is nothing to back up"):
        say(backup, other, tmp_path / "x.dump")
    for file in (tmp_path / "no such directory" / "x.dump", tmp_path):
        with pytest.raises(BackupError, match=r"cannot be written \(.*\): choose another file"):
            say(backup, small, file)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- what is refused, and changes nothing


def refusal(say: Say, database: Database, file: Path | None, **options: Any) -> str:
    """The sentence of a restore that is refused and has changed nothing."""
    before = contents(database), schema(database), sequences(database)
    with pytest.raises(BackupError) as refused:
        say(restore, database, file, **options)
    assert (contents(database), schema(database), sequences(database)) == before
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_without_a_file_the_newest_are_named(
    small: Database, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore_module, "BACKUPS", tmp_path)
    assert "There is none in" in refusal(say, small, None)
    for number in range(7):
        (tmp_path / f"{number}.dump").touch()
        os.utime(tmp_path / f"{number}.dump", (number, number))
    assert "6.dump, 5.dump, 4.dump, 3.dump, 2.dump." in refusal(say, small, None)
    gone = refusal(say, small, tmp_path / "gone.dump", overwrite=True)
    assert "gone.dump cannot be read (No such file or directory)." in gone
    assert "6.dump, 5.dump" in gone


def test_a_file_that_is_not_a_whole_backup(small: Database, other: Database, say: Say, tmp_path: Path) -> None:
    whole, file = tmp_path / "whole.dump", tmp_path / "file.dump"
    say(backup, small, whole)
    data = whole.read_bytes()
    broken = {
        "empty": b"",
        "text": b"-- hello\n" * 200,
        "in the header": data[:4],
        "in its list": data[:1000],
        "in its data": data[: len(data) * 9 // 10],
        "at its end": data[:-1],
        "a byte": data[:-12] + bytes([data[-12] ^ 0x55]) + data[-11:],
    }
    for name, content in broken.items():
        file.write_bytes(content)
        text = refusal(say, small, file, overwrite=True)
        assert text.startswith((f"{file} is empty: choose", f"{file} is no whole backup: choose")), name
    other.do("CREATE SCHEMA another CREATE TABLE t (x int)")
    with file.open("wb") as output:
        env = {**os.environ, **other.server.libpq_env(other.name)}
        subprocess.run([str(bin_dir() / "pg_dump"), "--format=custom"], env=env, stdout=output, check=True)
    assert "is a dump, but not of the schema ashare" in refusal(say, small, file, overwrite=True)


def test_a_backup_of_a_newer_package(small: Database, other: Database, say: Say, tmp_path: Path) -> None:
    Store(other.connect).migrate()
    other.do("INSERT INTO ashare.schema_migration VALUES (%s, '9999_future.sql')", len(FILES) + 1)
    say(backup, other, tmp_path / "x.dump")
    text = refusal(say, small, tmp_path / "x.dump", overwrite=True)
    assert (
        f"holds version {len(FILES) + 1} of the schema ashare, and this code knows 1 to {len(FILES)}: update" in text
    )


def test_what_is_there_is_replaced_only_when_asked_for(
    small: Database, other: Database, say: Say, tmp_path: Path
) -> None:
    file = tmp_path / "x.dump"
    say(backup, small, file)
    kept = contents(small)
    small.do("UPDATE ashare.daily_bar SET close = 1")
    small.do("CREATE TABLE ashare.extra (x int)")
    text = refusal(say, small, file)
    assert (
        f"(schema version {len(FILES)}, 100 bars up to 2025-04-10): OVERWRITE=1 puts the backup in its place" in text
    )
    say(restore, small, file, overwrite=True)
    assert contents(small) == kept
    other.do("CREATE SCHEMA ashare CREATE TABLE mine (x int)")
    assert "a schema ashare already that is not of this package: OVERWRITE=1" in refusal(say, other, file)
    say(restore, other, file, overwrite=True)
    assert contents(other) == kept


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("CREATE VIEW public.mine AS SELECT code FROM ashare.daily_bar", "rule _RETURN on view mine"),
        (
            "CREATE TABLE public.mine (code text REFERENCES ashare.security)",
            "constraint mine_code_fkey on table mine",
        ),
        (
            "CREATE FUNCTION public.mine() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM ashare.security; END",
            "function mine()",
        ),
    ],
)
def test_what_others_have_made_on_the_schema_is_not_dropped(
    small: Database, say: Say, tmp_path: Path, made: str, named: str
) -> None:
    file = tmp_path / "x.dump"
    say(backup, small, file)
    small.do(made)
    assert f"would be lost with it: {named}. Drop that" in refusal(say, small, file, overwrite=True)


def test_requests_sent_since_the_backup_still_count(small: Database, say: Say, tmp_path: Path) -> None:
    file = tmp_path / "x.dump"
    say(backup, small, file)
    small.do(
        "INSERT INTO ashare.source_request (method, detail, who, outcome) VALUES ('login', '', 'me', '10001011')"
    )
    limit = "SELECT used_today, bans, is_banned FROM ashare.source_limit"
    assert small.rows(limit) == [(1, 1, True)]
    say(restore, small, file, overwrite=True)
    assert small.rows(limit) == [(1, 1, True)]
    assert small.rows("SELECT id, who FROM ashare.source_request ORDER BY id") == [(1, "a run"), (2, "me")]


def test_while_somebody_syncs(small: Database, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.dump"
    say(backup, small, file)
    gate = SourceGate(small.connect, who="fetch_and_copy 2025-10-09", wait_seconds=1, budget=100)
    gate.open(1)
    try:
        wanted = "A sync is at work: ashare source: fetch_and_copy 2025-10-09 (local) since "
        assert wanted in refusal(say, small, file, overwrite=True)
        # Also one that begins between the look and the transaction.
        looks = iter([None])
        look = restore_module._busy
        monkeypatch.setattr(restore_module, "_busy", lambda programs: next(looks, look(programs)))
        assert wanted in refusal(say, small, file, overwrite=True)
    finally:
        gate.close()


# ---------------------------------------------------------------------- all or nothing


def test_a_restore_that_breaks_off_has_changed_nothing(
    small: Database, say: Say, tmp_path: Path, fakes: Path
) -> None:
    """Each after the old schema was dropped and half of the new one is there."""
    file, half = tmp_path / "x.dump", 'end=$("$real" "$@" | tee "$0.sql" | wc -c); head -c $((end * 3 / 4)) "$0.sql"'
    say(backup, small, file)
    to_psql = 'case "$*" in *--exit-on-error*) ;; *) exec "$real" "$@";; esac\n'
    ends = {
        'echo "pg_restore: error: gone" >&2; exit 1': "Nothing has changed: .*gone",
        "kill -9 $$": "Nothing has changed: .*pg_restore was ended by signal 9",
        'printf "\\n\\\\.\\nSELECT 1 / 0;\\n"; yes -- -- | head -c 4000000': "Nothing has changed: psql failed: ",
    }
    for end, wanted in ends.items():
        fake(fakes, "pg_restore", f"{to_psql}{half}\n{end}")
        assert re.search(wanted, refusal(say, small, file, overwrite=True)), end


def test_a_migration_that_fails_takes_the_restore_back(
    small: Database, other: Database, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.dump"
    say(backup, small, file)
    directory = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, directory)
    (directory / "9999_bad.sql").write_text("CREATE TABLE ashare.good (x int);\nSELECT 1 / 0;\n")
    monkeypatch.setattr(importlib.import_module("ashare.store.migrate"), "MIGRATIONS", directory)
    assert "Nothing has changed: psql failed: division by zero." in refusal(say, small, file, overwrite=True)
    assert "division by zero" in refusal(say, other, file)


def test_a_restore_that_is_killed_has_changed_nothing(small: Database, say: Say, tmp_path: Path, fakes: Path) -> None:
    file, ready = tmp_path / "x.dump", tmp_path / "ready"
    say(backup, small, file)
    fake(
        fakes,
        "pg_restore",
        'case "$*" in *--exit-on-error*) ;; *) exec "$real" "$@";; esac\n'
        # More than a pipe and its buffers hold, so that psql has read what goes before.
        'filler() { printf -- "\n--"; head -c 4000000 /dev/zero | tr "\\0" -; echo; }\n'
        f'"$real" "$@" >"$0.sql"; head -n -20 "$0.sql"; filler; touch "{ready}"; exec sleep 60',
    )
    before = contents(small), schema(small), sequences(small)
    env = os.environ | {POSTGRES_VARIABLE: url(small), "FILE": str(file), "OVERWRITE": "1"}
    command = [sys.executable, "-m", "ashare_local.restore"]
    process = subprocess.Popen(command, env=env, cwd=PROJECT, start_new_session=True)
    at_work = (
        "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.application_name = %s "
        "AND l.mode = 'AccessExclusiveLock' AND l.granted AND a.datname = current_database()"
    )
    try:
        until(lambda: ready.exists() and bool(small.rows(at_work, "ashare source: make restore")))
        process.kill()
        process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # its pg_restore, which sleeps
    until(lambda: not small.rows(at_work, "ashare source: make restore"))
    assert (contents(small), schema(small), sequences(small)) == before


def test_a_database_that_cannot_hold_the_names_takes_no_backup(
    small: Database, postgres: EmbeddedPostgres, say: Say, tmp_path: Path
) -> None:
    say(backup, small, tmp_path / "x.dump")
    with postgres.connect("postgres") as admin:
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        text = refusal(say, Database(postgres, "latin"), tmp_path / "x.dump")
    finally:
        with postgres.connect("postgres") as admin:
            admin.execute("DROP DATABASE latin WITH (FORCE)")
    assert text.startswith("The database latin has the encoding LATIN1, which cannot hold the names")


def test_whoever_is_in_the_way_of_a_restore_is_named(small: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, url(small))
    with small.connect() as reader, chosen_database("make restore", may_be_new=False) as programs:
        reader.execute("SELECT set_config('application_name', 'a report', false)")
        reader.execute("SELECT count(*) FROM ashare.daily_bar")
        said = restore_module._refusal(programs, "psql failed: canceling statement due to lock timeout.")
    found = (
        r"did not end in a minute \(a report \(pid \d+, user postgres, idle in transaction since 20.*\)\): stop them"
    )
    assert re.search(found, said)
