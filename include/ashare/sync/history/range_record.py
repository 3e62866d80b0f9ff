"""The last step: record each trade date of the range as its own run would."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date

from ashare.errors import IncompleteDate
from ashare.sync import record
from ashare.sync.history.span import HistoryRun
from ashare.texts import joined, named

log = logging.getLogger(__name__)


def record_status(history: HistoryRun) -> str:
    """Write ``sync_status`` for every date of the range, from the rows in the tables.

    A run of some codes only, or without stocks, updates only dates that already have a status.

    :returns: a sentence for the log.
    :raises IncompleteDate: there is no plan, a batch is not done, or the range still lacks data.
    """
    history = history.as_planned()
    tables = history.tables
    if not tables.is_planned():
        raise IncompleteDate(f"{history.start} to {history.end}: the plan could not be made, see plan_batches.")
    tables.analyze()
    doubted = tables.disbelieve_absences(history.settings.max_absent, all_loaded=not history.is_part)
    if doubted:
        log.warning("%d dates lack more than ASHARE_MAX_ABSENT, or than they have: not believed.", len(doubted))
    tables.record_factors(history.settings.max_deviating)
    if not history.is_part:
        for day in tables.closed_days():
            record.record_status(history.on(day))
    _record_sessions(history, doubted)
    problems = [*tables.errors(), *_still_lacking(history)]
    if problems:
        raise IncompleteDate(f"{history.start} to {history.end}: {joined(problems)}.")
    return f"{history.start} to {history.end} is complete."


def _record_sessions(history: HistoryRun, doubted: set[date]) -> None:
    """Record the sessions that are not complete or have lost rows.

    A complete session with additional or changed rows is only recounted.
    """
    miscounted = history.tables.miscounted()
    unsettled = history.tables.unsettled(recorded_only=history.is_part)
    lost = doubted | {day for day, is_less in miscounted.items() if is_less}
    for day in sorted({*unsettled, *lost}):
        # The kinds that the date is already complete for stay complete.
        run = history.on(day, kinds=list(dict.fromkeys([*_kinds(history, day, unsettled), *history.kinds])))
        is_mine = day in lost or not history.is_part
        if not is_mine and (
            run.store.universe.remaining(run.expectation) or not run.store.batches.factors_are_in(day, run.today)
        ):
            continue
        with suppress(IncompleteDate):  # the date is recorded, and _still_lacking finds it
            record.record_status(run)
    for day, is_less in miscounted.items():
        if not is_less:
            record.recount(history.on(day))


def _kinds(history: HistoryRun, day: date, unsettled: Mapping[date, Sequence[str]]) -> Sequence[str]:
    """The kinds that a date is complete for, or was before it lost rows."""
    if day in unsettled:
        return unsettled[day]
    recorded = history.store.statuses.get(day)
    return recorded[1] if recorded else ()


def _still_lacking(history: HistoryRun) -> list[str]:
    if history.is_part:
        lacking = [security.code for security in history.tables.wanted() if security.missing > 0 or security.factors]
        return [f"{len(lacking)} securities still lack bars or factors ({named(lacking)})"] if lacking else []
    incomplete = list(history.tables.unsettled())
    return [f"{len(incomplete)} trade dates are not complete ({named(incomplete)})"] if incomplete else []
