"""Runs PostgreSQL's programs for `make backup` and `make restore`, and chooses the database."""

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
"""The timeout of waiting for a lock on the tables."""
NOT_INHERITED = ("PGPASSWORD", "PGSERVICE", "PGHOSTADDR")
"""Variables of the caller's environment that the programs must not apply to this database."""
CONTAINER = ("docker", "compose", "exec", "-T", "postgres")
CONTAINER_ENV = {"PGUSER": "postgres", "PGDATABASE": "ashare", "PGOPTIONS": "-c role=ashare"}
"""The superuser needs no password on the container's socket. The role ``ashare`` has to own what it creates."""


class BackupError(AshareError):
    """A backup cannot be made or restored; the text is one sentence."""


@dataclass(frozen=True)
class Programs:
    """The one place that knows how PostgreSQL's programs are run: on this machine, or in the container.

    :ivar libpq: libpq's variables for the database.
    :ivar in_container: True: run the programs in the container, which has all of them in its server's version.
    """

    libpq: Mapping[str, str]
    in_container: bool = False

    def query(self, text: str) -> str:
        """psql's output for a query; ``|`` separates the columns.

        :raises BackupError: psql failed.
        """
        return self.run(*QUERY, "-c", f"SET lock_timeout = '{LOCK_SECONDS}s'", "-c", text).strip()

    def run(self, name: str, *arguments: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> str:
        """Run a program and return its output.

        :raises BackupError: the program failed; the text contains its error message.
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
        """Run a program for the block, and yield its pipes. At the block's end, it has to exit with code 0.

        :raises BackupError: the program is not installed, or exited with another code. This error replaces the
            block's ``BrokenPipeError``, which is only a consequence.
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
                # If the program stopped reading, its own error message says more than the broken pipe.
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
        """The program of this name that is at least as new as the server: the machine's, otherwise the wheel's.

        :raises BackupError: both programs are older than the server.
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
        """The newest program of this name: it reads the dumps of all older versions."""
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
        # LC_ALL=C: the programs' messages are in English, whatever the terminal's locale is.
        return {"PGCONNECT_TIMEOUT": CONNECT_SECONDS, **kept, **self.libpq, "LC_ALL": "C"}


class Pipes:
    """This process's ends of a program's pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe to the program's standard input."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe from the program's standard output."""
        assert self._process.stdout is not None
        return self._process.stdout

    def close(self) -> None:
        """Close both pipes: no more input, no more reading."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def command(name: str, work: Callable[[Programs], None]) -> int:
    """Run ``work`` on the chosen database and return the exit code."""
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
    """The programs for the chosen database.

    With ``COMPOSE=1`` the database of the containers, otherwise that of ``AIRFLOW_CONN_ASHARE_POSTGRES``, otherwise
    the embedded one.

    :param name: part of the sessions' application name, which tells others who holds the locks.
    :param may_be_new: create the embedded database if there is none.
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
    with suppress(BrokenPipeError):  # the pipe's buffer may hold unwritten data
        pipes.close()


def _failure(name: str, code: int, messages: str) -> str:
    if code < 0:
        return f"{name} was ended by signal {-code}."
    lines = [line.strip() for line in messages.splitlines() if line.strip()] or ["no reason is given"]
    reasons = [line for line in lines if re.search(r"\b(error|fatal):", line, re.IGNORECASE)] or lines[-1:]
    reason = re.sub(r"^.*?\b(error|fatal): +", "", reasons[0], flags=re.IGNORECASE)
    return f"{name} failed: {reason.rstrip('.')}."
