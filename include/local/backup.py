"""`make backup`: the schema ``ashare`` as one file; and how PostgreSQL's programs are run, for `make restore` too."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from include.ashare.connection import CONNECT_SECONDS, POSTGRES_VARIABLE, libpq_env
from include.ashare.dates import beijing_now
from include.ashare.errors import AshareError
from include.ashare.store.queries import queries
from include.local.postgres import EmbeddedPostgres, PostgresError, bin_dir, running_server
from include.local.stack import PROJECT, StackError, claim
from include.local.terminal import Stopped, console, demo_dir, errors, shown, state_dir, stop_signals, wants_demo

BACKUPS = PROJECT / "backups"
CHUNK = 1 << 20
QUERY = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")

SQL = queries("backup")

POINTS_ELSEWHERE = ("PGPASSWORD", "PGSERVICE", "PGHOSTADDR")
"""Of the caller's environment; they would be used for this database."""
CONTAINER = ("docker", "compose", "exec", "-T", "postgres")
CONTAINER_ENV = {"PGUSER": "postgres", "PGDATABASE": "ashare", "PGOPTIONS": "-c role=ashare"}
"""The superuser needs no password on the container's socket; what it makes has to belong to the role that works."""


class BackupError(AshareError):
    """A backup cannot be made or restored; the text is one sentence."""


@dataclass(frozen=True)
class Contents:
    """What a database holds: its schema version, bars, and the newest trade date of them."""

    version: int
    bars: int
    newest: str

    @classmethod
    def of(cls, line: str) -> Contents:
        """From the line that psql prints for its query."""
        version, bars, newest = line.strip().split("|")
        return cls(int(version), int(bars), newest)

    def __str__(self) -> str:
        bars = f"{self.bars} bars up to {self.newest}" if self.bars else "no bars"
        return f"schema version {self.version}, {bars}"


@dataclass(frozen=True)
class Programs:
    """The one place that knows how PostgreSQL's programs are run: on this machine, or in the container.

    :ivar in_container: all of them are there, and as new as its server.
    :ivar libpq: libpq's variables, which say where the database is.
    """

    libpq: Mapping[str, str]
    in_container: bool = False

    def query(self, text: str) -> str:
        """What psql prints for a query, ``|`` between its columns."""
        return self.run(*QUERY, "-c", text).strip()

    def run(self, name: str, *arguments: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> str:
        """A program's output.

        :raises BackupError: it failed; the text says what it said.
        """
        with self.started(name, *arguments, stdin=stdin) as program:
            output = program.stdout.read()
        return output.decode()

    @contextmanager
    def started(
        self,
        name: str,
        *arguments: str,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        stdout: IO[bytes] | int = subprocess.PIPE,
    ) -> Iterator[Pipes]:
        """A program that runs for as long as the block, at whose end it has to end well by itself.

        :raises BackupError: it did not; this goes before an error of the block that may come of it.
        """
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    self._command(name, arguments),
                    env=self._environment(),
                    cwd=PROJECT,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=said,
                )
            except FileNotFoundError as error:
                raise BackupError(f"There is no {error.filename} on this machine: install it.") from None
            pipes = Pipes(process)
            try:
                yield pipes
                pipes.close()
                process.wait()
            except BaseException as error:
                # Of a program that did not read to the end, its own words are worth more.
                broke_off = isinstance(error, BrokenPipeError) and process.stdin is not None
                _end(process, pipes, patience=5 if broke_off else 0)
                if not (broke_off and process.returncode):
                    raise
            if process.returncode:
                said.seek(0)
                raise BackupError(
                    _failure(self._called(name), process.returncode, said.read().decode(errors="replace"))
                )

    def for_server(self, name: str) -> str:
        """The program of this name that a server of this version can be read with: the machine's, or the wheel's.

        :raises BackupError: both are older than the server.
        """
        if self.in_container:
            return name
        server = int(self.query("SHOW server_version_num")) // 10_000
        for program in self._candidates(name):
            if self._major(program) >= server:
                return program
        raise BackupError(
            f"The server is PostgreSQL {server}, and no {name} here is as new: install PostgreSQL's client programs, "
            f"version {server} or newer."
        )

    def newest(self, name: str) -> str:
        """The newest program of this name: it reads what any older one wrote."""
        if self.in_container:
            return name
        return max(self._candidates(name), key=self._major)

    def _candidates(self, name: str) -> list[str]:
        own = shutil.which(name)
        return [*([own] if own else []), str(bin_dir() / name)]

    def _major(self, program: str) -> int:
        found = re.search(r"PostgreSQL\) (\d+)", self.run(program, "--version"))
        return int(found[1]) if found else 0

    def _called(self, name: str) -> str:
        return f"{name} in the container" if self.in_container else Path(name).name

    def _command(self, name: str, arguments: tuple[str, ...]) -> list[str]:
        if self.in_container:
            return [*CONTAINER, "env", *(f"{key}={value}" for key, value in self.libpq.items()), name, *arguments]
        program = self._candidates(name)[0] if "/" not in name else name
        return [program, *arguments]

    def _environment(self) -> dict[str, str]:
        if self.in_container:
            return dict(os.environ)
        kept = {name: value for name, value in os.environ.items() if name not in POINTS_ELSEWHERE}
        # Their messages in one language, whatever this terminal's is.
        return {"PGCONNECT_TIMEOUT": CONNECT_SECONDS, **kept, **self.libpq, "LC_ALL": "C"}


class Pipes:
    """The ends of a program's pipes that are ours."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def stdin(self) -> IO[bytes]:
        """What is written here is the program's input."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The program's output."""
        assert self._process.stdout is not None
        return self._process.stdout

    def close(self) -> None:
        """Nothing more comes, and nothing more is read."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def main() -> int:
    """Write a backup; the exit code."""
    return command("make backup", lambda programs: backup(programs, chosen_file()))


def command(name: str, work: Callable[[Programs], None]) -> int:
    """Do this with the database that is meant; the exit code."""
    try:
        with stop_signals(), database(name, may_be_new=name == "make restore") as programs:
            work(programs)
    except Stopped:
        errors.print(f"`{name}` was interrupted; nothing is left half done.")
        return 130
    except (AshareError, PostgresError, StackError) as error:
        errors.print(str(error), markup=False)
        return 1
    return 0


def backup(programs: Programs, file: Path | None = None) -> None:
    """Write the schema ``ashare`` to a file, which is there when it is whole."""
    began = time.monotonic()
    if programs.query(SQL["is_there"]) != "3":
        raise BackupError(
            "The database holds no schema ashare of this package, so there is nothing to back up: the first run makes"
            " it."
        )
    pg_dump = programs.for_server("pg_dump")
    if file is None:
        BACKUPS.mkdir(mode=0o700, exist_ok=True)
        file = BACKUPS / f"ashare-{beijing_now():%Y-%m-%dT%H%M%S}.dump"
    draft = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
            contents = _dump(programs, pg_dump, output)
            os.fsync(output.fileno())
        draft.replace(file)
        _sync_directory(file.parent)
    except OSError as error:
        raise BackupError(
            f"{shown(file)} cannot be written ({error.strerror}): choose another file (FILE=)."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    took = time.monotonic() - began
    console.print(f"{shown(file)}: {_size(file)}, {contents}, in {took:.1f} s.", markup=False)


def _dump(programs: Programs, pg_dump: str, output: IO[bytes]) -> Contents:
    """What is in the dump, counted in the same snapshot, as a run may go on meanwhile."""
    with programs.started(*QUERY, stdin=subprocess.PIPE) as session:
        session.stdin.write(f"{SQL['snapshot']};{SQL['contents']};\n".encode())
        session.stdin.flush()
        snapshot, line = (session.stdout.readline().decode().strip() for _ in range(2))
        if not line:
            raise BrokenPipeError
        # Level 1 takes a quarter of the usual level's time, for a file that is a tenth larger.
        wanted = ("--format=custom", "--compress=1", "--schema=ashare", f"--snapshot={snapshot}")
        with programs.started(pg_dump, *wanted) as dump:
            # By a pipe: to a file that is its output, pg_dump adds its table of contents a second time.
            shutil.copyfileobj(dump.stdout, output, CHUNK)
    return Contents.of(line)


@contextmanager
def database(name: str, *, may_be_new: bool) -> Iterator[Programs]:
    """The database that is meant: of the containers, of ``AIRFLOW_CONN_ASHARE_POSTGRES``, or the embedded one.

    :param name: shown to those who wait for what this holds.
    :param may_be_new: make the embedded one if it is not there.
    """
    common = {"PGAPPNAME": f"ashare source: {name}", "PGCLIENTENCODING": "UTF8"}
    if flag("COMPOSE"):
        yield Programs(CONTAINER_ENV | common, in_container=True)
    elif given := os.environ.get(POSTGRES_VARIABLE):
        yield Programs(libpq_env(POSTGRES_VARIABLE, given) | common)
    else:
        directory = demo_dir() if wants_demo() else state_dir()
        postgres = EmbeddedPostgres(directory / "postgres")
        if not postgres.data_dir.exists() and not may_be_new:
            first = "make demo" if wants_demo() else "make up"
            raise StackError(f"There is no database in {shown(directory)} yet: run `{first}` first.")
        if running_server(postgres.directory):
            yield Programs(postgres.libpq_env("ashare") | common)
            return
        directory.mkdir(parents=True, exist_ok=True)
        with claim(directory), postgres:
            yield Programs(postgres.libpq_env("ashare") | common)


def chosen_file() -> Path | None:
    """``FILE=path``, if it was given."""
    given = os.environ.get("FILE", "").strip()
    return Path(given).expanduser().absolute() if given else None


def flag(name: str) -> bool:
    """Whether ``name=1`` was given."""
    return os.environ.get(name, "").strip().lower() not in ("", "0", "no", "false")


def _end(process: subprocess.Popen[bytes], pipes: Pipes, patience: float) -> None:
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
    process.wait()
    with suppress(BrokenPipeError):  # what was still to be written
        pipes.close()


def _failure(name: str, code: int, said: str) -> str:
    if code < 0:
        return f"{name} was ended by signal {-code}."
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["no reason is given"]
    reasons = [line for line in lines if re.search(r"\b(error|fatal):", line, re.IGNORECASE)] or lines[-1:]
    reason = re.sub(r"^.*?\b(error|fatal): +", "", reasons[0], flags=re.IGNORECASE)
    return f"{name} failed: {reason.rstrip('.')}."


def _size(file: Path) -> str:
    size = file.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
