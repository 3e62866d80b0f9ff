"""Tells a reader of weekly lists from when on they are loaded, and which weeks of the range are not complete."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ashare.cost import MANY_WEEKS
from ashare.data_source import DataSource
from ashare.datasets import LISTS_APPEAR, MEMBER_LISTS, WEEKLY_DATASETS, newest_week
from ashare.dates import SHANGHAI, beijing_now, monday_of
from ashare.errors import IncompleteDate, InvalidInput
from ashare.incomplete import Incomplete
from ashare.texts import NAMED, backfill_command, history_command

if TYPE_CHECKING:
    from ashare.store.loaded_lists import Begin, OpenWeeks

OLDEST_LIST = 14
"""Up to which age, in days, the newest list is good: the next one is due after seven, and can be late."""


class IncompleteLists(UserWarning):
    """A week of the lists that were read is not complete. The text says which weeks, and how to load them."""


def parse_index(given: Any) -> str:
    """Validate an index whose members are read.

    :raises InvalidInput: Baostock has no members of it.
    """
    if given not in list(MEMBER_LISTS):
        known = ", ".join(f"{code} ({each.name})" for code, each in MEMBER_LISTS.items())
        raise InvalidInput(f"Baostock has no members of {given!r}: choose among {known}.")
    return str(given)


def find_week_problem(
    source: DataSource,
    dataset: str,
    first: date | None,
    last: date,
    incomplete: Incomplete,
    index: str | None = None,
) -> str | None:
    """Judge the weeks of a range. Call it before the lists are read.

    A week counts if its list is not loaded, or rows of it are gone. Weeks after the newest list count only if that
    list is over 14 days old on the last day.

    :param dataset: ``index_member``, ``industry`` or ``security_name``.
    :param first: first day; ``None``: the range begins with the first list.
    :param last: last day, included; it may be in the future.
    :param index: the index whose members are read.
    :returns: which weeks are not complete, and how to load them; ``None`` if all are, or if ``incomplete`` is
        ``ignore``.
    :raises InvalidInput: no list is loaded, or the range begins before the first one.
    :raises IncompleteDate: a week is not complete, and ``incomplete`` is ``raise``.
    """
    begin = source.begin(dataset, index)
    since = begin.of_index
    if begin.loaded is None or since is None or (first or last) < since:
        raise InvalidInput(_before(dataset, index, begin, first or last))
    if incomplete == "ignore":
        return None
    now = beijing_now()
    newest = newest_week(now)
    found = source.open_weeks(
        dataset, first=first or since, last=min(last, now.date()), newest=newest, oldest=OLDEST_LIST
    )
    if not found.weeks:
        return None
    sentence = _sentence(dataset, found, source.remark(datetime.combine(newest, LISTS_APPEAR, SHANGHAI)))
    if incomplete == "raise":
        raise IncompleteDate(sentence)
    return sentence


def _before(dataset: str, index: str | None, begin: Begin, day: date) -> str:
    plural = WEEKLY_DATASETS[dataset].plural
    if day < begin.at_source:
        return f"Baostock has no {plural} before {begin.at_source}: choose a day from then on."
    first = max(monday_of(day), begin.at_source)
    if begin.loaded is None:
        return f"No {plural} are loaded: load those of {day} with: {_command(dataset, first, first)}"
    if begin.loaded <= day:
        return f"Baostock has members of {index} from {begin.of_index} on: choose a day from then on."
    return (
        f"{plural.capitalize()} are loaded from {begin.loaded} on, so those of {day} are not known: choose a day "
        f"from then on, or load earlier weeks with: {_command(dataset, first, begin.loaded - timedelta(days=7))}"
    )


def _sentence(dataset: str, found: OpenWeeks, remark: str) -> str:
    many = found.weeks > 1
    what = (
        f"{found.weeks} weeks of {WEEKLY_DATASETS[dataset].plural} are"
        if many
        else f"1 week of {WEEKLY_DATASETS[dataset].plural} is"
    )
    first, last = found.named[0], found.last or found.named[-1]
    days = ", ".join(map(str, found.named)) if found.weeks <= NAMED else f"from {first} to {last}"
    command = _command(dataset, first, last, "--rerun-failed-tasks" if found.is_recorded else "")
    return f"{what} not complete: {days}{remark}; load {'them' if many else 'it'} with: {command}"


def _command(dataset: str, first: date, last: date, flag: str = "") -> str:
    if (last - first).days >= MANY_WEEKS * 7:
        return history_command(first, last, datasets=[dataset])
    return backfill_command(first, last, flag, dag_id="ashare_reference")
