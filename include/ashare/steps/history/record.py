"""The last step: the range's trade dates, recorded as if each had been run by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date

from include.ashare.errors import IncompleteDate
from include.ashare.steps import record
from include.ashare.steps.history.span import History

log = logging.getLogger(__name__)

NAMED = 5
"""How many dates or batches a reason names."""


def record_status(history: History) -> str:
    """Write ``sync_status`` for every date of the range, from rows; returns a sentence.

    Where only some codes, or no stocks, were asked for, a date is recorded when it is complete with them.

    :raises IncompleteDate: a batch is not done, or dates of the range are not complete.
    """
    tables = history.tables
    tables.analyze()
    crowded = tables.disbelieve_absences(history.settings.max_absent)
    if crowded:
        log.warning("%d dates lack more bars than ASHARE_MAX_ABSENT: their absence is not believed.", len(crowded))
    tables.record_factors()
    if not _is_part(history):
        for day in tables.closed_days():
            record.record_status(history.on(day))
    incomplete = _record_sessions(history)
    for day in tables.miscounted():
        record.recount(history.on(day))
    problems = tables.errors()
    if incomplete:
        problems.append(f"{len(incomplete)} trade dates are not complete ({_named(incomplete)})")
    if problems:
        raise IncompleteDate(f"{history.start} to {history.end}: {'; '.join(problems)}.")
    return f"{history.start} to {history.end} is complete."


def _record_sessions(history: History) -> list[date]:
    """Record the sessions that are not settled; returns those that are not complete although all was asked for."""
    is_part = _is_part(history)
    incomplete = []
    for day, settled in history.tables.unsettled():
        # What it is complete for already stays so.
        run = history.on(day, kinds=list(dict.fromkeys([*settled, *history.kinds])))
        if is_part and (run.store.remaining(run.expectation) or not run.store.factors_are_in(day, run.today)):
            continue
        try:
            record.record_status(run)
        except IncompleteDate:
            incomplete.append(day)
    return incomplete


def _is_part(history: History) -> bool:
    """Whether the range's dates cannot be complete by this run alone."""
    return history.codes is not None or "stock" not in history.kinds


def _named(days: Sequence[date]) -> str:
    more = f" and {len(days) - NAMED} more" if len(days) > NAMED else ""
    return f"{', '.join(map(str, days[:NAMED]))}{more}"
