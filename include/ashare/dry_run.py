"""What a sync of a range would do, and what it would cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    :ivar notes: sentences worth knowing before the start.
    :ivar requests: estimated requests to Baostock.
    :ivar requests_left: requests left today for these dates.
    :ivar seconds: estimated duration without waits.
    :ivar quota_days: days on which requests are sent; 0: no request is.
    """

    weekdays: int
    closed: int
    complete: int
    under_way: int
    to_sync: list[date]
    notes: list[str] = field(default_factory=list)
    requests: int = 0
    requests_left: int = 0
    seconds: float = 0.0
    quota_days: int = 0


def dry_run(reader: StatusReader, start: date, end: date) -> DryRun:
    """Dry run of a sync of a range of trade dates, with the estimated cost."""
    coverages = _coverages(reader, start, end)
    plan = _of_dates(start, end, coverages, reader.wanting_of(coverages))
    cost, codes = by_date(reader.rows.connection, plan.to_sync)
    if codes:
        plan.notes.append(f"Before {MARKET_DAY_FROM['stock']} each of {codes} stocks is asked for by itself.")
    # Dates before the newest one leave a reserve of the day's requests to the newest.
    is_earlier = any(day < newest_published(reader.now()) for day in plan.to_sync)
    return _priced(reader, plan, cost, leaves_reserve=is_earlier)


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
    coverages = _coverages(reader, start, end)
    complete = [day for day, coverage in coverages.items() if coverage == "complete"]
    wanting = reader.wanting_of(coverages)
    plan = _of_dates(start, end, coverages, sorted([*complete, *wanting], reverse=True))
    plan = replace(plan, complete=len(complete))  # an accepted date is not read again
    if wanting:
        plan.notes.append(f"{_dates(len(wanting))} not complete, and synced as always.")
    if accepted := sum(coverage == "accepted" for coverage in coverages.values()):
        plan.notes.append(f"{_dates(accepted)} accepted as loaded, and not read again.")
    if "index" in kinds:
        plan.notes.append("Indices are not compared: Baostock has no call that brings all of them.")
    connection = reader.rows.connection
    cost = by_verification(connection, complete, kinds) + by_date(connection, wanting)[0]
    return _priced(reader, plan, cost)


def _coverages(reader: StatusReader, start: date, end: date) -> dict[date, str]:
    return {day: coverage for day, coverage, *_ in reader.coverage(start, end)}


def _of_dates(start: date, end: date, coverages: Mapping[date, str], to_sync: list[date]) -> DryRun:
    """The dry run of trade dates, without its cost."""
    found = Counter(coverages.get(day) for day in weekdays(start, end))
    complete = found["complete"] + found["accepted"]
    return DryRun(sum(found.values()), found["closed"], complete, found["running"], to_sync)


def _dates(count: int) -> str:
    return "1 date is" if count == 1 else f"{count} dates are"


def dry_run_of_weeks(reader: StatusReader, start: date, end: date) -> DryRun:
    """Dry run of a sync of the weekly lists of a range, with the estimated cost. ``closed``: Baostock has no list."""
    plan, cost = _of_weeks(reader, start, end, tuple(WEEKLY_DATASETS))
    if advice := suggest_history_of_weeks(plan.to_sync, tuple(WEEKLY_DATASETS)):
        plan.notes.append(advice)
    return _priced(reader, plan, cost)


def _of_weeks(reader: StatusReader, start: date, end: date, datasets: Sequence[str]) -> tuple[DryRun, Cost]:
    """The dry run of weeks, and the cost of these datasets' lists."""
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
    found = Counter(records[week].status for week in weeks if week in records)
    return DryRun(len(weeks), found["skipped"], found["success"], found["syncing"], list(wanting)), cost


def dry_run_of_history(reader: StatusReader, start: date, end: date, datasets: Sequence[str]) -> DryRun:
    """Dry run of a run of ``ashare_history``, with an estimate of the cost. The run's plan, from the rows, is exact.

    :param datasets: names of the registry.
    :raises InvalidInput: the run would refuse the range or the datasets.
    """
    check_span(start, end, reader.today)
    if weekly := check_datasets(datasets):
        return _priced(reader, *_of_weeks(reader, start, end, weekly))
    kinds = kinds_of(datasets)
    check_begin(kinds, end)
    reader = of_kinds(reader, kinds)
    coverages = _coverages(reader, start, end)
    plan = _of_dates(start, end, coverages, reader.wanting_of(coverages))
    return _priced(reader, plan, _cheaper(reader, plan.to_sync, datasets))


def _cheaper(reader: StatusReader, days: Sequence[date], datasets: Sequence[str]) -> Cost:
    """The cost of the dates one by one, or of the securities one by one, as a history chooses between both."""
    connection = reader.rows.connection
    if not days:
        return Cost(0, 0.0)
    if tuple(datasets) == (ADJUST_FACTORS.name,):
        return factors_of_all_stocks(connection, min(days), max(days))
    one_by_one, _ = by_date(connection, days)
    if "stock_bar" in datasets:
        together = of_all_stocks(connection, min(days), max(days))
    elif tuple(datasets) == ("index_bar",):
        together = by_code(connection, len(reader.settings.indices) * pages(len(days)), 1)
    else:
        return one_by_one
    left, a_day = _left(reader, leaves_reserve=True)
    has_market_calls = min(days) >= MARKET_DAY_FROM["stock"]
    return one_by_one if has_market_calls and one_by_one.is_less_than(together, left, a_day) else together


def _left(reader: StatusReader, *, leaves_reserve: bool) -> tuple[int, int]:
    """The requests left today, and those allowed on any other day.

    :param leaves_reserve: a part of the day's requests is kept for the newest date.
    """
    a_day = reader.settings.request_budget - (reader.settings.reserve if leaves_reserve else 0)
    return max(a_day - reader.rows.source_limit().used_today, 0), a_day


def _priced(reader: StatusReader, plan: DryRun, cost: Cost, *, leaves_reserve: bool = True) -> DryRun:
    """The dry run with its cost, and a note if the requests left today are not enough."""
    left, a_day = _left(reader, leaves_reserve=leaves_reserve)
    quota_days = cost.quota_days(left, a_day) if cost.requests else 0
    notes = list(plan.notes)
    if cost.requests > left:
        more = quota_days - int(left > 0)
        notes.append(
            f"About {cost.requests} requests, and {left} are left today: it waits for midnight, Beijing time, "
            f"and goes on by itself, {more} {'day' if more == 1 else 'days'} long."
        )
    return replace(
        plan,
        notes=notes,
        requests=cost.requests,
        requests_left=left,
        seconds=cost.seconds,
        quota_days=quota_days,
    )
