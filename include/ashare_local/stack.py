"""The stack on one machine: embedded PostgreSQL, Airflow's four processes and, if wanted, the emulator."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psycopg

from ashare.connection import POSTGRES_VARIABLE, libpq_env
from ashare.errors import AshareError
from ashare_local import PROJECT, StackError, env_file_check, processes
from ashare_local.airflow_health import AirflowHealth
from ashare_local.airflow_settings import JOB_SCHEDULE, AirflowSettings
from ashare_local.ashare_database import connect
from ashare_local.components import (
    API_SERVER,
    DAG_PROCESSOR,
    EMULATOR,
    GRACE_PERIODS,
    PREPARE,
    SCHEDULER,
    SHORT_GRACE_PERIODS,
    TRIGGERER,
)
from ashare_local.env_file import write_env_file
from ashare_local.ports import free_port
from ashare_local.postgres import EmbeddedPostgres, PostgresError
from ashare_local.processes import Component, GracePeriod, Record
from ashare_local.stack_connections import (
    BAOSTOCK_VARIABLE,
    baostock_json,
    caller_environment,
    mark_as_stack_connection,
)
from ashare_local.state_directory import Secrets, claim, load_secrets, stop_left_over, write_private

START_SECONDS = 240
SOURCE_SECONDS = 60


class Stack:
    """Start with ``with Stack(...) as stack``. The end of the block stops all processes, also after an exception.

    :param state_dir: the directory of the databases, secrets and logs. Only one stack at a time may use it.
    :param port: the port of the UI and the API; None for a free port.
    :param host: the address that the UI listens on.
    :param emulator: the arguments of the Baostock emulator (``()`` for no arguments); None for no emulator.
        ``AIRFLOW_CONN_BAOSTOCK`` in the environment takes precedence: with it, no emulator is started.
    :param dags: ``start`` waits until Airflow knows these DAGs.
    :param durable: False for databases that may be lost in a power cut.
    :param users: the UI's users beside ``admin``: name to role. All have the same password.
    :param scheduled: False: DAGs run only on request. True: a new Airflow first runs the newest trade date.
    :param migrate: migrate the schema ``ashare`` before Airflow starts.
    :param environment: the environment in which the stack is started; by default ``os.environ``.
    :param report: called with the name of each phase at its beginning.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
        emulator: Sequence[str] | None = None,
        dags: Sequence[str] = ("ashare_daily",),
        dags_folder: Path = PROJECT / "dags",
        plugins_folder: Path = PROJECT / "plugins",
        durable: bool = True,
        users: Mapping[str, str] | None = None,
        scheduled: bool = True,
        migrate: bool = True,
        environment: Mapping[str, str] | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.state_dir = state_dir.absolute()
        self.logs = self.state_dir / "logs"
        self.port = port if port is not None else free_port()
        self.host = host
        self.dags = tuple(dags)
        self.components: dict[str, Component] = {}
        self.postgres = EmbeddedPostgres(self.state_dir / "postgres", durable=durable)
        self._health = AirflowHealth(self.port, self.postgres)
        self._given = caller_environment(os.environ if environment is None else environment)
        self._is_demo = emulator is not None
        self._emulator = emulator if BAOSTOCK_VARIABLE not in self._given else None
        self._folders = (dags_folder.absolute(), plugins_folder.absolute())
        self._migrate = migrate
        self._users = {"admin": "admin", **(users or {})}
        self._scheduled = scheduled
        self._grace_periods = GRACE_PERIODS if durable else SHORT_GRACE_PERIODS
        self._report = report
        self._cleanup = contextlib.ExitStack()
        self._secrets: Secrets | None = None
        self.env: dict[str, str] = {}
        """The environment of the stack's processes; complete after ``start``."""

    @property
    def url(self) -> str:
        """The URL of the UI."""
        return f"http://localhost:{self.port}"

    @property
    def password(self) -> str:
        """The password of the UI's user ``admin``."""
        assert self._secrets is not None
        return self._secrets["password"]

    @property
    def env_file(self) -> Path:
        """The shell file that gives the stack's environment to a terminal."""
        return self.state_dir / "env.sh"

    def start(self) -> Stack:
        """Start all processes; wait until the scheduler is healthy and Airflow knows the DAGs.

        :raises StackError: a process did not start; the started processes are stopped again.
        """
        try:
            self._start()
        except PostgresError as error:
            self.stop()
            raise StackError(str(error)) from error
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop all processes: scheduler and tasks first, then API server, PostgreSQL and emulator."""
        self._cleanup.close()

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def has_emulator(self) -> bool:
        """Whether the emulator is the source."""
        return self._emulator is not None

    @property
    def has_own_database(self) -> bool:
        """Whether the database ``ashare`` is that of ``AIRFLOW_CONN_ASHARE_POSTGRES``, not the embedded one."""
        return bool(self._given.get(POSTGRES_VARIABLE))

    def check(self) -> None:
        """Check that all processes of the stack live.

        :raises StackError: a process has ended.
        """
        for component in self.components.values():
            if component.ended is not None:
                raise StackError(
                    f"The {component.name} ended unexpectedly (exit code {component.ended}); "
                    f"its log is {component.log_file}.\n{component.log_tail()}"
                )
        if self.postgres.pid is None:
            raise StackError(f"PostgreSQL ended unexpectedly; its log is {self.postgres.log_file}.")

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Poll a condition until it is true, while all processes live.

        :param what: the name of the awaited thing in the error message.
        :raises StackError: a process ended, or the condition did not become true in time.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise StackError(f"No {what} after {seconds:.0f} seconds; the logs are in {self.logs}.")
            time.sleep(0.1)

    def airflow(self, *arguments: str) -> int:
        """Run an ``airflow`` command in the stack's environment, its output shown live; returns its exit code.

        :raises StackError: one of the stack's processes ended meanwhile.
        """
        # A new session: Ctrl-C reaches only this process, which then stops the command.
        command = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments], env=self.env, cwd=PROJECT, start_new_session=True
        )
        record = Record.of("airflow command", command.pid)
        self._write_records(record)
        try:
            while command.poll() is None:
                self.check()
                time.sleep(0.1)
        finally:
            processes.stop([record], {record.name: GracePeriod(leader=1, members=1)})
            self._write_records()
        return command.returncode

    def source_problem(self) -> str | None:
        """One sentence if a process with the stack's settings cannot connect to Baostock; None if it can."""
        command = [sys.executable, "-m", "ashare_airflow.source_check"]
        try:
            asked = subprocess.run(
                command,
                env=self.env,
                cwd=PROJECT,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                timeout=SOURCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"Baostock did not answer within {SOURCE_SECONDS} seconds."
        if asked.returncode == 0:
            return None
        return (asked.stdout.strip().splitlines() or ["Baostock could not be asked."])[-1]

    def ashare_connection(self) -> psycopg.Connection:
        """A connection to the ``ashare`` database: the user's own if given, otherwise the embedded one.

        :raises StackError: the database refuses the connection.
        """
        return connect(self._ashare_libpq_env())

    def _start(self) -> None:
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._cleanup.enter_context(claim(self.state_dir))
        stop_left_over(self.state_dir)
        self.logs.mkdir(exist_ok=True)
        self._secrets = load_secrets(self.state_dir)
        self._cleanup.callback(write_private, self.state_dir / "processes.json", "[]")
        port_file = self.state_dir / "emulator.port"
        self._cleanup.callback(self._stop_components, EMULATOR, PREPARE)
        if self._emulator is not None:
            port_file.unlink(missing_ok=True)
            self._spawn_emulator(port_file, self._emulator)
        self._report("PostgreSQL")
        self._cleanup.callback(self.postgres.stop)
        self.postgres.start()
        self.env = self._environment(self._secrets)
        self._report("Airflow's database")
        self._cleanup.callback(self._stop_components, API_SERVER)
        self._cleanup.callback(self._stop_components, SCHEDULER, DAG_PROCESSOR, TRIGGERER)
        self._spawn(PREPARE, "ashare_airflow.prepare")
        if self._migrate:
            self._migrate_ashare()
        if self._emulator is not None:
            self.wait_for("Baostock emulator", lambda: bool(port_file.exists() and port_file.read_text().strip()))
            port = int(port_file.read_text())
            self.env[BAOSTOCK_VARIABLE] = mark_as_stack_connection(baostock_json("127.0.0.1", port), self.state_dir)
        self._wait_until_prepared()
        write_env_file(self.env_file, self._terminal_environment(), self._ashare_libpq_env(), self._env_file_check())
        self._report("Airflow")
        self._spawn(API_SERVER, "airflow", API_SERVER, "--host", self.host, "--port", str(self.port))
        # --skip-serve-logs: the API server reads the log files itself.
        self._spawn(SCHEDULER, "airflow", SCHEDULER, "--skip-serve-logs")
        self._spawn(DAG_PROCESSOR, "airflow", DAG_PROCESSOR)
        self.wait_for("API server", self._health.has_api_server)
        # At its first request, the API server takes seconds to load the API of tasks. Ask now, before tasks wait.
        threading.Thread(target=self._health.get, args=("/execution/health", START_SECONDS), daemon=True).start()
        self.wait_for("scheduler", self._health.is_healthy)
        # The triggerer starts last: nothing here waits for it, and its start must not delay the other processes.
        self._spawn(TRIGGERER, "airflow", TRIGGERER, "--skip-serve-logs")
        for dag_id in self.dags:
            self.wait_for(f"DAG {dag_id}", lambda dag_id=dag_id: self._health.has_dag(dag_id))  # type: ignore[misc]

    def _migrate_ashare(self) -> None:
        from ashare.store import Store

        with Store(self.ashare_connection) as store:
            try:
                store.migrate()
            except AshareError as error:
                raise StackError(str(error)) from error

    def _spawn(self, name: str, module: str, *arguments: str) -> None:
        self.components[name] = Component(
            name,
            [sys.executable, "-m", module, *arguments],
            env=self.env,
            cwd=PROJECT,
            log_file=self.logs / f"{name}.log",
        )
        self._write_records()

    def _write_records(self, *more: Record) -> None:
        records = [component.record for component in self.components.values()]
        processes.write_records(self.state_dir / "processes.json", [*records, *more])

    def _spawn_emulator(self, port_file: Path, arguments: Sequence[str]) -> None:
        self.env = self._given | {"PYTHONPATH": str(PROJECT / "include")}
        where = ("serve", "--host", "127.0.0.1", "--port", "0", "--port-file", str(port_file))
        log = ("--log", str(self.logs / "emulator-requests.jsonl"))
        self._spawn(EMULATOR, "ashare_emulator", *where, *log, *arguments)

    def _stop_components(self, *names: str) -> None:
        chosen = [self.components[name].record for name in names if name in self.components]
        processes.stop(chosen, self._grace_periods)

    def _wait_until_prepared(self) -> None:
        prepare = self.components[PREPARE]
        deadline = time.monotonic() + START_SECONDS
        while prepare.ended is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if prepare.ended != 0:
            raise StackError(
                f"Airflow's database could not be prepared; the log is {prepare.log_file}.\n{prepare.log_tail()}"
            )
        del self.components[PREPARE]

    def _ashare_libpq_env(self) -> dict[str, str]:
        if self.has_own_database:
            return libpq_env(POSTGRES_VARIABLE, self._given[POSTGRES_VARIABLE])
        return self.postgres.libpq_env("ashare")

    def _terminal_environment(self) -> dict[str, str]:
        """The environment for ``env.sh``, without ``JOB_SCHEDULE`` unless the caller has set it.

        Otherwise the next `make up` in that terminal would take ``JOB_SCHEDULE`` for the caller's setting.
        """
        return {name: value for name, value in self.env.items() if name != JOB_SCHEDULE or name in self._given}

    def _env_file_check(self) -> list[str]:
        """The last command of ``env.sh``: it reports which stack this is, and whether the stack runs."""
        name = f"the stack in {self.state_dir}"
        if self._is_demo:
            name = f"the DEMO in {self.state_dir}{', with generated bars' if self.has_emulator else ''}"
        embedded = "" if self.has_own_database else str(self.postgres.socket_file)
        command = "make up DEMO=1" if self._is_demo else "make up"
        arguments = (str(self.state_dir), name, command, str(self.port), embedded)
        return [sys.executable, "-I", str(Path(env_file_check.__file__)), *arguments]

    def _environment(self, secrets: Secrets) -> dict[str, str]:
        home = self.state_dir / "airflow"
        home.mkdir(exist_ok=True)
        dags_folder, plugins_folder = self._folders
        settings = AirflowSettings(
            home=home,
            port=self.port,
            database=self.postgres.sqlalchemy_url("airflow"),
            secrets=secrets,
            dags_folder=dags_folder,
            plugins_folder=plugins_folder,
            users=self._users,
            scheduled=self._scheduled,
        )
        embedded = mark_as_stack_connection(self.postgres.connection_json("ashare"), self.state_dir)
        return {POSTGRES_VARIABLE: embedded, **settings.environment(self._given)}
