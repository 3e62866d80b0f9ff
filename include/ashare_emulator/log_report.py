"""A report on a server's log: the number of requests, and whether connections overlapped."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from ashare_emulator.records import ConnectionRecord, overlapping


class _Log:
    """The content of a log so far. Each server start begins a new run with its own clock and connection numbers."""

    def __init__(self) -> None:
        self.runs: list[dict[int, ConnectionRecord]] = []
        self.by_method: Counter[str] = Counter()
        self.by_connection: Counter[tuple[int, int]] = Counter()
        self.errors: Counter[str] = Counter()

    def add(self, line: dict[str, Any]) -> None:
        event = line.pop("event")
        if event == "start":
            self.runs.append({})
        elif event == "connect":
            self.runs[-1][line["id"]] = ConnectionRecord(**line)
        elif event == "disconnect":
            self.runs[-1][line["id"]].closed = line["closed"]
        elif event == "request":
            self.by_method[line["method"]] += 1
            self.by_connection[len(self.runs), line["connection"]] += 1
            if line["error_code"] not in (None, "0"):
                self.errors[line["error_code"]] += 1


def check_log(path: Path) -> tuple[str, int]:
    """A report of several lines, and the number of pairs of connections that overlapped.

    :raises OSError: the log cannot be read.
    :raises ValueError: the file is not a log of the emulator.
    """
    log = _Log()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            log.add(json.loads(line))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise ValueError(f"{path}, line {number}: this is not a line of an emulator's log.") from None
    connections = sum(len(run) for run in log.runs)
    lines = [f"{sum(log.by_method.values())} requests on {connections} connections"]
    lines += [f"  {method}: {count}" for method, count in sorted(log.by_method.items())]
    lines += [f"  error {code}: {count}" for code, count in sorted(log.errors.items())]
    lines.append("requests by connection:")
    for number, run in enumerate(log.runs, 1):
        for connection in run.values():
            length = f"{connection.closed - connection.opened:.3f} s" if connection.closed else "still open"
            requests = log.by_connection[number, connection.id]
            lines.append(f"  {number}.{connection.id} {connection.opened_at}: {requests}, {length}")
    pairs = [(number, *pair) for number, run in enumerate(log.runs, 1) for pair in overlapping(list(run.values()))]
    lines.append(f"{len(pairs)} overlaps")
    lines += [f"  {number}.{first.id} and {number}.{second.id} were open at once" for number, first, second in pairs]
    return "\n".join(lines) + "\n", len(pairs)
