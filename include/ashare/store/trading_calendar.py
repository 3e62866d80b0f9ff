"""The table ``trade_calendar``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from ashare.store.queries import queries

if TYPE_CHECKING:
    from ashare.store.store import Store


@dataclass(frozen=True)
class TradingCalendar:
    """The trading calendar, as read from the source."""

    store: Store

    def session(self, day: date) -> tuple[bool, datetime] | None:
        """Whether ``day`` is a session, and when the source said so; ``None`` if the calendar lacks the day."""
        rows = self.store.rows("calendar", "session", {"day": day})
        return (rows[0][0], rows[0][1]) if rows else None

    def days(self, start: date, end: date) -> list[tuple[date, bool]]:
        """The days of a range that the calendar has, each with whether it is a session."""
        return [(row[0], row[1]) for row in self.store.rows("calendar", "days", {"start": start, "end": end})]

    def sessions(self, start: date, end: date) -> list[date]:
        """The sessions of a range."""
        return [row[0] for row in self.store.rows("calendar", "sessions", {"start": start, "end": end})]

    def newest_session(self, until: date) -> date:
        """The newest session up to ``until``; ``until`` itself if the calendar lacks that day."""
        found: date = self.store.rows("calendar", "newest_session", {"until": until})[0][0]
        return found

    def save(self, days: Sequence[tuple[date, bool]]) -> None:
        """Upsert calendar days that were just read from the source, each with whether it is a session."""
        values = {"days": [day for day, _ in days], "is_open": [is_open for _, is_open in days]}
        with self.store.transaction() as connection:
            connection.execute(queries("calendar")["save"], values)
            connection.execute(queries("coverage")["fold"])
