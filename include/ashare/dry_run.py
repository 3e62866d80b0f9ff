"""What a sync of a range would do, and what it would cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ashare.cost import by_date
from ashare.datasets import MARKET_DAY_FROM, newest_published
from ashare.dates import weekdays
from ashare.status import StatusReader


@dataclass(frozen=True)
class DryRun:
    """Dry run of a sync of a range, from the status tables.

    :ivar weekdays: weekdays of the range; ``closed`` and ``complete`` count those among them.
    :ivar to_sync: dates to sync, newest first.
    :ivar requests: estimated requests to Baostock.
    :ivar requests_left: requests left today for these dates.
    :ivar seconds: estimated duration without waits.
    :ivar notes: sentences worth knowing before the start.
    """

    weekdays: int
    closed: int
    complete: int
    to_sync: list[date]
    requests: int
    requests_left: int
    seconds: float
    notes: list[str]


def dry_run(reader: StatusReader, start: date, end: date) -> DryRun:
    """Dry run of a sync of a range, with the estimated cost."""
    recorded = {row[0]: row[1] for row in reader.coverage(start, end)}
    working_days = weekdays(start, end)
    wanting = reader.wanting_of(recorded)
    cost, by_code = by_date(reader.rows.connection, wanting)
    notes = []
    if by_code:
        notes.append(f"Before {MARKET_DAY_FROM['stock']} each of {by_code} stocks is asked for by itself.")
    # Dates before the newest one leave a reserve of the day's requests to the newest.
    is_earlier = any(day < newest_published(reader.now()) for day in wanting)
    a_day = reader.settings.request_budget - (reader.settings.reserve if is_earlier else 0)
    left = max(a_day - reader.rows.source_limit().used_today, 0)
    if cost.requests > left:
        more = cost.quota_days(left, a_day) - int(left > 0)
        notes.append(
            f"About {cost.requests} requests, and {left} are left today: it waits for midnight, Beijing time, "
            f"and goes on by itself, {more} {'day' if more == 1 else 'days'} long."
        )
    return DryRun(
        weekdays=len(working_days),
        closed=sum(recorded.get(day) == "closed" for day in working_days),
        complete=sum(recorded.get(day) in ("complete", "accepted") for day in working_days),
        to_sync=wanting,
        requests=cost.requests,
        requests_left=left,
        seconds=cost.seconds,
        notes=notes,
    )
