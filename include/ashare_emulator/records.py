"""The records of the emulator's connections and requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class ConnectionRecord:
    """A TCP connection, from its acceptance until either side closes it.

    ``opened`` and ``closed`` are seconds of the monotonic clock; ``closed`` is None while the connection is open.
    ``opened_at`` is Beijing time.
    """

    id: int
    peer: str
    opened: float
    opened_at: str
    closed: float | None = None


@dataclass
class RequestRecord:
    """A request and its reply. ``params`` never hold a password or an API key.

    ``error_code`` is None if the connection was closed before a reply. ``started`` and ``finished`` are seconds of
    the monotonic clock; ``started_at`` is Beijing time.
    """

    connection: int
    seq: int
    method: str
    params: dict[str, str]
    started: float
    started_at: str
    rows: int = 0
    error_code: str | None = None
    faults: list[str] = field(default_factory=list)
    finished: float = 0.0


def overlapping(connections: Sequence[ConnectionRecord]) -> list[tuple[ConnectionRecord, ConnectionRecord]]:
    """The pairs of connections that were open at the same time."""
    ordered = sorted(connections, key=lambda connection: (connection.opened, connection.id))
    pairs = []
    for n, first in enumerate(ordered):
        for second in ordered[n + 1 :]:
            if first.closed is not None and first.closed <= second.opened:
                continue
            pairs.append((first, second))
    return pairs
