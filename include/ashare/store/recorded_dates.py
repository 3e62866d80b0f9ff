"""The records of trade dates, for a command that waits for a backfill: rows decide, not the state of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from ashare.errors import StoreRefused
from ashare.store.queries import queries

if TYPE_CHECKING:
    from ashare.store.store import Store


class DateRecord(NamedTuple):
    """What ``sync_status`` says of a date.

    :ivar loaded: number of bars when the date was recorded.
    :ivar bars: number of rows in ``daily_bar`` now.
    """

    status: str
    kinds: Sequence[str]
    loaded: int | None
    reason: str | None
    run_id: str | None
    bars: int


class RecordedDates:
    """Records of trade dates; a database without the schema counts as one without records.

    :param kinds: the kinds of securities that a date must be complete for.
    :ivar was_read: whether the database has answered before.
    """

    def __init__(self, store: Store, kinds: Sequence[str]) -> None:
        self.store = store
        self.kinds = kinds
        self.was_read = False

    def complete(self, days: Collection[date]) -> set[date]:
        """Those of ``days`` that need no run: complete for the kinds, or recorded as closed.

        :raises AshareError: the database cannot be read.
        """
        if not days:
            return set()
        values = {"start": min(days), "end": max(days), "kinds": list(self.kinds)}
        return {row[0] for row in self._rows("settled", values)} & set(days)

    def record(self, day: date) -> DateRecord | None:
        """The record of a date; ``None`` without one.

        :raises AshareError: the database cannot be read.
        """
        return next((DateRecord(*row) for row in self._rows("record", {"day": day})), None)

    def first_waiting(self, days: Collection[date]) -> tuple[date, str] | None:
        """The earliest of ``days`` that waits, and for what, such as a ban's end or the next day's budget.

        :raises AshareError: the database cannot be read.
        """
        return next(((day, reason) for day, reason in self._rows("waiting", {"days": list(days)})), None)

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        from psycopg.errors import UndefinedTable

        try:
            with self.store.transaction() as connection:
                rows = connection.execute(queries("status")[name], values).fetchall()
        except StoreRefused as refused:
            if not isinstance(refused.__cause__, UndefinedTable):
                raise
            rows = []
        self.was_read = True
        return rows
