"""What a session needs of the gate in front of Baostock."""

from __future__ import annotations

from typing import Protocol


class Gate(Protocol):
    """The lock and the request ledger in front of Baostock; PostgreSQL's is ``store.SourceGate``."""

    def open(self, requests: int) -> None:
        """Wait until the one connection to Baostock is ours; fails when so many requests may not be sent now."""

    def admit(self, requests: int) -> None:
        """Fail when so many more requests may not be sent now."""

    def begin(self, method: str, detail: str) -> int:
        """Record that a message is about to be sent; fails when the lock is lost."""

    def end(self, request_id: int, outcome: str, reply_chars: int) -> None:
        """Record how that message ended."""

    def should_give_way(self) -> bool:
        """Whether others wait for the connection, and are to have it before the next message."""

    def fileno(self) -> int:
        """What becomes readable when the lock may be lost."""

    def check(self) -> None:
        """Fail when the lock is lost."""

    def close(self) -> None:
        """Give the connection up."""
