"""Data that the steps and the store exchange: batches, rows, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import IO, Any, NamedTuple

from ashare.store.cross_check import Tolerance


@dataclass(frozen=True)
class Expectation:
    """Which securities should have a bar on a trade date.

    :ivar rejected_limit: up to this many rejected codes count as explained; above it, all are asked for again.
    :ivar today: the current day. An absence recorded on the trade date itself explains a gap on that day only.
    """

    day: date
    today: date
    kinds: tuple[str, ...]
    indices: tuple[str, ...]
    rejected_limit: int

    @property
    def parameters(self) -> dict[str, Any]:
        """The values for SQL."""
        return {**asdict(self), "kinds": list(self.kinds), "indices": list(self.indices)}


@dataclass(frozen=True)
class Plan:
    """Whose batches: those of a trade date, or those of a run of ``ashare_history``.

    :ivar name: the trade date (``YYYY-MM-DD``), or ``history`` and the id of the history's run.
    :ivar day: the trade date; ``None`` for a history.
    :ivar run_id: the run that works on the plan.
    """

    name: str
    day: date | None
    run_id: str

    @property
    def parameters(self) -> dict[str, Any]:
        return {"plan": self.name, "day": self.day, "run_id": self.run_id}


@dataclass(frozen=True)
class Batch:
    """One piece of a plan; ``codes`` is ``None`` for the whole market."""

    kind: str
    by: str
    codes: list[str] | None
    label: str
    batch_no: int = -1
    again: list[date] | None = None
    """Loaded trade dates to be read again for corrections: earlier ones, or the run's own date to be verified."""
    heals: date | None = None
    """An earlier trade date that is not complete, to be synced instead of the run's own date."""


@dataclass(frozen=True)
class Security:
    """A security: a row of the universe."""

    code: str
    name: str | None
    kind: str
    ipo_date: date | None
    out_date: date | None


@dataclass(frozen=True)
class BarCount:
    """What the tables hold of one kind of securities on one day.

    :ivar expected: number of securities that should have a bar.
    :ivar absent: expected securities without a bar at the source.
    :ivar rejected: expected securities without a bar because their row broke a rule.
    :ivar missing: expected securities with neither a bar nor a recorded reason. More rejected securities than the
        limit are missing, too.
    :ivar blanked: bars with a valuation that is no number.
    """

    kind: str
    day: date
    expected: int
    loaded: int
    suspended: int
    absent: int
    rejected: int
    missing: int
    blanked: int


@dataclass(frozen=True)
class Fact:
    """What a partition of a dataset held when it was counted.

    :ivar rows: number of rows of the table.
    :ivar problem: why the partition is not complete.
    :ivar note: what is worth knowing of a complete partition.
    """

    dataset: str
    partition: date
    expected: int = 0
    rows: int = 0
    suspended: int = 0
    absent: int = 0
    rejected: int = 0
    missing: int = 0
    problem: str | None = None
    note: str | None = None
    is_closed: bool = False


class HeldRows(NamedTuple):
    """What a partition of a dataset holds: rows, and rows that are missing."""

    dataset: str
    rows: int
    missing: int


@dataclass(frozen=True)
class RejectedBar:
    """A row that broke a rule; ``raw`` is the row as sent, by column name."""

    trade_date: date
    code: str
    rule: str
    raw: dict[str, str]


@dataclass(frozen=True)
class BlankedBar:
    """A bar with valuations that are not numbers, and are NULL in the table; ``raw``: as sent, by column name."""

    trade_date: date
    code: str
    raw: dict[str, str]


@dataclass(frozen=True)
class RejectedRow:
    """A row of the list of securities or of factors that broke a rule; ``is_taken``: the row is loaded anyway."""

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
class BatchRows:
    """Rows of a batch.

    :ivar bars: bars as text for COPY, in ``daily_bar``'s order.
    :ivar absent: date and code of bars that do not exist at the source.
    """

    bars: IO[str]
    rows: int
    rejects: Sequence[RejectedBar] = ()
    blanked: Sequence[BlankedBar] = ()
    absent: Sequence[tuple[date, str]] = ()
    follow_ups: Sequence[Batch] = field(default=())
    """Batches that this batch found necessary and did itself; they are recorded beside it."""


@dataclass(frozen=True)
class RereadDate:
    """The rows of a date that was read again.

    :ivar rows_of_day: number of rows that are bars of the date; a request for one security brings later ones, too.
    :ivar tolerance: how many bars of the date may contradict.
    :ivar following: the complete date after it, which is cross-checked again; ``None``: there is none.
    :ivar tolerance_after: how many bars of ``following`` may contradict.
    """

    day: date
    kind: str
    batch_rows: BatchRows
    rows_of_day: int
    tolerance: Tolerance
    following: date | None
    tolerance_after: Tolerance


@dataclass(frozen=True)
class MergeCounts:
    """Row counts of a merge: new, changed (``bar_revision`` has the old values), unchanged."""

    inserted: int
    revised: int
    unchanged: int
    came_late: frozenset[date] = frozenset()
    """Dates that got a bar recorded as absent before, and accepted dates whose bars have changed."""

    def __add__(self, other: MergeCounts) -> MergeCounts:
        return MergeCounts(
            self.inserted + other.inserted,
            self.revised + other.revised,
            self.unchanged + other.unchanged,
            self.came_late | other.came_late,
        )
