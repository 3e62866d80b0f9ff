"""The last step: record each trade date of the range as its own run would."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby

from ashare.errors import IncompleteDate
from ashare.sync.absence import ENOUGH_ANSWERS, Evidence, Others, Verdict, judge_absence
from ashare.sync.history.range_plan import lacking_of
from ashare.sync.history.span import HistoryRun
from ashare.sync.judge import judge
from ashare.sync.record import RECORD_WORK, look_at_following, record_closed, recount
from ashare.texts import joined, named

log = logging.getLogger(__name__)


def record_status(history: HistoryRun) -> str:
    """Record the facts of every date of the range, from the rows in the tables.

    A run of some codes only, or without stocks, updates only dates that are recorded already.

    :returns: the sentence that is logged at the end.
    :raises IncompleteDate: there is no plan, a batch is not done, or the range still lacks data.
    """
    history = history.as_planned()
    tables, span = history.tables, f"{history.start} to {history.end}"
    if tables.planned_start() is None:
        raise IncompleteDate(f"{span}: the plan could not be made, see plan_batches.")
    tables.analyze()
    doubted = _doubted(history)
    if doubted:
        tables.forget_absences(doubted)
        log.warning(
            "%d dates: more bars are absent than ASHARE_MAX_ABSENT, or than are loaded; these absences are deleted.",
            len(doubted),
        )
    with_new_factors = tables.record_factors(history.settings.max_deviating)
    if not history.is_part:
        for day in tables.closed_days():
            record_closed(history.on(day))
    changed = {*tables.unsettled(recorded_only=history.is_part), *tables.miscounted(), *doubted}
    accepted = history.store.accepted.days()
    changed |= accepted & with_new_factors  # other complete dates do not depend on their factors
    _record_sessions(history, sorted(changed - accepted))
    for day in sorted(changed & accepted):
        recount(history.on(day))
    tables.end()
    problems = [*history.store.batches.errors(history.plan), *_still_lacking(history)]
    if problems:
        raise IncompleteDate(f"{span}: {joined(problems)}.")
    result = f"{span} is complete."
    log.info(result)
    return result


def _doubted(history: HistoryRun) -> set[date]:
    """The dates on which too many securities lack a bar for this run's absences to be believed."""
    # All days of the range are over, and an absence was recorded on these grounds only.
    proven = Evidence(None, history.settings.max_absent, answers=ENOUGH_ANSWERS, others=Others.OTHER_KIND)
    found = {
        day: replace(proven, absent=absent, bars=None if history.is_part else bars)
        for day, absent, bars in history.tables.absences(history.settings.max_absent)
    }
    return {day for day, evidence in found.items() if judge_absence(evidence) is not Verdict.BELIEVED}


def _record_sessions(history: HistoryRun, days: Sequence[date]) -> None:
    """Record the facts of some sessions, a year's in one count."""
    for _, part in groupby(days, key=lambda day: day.year):
        runs = [history.on(day) for day in part]
        with history.store.mutex(RECORD_WORK, history.settings.lock_timeout):
            facts = [fact for each in judge(runs) for fact in each]
            history.store.coverage.record(facts, history.run_id, asked=runs[0].asked)
            complete = [fact.partition for fact in facts if not fact.problem]
            history.store.work.done(complete, runs[0].datasets)
        look_at_following(runs[-1])


def _still_lacking(history: HistoryRun) -> list[str]:
    if history.is_part:
        lacking = [security.code for security in lacking_of(history.tables.wanted())]
        return [f"{len(lacking)} securities still lack bars or factors ({named(lacking)})"] if lacking else []
    incomplete = history.tables.unsettled()
    return [f"{len(incomplete)} trade dates are not complete ({named(incomplete)})"] if incomplete else []
