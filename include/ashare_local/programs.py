"""How PostgreSQL's programs are run for `make backup` and `make restore`, and on which database."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ashare.connection import CONNECT_SECONDS
from ashare.errors import AshareError
from ashare_local import PROJECT, StackError
from ashare_local.ashare_database import ashare_database
from ashare_local.make_variables import flag
from ashare_local.postgres import PostgresError, bin_dir
from ashare_local.terminal import Stopped, errors, stop_signals

QUERY = ("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
LOCK_SECONDS = 60
"""How long to wait for a lock on the tables."""
NOT_INHERITED = ("PGPASSWORD", "PGSERVICE", "PGHOSTADDR")
"""Variables of the caller's environment that would be used for this database."""
CONTAINER = ("docker", "compose", "exec", "-T", "postgres")
CONTAINER_ENV = {"PGUSER": "postgres", "PGDATABASE": "ashare", "PGOPTIONS": "-c role=ashare"}
"""The superuser needs no password on the container's socket; what it makes has to belong to the role that works."""


class BackupError(AshareError):
    """A backup cannot be made or restored; the text is one sentence."""


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
        return self.run(*QUERY, "-c", f"SET lock_timeout = '{LOCK_SECONDS}s'", "-c", text).strip()

    def run(self, name: str, *arguments: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> str:
        """A program's output.

        :raises BackupError: it failed; the text holds its error message.
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
        with tempfile.TemporaryFile() as messages:
            try:
                process = subprocess.Popen(
                    self._command(name, arguments),
                    env=self._environment(),
                    cwd=PROJECT,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=messages,
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
                _end(process, pipes, seconds=5 if broke_off else 0)
                if not (broke_off and process.returncode):
                    raise
            if process.returncode:
                messages.seek(0)
                raise BackupError(
                    _failure(self._called(name), process.returncode, messages.read().decode(errors="replace"))
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
        kept = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
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


def command(name: str, work: Callable[[Programs], None]) -> int:
    """Work on the database that is meant; the exit code."""
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


@contextmanager
def database(name: str, *, may_be_new: bool) -> Iterator[Programs]:
    """The database that is meant: of the containers, of ``AIRFLOW_CONN_ASHARE_POSTGRES``, or the embedded one.

    :param name: the application name of the sessions, shown to people who wait for their locks.
    :param may_be_new: make the embedded one if it is not there.
    """
    common = {"PGAPPNAME": f"ashare source: {name}", "PGCLIENTENCODING": "UTF8", "PGDATESTYLE": "ISO, YMD"}
    if flag("COMPOSE"):
        yield Programs(CONTAINER_ENV | common, in_container=True)
    else:
        with ashare_database(may_be_new=may_be_new) as libpq:
            yield Programs(libpq | common)


def _end(process: subprocess.Popen[bytes], pipes: Pipes, seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.wait()
    with suppress(BrokenPipeError):  # what was still to be written
        pipes.close()


def _failure(name: str, code: int, messages: str) -> str:
    if code < 0:
        return f"{name} was ended by signal {-code}."
    lines = [line.strip() for line in messages.splitlines() if line.strip()] or ["no reason is given"]
    reasons = [line for line in lines if re.search(r"\b(error|fatal):", line, re.IGNORECASE)] or lines[-1:]
    reason = re.sub(r"^.*?\b(error|fatal): +", "", reasons[0], flags=re.IGNORECASE)
    return f"{name} failed: {reason.rstrip('.')}."
