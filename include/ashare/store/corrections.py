"""Cross-checks of trade dates, and which dates are to be read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ashare.datasets import bars_of
from ashare.store import cross_check
from ashare.store.cross_check import CrossCheck, Tolerance

if TYPE_CHECKING:
    from ashare.store.store import Store


@dataclass(frozen=True)
class Corrections:
    """Cross-checks, and the dates that the source may still correct."""

    store: Store

    def cross_check(self, day: date, kind: str, tolerance: Tolerance, run_id: str) -> list[CrossCheck]:
        """Cross-check a date's bars of a kind, and record the outcome."""
        with self.store.transaction() as connection:
            checks = cross_check.cross_check(connection, day, kind, tolerance)
            cross_check.record(connection, day, kind, checks, run_id)
        return checks

    def neighbours(self, day: date) -> tuple[date | None, date | None]:
        """The sessions before and after a date, within 31 days; ``None`` where the calendar has none."""
        with self.store.transaction() as connection:
            return cross_check.neighbours(connection, day)

    def contradicted(self, day: date, kinds: Sequence[str]) -> set[str]:
        """Kinds whose last cross-check of the date failed, and those in doubt (``Coverage.doubt``)."""
        return {row[0] for row in self.store.rows("cross_check", "contradicted", {"day": day, "kinds": list(kinds)})}

    def due_rereads(
        self, day: date, kinds: Sequence[str], *, days: int, since: date, only_doubted: bool
    ) -> dict[date, list[str]]:
        """Complete dates, among the last ``days`` sessions before ``day``, due for a reread; with their kinds.

        :param only_doubted: only those in doubt (``Coverage.doubt``).
        """
        values = {
            "day": day,
            "datasets": [bars_of(kind).name for kind in kinds],
            "days": days,
            "since": since,
            "only_doubted": only_doubted,
        }
        return dict(self.store.rows("cross_check", "due_rereads", values))

    def earliest_complete(self, day: date, kind: str, *, days: int) -> date | None:
        """The earliest date, among the last ``days`` sessions before ``day``, that is complete for the kind."""
        values = {"day": day, "dataset": bars_of(kind).name, "days": days}
        found: date | None = self.store.rows("cross_check", "earliest_complete", values)[0][0]
        return found

    def factors_may_be_late(self, day: date) -> bool:
        """Whether some prices of the date moved as on an ex-date, but without an adjust factor."""
        return bool(self.store.rows("cross_check", "factors_may_be_late", {"day": day})[0][0])
