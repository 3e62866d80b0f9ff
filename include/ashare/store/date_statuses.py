"""The table ``sync_status``: the state of work on each trade date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ashare.store.rows import DateCount, Expectation
from ashare.texts import bounded

if TYPE_CHECKING:
    from ashare.store.store import Store


@dataclass(frozen=True)
class DateStatuses:
    """The status of trade dates."""

    store: Store

    def start(self, day: date, kinds: Sequence[str], run_id: str) -> None:
        """Record that work on the date starts."""
        self.store.execute("status", "start", {"day": day, "kinds": list(kinds), "run_id": run_id})

    def count_poll(self, day: date, waits_for: str) -> int:
        """Count one more poll for data of the date that is not published yet; returns the number of polls so far.

        :param waits_for: the data, in words.
        """
        polls: int = self.store.rows("status", "count_poll", {"day": day, "waits_for": waits_for})[0][0]
        return polls

    def complete_kinds(self, day: date) -> tuple[str, ...]:
        """The kinds that a date was complete for when it was last counted."""
        rows = self.store.rows("status", "complete_kinds", {"day": day})
        return tuple(rows[0][0]) if rows else ()

    def get(self, day: date) -> tuple[str, tuple[str, ...]] | None:
        """A date's status and the kinds that the status covers; ``None`` without a record."""
        rows = self.store.rows("status", "get", {"day": day})
        return (rows[0][0], tuple(rows[0][1])) if rows else None

    def recount(self, expectation: Expectation, note: str | None, count: DateCount) -> None:
        """Update the counts of a complete date whose rows have changed since it was recorded."""
        names = ("expected", "loaded", "suspended", "rejected", "revised")
        figures = {name: getattr(count, name) for name in names}
        self.store.execute("status", "recount", {**figures, "day": expectation.day, "reason": note and bounded(note)})

    def contradict(self, day: date, reason: str) -> None:
        """Turn a complete date into a failed one: a later cross-check contradicts its bars."""
        self.store.execute("status", "contradict", {"day": day, "reason": bounded(reason)})

    def fail(self, day: date, kinds: Sequence[str], reason: str, run_id: str) -> None:
        """Record the date as failed, and why."""
        values = {"day": day, "kinds": list(kinds), "reason": bounded(reason), "run_id": run_id}
        self.store.execute("status", "fail", values)

    def postpone(self, day: date, kinds: Sequence[str], reason: str, run_id: str) -> None:
        """Record the date as syncing, and what it waits for."""
        values = {"day": day, "kinds": list(kinds), "reason": bounded(reason), "run_id": run_id}
        self.store.execute("status", "postpone", values)

    def step_failure(self, day: date) -> str | None:
        """Why a step failed for the date; ``None`` if no step failed, or the date was counted since."""
        rows = self.store.rows("status", "step_failure", {"day": day})
        return rows[0][0] if rows else None

    def finish(
        self,
        day: date,
        status: str,
        kinds: Sequence[str],
        *,
        reason: str | None,
        run_id: str,
        missing: int | None = None,
        count: DateCount | None = None,
    ) -> None:
        """Record a date's final status and its counts. ``success`` makes the date complete for these kinds."""
        names = ("expected", "loaded", "suspended", "rejected", "revised", "requests")
        figures = {name: getattr(count, name, None) for name in names}
        values = {"day": day, "status": status, "kinds": list(kinds), "run_id": run_id}
        why = reason and bounded(reason)
        self.store.execute("status", "finish", {**figures, **values, "reason": why, "missing": missing})

    def is_settled(self, day: date, kinds: Sequence[str]) -> bool:
        """Whether the date is recorded as complete for these kinds."""
        return bool(self.store.rows("status", "is_settled", {"day": day, "kinds": list(kinds)})[0][0])

    def figures(self, day: date) -> tuple[int | None, ...]:
        """A date's counts: loaded, missing, rejected, revised; an empty tuple without a record."""
        rows = self.store.rows("status", "figures", {"day": day})
        return rows[0] if rows else ()
