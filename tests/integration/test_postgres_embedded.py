"""The embedded PostgreSQL: starts, keeps what was committed however it ends, and takes nobody else for itself."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
import psycopg
import pytest

from ashare.connection import libpq_env
from ashare_local.postgres import EmbeddedPostgres, PostgresError, bin_dir, running_server, stop_left_behind


@pytest.fixture
def place(own_directory: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=own_directory))


@pytest.fixture
def postgres(place: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(place / "postgres", databases=("ashare",), durable=False)
    yield server
    server.stop()


def fill(server: EmbeddedPostgres, rows: int) -> None:
    with server.connect("ashare") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n integer)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, %s)", (rows,))


def count(server: EmbeddedPostgres) -> int:
    with server.connect("ashare") as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        return int(row[0]) if row else 0


def test_what_was_committed_survives_a_stop_and_a_kill(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    fill(postgres, 1000)
    postgres.stop()
    assert postgres.pid is None
    assert running_server(postgres.directory) is None

    postgres.start()
    fill(postgres, 50_000)
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    while postgres.pid is not None:
        time.sleep(0.01)
    postgres.start()
    assert count(postgres) == 51_000


def test_a_server_that_was_left_behind_is_stopped_and_replaced(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    fill(postgres, 10)
    left = running_server(postgres.directory)
    assert left is not None and left.pid == postgres.pid

    successor = EmbeddedPostgres(postgres.directory, databases=("ashare",), durable=False)
    with successor:
        assert successor.pid not in (None, left.pid)
        assert count(successor) == 10
    assert not stop_left_behind(postgres.directory)


def test_a_stale_pid_file_with_somebody_elses_pid_is_no_hindrance(postgres: EmbeddedPostgres) -> None:
    with postgres:
        fill(postgres, 10)
        lines = (postgres.data_dir / "postmaster.pid").read_text().splitlines()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        lines[0] = str(stranger.pid)
        (postgres.data_dir / "postmaster.pid").write_text("\n".join(lines) + "\n")
        (postgres.socket_dir / ".s.PGSQL.5432.lock").write_text("\n".join(lines) + "\n")
        assert running_server(postgres.directory) is None
        with postgres:
            assert count(postgres) == 10
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_long_path_and_odd_characters_are_no_hindrance(place: Path) -> None:
    directory = place / ("a long name, it's 中文 & more " * 4) / "postgres"
    with EmbeddedPostgres(directory, databases=("ashare",), durable=False) as server:
        fill(server, 10)
        assert count(server) == 10
        env = libpq_env("AIRFLOW_CONN_ASHARE_POSTGRES", server.connection_json("ashare"))
        assert env == server.libpq_env("ashare")
        psql = [str(bin_dir() / "psql"), "-Atc", "SELECT count(*) FROM kept"]
        assert subprocess.run(psql, env=env, capture_output=True, text=True, check=True).stdout == "10\n"
        url = server.sqlalchemy_url("ashare").replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(url) as connection:
            assert connection.info.dbname == "ashare"


def test_an_interrupted_first_start_is_begun_again(postgres: EmbeddedPostgres) -> None:
    half = postgres.directory / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with postgres:
        fill(postgres, 1)


def test_a_broken_cluster_is_said_with_the_servers_own_words(postgres: EmbeddedPostgres) -> None:
    with postgres:
        pass
    (postgres.data_dir / "global" / "pg_control").unlink()
    with pytest.raises(PostgresError, match="pg_control"):
        postgres.start()
    assert running_server(postgres.directory) is None


def test_the_server_listens_on_no_network_port(postgres: EmbeddedPostgres) -> None:
    with postgres:
        listening = psutil.Process(postgres.pid).net_connections(kind="inet")
        assert listening == []
