"""The person who backfills: random ranges and options, one command after the other, as typed in a terminal."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from ashare_local import PROJECT, processes
from ashare_local.processes import Record
from tests.soak.world import AT_ONCE, World

RERUN, RESET = "--rerun-failed-tasks", "--reset-dagruns"
OPTIONS: tuple[tuple[str, ...], ...] = ((), (RERUN,), (RERUN,), (RESET,), (RESET,), (RESET,))
CONFS = ('{"fetch": "code", "batch_size": 60}', '{"batch_size": 4}')

BUSY = "is active since"


class Command:
    """An ``airflow`` command with its output in a file."""

    def __init__(self, world: World, output: Path, *arguments: str) -> None:
        self.arguments, self._output = arguments, output
        with output.open("wb") as file:
            # A session of its own: Ctrl-C is for this process, which then stops the command, too.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *arguments],
                env=world.stack.env | {"COLUMNS": "200"},
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._record = Record.of("airflow command", self._process.pid)

    @property
    def ended(self) -> int | None:
        """The exit code once it has ended."""
        return self._process.poll()

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._output.read_text(errors="replace")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.kill(self._process.pid, signal.SIGINT)

    def stop(self) -> None:
        """End it, if it has not ended."""
        processes.stop([self._record], {self._record.name: AT_ONCE})
        self._process.wait()


class Person:
    """Begins a backfill whenever the one before has ended; stops the last one at the end of the ``with`` block."""

    def __init__(self, world: World, rng: random.Random, directory: Path) -> None:
        self._world, self._rng, self._directory = world, rng, directory
        directory.mkdir()
        self._command: Command | None = None
        self._count = 0
        self.oddities: list[str] = []
        """How commands ended that neither succeeded nor said which dates failed."""

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        if self._command is not None:
            self._command.stop()

    def step(self, *, begin: bool = True) -> bool:
        """See to the command; whether one is running."""
        if self._command is not None and self._command.ended is not None:
            self._note_end(self._command, self._command.ended)
            self._command = None
        if self._command is None and begin:
            self._command = self.begin(*self._arguments())
        return self._command is not None

    def begin(self, *arguments: str) -> Command:
        """Begin a backfill."""
        self._count += 1
        output = self._directory / f"{self._count:04d}.log"
        return Command(self._world, output, "dags", "backfill", *arguments, "ashare_daily")

    def _arguments(self) -> list[str]:
        rng, world = self._rng, self._world
        days = (world.last - world.first).days
        start = rng.randrange(days)
        end = min(days, start + rng.choice((0, 4, 11, 20, 34)))
        first, last = (world.first + timedelta(days=number) for number in (start, end))
        arguments = ["-s", str(first), "-e", str(last), *rng.choice(OPTIONS)]
        if rng.random() < 0.25:
            arguments.append("--run-backwards")
        if rng.random() < 0.3:
            arguments += ["--max-active-runs", rng.choice(("1", "3", "16"))]
        if rng.random() < 0.2:
            arguments += ["--conf", rng.choice(CONFS)]
        return arguments

    def _note_end(self, command: Command, code: int) -> None:
        figures, output = self._world.figures, command.output
        summary = re.search(r"(\d+) trade dates: (.*)\.", output)
        if summary:
            figures["dates run"] += int(summary[1])
        if code == 0:
            figures["backfills without a failed date"] += 1
        elif summary:
            figures["backfills with failed dates"] += 1
        elif BUSY in output:
            # Airflow goes on with a backfill whose command was cut off by a crash of the database.
            figures["backfills refused, another was active"] += 1
            time.sleep(1)
        else:
            figures["backfills that ended otherwise"] += 1
            last = (output.strip().splitlines() or ["(nothing said)"])[-1]
            self.oddities.append(f"{' '.join(command.arguments)}: exit code {code}: {last[:300]}")
