"""What steps hand to the store, and what the store answers: batches, rows, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import IO, Any

from ashare.store.cross_check import Tolerance


@dataclass(frozen=True)
class Expectation:
    """Which securities a trade date should have bars of.

    :ivar rejected_limit: up to so many rejected rows a day count as explained; beyond, all are asked for again.
    :ivar today: what was found absent on the trade date itself explains only as long as it is that day.
    """

    day: date
    today: date
    kinds: tuple[str, ...]
    indices: tuple[str, ...]
    rejected_limit: int

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "day": self.day,
            "today": self.today,
            "kinds": list(self.kinds),
            "indices": list(self.indices),
            "rejected_limit": self.rejected_limit,
        }


@dataclass(frozen=True)
class Batch:
    """One piece of a trade date's work; ``codes`` is ``None`` for the whole market."""

    kind: str
    by: str
    codes: list[str] | None
    label: str
    batch_no: int = -1
    again: list[date] | None = None
    """Earlier trade dates to be read again for corrections, instead of the run's own."""


@dataclass(frozen=True)
class Security:
    """A row of the universe."""

    code: str
    name: str | None
    kind: str
    ipo_date: date | None
    out_date: date | None


@dataclass(frozen=True)
class DateCount:
    """What the tables hold for a trade date."""

    expected: int
    loaded: int
    suspended: int
    absent: int
    rejected: int
    revised: int
    requests: int
    blanked: int = 0
    rejected_factors: int = 0
    rejected_securities: int = 0
    taken_securities: int = 0


@dataclass(frozen=True)
class RejectedBar:
    """A row that broke a rule; ``raw`` is the row as sent, by column name."""

    trade_date: date
    code: str
    rule: str
    raw: dict[str, str]


@dataclass(frozen=True)
class BlankedBar:
    """Valuations of a bar that are no numbers, as sent, by column name; they are NULL in the table."""

    trade_date: date
    code: str
    raw: dict[str, str]


@dataclass(frozen=True)
class RejectedRow:
    """A row of a list or of factors that broke a rule; ``is_taken``: it is loaded all the same, as the rule says."""

    code: str
    rule: str
    raw: dict[str, str]
    day: date | None = None
    is_taken: bool = False


@dataclass(frozen=True)
class AbsentRange:
    """Days before an index's first bar."""

    code: str
    first: date
    last: date


@dataclass(frozen=True)
class AbsentBars:
    """Codes that the per-security call answered without a bar of the trade date."""

    codes: Sequence[str]
    reason: str


@dataclass(frozen=True)
class BatchRows:
    """What a batch brought: bars as text for COPY in ``daily_bar``'s order, and what is known of the others."""

    bars: IO[str]
    rows: int
    rejects: Sequence[RejectedBar] = ()
    blanked: Sequence[BlankedBar] = ()
    absence: AbsentBars | None = None
    absent_ranges: Sequence[AbsentRange] = ()
    requests: int = 0
    follow_ups: Sequence[Batch] = field(default=())
    """Work that the batch found and did by itself, to be recorded next to it."""


@dataclass(frozen=True)
class RereadDate:
    """What a date brought that was read again, and how much may contradict, there and in the complete date after."""

    day: date
    kind: str
    batch_rows: BatchRows
    tolerance: Tolerance
    following: date | None
    tolerance_after: Tolerance


@dataclass(frozen=True)
class MergeCounts:
    """Rows of a merge: new, changed (the old values are in ``bar_revision``), as they were."""

    inserted: int
    revised: int
    unchanged: int
    came_late: frozenset[date] = frozenset()
    """Dates of which a bar came that had been taken for absent, and accepted ones whose bars have changed."""

    def __add__(self, other: MergeCounts) -> MergeCounts:
        return MergeCounts(
            self.inserted + other.inserted,
            self.revised + other.revised,
            self.unchanged + other.unchanged,
            self.came_late | other.came_late,
        )
