"""Cross-checks of trade dates, and which dates are to be read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ashare.store import cross_check
from ashare.store.cross_check import CrossCheck, Tolerance

if TYPE_CHECKING:
    from ashare.store.store import Store


@dataclass(frozen=True)
class Corrections:
    """What contradicts what, and what may still be corrected at the source."""

    store: Store

    def cross_check(self, day: date, kind: str, tolerance: Tolerance, run_id: str) -> list[CrossCheck]:
        """Hold a date's bars against what is known, and record the outcome."""
        with self.store.transaction() as connection:
            checks = cross_check.cross_check(connection, day, kind, tolerance)
            cross_check.record(connection, day, kind, checks, run_id)
        return checks

    def neighbours(self, day: date) -> tuple[date | None, date | None]:
        """The sessions before and after a date, as far as the calendar is known."""
        with self.store.transaction() as connection:
            return cross_check.neighbours(connection, day)

    def contradicted(self, day: date, kinds: Sequence[str]) -> set[str]:
        """Kinds of the date whose last cross-checks failed, or that the date after it disagrees with."""
        return {row[0] for row in self.store.rows("cross_check", "contradicted", {"day": day, "kinds": list(kinds)})}

    def due_rereads(self, day: date, kinds: Sequence[str], *, days: int, since: date) -> dict[date, list[str]]:
        """Complete dates among the last ``days`` sessions before ``day`` to be read again, with their kinds."""
        values = {"day": day, "kinds": list(kinds), "days": days, "since": since}
        return dict(self.store.rows("cross_check", "due_rereads", values))

    def complete_since(self, day: date, kind: str, *, days: int) -> date | None:
        """The earliest complete date among the last ``days`` sessions before ``day``."""
        values = {"day": day, "kind": kind, "days": days}
        found: date | None = self.store.rows("cross_check", "complete_since", values)[0][0]
        return found

    def factors_may_be_late(self, day: date) -> bool:
        """Whether some of the date's prices moved as on an ex-date for which there is no adjust factor."""
        return bool(self.store.rows("cross_check", "factors_may_be_late", {"day": day})[0][0])

    def doubt(self, day: date) -> None:
        """Have a complete date read again by the next run after it."""
        self.store.execute("cross_check", "doubt", {"day": day})
