"""The states of trade dates for a command that waits for a backfill: facts decide, not the state of a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

from ashare.datasets import kept_with
from ashare.errors import StoreRefused
from ashare.store.coverage import DateState

if TYPE_CHECKING:
    from ashare.store.store import Store


class RecordedDates:
    """States of trade dates; a database without the schema counts as one without records.

    Each method raises ``AshareError`` if the database cannot be read.

    :param kinds: the kinds of securities that a date must be complete for.
    :ivar was_read: whether the database has answered before.
    """

    def __init__(self, store: Store, kinds: Sequence[str]) -> None:
        self.store = store
        self.kinds = kinds
        self.was_read = False

    def complete(self, days: Collection[date]) -> set[date]:
        """Those of ``days`` that need no run: complete for the kinds, accepted, or recorded as closed."""
        return {state.trade_date for state in self._states(days) if state.status in ("success", "skipped")}

    def record(self, day: date) -> DateState | None:
        """The recorded state of a date for the kinds; ``None`` without a record."""
        return next(iter(self._states([day])), None)

    def first_waiting(self, days: Collection[date]) -> tuple[date, str] | None:
        """The earliest of ``days`` that waits, and for what, such as a ban's end or the next day's budget."""
        waiting = (state for state in self._states(days) if state.status == "syncing" and state.reason)
        return next(((state.trade_date, state.reason or "") for state in waiting), None)

    def _states(self, days: Collection[date]) -> list[DateState]:
        """The recorded states of some days, by date."""
        from psycopg.errors import InvalidSchemaName, UndefinedFunction, UndefinedTable

        if not days:
            return []
        try:
            found = self.store.coverage.states(min(days), max(days), kept_with(self.kinds))
        except StoreRefused as refused:
            if not isinstance(refused.__cause__, InvalidSchemaName | UndefinedTable | UndefinedFunction):
                raise
            found = []
        self.was_read = True
        wanted = set(days)
        return [state for state in found if state.trade_date in wanted]
