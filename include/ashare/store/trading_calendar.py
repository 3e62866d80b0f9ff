"""The table ``trade_calendar``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ashare.store.store import Store


@dataclass(frozen=True)
class TradingCalendar:
    """Which days are sessions, as the source said."""

    store: Store

    def session(self, day: date) -> tuple[bool, datetime] | None:
        """Whether ``day`` is a trading day, and when the source said so; ``None`` when it is not known."""
        rows = self.store.rows("calendar", "session", {"day": day})
        return (rows[0][0], rows[0][1]) if rows else None

    def newest_session(self, until: date) -> date:
        """The newest session up to a day; that day itself where the calendar does not know."""
        found: date = self.store.rows("calendar", "newest_session", {"until": until})[0][0]
        return found

    def save(self, days: Sequence[tuple[date, bool]]) -> None:
        """Record calendar days as just read from the source."""
        values = {"days": [day for day, _ in days], "is_open": [is_open for _, is_open in days]}
        self.store.execute("calendar", "save", values)
