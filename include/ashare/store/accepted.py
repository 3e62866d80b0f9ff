"""Trade dates that a person takes as they are: they count as complete for as long as their bars stay the same."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ashare.dates import SHANGHAI
from ashare.errors import SourceBusy
from ashare.store.database import LockHeld, limit_wait, lock_merging
from ashare.store.queries import queries

if TYPE_CHECKING:
    from ashare.store.rows import DateCount
    from ashare.store.store import Store

ROWS_CHANGED = "its bars have changed"
COMPLETE = "the date is complete without it"


@dataclass(frozen=True)
class Acceptance:
    """The last one of a trade date.

    :ivar problem: what was wrong with the date then.
    :ivar ended_because: ``None``: nobody has ended it.
    :ivar counts: it was not ended, and the date's bars are as they were.
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
        """Whether the date, as judged for these kinds, is complete by it."""
        return self.counts and set(kinds) <= set(self.kinds)

    @property
    def by_whom(self) -> str:
        """Who accepted the date, when, and why."""
        return f"accepted by {self.accepted_by} on {self.accepted_at.astimezone(SHANGHAI):%Y-%m-%d}: {self.reason}"

    @property
    def note(self) -> str:
        """The reason of the date's status."""
        return f"{self.by_whom}; {self.problem}."


class AcceptedDates:
    """The table ``accepted_date``, over a store's connection."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @contextmanager
    def changing(self, wait_seconds: float) -> Iterator[None]:
        """One transaction, while nobody else records a trade date and no bars are merged.

        :raises SourceBusy: another keeps at it for longer than ``wait_seconds``.
        """
        with (
            self._store.mutex("the record of trade dates", wait_seconds),
            self._store.transaction() as connection,
        ):
            limit_wait(connection, wait_seconds)
            try:
                # What is being merged comes before it, or ends it.
                lock_merging(connection)
            except LockHeld:
                raise SourceBusy(f"Bars have been merged for over {wait_seconds:g} s: try again.") from None
            yield

    def latest(self, day: date) -> Acceptance | None:
        """The last acceptance of a date, whether it counts or not."""
        with self._store.transaction() as connection:
            row = connection.execute(queries("accepted")["latest"], {"day": day}).fetchone()
        return Acceptance(*row) if row else None

    def counting(self, day: date, kinds: Collection[str]) -> Acceptance | None:
        """The acceptance by which a date counts as complete for these kinds."""
        found = self.latest(day)
        return found if found and found.counts_for(kinds) else None

    def problem(self, day: date) -> str:
        """What a date's status says of it."""
        with self._store.transaction() as connection:
            row = connection.execute(queries("accepted")["problem"], {"day": day}).fetchone()
        return (row and row[0]) or ""

    def all(self) -> list[Acceptance]:
        """Those that nobody has ended, by date."""
        with self._store.transaction() as connection:
            return [Acceptance(*row) for row in connection.execute(queries("accepted")["all"])]

    def accept(self, day: date, kinds: Sequence[str], *, reason: str, problem: str, who: str) -> Acceptance:
        """Record that a date is taken as it is, by the bars that this transaction sees."""
        values = {"day": day, "kinds": list(kinds), "reason": reason, "problem": problem, "who": who}
        with self._store.transaction() as connection:
            connection.execute(queries("accepted")["accept"], values)
        made = self.latest(day)
        assert made is not None
        return made

    def end(self, day: date, because: str) -> None:
        """Have a date's acceptance count no more."""
        with self._store.transaction() as connection:
            connection.execute(queries("accepted")["end"], {"day": day, "because": because})

    def record(self, day: date, status: str, count: DateCount, missing: int, reason: str | None) -> None:
        """Write a date's status with what was counted, unless a run works on it."""
        values: dict[str, Any] = asdict(count) | {"day": day, "status": status, "missing": missing, "reason": reason}
        with self._store.transaction() as connection:
            connection.execute(queries("accepted")["record"], values)
