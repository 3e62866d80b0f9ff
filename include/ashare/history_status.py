"""Read-only status of a run of ``ashare_history``: its plan, its batches, and what its range still lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from ashare.status import StatusReader

MOST_ERRORS = 20
"""At most so many failed batches are listed with their errors."""


@dataclass(frozen=True)
class HistoryWork:
    """What the tables know of a run.

    :ivar start: the first day of the planned range, which may begin later than the run was asked for.
    :ivar plan: what the range lacks, and what it costs; ``None``: no plan is recorded yet.
    :ivar rows: rows that Baostock has sent; ``lately`` counts the last minute's.
    :ivar waits_for: what a batch waits for: the end of a ban, the next day's budget.
    :ivar errors: labels and errors of the first failed batches.
    """

    start: date | None = None
    end: date | None = None
    plan: str | None = None
    planned_at: datetime | None = None
    batches: int = 0
    done: int = 0
    failed: int = 0
    rows: int = 0
    lately: int = 0
    requests: int = 0
    waits_for: str | None = None
    errors: list[tuple[str, str]] = field(default_factory=list)


def history_work(reader: StatusReader, run_id: str) -> HistoryWork:
    """What the tables know of a run."""
    found = reader.rows.history(run_id)
    if found is None:
        return HistoryWork()
    return HistoryWork(**found, errors=reader.rows.history_errors(run_id, MOST_ERRORS) if found["failed"] else [])


def of_kinds(reader: StatusReader, kinds: Sequence[str]) -> StatusReader:
    """The reader as if ``ASHARE_KINDS`` were these kinds."""
    return replace(reader, settings=reader.settings.model_copy(update={"kinds": tuple(kinds)}))


def holes(reader: StatusReader, start: date, end: date, kinds: Sequence[str]) -> list[date]:
    """The trade dates of a range whose bars of these kinds are not complete, newest first, whoever works on them."""
    reader = of_kinds(reader, kinds)
    open_or_running = ("running", "missing", "partial", "failed", "before")
    return sorted((row[0] for row in reader.coverage(start, end) if row[1] in open_or_running), reverse=True)
