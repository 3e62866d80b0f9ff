"""Fixtures: a real PostgreSQL, an emulated Baostock with a small market, and runs that join them."""

from __future__ import annotations

import importlib
import itertools
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]
import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import NodeManager

from ashare.dates import SHANGHAI
from ashare.settings import Settings
from ashare.source import SourceConfig
from ashare.source.transport import Limits
from ashare.store import Store
from ashare.sync import Run
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local.postgres import EmbeddedPostgres

migrations = importlib.import_module("ashare.store.migrate")  # the package has a function of this name

PROJECT = Path(__file__).parents[1]
SHARED_DATA = PROJECT.parent / "shared" / "data"

# For the processes that the tests start; `make test-clock` has a folder of its own on the path.
_folders = [str(PROJECT / "include"), str(PROJECT / "plugins")]
_given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry not in _folders]
os.environ["PYTHONPATH"] = os.pathsep.join([*_given, *_folders])

needs_shared_data = pytest.mark.skipif(
    not SHARED_DATA.is_dir(), reason="the recorded market data is not beside the project"
)

_numbers = itertools.count()

# A time limit for an example fails on a busy machine, and says nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# After Ctrl-C, pytest-xdist gives its workers ten seconds; an Airflow and its database take longer to stop.
NodeManager.EXIT_TIMEOUT = 60


AIRFLOWS = (
    "tests/e2e",
    "tests/wheel/test_installation.py",
    "tests/containers/test_processes.py",
    "tests/e2e/test_mounted_folders.py",
    "tests/e2e/test_wrong_setting.py",
)
"""Scopes that start an Airflow, the longest first."""
_LONG = "history many_weeks faults backfill_cli lake_writes backup accepted_dates export lake_reads trade_date"
LONG = [f"tests/integration/test_{name}.py" for name in _LONG.split()]
"""Further scopes that take long: at the end no worker is to wait for another."""


class Together(LoadScopeScheduling):  # type: ignore[misc, unused-ignore]  # it has no types
    """One of pytest-xdist's workers for a file, and one for all files that share the end-to-end tests' stack.

    Two Airflows at most run at a time: they wait for much, and a third worker meanwhile does what waits for nothing.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        alone = path.parent.name != "e2e" or path.stem in ("test_mounted_folders", "test_wrong_setting")
        return str(path if alone else path.parent)

    def _assign_work_unit(self, node: Any) -> None:
        self.workqueue.move_to_end(self._next_scope(), last=False)
        super()._assign_work_unit(node)

    def _next_scope(self) -> str:
        begun = [unit for units in self.assigned_work.values() for unit in units.items()]
        running = sum(scope in AIRFLOWS and not all(tests.values()) for scope, tests in begun)
        others = [*LONG, *(scope for scope in self.workqueue if scope not in AIRFLOWS)]
        order = [*AIRFLOWS, *others] if running < 2 else [*others, *AIRFLOWS]
        found: str = next(scope for scope in order if scope in self.workqueue)
        return found


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    # Its own --dist=loadgroup does nothing with pytest 9.2: the name of a group is no longer seen in the node's.
    return Together(config, log)


def pytest_keyboard_interrupt() -> None:
    """Stop in peace what was started: on one's Ctrl-C follows another, which pytest-xdist sends to its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 4 << 30
"""Bytes. Two workers' clusters and Airflow's directories take a quarter of it."""


def place_in_memory() -> Path | None:
    """Linux's file system in memory, if there is room; ``None``: the usual directory for temporary files.

    A database is 460 files, and most tests make one. ext4 takes up to a millisecond of CPU for each new file while
    as many are deleted, which was a third of all that the tests took.
    """
    if not (MEMORY.is_dir() and os.access(MEMORY, os.W_OK)):
        return None
    room = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
    return MEMORY if room > MEMORY_NEEDED else None


@pytest.fixture(scope="session")
def own_directory() -> Iterator[Path]:
    """A directory that PostgreSQL's account may enter: each pytest that starts locks others out of pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="ashare-test-", dir=place_in_memory()))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(own_directory: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for the whole test session, in a directory of its own."""
    with EmbeddedPostgres(own_directory / "postgres", databases=(), durable=False).start() as server:
        yield server


class Database:
    """A database of a test's own."""

    def __init__(self, server: EmbeddedPostgres, name: str) -> None:
        self.server, self.name = server, name
        self._of_thread = threading.local()
        self._open: list[psycopg.Connection[Any]] = []

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self.server.socket_dir), user="postgres", dbname=self.name)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._execute(query, values).fetchall()

    def do(self, query: str, *values: object) -> int:
        return self._execute(query, values).rowcount

    def close(self) -> None:
        """Close what ``rows`` and ``do`` have opened."""
        while self._open:
            self._open.pop().close()

    def _execute(self, query: str, values: tuple[object, ...]) -> psycopg.Cursor[Any]:
        """A transaction of its own, over the session of the thread's earlier calls: a new session costs 10 ms."""
        session: psycopg.Connection[Any] | None = getattr(self._of_thread, "session", None)
        if session is not None and not session.closed:
            try:
                return session.execute(query, values)
            except psycopg.OperationalError:
                if not session.closed:
                    raise  # otherwise the test has ended the session, or the server, since the last call
        session = self._of_thread.session = self.connect()
        self._open.append(session)
        session.autocommit = True
        session.prepare_threshold = None  # a test may change what a prepared statement returns
        return session.execute(query, values)


class Databases:
    """Makes databases of the tests' own, and drops them.

    :param admin: a connection in autocommit mode.
    """

    def __init__(self, server: EmbeddedPostgres, admin: psycopg.Connection[Any]) -> None:
        self._server, self._admin = server, admin
        self._versions = set[str]()
        # The kernel copies a database's files in 20 ms. PostgreSQL's own copy of them, or its log, takes over 100 ms.
        admin.execute("SET file_copy_method = clone")
        admin.execute("CREATE DATABASE migrated")
        with Store(Database(server, "migrated").connect) as store:
            store.migrate()

    def of_version(self, version: int) -> str:
        """The name of a template: what the release of that version of the schema made of an empty database.

        It is made once, out of that of the version before.
        """
        if version == 0:
            return "template1"
        name = f"version_{version}"
        if name not in self._versions:
            self._copy(self.of_version(version - 1), name)
            files = migrations.migration_files()[:version]
            with tempfile.TemporaryDirectory() as release, pytest.MonkeyPatch.context() as patch:
                for file in files:
                    shutil.copy(file, release)
                patch.setattr(migrations, "MIGRATIONS", Path(release))
                with Database(self._server, name).connect() as connection:
                    assert migrations.migrate(connection) == [files[-1].name]
            self._versions.add(name)
        return name

    @contextmanager
    def copied(self, template: str) -> Iterator[Database]:
        """A copy of a database, for the block."""
        made = Database(self._server, f"test_{next(_numbers)}")
        self._copy(template, made.name)
        yield made
        made.close()
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(made.name)))

    def _copy(self, template: str, name: str) -> None:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._admin.execute(copy.format(sql.Identifier(name), sql.Identifier(template)))


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Iterator[Databases]:
    with postgres.connect("postgres") as admin:
        yield Databases(postgres, admin)


@pytest.fixture
def database(databases: Databases) -> Iterator[Database]:
    """A database of the test's own, with an empty schema of today's version."""
    with databases.copied("migrated") as made:
        yield made


@pytest.fixture
def bare_database(databases: Databases) -> Iterator[Database]:
    """A database of the test's own without the schema."""
    with databases.copied("template1") as made:
        yield made


AtVersion = Callable[[int], Database]


@pytest.fixture
def at_version(databases: Databases) -> Iterator[AtVersion]:
    """Make a database of the test's own, with an empty schema of an earlier version."""
    with ExitStack() as made:
        yield lambda version: made.enter_context(databases.copied(databases.of_version(version)))


@pytest.fixture(scope="session")
def market() -> GeneratedMarket:
    """300 stocks, all their indices and ETFs, September and October 2025: a public holiday in the middle."""
    return GeneratedMarket(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=300)


@pytest.fixture
def emulator(market: GeneratedMarket) -> Iterator[Emulator]:
    with Emulator(market) as server:
        yield server


def at(text: str) -> Callable[[], datetime]:
    """A clock that stands still at a Beijing time."""
    moment = datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    return lambda: moment


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(database: Database, emulator: Emulator) -> MakeRun:
    """Make a run of a trade date against the test's database and emulator, as seen on 2025-11-03 20:00."""

    def make(day: str, **options: Any) -> Run:
        source = options.pop("source", None) or source_of(emulator)
        options.setdefault("settings", Settings(lock_timeout=20.0))
        options.setdefault("now", at("2025-11-03T20:00"))
        store = Store(database.connect)
        store.migrate()
        return Run(date.fromisoformat(day), store=store, source=source, **options)

    return make


def source_of(emulator: Emulator, *, idle: float = 2.0, reply: float = 5.0) -> SourceConfig:
    """Where a test's emulator is, with time limits that a test can wait for."""
    return SourceConfig("127.0.0.1", emulator.port, limits=Limits(connect=2.0, idle=idle, reply=reply, reopen=0.05))
