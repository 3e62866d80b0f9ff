"""What a sync of a range would do, and what it would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from ashare.cost import (
    STOCKS,
    Cost,
    by_code,
    by_date,
    by_verification,
    by_week,
    factors_of_all_stocks,
    of_all_stocks,
    pages,
    suggest_history_of_weeks,
)
from ashare.datasets import ADJUST_FACTORS, MARKET_DAY_FROM, WEEKLY_DATASETS, newest_published
from ashare.dates import mondays, weekdays
from ashare.history_status import of_kinds
from ashare.status import StatusReader
from ashare.sync.history.span import check_begin, check_datasets, check_span, kinds_of
from ashare.sync.run import check_verifiable
from ashare.sync.weeks.week import requests_of_weeks
from ashare.week_status import wanting_weeks, week_records


@dataclass(frozen=True)
class DryRun:
    """Dry run of a sync of a range, from the status tables.

    :ivar weekdays: days of the range that can have a run: weekdays, or of weekly lists Mondays; ``closed`` and
        ``complete`` count those among them.
    :ivar under_way: those among them on which a run works or will work.
    :ivar to_sync: trade dates or Mondays to sync, newest first.
    :ivar requests: estimated requests to Baostock.
    :ivar requests_left: requests left today for these dates.
    :ivar seconds: estimated duration without waits.
    :ivar notes: sentences worth knowing before the start.
    :ivar waits: those among them that say when the day's requests are used up.
    :ivar quota_days: days on which requests are sent; 0: no request is.
    """

    weekdays: int
    closed: int
    complete: int
    under_way: int
    to_sync: list[date]
    requests: int
    requests_left: int
    seconds: float
    notes: list[str]
    waits: list[str]
    quota_days: int


def dry_run(reader: StatusReader, start: date, end: date) -> DryRun:
    """Dry run of a sync of a range of trade dates, with the estimated cost."""
    recorded = {row[0]: row[1] for row in reader.coverage(start, end)}
    working_days = weekdays(start, end)
    wanting = reader.wanting_of(recorded)
    cost, codes = by_date(reader.rows.connection, wanting)
    notes = []
    if codes:
        notes.append(f"Before {MARKET_DAY_FROM['stock']} each of {codes} stocks is asked for by itself.")
    # Dates before the newest one leave a reserve of the day's requests to the newest.
    is_earlier = any(day < newest_published(reader.now()) for day in wanting)
    left, waits, quota_days = _left_today(reader, cost, leaves_reserve=is_earlier)
    return DryRun(
        weekdays=len(working_days),
        closed=sum(recorded.get(day) == "closed" for day in working_days),
        complete=sum(recorded.get(day) in ("complete", "accepted") for day in working_days),
        under_way=sum(recorded.get(day) == "running" for day in working_days),
        to_sync=wanting,
        requests=cost.requests,
        requests_left=left,
        seconds=cost.seconds,
        notes=notes + waits,
        waits=waits,
        quota_days=quota_days,
    )


def dry_run_of_verification(
    reader: StatusReader, start: date, end: date, kinds: Sequence[str] | None = None
) -> DryRun:
    """Dry run of reading the complete dates of a range again; those that are not complete are synced as always.

    :param kinds: the kinds of the runs; ``None``: those of the settings.
    :raises InvalidInput: Baostock has no whole markets of these dates.
    """
    kinds = kinds or reader.settings.kinds
    check_verifiable(start, kinds)
    reader = of_kinds(reader, kinds)
    recorded = {row[0]: row[1] for row in reader.coverage(start, end)}
    complete = [day for day, coverage in recorded.items() if coverage == "complete"]
    wanting = reader.wanting_of(recorded)
    cost = by_verification(reader.rows.connection, complete, kinds) + by_date(reader.rows.connection, wanting)[0]
    left, waits, quota_days = _left_today(reader, cost, leaves_reserve=True)
    notes = []
    if wanting:
        notes.append(f"{_dates(len(wanting))} not complete, and synced as always.")
    if accepted := sum(coverage == "accepted" for coverage in recorded.values()):
        notes.append(f"{_dates(accepted)} accepted as loaded, and not read again.")
    if "index" in kinds:
        notes.append("Indices are not compared: Baostock has no call that brings all of them.")
    working_days = weekdays(start, end)
    return DryRun(
        weekdays=len(working_days),
        closed=sum(recorded.get(day) == "closed" for day in working_days),
        complete=len(complete),
        under_way=sum(recorded.get(day) == "running" for day in working_days),
        to_sync=sorted([*complete, *wanting], reverse=True),
        requests=cost.requests,
        requests_left=left,
        seconds=cost.seconds,
        notes=notes + waits,
        waits=waits,
        quota_days=quota_days,
    )


def _dates(count: int) -> str:
    return "1 date is" if count == 1 else f"{count} dates are"


def dry_run_of_weeks(
    reader: StatusReader, start: date, end: date, datasets: Sequence[str] = tuple(WEEKLY_DATASETS)
) -> DryRun:
    """Dry run of a sync of the weekly lists of a range, with the estimated cost. ``closed``: Baostock has no list."""
    weeks = mondays(start, end)
    records = week_records(reader, start, end)
    wanting = {
        week: own
        for week, names in wanting_weeks(reader, start, end).items()
        if (own := [name for name in names if name in datasets])
    }
    cost = Cost(0, 0.0)
    if wanting:
        # Without a list of securities, no number of stocks is known.
        stocks = {week: count or STOCKS for week, count in reader.rows.stocks_until(list(wanting)).items()}
        cost = by_week(reader.rows.connection, requests_of_weeks(wanting, stocks), len(wanting))
    left, waits, quota_days = _left_today(reader, cost, leaves_reserve=True)
    advice = suggest_history_of_weeks(wanting, tuple(datasets))
    statuses = [records[week].status for week in weeks if week in records]
    return DryRun(
        weekdays=len(weeks),
        closed=statuses.count("skipped"),
        complete=statuses.count("success"),
        under_way=statuses.count("syncing"),
        to_sync=list(wanting),
        requests=cost.requests,
        requests_left=left,
        seconds=cost.seconds,
        notes=[advice, *waits] if advice else waits,
        waits=waits,
        quota_days=quota_days,
    )


def dry_run_of_history(reader: StatusReader, start: date, end: date, datasets: Sequence[str]) -> DryRun:
    """Dry run of a run of ``ashare_history``, with an estimate of the cost. The run's plan, from the rows, is exact.

    :param datasets: names of the registry.
    :raises InvalidInput: the run would refuse the range or the datasets.
    """
    check_span(start, end, reader.today)
    if weekly := check_datasets(datasets):
        plan = dry_run_of_weeks(reader, start, end, weekly)
        return replace(plan, notes=plan.waits)
    kinds = kinds_of(datasets)
    check_begin(kinds, end)
    reader = of_kinds(reader, kinds)
    plan = dry_run(reader, start, end)
    cost = _cheaper(reader, plan, datasets)
    left, waits, quota_days = _left_today(reader, cost, leaves_reserve=True)
    return replace(
        plan,
        requests=cost.requests,
        requests_left=left,
        seconds=cost.seconds,
        notes=waits,
        waits=waits,
        quota_days=quota_days,
    )


def _cheaper(reader: StatusReader, plan: DryRun, datasets: Sequence[str]) -> Cost:
    """The cost of the dates one by one, or of the securities one by one, as a history chooses between both."""
    connection, days = reader.rows.connection, plan.to_sync
    if not days:
        return Cost(0, 0.0)
    one_by_one = Cost(plan.requests, plan.seconds)
    if tuple(datasets) == (ADJUST_FACTORS.name,):
        return factors_of_all_stocks(connection, min(days), max(days))
    if "stock_bar" in datasets:
        together = of_all_stocks(connection, min(days), max(days))
    elif tuple(datasets) == ("index_bar",):
        together = by_code(connection, len(reader.settings.indices) * pages(len(days)), 1)
    else:
        return one_by_one
    a_day = reader.settings.request_budget - reader.settings.reserve
    left = max(a_day - reader.rows.source_limit().used_today, 0)
    is_market_call = min(days) >= MARKET_DAY_FROM["stock"]
    return one_by_one if is_market_call and one_by_one.is_less_than(together, left, a_day) else together


def _left_today(reader: StatusReader, cost: Cost, *, leaves_reserve: bool) -> tuple[int, list[str], int]:
    """The requests left today, a note if they are not enough, and the days of quota.

    :param leaves_reserve: a part of the day's requests is kept for the newest date.
    """
    a_day = reader.settings.request_budget - (reader.settings.reserve if leaves_reserve else 0)
    left = max(a_day - reader.rows.source_limit().used_today, 0)
    if not cost.requests:
        return left, [], 0
    quota_days = cost.quota_days(left, a_day)
    if cost.requests <= left:
        return left, [], quota_days
    more = quota_days - int(left > 0)
    note = (
        f"About {cost.requests} requests, and {left} are left today: it waits for midnight, Beijing time, "
        f"and goes on by itself, {more} {'day' if more == 1 else 'days'} long."
    )
    return left, [note], quota_days
