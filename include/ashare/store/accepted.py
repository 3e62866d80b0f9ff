"""Trade dates that a person accepts as they are. An accepted date counts as complete until its bars change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from ashare.dates import SHANGHAI
from ashare.errors import SourceBusy
from ashare.store.database import LockHeld, limit_wait, lock_merging

if TYPE_CHECKING:
    from ashare.store.store import Store

ROWS_CHANGED = "its bars have changed"
COMPLETE = "the date is complete without it"


@dataclass(frozen=True)
class Acceptance:
    """The last acceptance of a trade date.

    :ivar kinds: the kinds of securities that the date was judged for.
    :ivar problem: what was wrong with the date when it was accepted.
    :ivar ended_because: why the acceptance ended; ``None`` if it has not ended.
    :ivar counts: whether the acceptance has not ended, and the date's bars are unchanged since.
    """

    trade_date: date
    kinds: Sequence[str]
    reason: str
    problem: str
    accepted_by: str
    accepted_at: datetime
    ended_because: str | None
    counts: bool

    def counts_for(self, kinds: Collection[str]) -> bool:
        """Whether the acceptance makes the date complete for these kinds."""
        return self.counts and set(kinds) <= set(self.kinds)

    @property
    def by_whom(self) -> str:
        """Who accepted the date, when, and why."""
        return f"accepted by {self.accepted_by} on {self.accepted_at.astimezone(SHANGHAI):%Y-%m-%d}: {self.reason}"

    @property
    def note(self) -> str:
        """The acceptance as the ``reason`` of the date's status: who, when, why, and the problem."""
        return f"{self.by_whom}; {self.problem}."


@dataclass(frozen=True)
class AcceptedDates:
    """The table ``accepted_date``, over a store's connection."""

    store: Store

    @contextmanager
    def changing(self, wait_seconds: float) -> Iterator[None]:
        """Run the block in one transaction, while no other session records a trade date or merges bars.

        :raises SourceBusy: another session records or merges for longer than ``wait_seconds``.
        """
        with (
            self.store.mutex("the record of trade dates", wait_seconds),
            self.store.transaction() as connection,
        ):
            limit_wait(connection, wait_seconds)
            try:
                # A running merge commits first. A later merge that changes the date's bars ends the acceptance.
                lock_merging(connection)
            except LockHeld:
                raise SourceBusy(f"Bars have been merged for over {wait_seconds:g} s: try again.") from None
            yield

    def latest(self, day: date) -> Acceptance | None:
        """The last acceptance of a date, whether it counts or not; ``None`` without one."""
        rows = self.store.rows("accepted", "latest", {"day": day})
        return Acceptance(*rows[0]) if rows else None

    def counting(self, day: date, kinds: Collection[str]) -> Acceptance | None:
        """The last acceptance of a date if it counts for these kinds, else ``None``."""
        found = self.latest(day)
        return found if found and found.counts_for(kinds) else None

    def all(self) -> list[Acceptance]:
        """All acceptances that have not ended, by date. ``counts`` is true without a comparison of the bars."""
        return [Acceptance(*row) for row in self.store.rows("accepted", "all")]

    def days(self) -> set[date]:
        """The dates with an acceptance, whether it has ended or not."""
        return {row[0] for row in self.store.rows("accepted", "days")}

    def accept(self, day: date, kinds: Sequence[str], *, reason: str, problem: str, who: str) -> Acceptance:
        """Record the acceptance of a date, with the fingerprint of the bars that this transaction sees."""
        values = {"day": day, "kinds": list(kinds), "reason": reason, "problem": problem, "who": who}
        return Acceptance(*self.store.rows("accepted", "accept", values)[0])

    def end(self, day: date, because: str) -> None:
        """End the current acceptance of a date."""
        self.store.execute("accepted", "end", {"day": day, "because": because})
