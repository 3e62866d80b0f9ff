"""What a sync of a range would do, and what it would cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ashare.cost import STOCKS, Cost, by_date, by_week, suggest_history_of_weeks
from ashare.datasets import MARKET_DAY_FROM, WEEKLY_DATASETS, newest_published
from ashare.dates import mondays, weekdays
from ashare.status import StatusReader
from ashare.sync.weeks.week import requests_of_weeks
from ashare.week_status import wanting_weeks, week_records


@dataclass(frozen=True)
class DryRun:
    """Dry run of a sync of a range, from the status tables.

    :ivar weekdays: days of the range that can have a run: weekdays, or of weekly lists Mondays; ``closed`` and
        ``complete`` count those among them.
    :ivar to_sync: trade dates or Mondays to sync, newest first.
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
    """Dry run of a sync of a range of trade dates, with the estimated cost."""
    recorded = {row[0]: row[1] for row in reader.coverage(start, end)}
    working_days = weekdays(start, end)
    wanting = reader.wanting_of(recorded)
    cost, by_code = by_date(reader.rows.connection, wanting)
    notes = []
    if by_code:
        notes.append(f"Before {MARKET_DAY_FROM['stock']} each of {by_code} stocks is asked for by itself.")
    # Dates before the newest one leave a reserve of the day's requests to the newest.
    is_earlier = any(day < newest_published(reader.now()) for day in wanting)
    left, waits = _left_today(reader, cost, leaves_reserve=is_earlier)
    return DryRun(
        weekdays=len(working_days),
        closed=sum(recorded.get(day) == "closed" for day in working_days),
        complete=sum(recorded.get(day) in ("complete", "accepted") for day in working_days),
        to_sync=wanting,
        requests=cost.requests,
        requests_left=left,
        seconds=cost.seconds,
        notes=notes + waits,
    )


def dry_run_of_weeks(reader: StatusReader, start: date, end: date) -> DryRun:
    """Dry run of a sync of the weekly lists of a range, with the estimated cost. ``closed``: Baostock has no list."""
    weeks = mondays(start, end)
    records = week_records(reader, start, end)
    wanting = wanting_weeks(reader, start, end)
    cost = Cost(0, 0.0)
    if wanting:
        # Without a list of securities, no number of stocks is known.
        stocks = {week: count or STOCKS for week, count in reader.rows.stocks_until(list(wanting)).items()}
        cost = by_week(reader.rows.connection, requests_of_weeks(wanting, stocks), len(wanting))
    left, waits = _left_today(reader, cost, leaves_reserve=True)
    advice = suggest_history_of_weeks(wanting, tuple(WEEKLY_DATASETS))
    statuses = [records[week].status for week in weeks if week in records]
    return DryRun(
        weekdays=len(weeks),
        closed=statuses.count("skipped"),
        complete=statuses.count("success"),
        to_sync=list(wanting),
        requests=cost.requests,
        requests_left=left,
        seconds=cost.seconds,
        notes=[advice, *waits] if advice else waits,
    )


def _left_today(reader: StatusReader, cost: Cost, *, leaves_reserve: bool) -> tuple[int, list[str]]:
    """The requests left today, and a note if they are not enough.

    :param leaves_reserve: a part of the day's requests is kept for the newest date.
    """
    a_day = reader.settings.request_budget - (reader.settings.reserve if leaves_reserve else 0)
    left = max(a_day - reader.rows.source_limit().used_today, 0)
    if cost.requests <= left:
        return left, []
    more = cost.quota_days(left, a_day) - int(left > 0)
    note = (
        f"About {cost.requests} requests, and {left} are left today: it waits for midnight, Beijing time, "
        f"and goes on by itself, {more} {'day' if more == 1 else 'days'} long."
    )
    return left, [note]
