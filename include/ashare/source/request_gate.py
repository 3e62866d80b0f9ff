"""Interface of the gate in front of Baostock, as a session uses it."""

from __future__ import annotations

from typing import Protocol


class Gate(Protocol):
    """Lock and request ledger in front of Baostock; ``store.SourceGate`` implements both in PostgreSQL."""

    def open(self, requests: int) -> None:
        """Acquire the lock on the one connection to Baostock; fail if ``requests`` requests may not be sent now."""

    def admit(self, requests: int) -> None:
        """Fail if ``requests`` more requests may not be sent now."""

    def begin(self, method: str, detail: str) -> int:
        """Record that a message is about to be sent, and return its request id; fail if the lock is lost."""

    def end(self, request_id: int, outcome: str, reply_chars: int) -> None:
        """Record the outcome of a message."""

    def record_outage(self, error: str) -> None:
        """Record that no connection could be opened, and why: nothing was sent, so the ledger has no entry."""

    def should_give_way(self) -> bool:
        """Whether other sessions wait for the lock, and should get it before the next message."""

    def fileno(self) -> int:
        """A file descriptor that becomes readable when the lock may be lost."""

    def check(self) -> None:
        """Fail if the lock is lost."""

    def close(self) -> None:
        """Release the lock."""
