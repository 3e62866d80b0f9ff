"""Trade dates on which a run will work: it is queued, or its history has not come to them yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Awaited:
    """Trade dates on which a run will work without a person's doing.

    :ivar days: the dates of queued runs.
    :ivar ranges: the first and last days of histories that have not ended.
    """

    days: frozenset[date] = frozenset()
    ranges: tuple[tuple[date, date], ...] = ()

    def __contains__(self, day: date) -> bool:
        return day in self.days or any(first <= day <= last for first, last in self.ranges)
