"""Processes that this package starts: each leads a session of its own, is written down, and can be stopped later.

What was left behind by a killed parent is found again by pid *and* start time, so that a pid that meanwhile
belongs to another program is never signalled.
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
    """A process that leads a session, as written to disk."""

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
            # A session of its own: Ctrl-C reaches only the parent, which stops the children in order.
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
        """The end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        return ""


def start_time(pid: int) -> float | None:
    """When the process with this pid started, or None if there is none."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def members(record: Record) -> list[int]:
    """The live processes of the recorded session; empty when its pid has passed to another program."""
    leader_started = start_time(record.pid)
    if leader_started is not None and abs(leader_started - record.started) > 1:
        return []
    found = []
    for process in psutil.process_iter(["pid", "status", "create_time"]):
        pid, started = int(process.info["pid"]), process.info["create_time"]
        with contextlib.suppress(OSError):
            # The kernel gives no pid away while a session carries it, so the members are the leader's. Their
            # later start excludes what ran before the machine was started again.
            if (
                os.getsid(pid) == record.pid
                and started >= record.started - 1
                and process.info["status"] != psutil.STATUS_ZOMBIE
            ):
                found.append(pid)
    return found


@dataclass(frozen=True)
class GracePeriod:
    """Seconds for a session to end: first its leader after a SIGTERM, then all its members after a SIGTERM each."""

    leader: float
    members: float


DEFAULT_GRACE_PERIOD = GracePeriod(leader=10, members=5)


def stop(records: Iterable[Record], grace_periods: Mapping[str, GracePeriod] | None = None) -> list[Record]:
    """End the sessions side by side and return those that were alive.

    SIGTERM to each leader, so that it can end its workers in order; later to every member; at last SIGKILL.
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
    """Write the records so that a reader never sees half of them."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps([asdict(record) for record in records], indent=1))
    draft.replace(path)


def read_records(path: Path) -> list[Record]:
    """The records written last; none when there is no such file."""
    try:
        return [Record(**entry) for entry in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
