"""Which partitions of a lake are not complete: the readers' SQL on facts and work, answered from the manifest.

The statements are ``incomplete`` in ``queries/read.sql``, and ``begin`` and ``open_weeks`` in
``queries/read_lists.sql``; tests hold the answers together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from ashare.datasets import ADJUST_FACTORS, DATASETS, WEEKLY_DATASETS
from ashare.dates import days_between, monday_of
from ashare.lake.lake_manifest import Entries
from ashare.lake.lake_tables import Tables
from ashare.session_spans import since_of
from ashare.store.loaded_bars import OpenDates
from ashare.store.loaded_lists import Begin, OpenWeeks
from ashare.texts import NAMED

Calendar = Mapping[date, bool]

RUNNING = ("running", "waiting")
OPEN = ("partial", "failed", *RUNNING)
"""States that are neither complete nor accepted, whatever the database is meant to have."""
RELATIVE = ("before", "unpublished", "missing", "none")
"""States that depend on what the database is meant to have: derived anew for each question."""
AT_WORK = (*RUNNING, "failed")
"""States of a partition that may never have been counted."""

HOLIDAYS = timedelta(days=28)
"""How long after the first week of a list its first session may be."""


class Asked(NamedTuple):
    """The parameters of ``store.loaded_bars.open_dates``."""

    datasets: Sequence[str]
    if_asked: Sequence[str]
    start: date
    has_start: bool
    end: date
    newest: date
    since: date | None


class _Open(NamedTuple):
    """A partition that is neither complete nor accepted."""

    day: date
    dataset: str
    is_running: bool = False
    is_recorded: bool = False


def open_dates(held: Mapping[str, Entries], calendar: Calendar, asked: Asked) -> OpenDates:
    """The trade dates that are neither complete nor accepted; see ``store.loaded_bars.open_dates``."""
    found = [*_open_partitions(held, calendar, asked), *_outside(held, calendar, asked)]
    days = sorted({each.day for each in found})
    return OpenDates(
        len(days),
        days[:NAMED],
        days[-1] if days else None,
        len({each.day for each in found if each.is_running}),
        any(each.is_recorded for each in found),
        sorted({each.dataset for each in found}),
    )


def complete_since(
    held: Mapping[str, Entries], calendar: Calendar, datasets: Sequence[str], newest: date
) -> date | None:
    """Since when the bars are meant to be complete; see ``store.coverage.complete_since``."""
    days = sorted({day for entries in held.values() for day in entries if day <= str(newest)})
    complete = []
    for day in days:
        needed = [name for name in datasets if not DATASETS[name].begins_after(date.fromisoformat(day))]
        if all(held.get(name, {}).get(day, _NOTHING)["state"] == "complete" for name in needed):
            complete.append(date.fromisoformat(day))
    if not complete:
        return None
    sessions = sorted(day for day, is_open in calendar.items() if is_open and complete[0] <= day <= newest)
    return since_of(complete, sessions)


_NOTHING = {"rows": 0, "state": "before", "is_asked": False, "is_recorded": False}
"""A partition that the manifest does not name."""


def _first_day(held: Mapping[str, Entries], asked: Asked) -> date | None:
    """The first day of the range; without a start and without bars, ``None``."""
    if asked.has_start:
        return asked.start
    names = {*asked.datasets, *asked.if_asked} - {ADJUST_FACTORS.name}
    firsts = [day for name in names for day, entry in held.get(name, {}).items() if entry["rows"]]
    return max(date.fromisoformat(min(firsts)), asked.start) if firsts else None


def _since(first: date, asked: Asked) -> date:
    """From when on dates count on which no run has worked."""
    return first if asked.has_start or asked.since is None else max(first, asked.since)


def _open_partitions(held: Mapping[str, Entries], calendar: Calendar, asked: Asked) -> Iterator[_Open]:
    first = _first_day(held, asked)
    if first is None:
        return
    since, last = _since(first, asked), min(asked.end, asked.newest)
    names = [*asked.datasets, *(name for name in asked.if_asked if _is_asked(held.get(name, {})))]
    named = {date.fromisoformat(day) for entries in _of_dates(held) for day in entries}
    days = {day for day, is_open in calendar.items() if is_open and day <= last} | named
    for day in sorted(day for day in days if first <= day <= asked.end):
        for name in names:
            entry = held.get(name, {}).get(str(day), _NOTHING)
            is_due = day <= asked.newest and calendar.get(day) is not False
            has_bars = entry["rows"] > 0 and name != ADJUST_FACTORS.name
            if not (is_due or has_bars) or not (name in asked.datasets or entry["is_asked"]):
                continue
            if entry["state"] in OPEN or _is_missing(entry["state"], name, day, since, asked.newest):
                yield _Open(day, name, entry["state"] in RUNNING, entry["is_recorded"])


def _is_missing(state: str, name: str, day: date, since: date, newest: date) -> bool:
    return state in RELATIVE and since <= day <= newest and not DATASETS[name].begins_after(day)


def _is_asked(entries: Entries) -> bool:
    return any(entry["is_asked"] for entry in entries.values())


def _of_dates(held: Mapping[str, Entries]) -> Iterator[Entries]:
    return (entries for name, entries in held.items() if name in DATASETS)


def _outside(held: Mapping[str, Entries], calendar: Calendar, asked: Asked) -> Iterator[_Open]:
    """The weekdays outside of the calendar: any may be a session, but 1 January never is."""
    last = min(asked.end, asked.newest)
    first = _first_day(held, asked)
    if first is None or not (asked.has_start or last not in calendar):
        return
    begin, end = (min(calendar), max(calendar)) if calendar else (date.max, date.min)
    for day in days_between(_since(first, asked), last):
        is_outside = not begin <= day <= end
        if is_outside and day.weekday() < 5 and (day.month, day.day) != (1, 1) and not _is_counted(held, day):
            yield from (_Open(day, name) for name in asked.datasets)


def _is_counted(held: Mapping[str, Entries], day: date) -> bool:
    entries = [entries.get(str(day)) for entries in _of_dates(held)]
    return any(entry["is_recorded"] and entry["state"] not in AT_WORK for entry in entries if entry)


def begin(tables: Tables, dataset: str, index: str | None) -> Begin:
    """From when on a weekly list is loaded; see ``store.loaded_lists.begin``."""
    weeks = tables.weeks_loaded(dataset)
    loaded = weeks[0] if weeks else None
    starts = [] if index is None else [start for _, start, _ in tables.spans_by_code(index)]
    return Begin(
        WEEKLY_DATASETS[dataset].first_week,
        loaded,
        max((day for day in (loaded, min(starts, default=None)) if day), default=None),
    )


def open_weeks(
    entries: Entries, tables: Tables, dataset: str, *, first: date, last: date, newest: date, oldest: int
) -> OpenWeeks:
    """The weeks of a list that are not complete; see ``store.loaded_lists.open_weeks``."""
    weeks = tables.weeks_loaded(dataset)
    until_last = [week for week in weeks if week <= last]
    if not until_last:
        return OpenWeeks(0, [], None, False)
    in_force = [week for week in until_last if week <= first]
    last_week = until_last[-1]
    found, is_recorded = [], False
    for week in _mondays(in_force[-1] if in_force else until_last[0], last):
        state = _week_state(entries, tables.calendar, dataset, week, weeks[0], newest)
        counts = week <= last_week or ((last - last_week).days > oldest and week <= newest)
        if counts and state in (*OPEN, "missing"):
            found.append(week)
            is_recorded |= state in ("partial", "failed")
    return OpenWeeks(len(found), found[:NAMED], found[-1] if found else None, is_recorded)


def _mondays(first: date, last: date) -> list[date]:
    monday = monday_of(first + timedelta(days=6))
    return [monday + timedelta(days=days) for days in range(0, (last - monday).days + 1, 7)]


def _week_state(entries: Entries, calendar: Calendar, dataset: str, week: date, since: date, newest: date) -> str:
    state: str = entries.get(str(week), _NOTHING)["state"]
    if state not in RELATIVE:
        return state
    if week < _first_list(calendar, dataset):
        return "none"
    if week > newest:
        return "unpublished"
    return "before" if week < since else "missing"


def _first_list(calendar: Calendar, dataset: str) -> date:
    """The first Monday of which Baostock can have the list: the first session among the Mondays."""
    first = WEEKLY_DATASETS[dataset].first_week
    mondays = (first + timedelta(days=days) for days in range(0, HOLIDAYS.days, 7))
    return next((day for day in mondays if calendar.get(day)), first)
