"""The stack on one machine: embedded PostgreSQL, Airflow's four processes and, if wanted, the emulator."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import random
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypedDict

import psycopg

from ashare.connection import CONNECT_SECONDS, PARAMETERS, POSTGRES_VARIABLE, libpq_env
from ashare.errors import AshareError
from ashare_local import connections, processes, sourced
from ashare_local.postgres import EmbeddedPostgres, PostgresError, bin_dir, stop_left_behind
from ashare_local.processes import Component, Patience, Record

PROJECT = Path(__file__).resolve().parents[2]
PYTHON_BIN = Path(sys.executable).parent
START_SECONDS = 240
SOURCE_SECONDS = 60

SCHEDULER, API_SERVER, DAG_PROCESSOR, TRIGGERER = "scheduler", "api-server", "dag-processor", "triggerer"
EMULATOR, PREPARE = "emulator", "prepare"
JOB_SCHEDULE = "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE"

# The triggerer's child waits for triggers to clean up, also when there are none.
PATIENCE = {TRIGGERER: Patience(leader=1, everyone=1)}
NO_PATIENCE = dict.fromkeys((SCHEDULER, API_SERVER, DAG_PROCESSOR, TRIGGERER), Patience(leader=1, everyone=1))
"""For a stack whose Airflow is thrown away: nobody will ask how its last tasks ended."""


class StackError(Exception):
    """The stack cannot start or go on; the text is one sentence, then the end of a log where there is one."""


class Secrets(TypedDict):
    """What is generated once per state directory."""

    fernet_key: str
    jwt_secret: str
    api_secret_key: str
    password: str


class Stack:
    """Start with ``with Stack(...) as stack``; everything is stopped at the end of the block, however it ends.

    :param state_dir: holds all that is kept: databases, secrets, logs. One stack at a time may use it.
    :param port: of the UI and API; a free one if None.
    :param host: the address that the UI listens on.
    :param emulator: start the Baostock emulator with these arguments (``()`` for none); None for no emulator.
        ``AIRFLOW_CONN_BAOSTOCK`` in the environment goes before it: then no emulator is started.
    :param dags: wait until these DAGs are there, and unpause those that are new.
    :param durable: False for databases that may be lost in a power cut.
    :param users: of the UI, beside ``admin``, by name with their role; with the same password.
    :param scheduled: False if the DAGs are to run only when asked to. Otherwise a new Airflow begins with a run of
        the newest trade date.
    :param migrate: bring the schema ``ashare`` up to date before Airflow starts.
    :param environment: what the stack starts from; ``os.environ`` by default.
    :param report: told what is being done, in a few words.
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
        self._given = connections.own_environment(os.environ if environment is None else environment)
        self._is_demo = emulator is not None
        self._emulator = emulator if "AIRFLOW_CONN_BAOSTOCK" not in self._given else None
        self._folders = (dags_folder.absolute(), plugins_folder.absolute())
        self._import_path = os.pathsep.join([str(PROJECT / "include"), str(self._folders[1])])
        self._migrate = migrate
        self._users = {"admin": "admin", **(users or {})}
        self._scheduled = scheduled
        self._patience = PATIENCE if durable else NO_PATIENCE
        self._report = report
        self._cleanup = contextlib.ExitStack()
        self._secrets: Secrets | None = None
        self.env: dict[str, str] = {}
        """The environment of the stack's processes; complete once it has started."""

    @property
    def url(self) -> str:
        """Where the UI is."""
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
        """Start everything and wait until the scheduler works and the DAGs are there.

        :raises StackError: something did not start; all that did is stopped again.
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
        """Stop everything: the scheduler and its tasks first, PostgreSQL last."""
        self._cleanup.close()

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def has_emulator(self) -> bool:
        """Whether the emulator is the source."""
        return self._emulator is not None

    @property
    def has_own_database(self) -> bool:
        """Whether the database ``ashare`` is one given from outside."""
        return bool(self._given.get(POSTGRES_VARIABLE))

    def check(self) -> None:
        """:raises StackError: one of the stack's processes has ended."""
        for component in self.components.values():
            if component.ended is not None:
                raise StackError(
                    f"The {component.name} ended unexpectedly (exit code {component.ended}); "
                    f"its log is {component.log_file}.\n{component.log_tail()}"
                )
        if self.postgres.pid is None:
            raise StackError(f"PostgreSQL ended unexpectedly; its log is {self.postgres.log_file}.")

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Wait for a condition while all processes live.

        :raises StackError: a process ended, or the condition did not come true in time.
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
        # A session of its own: Ctrl-C is for this process, which then stops the command, too.
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
            processes.stop([record], {record.name: Patience(leader=1, everyone=1)})
            self._write_records()
        return command.returncode

    def source_problem(self) -> str | None:
        """One sentence if Baostock, as the stack would reach it, does not let us in; None if it does."""
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
        """A connection to the ``ashare`` database, the embedded one or the one given from outside.

        :raises StackError: it refuses.
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
        self.env = self._environment()
        self._report("Airflow's database")
        self._cleanup.callback(self._stop_components, API_SERVER)
        self._cleanup.callback(self._stop_components, SCHEDULER, DAG_PROCESSOR, TRIGGERER)
        self._spawn(PREPARE, "ashare_airflow.prepare")
        if self._migrate:
            self._migrate_ashare()
        if self._emulator is not None:
            self.wait_for("Baostock emulator", lambda: bool(port_file.exists() and port_file.read_text().strip()))
            port = int(port_file.read_text())
            self.env["AIRFLOW_CONN_BAOSTOCK"] = connections.made_by(
                connections.baostock_json("127.0.0.1", port), self.state_dir
            )
        self._wait_until_prepared()
        write_env_file(self.env_file, self._env_of_a_terminal(), self._ashare_libpq_env(), self._sourced())
        self._report("Airflow")
        self._spawn(API_SERVER, "airflow", API_SERVER, "--host", self.host, "--port", str(self.port))
        # Their logs are files that the API server reads itself.
        self._spawn(SCHEDULER, "airflow", SCHEDULER, "--skip-serve-logs")
        self._spawn(DAG_PROCESSOR, "airflow", DAG_PROCESSOR)
        self.wait_for("API server", lambda: bool(self._health()))
        # It makes what tasks speak to at the first request, for seconds; better now than when they all wait for it.
        threading.Thread(target=self._get, args=("/execution/health", START_SECONDS), daemon=True).start()
        self.wait_for("scheduler", self._is_healthy)
        # Nothing here waits for it: its start must not delay the others.
        self._spawn(TRIGGERER, "airflow", TRIGGERER, "--skip-serve-logs")
        for dag_id in self.dags:
            self.wait_for(f"DAG {dag_id}", lambda dag_id=dag_id: self._dag_is_there(dag_id))  # type: ignore[misc]

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
        self.env = self._given | {"PYTHONPATH": self._import_path}
        where = ("serve", "--host", "127.0.0.1", "--port", "0", "--port-file", str(port_file))
        log = ("--log", str(self.logs / "emulator-requests.jsonl"))
        self._spawn(EMULATOR, "ashare_emulator", *where, *log, *arguments)

    def _stop_components(self, *names: str) -> None:
        chosen = [self.components[name].record for name in names if name in self.components]
        processes.stop(chosen, self._patience)

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

    def _is_healthy(self) -> bool:
        """Whether scheduler and DAG processor beat; the triggerer, which nothing here needs, may be late."""
        health = self._health()
        return all(health.get(name, {}).get("status") == "healthy" for name in ("scheduler", "dag_processor"))

    def _health(self) -> dict[str, dict[str, Any]]:
        return self._get("/api/v2/monitor/health", 5)

    def _get(self, path: str, seconds: float) -> dict[str, Any]:
        """What the API server says; nothing when it does not answer."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"http://127.0.0.1:{self.port}{path}", timeout=seconds) as reply:
                return dict(json.load(reply))
        except (OSError, ValueError):
            return {}

    def _dag_is_there(self, dag_id: str) -> bool:
        with self.postgres.connect("airflow") as connection:
            broken = connection.execute("SELECT filename, stacktrace FROM import_error LIMIT 1").fetchone()
            if broken:
                raise StackError(f"The DAG file {broken[0]} cannot be imported.\n{broken[1]}")
            query = "SELECT 1 FROM dag JOIN serialized_dag USING (dag_id) WHERE dag_id = %s AND NOT is_stale LIMIT 1"
            return connection.execute(query, (dag_id,)).fetchone() is not None

    def _ashare_libpq_env(self) -> dict[str, str]:
        if self.has_own_database:
            return libpq_env(POSTGRES_VARIABLE, self._given[POSTGRES_VARIABLE])
        return self.postgres.libpq_env("ashare")

    def _env_of_a_terminal(self) -> dict[str, str]:
        """Without what would be taken as given by the next `make up` there."""
        return {name: value for name, value in self.env.items() if name != JOB_SCHEDULE or name in self._given}

    def _sourced(self) -> list[str]:
        """The command at the end of ``env.sh``, which says what this stack is, and whether it runs."""
        name = f"the stack in {self.state_dir}"
        if self._is_demo:
            name = f"the DEMO in {self.state_dir}{', with generated bars' if self.has_emulator else ''}"
        embedded = "" if self.has_own_database else str(self.postgres.socket_file)
        what = (str(self.state_dir), name, "make up DEMO=1" if self._is_demo else "make up", str(self.port), embedded)
        return [sys.executable, "-I", str(Path(sourced.__file__)), *what]

    def _environment(self) -> dict[str, str]:
        assert self._secrets is not None
        home = self.state_dir / "airflow"
        home.mkdir(exist_ok=True)
        passwords = self.state_dir / "passwords.json"
        write_private(passwords, json.dumps(dict.fromkeys(self._users, self._secrets["password"])))
        dags_folder, plugins_folder = self._folders
        database = self.postgres.sqlalchemy_url("airflow")
        fixed = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW_CONFIG": str(home / "airflow.cfg"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins_folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": self._secrets["fernet_key"],
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(":".join(user) for user in self._users.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database,
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": self._secrets["api_secret_key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": self._secrets["jwt_secret"],
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(home / "logs" / "dag_processor"),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "PYTHONPATH": self._import_path,
            "PATH": f"{PYTHON_BIN}{os.pathsep}{self._given.get('PATH', os.defpath)}",
        }
        if not self._scheduled:
            fixed[JOB_SCHEDULE] = "False"
        env = TASTE | self._given | fixed | _local_is_no_proxy(self._given)
        env.setdefault(
            POSTGRES_VARIABLE, connections.made_by(self.postgres.connection_json("ashare"), self.state_dir)
        )
        return env


TASTE = {
    "AIRFLOW__CORE__PARALLELISM": "16",  # more than the pool's slots, so that other tasks run while eight wait
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__API__EXPOSE_CONFIG": "False",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    # After a kill of the whole stack, its running tasks start again half a minute after the next start.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
}
"""Settings that an ``AIRFLOW__...`` variable of the caller may override."""


@contextmanager
def claim(state_dir: Path) -> Iterator[None]:
    """Hold the state directory for this process; the kernel lets go of it when the process ends.

    :raises StackError: another process holds it.
    """
    with (state_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackError(already_running(state_dir, holder(state_dir))) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def already_running(state_dir: Path, pid: int | None) -> str:
    """What to say when the state directory is held."""
    return (
        f"{state_dir} is in use by process {pid or 'unknown'}, a `make up`, `make demo` or `make psql`: "
        "use that one, or stop it with `make down`."
    )


def holder(state_dir: Path) -> int | None:
    """The process that holds the state directory, if one does."""
    try:
        with (state_dir / "lock").open("r") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(lock.read() or 0)
    except FileNotFoundError:
        pass
    return None


def stop_left_over(state_dir: Path) -> list[str]:
    """Stop what a killed stack left behind, and return its names. Call it while holding the directory."""
    left: list[Record] = processes.read_records(state_dir / "processes.json")
    # What tasks need to say how they ended goes last.
    first = [record for record in left if record.name not in (API_SERVER, EMULATOR)]
    last = [record for record in left if record.name in (API_SERVER, EMULATOR)]
    stopped = [record.name for batch in (first, last) for record in processes.stop(batch, PATIENCE)]
    if stop_left_behind(state_dir / "postgres"):
        stopped.append("PostgreSQL")
    return stopped


def free_port() -> int:
    """A free port below those that the kernel gives to outgoing connections, so that it is still free later."""
    for _ in range(200):
        port = random.randint(20000, 32000)
        if port_is_free(port):
            return port
    raise StackError("No free port between 20000 and 32000 on 127.0.0.1.")


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nothing listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        # Binding alone is not enough: macOS lets 127.0.0.1 be bound beside a listener on all addresses.
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def load_secrets(state_dir: Path) -> Secrets:
    """The generated secrets of a state directory, made at the first call."""
    path = state_dir / "secrets.json"
    if not path.exists():
        fresh = Secrets(
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            jwt_secret=secrets.token_urlsafe(48),
            api_secret_key=secrets.token_urlsafe(32),
            password=secrets.token_urlsafe(9),
        )
        write_private(path, json.dumps(fresh))
    loaded: Secrets = json.loads(path.read_text())
    return loaded


LEFT_BY_OTHERS = (
    *("PGPASSWORD", "PGSERVICE", "PGHOSTADDR", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGOPTIONS"),
    *connections.CONNECTIONS,
    "AIRFLOW_CONN_ASHARE_ALERTS",
)
"""Variables of a terminal that an ``env.sh`` begins by unsetting."""


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def write_env_file(path: Path, env: Mapping[str, str], libpq: Mapping[str, str], check: Sequence[str] = ()) -> None:
    """Write ``env.sh``: the Airflow settings, the way to ``airflow`` and ``psql``, and psql's defaults.

    :param check: a command whose exit code is that of reading the file.
    """
    chosen = {name: value for name, value in env.items() if name.startswith(("AIRFLOW_", "ASHARE_"))}
    chosen |= {"PYTHONPATH": env["PYTHONPATH"], **libpq}
    # Unset first: what another database, or another stack's file, has left would be used for this one.
    lines = ["# . this file, in sh, bash or zsh. It holds secrets.", f"unset {' '.join(LEFT_BY_OTHERS)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(chosen.items())]
    # One's own psql, where there is one, stays the first choice.
    lines.append(f'export PATH={shlex.quote(str(PYTHON_BIN))}:"$PATH":{shlex.quote(str(bin_dir()))}')
    if check:
        gone = f"echo {shlex.quote(f'{check[0]} is gone, and airflow with it: run `make install` in {PROJECT}.')} >&2"
        lines.append(f"if [ -x {shlex.quote(check[0])} ]; then {shlex.join(check)}; else {gone}; false; fi")
    write_private(path, "\n".join(lines) + "\n")


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of an ``env.sh``, but for the way to programs."""
    words = iter(shlex.split(path.read_text(), comments=True))
    pairs = (next(words).partition("=") for word in words if word == "export")
    return {name: value for name, _, value in pairs if name != "PATH"}


def connect(libpq: Mapping[str, str]) -> psycopg.Connection:
    """Connect with libpq's variables.

    :raises StackError: the database refuses.
    """
    parameters: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "client_encoding": "UTF8"}
    parameters |= {PARAMETERS[variable]: value for variable, value in libpq.items()}
    try:
        return psycopg.connect(**parameters)
    except psycopg.OperationalError as error:
        where = f"{libpq.get('PGHOST', 'localhost')}:{libpq.get('PGPORT', '5432')}"
        raise StackError(
            f"The ashare database at {where} refuses: {str(error).splitlines()[-1].strip()}. "
            "Check AIRFLOW_CONN_ASHARE_POSTGRES."
        ) from error


def wipe(state_dir: Path) -> None:
    """Delete a state directory that no stack uses.

    :raises StackError: one does.
    """
    if not state_dir.exists():
        return
    with claim(state_dir):
        stop_left_over(state_dir)
        for entry in state_dir.iterdir():
            # The lock stays, or a second demo could hold a new one meanwhile.
            if entry.name != "lock":
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _local_is_no_proxy(given: Mapping[str, str]) -> dict[str, str]:
    """Tasks speak to the API server on this machine, never through a proxy."""
    if sys.platform == "darwin":
        # There, looking up the system's proxies after a fork ends the process.
        return {"NO_PROXY": "*", "no_proxy": "*", "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}
    listed = given.get("no_proxy") or given.get("NO_PROXY") or ""
    both = ",".join(part for part in (listed, "localhost,127.0.0.1") if part)
    return {"NO_PROXY": both, "no_proxy": both}
