"""Tells a reader of bars which trade dates of the requested range are not complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, get_args

from ashare.data_source import DataSource
from ashare.datasets import ADJUST_FACTORS, DATASETS, KINDS, bars_of, newest_published, published_at
from ashare.dates import FIRST_TRADE_DATE, beijing_now
from ashare.errors import IncompleteDate, InvalidInput
from ashare.settings import Settings
from ashare.texts import NAMED, backfill_command, history_command

if TYPE_CHECKING:
    from ashare.store.loaded_bars import OpenDates

Incomplete = Literal["raise", "warn", "ignore"]
"""What a reader does about trade dates that are not complete."""

MOST_BY_DATE = 250
"""Maximum number of dates to load date by date; ``ashare_history`` loads more of them faster."""


class IncompleteBars(UserWarning):
    """A trade date of the bars that were read is not complete. The text says which dates, and how to load them."""


@dataclass(frozen=True)
class RequestedBars:
    """Which bars a reader requests.

    :ivar start: first trade date; ``None``: the range begins with the first bar that the table holds.
    :ivar end: last trade date, included; it may be in the future.
    :ivar kinds: the kinds of securities; ``None``: all.
    :ivar codes: only these securities; ``None``: all of the kinds.
    :ivar with_factors: whether the adjust factors are read, too.
    """

    start: date | None
    end: date
    kinds: Sequence[str] | None = None
    codes: Sequence[str] | None = None
    with_factors: bool = False


@dataclass(frozen=True)
class Problem:
    """The trade dates that are not complete.

    :ivar dates: number of dates; 0: which ones they are is not known.
    :ivar sentence: which dates these are, and how to load them.
    """

    dates: int
    sentence: str


def parse_incomplete(given: Any) -> Incomplete:
    """Validate the option ``incomplete``.

    :raises InvalidInput: it is none of the three words.
    """
    if given not in list(get_args(Incomplete)):
        raise InvalidInput(
            f"There is no incomplete={given!r}: write 'warn' for a warning if a trade date of the range is not "
            "complete, 'raise' for an error, or 'ignore'."
        )
    incomplete: Incomplete = given
    return incomplete


def find_problem(source: DataSource, requested: RequestedBars, incomplete: Incomplete) -> Problem | None:
    """Judge the trade dates of the request. Call it before the bars are read.

    A date counts if a dataset that is read is neither complete nor accepted: of ``ASHARE_KINDS`` by default, and of
    any other kind that a run was asked to load on that date. Sessions whose bars are not out yet do not count.

    :returns: ``None`` if all dates are complete, and a lake has all that was requested, or if ``incomplete`` is
        ``ignore``.
    :raises IncompleteDate: a date is not complete, and ``incomplete`` is ``raise``.
    :raises InvalidInput: a setting ``ASHARE_*`` is wrong.
    """
    if incomplete == "ignore":
        return None
    settings = Settings()
    newest = newest_published(beijing_now())
    found = _open_dates(source, requested, settings, newest)
    named = _sentence(found, settings, source.remark(published_at(newest))) if found and found.dates else None
    reserved = source.reservation(requested.start, requested.kinds, requested.codes)
    sentences = [sentence for sentence in (named, reserved) if sentence]
    if not sentences:
        return None
    problem = Problem(found.dates if found else 0, ". ".join(sentences))
    if incomplete == "raise":
        raise IncompleteDate(problem.sentence)
    return problem


def _open_dates(source: DataSource, requested: RequestedBars, settings: Settings, newest: date) -> OpenDates | None:
    start, end, kinds = requested.start, requested.end, requested.kinds
    first = max(start or FIRST_TRADE_DATE, FIRST_TRADE_DATE)
    if requested.codes is not None:
        listed = source.listed_span(requested.codes)
        kinds, first, end = listed.kinds, max(first, listed.first or first), min(end, listed.last or end)
    judged = settings.kinds if kinds is None else [kind for kind in kinds if kind in KINDS]
    if not judged or end < first:
        return None
    datasets = [bars_of(kind).name for kind in judged] + ([ADJUST_FACTORS.name] if requested.with_factors else [])
    since = settings.first_date if start else settings.first_date or source.complete_since(datasets, newest)
    return source.open_dates(
        datasets,
        [bars_of(kind).name for kind in KINDS if kinds is None and kind not in judged],
        start=first,
        has_start=start is not None,
        end=end,
        newest=newest,
        since=since,
    )


def _sentence(found: OpenDates, settings: Settings, remark: str) -> str:
    first, last, many = found.named[0], found.last, found.dates > 1
    what = f"{found.dates} trade dates are not complete" if many else "1 trade date is not complete"
    lacking = ", ".join(dataset.plural for dataset in DATASETS.values() if dataset.name in found.datasets)
    days = ", ".join(map(str, found.named)) if found.dates <= NAMED else f"from {first} to {last}"
    at_work = ""
    if found.running:
        which = f"{found.running} of them" if found.running < found.dates else ("them" if many else "it")
        at_work = f" (a run works on {which}, or was stopped)"
    load = f"load {'them' if many else 'it'} with: {_command(found, settings)}"
    return f"{what}: {days}, of {lacking}{at_work}{remark}; {load}"


def _command(found: OpenDates, settings: Settings) -> str:
    first, last = found.named[0], found.last
    kinds = [dataset.kind for dataset in DATASETS.values() if dataset.kind and dataset.name in found.datasets]
    params = {} if set(kinds) <= set(settings.kinds) else {"kinds": kinds}
    if found.dates > MOST_BY_DATE:
        return history_command(first, last, **params)
    return backfill_command(first, last, "--rerun-failed-tasks" if found.is_recorded else "", params)
