"""What is recorded of trade dates, for people who wait for a backfill: the rows count, whatever a run's state is."""

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

    :ivar loaded: rows that were counted when the date was recorded.
    :ivar bars: rows that are in ``daily_bar`` now.
    """

    status: str
    kinds: Sequence[str]
    loaded: int | None
    reason: str | None
    run_id: str | None
    bars: int


class RecordedDates:
    """Records of trade dates. In a database without the schema nothing is recorded.

    :param kinds: of securities, for which a date has to be complete.
    :ivar was_read: whether the database has answered before.
    """

    def __init__(self, store: Store, kinds: Sequence[str]) -> None:
        self.store = store
        self.kinds = kinds
        self.was_read = False

    def complete(self, days: Collection[date]) -> set[date]:
        """Those of some dates that need no run: complete, or closed and recorded so.

        :raises AshareError: the database cannot be read.
        """
        if not days:
            return set()
        values = {"start": min(days), "end": max(days), "kinds": list(self.kinds)}
        return {row[0] for row in self._rows("settled", values)} & set(days)

    def record(self, day: date) -> DateRecord | None:
        """What is recorded of a date.

        :raises AshareError: the database cannot be read.
        """
        return next((DateRecord(*row) for row in self._rows("record", {"day": day})), None)

    def first_waiting(self, days: Collection[date]) -> tuple[date, str] | None:
        """The earliest of some dates that waits, and for what: a ban's end, the next day's budget.

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
