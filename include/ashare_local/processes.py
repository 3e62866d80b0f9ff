"""The child processes of this package: each leads its own session, is recorded on disk, and can be stopped later.

The children of a killed parent are found by pid *and* start time, so that a pid that now belongs to another program
is never signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]


@dataclass(frozen=True)
class Record:
    """A process that leads a session, as recorded on disk. ``started`` is in seconds since the epoch."""

    name: str
    pid: int
    started: float

    @classmethod
    def of(cls, name: str, pid: int) -> Record:
        return cls(name, pid, start_time(pid) or 0.0)


class Component:
    """A child process that leads its own session and writes to a log file."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], cwd: Path, log_file: Path
    ) -> None:
        self.name = name
        self.log_file = log_file
        if log_file.exists():
            log_file.replace(log_file.with_name(log_file.name + ".1"))
        with log_file.open("wb") as log:
            # A new session: Ctrl-C reaches only the parent, which stops the children in order.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,
            )
        self.record = Record.of(name, self.process.pid)

    @property
    def ended(self) -> int | None:
        """The exit code; None while the process runs."""
        return self.process.poll()

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the log; empty if the log cannot be read."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        return ""


def start_time(pid: int) -> float | None:
    """When the process with this pid started, in seconds since the epoch; None if there is no such process."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def members(record: Record) -> list[int]:
    """The live processes of the recorded session; empty if its leader's pid now belongs to another process."""
    leader_started = start_time(record.pid)
    if leader_started is not None and abs(leader_started - record.started) > 1:
        return []
    found = []
    for process in psutil.process_iter(["pid", "status", "create_time"]):
        pid, started = int(process.info["pid"]), process.info["create_time"]
        with contextlib.suppress(OSError):
            # The kernel does not reuse a pid while a session has it as its id: the members belong to the leader.
            # A member cannot have started before its leader.
            if (
                os.getsid(pid) == record.pid
                and started >= record.started - 1
                and process.info["status"] != psutil.STATUS_ZOMBIE
            ):
                found.append(pid)
    return found


@dataclass(frozen=True)
class GracePeriod:
    """Seconds for a session to end: first for the leader after its SIGTERM, then for all members after theirs."""

    leader: float
    members: float


DEFAULT_GRACE_PERIOD = GracePeriod(leader=10, members=5)


def stop(records: Iterable[Record], grace_periods: Mapping[str, GracePeriod] | None = None) -> list[Record]:
    """End the sessions concurrently and return the records of those that were alive.

    First each leader gets SIGTERM, so that it can end its workers in order. After the leader's grace period every
    member gets SIGTERM, and after the members' grace period SIGKILL.
    """
    found = [record for record in records if members(record)]
    for record in found:
        _signal([record.pid] if start_time(record.pid) else members(record), signal.SIGTERM)
    began, left, signalled = time.monotonic(), list(found), set[str]()
    while left:
        waited = time.monotonic() - began
        for record in left:
            grace = (grace_periods or {}).get(record.name, DEFAULT_GRACE_PERIOD)
            if waited > grace.leader + grace.members:
                _signal(members(record), signal.SIGKILL)
            elif waited > grace.leader and record.name not in signalled:
                signalled.add(record.name)
                _signal(members(record), signal.SIGTERM)
        left = [record for record in left if members(record)]
        time.sleep(0.05 if left else 0)
    return found


def _signal(pids: Iterable[int], how: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, how)


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write the records atomically: a reader never sees a part of them."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps([asdict(record) for record in records], indent=1))
    draft.replace(path)


def read_records(path: Path) -> list[Record]:
    """The records written last; empty if the file is missing or invalid."""
    try:
        return [Record(**entry) for entry in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
