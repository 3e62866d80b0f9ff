"""The records of trade dates or weeks for a command that waits for a backfill: facts decide, not a run's state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from ashare.datasets import OF_INDUSTRY_CALL, kept_with, newest_week
from ashare.dates import beijing_now
from ashare.errors import StoreRefused
from ashare.store.verifications import waiting_verification

if TYPE_CHECKING:
    from ashare.store.store import Store
    from ashare.store.weekly_lists import WeekState


class Record(NamedTuple):
    """What is recorded of a trade date or a week.

    :ivar status: ``pending``, ``syncing``, ``success``, ``failed`` or ``skipped``.
    """

    day: date
    status: str
    loaded: int | None
    reason: str | None
    run_id: str | None


class RecordedPartitions(ABC):
    """Records of partitions; a database without the schema counts as one without records.

    Each method raises ``AshareError`` if the database cannot be read.

    :ivar table: where a person finds the records.
    :ivar was_read: whether the database has answered before.
    :ivar run_must_succeed: a partition whose run failed has failed, even if the partition is complete: the run was to
        do more.
    """

    table: str
    run_must_succeed = False

    def __init__(self, store: Store) -> None:
        self.store = store
        self.was_read = False

    @abstractmethod
    def _read(self, first: date, last: date) -> list[Record]:
        """The records of a range, by date."""

    def complete(self, days: Collection[date]) -> set[date]:
        """Those of ``days`` that need no run: complete, accepted, or recorded as closed."""
        return {record.day for record in self._records(days) if record.status in ("success", "skipped")}

    def record(self, day: date) -> Record | None:
        """The record of a partition; ``None`` if there is none."""
        return next(iter(self._records([day])), None)

    def first_waiting(self, days: Collection[date]) -> tuple[date, str] | None:
        """The earliest of ``days`` that waits, and for what, such as a ban's end or the next day's budget."""
        waiting = (record for record in self._records(days) if record.status == "syncing" and record.reason)
        return next(((record.day, record.reason or "") for record in waiting), None)

    def _records(self, days: Collection[date]) -> list[Record]:
        from psycopg.errors import InvalidSchemaName, UndefinedFunction, UndefinedTable

        if not days:
            return []
        try:
            found = self._read(min(days), max(days))
        except StoreRefused as refused:
            if not isinstance(refused.__cause__, InvalidSchemaName | UndefinedTable | UndefinedFunction):
                raise
            found = []
        self.was_read = True
        wanted = set(days)
        return [record for record in found if record.day in wanted]


class RecordedDates(RecordedPartitions):
    """Records of trade dates.

    :param kinds: the kinds of securities that a date must be complete for.
    :param verify: the runs read complete dates again.
    """

    table = "ashare.sync_status"

    def __init__(self, store: Store, kinds: Sequence[str], *, verify: bool = False) -> None:
        super().__init__(store)
        self.kinds = kinds
        self.run_must_succeed = verify

    def first_waiting(self, days: Collection[date]) -> tuple[date, str] | None:
        waiting = super().first_waiting(days)
        if waiting is None and self.run_must_succeed:
            with self.store.transaction() as connection:
                return waiting_verification(connection, days)
        return waiting

    def _read(self, first: date, last: date) -> list[Record]:
        states = self.store.coverage.states(first, last, kept_with(self.kinds))
        return [Record(state.trade_date, state.status, state.loaded, state.reason, state.run_id) for state in states]


class RecordedWeeks(RecordedPartitions):
    """Records of weeks.

    :param datasets: the weekly datasets that a week must be complete for; one call brings industries and names.
    """

    table = "ashare.snapshot"

    def __init__(self, store: Store, datasets: Sequence[str]) -> None:
        super().__init__(store)
        together = OF_INDUSTRY_CALL if set(datasets) & set(OF_INDUSTRY_CALL) else ()
        self.datasets = tuple(dict.fromkeys([*datasets, *together]))

    def _read(self, first: date, last: date) -> list[Record]:
        return records_of_weeks(
            self.store.weekly_lists.states(self.datasets, first, last, newest_week(beijing_now()))
        )


def records_of_weeks(states: Sequence[WeekState]) -> list[Record]:
    """The records of weeks, from the states of their datasets. A week of which nothing is recorded has none."""
    by_week: dict[date, list[WeekState]] = {}
    for state in states:
        by_week.setdefault(state.week, []).append(state)
    records = (_of_week(week, of_week) for week, of_week in by_week.items())
    return [record for record in records if record is not None]


def _of_week(week: date, states: Sequence[WeekState]) -> Record | None:
    """The record of a week, from the states of its datasets; ``None``: nothing is recorded."""
    found = {state.state for state in states}
    loaded = sum(state.loaded for state in states if state.expected is not None)
    run_id = next((state.run_id for state in states if state.run_id and not state.is_settled), None)
    if found <= {"complete", "none"}:
        run_id = next((state.run_id for state in states if state.run_id), None)
        return Record(week, "success" if "complete" in found else "skipped", loaded, None, run_id)
    if found & {"running", "waiting"}:
        waits_for = next((state.waits_for for state in states if state.waits_for), None)
        return Record(week, "syncing", loaded, waits_for, run_id)
    if found & {"partial", "failed", "complete"}:
        reasons = dict.fromkeys(state.reason for state in states if state.reason)
        return Record(week, "failed", loaded, " ".join(reasons) or None, run_id)
    return None
