"""Tells a reader of weekly lists from when on they are loaded, and which weeks of the range are not complete."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ashare.datasets import MEMBER_INDICES
from ashare.dates import beijing_now
from ashare.errors import IncompleteDate, InvalidInput
from ashare.incomplete import Incomplete
from ashare.store import loaded_lists
from ashare.store.loaded_lists import Begin, OpenWeeks
from ashare.texts import NAMED, backfill_command, history_command

if TYPE_CHECKING:
    import psycopg

PLURALS = {"index_member": "members of indices", "industry": "industries", "security_name": "names"}
"""Weekly dataset -> what a sentence calls its rows."""

OLDEST_LIST = 14
"""Up to which age, in days, the newest list is good: the next one is due after seven, and can be late."""

MOST_BY_WEEK = 52
"""Maximum number of weeks to load week by week; ``ashare_history`` loads more of them faster."""


class IncompleteLists(UserWarning):
    """A week of the lists that were read is not complete. The text says which weeks, and how to load them."""


def parse_index(given: Any) -> str:
    """Validate an index whose members are read.

    :raises InvalidInput: Baostock has no members of it.
    """
    if given not in list(MEMBER_INDICES):
        known = ", ".join(f"{code} ({name})" for code, name in MEMBER_INDICES.items())
        raise InvalidInput(f"Baostock has no members of {given!r}: choose among {known}.")
    return str(given)


def find_week_problem(
    connection: psycopg.Connection[Any],
    dataset: str,
    first: date | None,
    last: date,
    incomplete: Incomplete,
    index: str | None = None,
) -> str | None:
    """Judge the weeks of a range. Call it before the lists are read, in the same transaction.

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
    begin = loaded_lists.begin(connection, dataset, index)
    since = begin.of_index
    if begin.loaded is None or since is None or (first or last) < since:
        raise InvalidInput(_before(dataset, index, begin, first or last))
    if incomplete == "ignore":
        return None
    today = beijing_now().date()
    found = loaded_lists.open_weeks(
        connection,
        dataset,
        first=first or since,
        last=min(last, today),
        newest=_monday(today - timedelta(days=1)),
        oldest=OLDEST_LIST,
    )
    if not found.weeks:
        return None
    sentence = _sentence(dataset, found)
    if incomplete == "raise":
        raise IncompleteDate(sentence)
    return sentence


def _before(dataset: str, index: str | None, begin: Begin, day: date) -> str:
    plural = PLURALS[dataset]
    if day < begin.at_source:
        return f"Baostock has no {plural} before {begin.at_source}: choose a day from then on."
    first = max(_monday(day), begin.at_source)
    if begin.loaded is None:
        return f"No {plural} are loaded: load those of {day} with: {_command(dataset, first, first)}"
    if begin.loaded <= day:
        return f"Baostock has members of {index} from {begin.of_index} on: choose a day from then on."
    return (
        f"{plural.capitalize()} are loaded from {begin.loaded} on, so those of {day} are not known: choose a day "
        f"from then on, or load earlier weeks with: {_command(dataset, first, begin.loaded - timedelta(days=7))}"
    )


def _sentence(dataset: str, found: OpenWeeks) -> str:
    many = found.weeks > 1
    what = f"{found.weeks} weeks of {PLURALS[dataset]} are" if many else f"1 week of {PLURALS[dataset]} is"
    first, last = found.named[0], found.last or found.named[-1]
    days = ", ".join(map(str, found.named)) if found.weeks <= NAMED else f"from {first} to {last}"
    command = _command(dataset, first, last, "--rerun-failed-tasks" if found.is_recorded else "")
    return f"{what} not complete: {days}; load {'them' if many else 'it'} with: {command}"


def _command(dataset: str, first: date, last: date, flag: str = "") -> str:
    if (last - first).days >= MOST_BY_WEEK * 7:
        return history_command(first, last, datasets=[dataset])
    return backfill_command(first, last, flag, dag_id="ashare_reference")


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
