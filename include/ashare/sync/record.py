"""The last step: count the rows in the tables and record whether the trade date is complete."""

from __future__ import annotations

import logging
from dataclasses import replace

from ashare.datasets import bars_of
from ashare.errors import AshareError, IncompleteDate, NotVerified
from ashare.store.accepted import COMPLETE, ROWS_CHANGED, Acceptance
from ashare.store.rows import Fact
from ashare.sync.judge import CrossChecks, judge
from ashare.sync.reference import closed_reason
from ashare.sync.run import Run
from ashare.texts import joined, one_sentence

log = logging.getLogger(__name__)

RECORD_WORK = "the record of trade dates"
"""Name of the mutex: of two adjacent dates that end at the same time, the second finds the first recorded."""


def record_status(run: Run) -> str:
    """Record the trade date's facts from the rows in the tables, never from what a step reports.

    :returns: ``success`` or ``skipped``.
    :raises IncompleteDate: the date is not complete for the run's kinds; the work is recorded as failed with the same
        reason. What the date is complete for stays complete.
    :raises NotVerified: the date is complete, and the run was to read it again and could not.
    """
    with run.end_recorded():
        known = run.store.calendar.session(run.day)
        if known is not None and not known[0]:
            record_closed(run)
            return "skipped"
        with run.store.mutex(RECORD_WORK, run.settings.lock_timeout):
            problems = _record(run, run.run_id, calendar_is_known=known is not None)
            if problems:
                causes = run.store.batches.errors(run.plan) + run.store.work.errors(run.day, run.datasets)
                problems += [text for text in causes if text not in problems]
                reason = one_sentence(problems)
                run.store.work.fail(run.scope, reason)
                raise IncompleteDate(f"{run.day} is not complete: {reason}")
            unverified = _unverified(run)
            run.store.work.done([run.day], run.datasets)
            log.info("%s is complete for %s.", run.day, ", ".join(run.kinds))
            try:
                look_at_following(run)
            except AshareError as problem:  # the run's own date is recorded as complete
                log.warning("The session after %s could not be held against it. %s", run.day, problem)
            if unverified:
                raise NotVerified(
                    f"{run.day} is complete, and could not be read again and compared: {one_sentence(unverified)}"
                )
            return "success"


def _unverified(run: Run) -> list[str]:
    """Why the run has not read its date again, though it was to; empty if it has, or was not to."""
    if not run.verify:
        return []
    causes = run.store.batches.errors(run.plan, only_verification=True)
    return causes or run.store.work.errors(run.day, run.datasets)


def record_closed(run: Run) -> None:
    """Record that the day is no session."""
    reason = closed_reason(run.day)
    facts = [Fact(bars_of(kind).name, run.day, note=reason, is_closed=True) for kind in run.kinds]
    run.store.coverage.record(facts, run.run_id, asked=run.asked)
    run.store.work.done([run.day], run.datasets)
    log.info(reason)


def recount(run: Run) -> None:
    """Recount a date whose rows have changed, then check the next session against that date.

    A date that was never counted is left to its own run.
    """
    if kinds := run.store.coverage.recorded_kinds(run.day):
        _record(replace(run, kinds=kinds), None)
        look_at_following(run)


def look_at_following(run: Run) -> None:
    """Recount the next session: its bars may contradict the date's bars, or may no longer contradict them."""
    _, after = run.store.corrections.neighbours(run.day)
    if after and (kinds := run.store.coverage.recorded_kinds(after)):
        problems = _record(replace(run, day=after, kinds=kinds), None)
        if problems:
            log.warning("%s is not complete: %s", after, one_sentence(problems))


def _record(run: Run, run_id: str | None, *, calendar_is_known: bool = True) -> list[str]:
    """Record the date's facts.

    :param run_id: the run that counts; ``None``: rows have changed since an earlier run counted.
    :returns: the problems of a date that is not complete; empty also for a date that is accepted as it is.
    """
    accepted = run.store.accepted.latest(run.day)
    counts = accepted is not None and accepted.counts_for(run.kinds)
    checks = CrossChecks.RECORDED if counts else CrossChecks.ACTED_ON
    facts = judge([run], checks=checks)[0]
    if not calendar_is_known:
        unknown = f"Baostock's calendar is not known for {run.day}"
        facts = [replace(fact, problem=one_sentence([unknown, fact.problem])) for fact in facts]
    problems = [fact.problem for fact in facts if fact.problem]
    if not run.store.coverage.factors_are_in(run.day, run.today):
        problems.append("the adjust factors of the date are not in")
    if accepted and not (counts and problems):
        changed = end_acceptance(run, accepted, is_complete=not problems)
        problems += changed
        if changed:
            facts[0] = replace(facts[0], problem=one_sentence([facts[0].problem, *changed]))
    if notes := run.store.batches.errors(run.plan, only_earlier=True):
        facts[0] = replace(facts[0], note=joined([*filter(None, [facts[0].note]), *notes]))
    run.store.coverage.record(facts, run_id, asked=run.asked)
    if run_id is None:
        run.store.work.forget_failures(run.day, run.datasets)
    return [] if counts else problems


def end_acceptance(run: Run, accepted: Acceptance, *, is_complete: bool) -> list[str]:
    """End an acceptance that no longer counts or is no longer needed.

    :param is_complete: whether the date is complete without the acceptance.
    :returns: the problem that the bars have changed, if the date is not complete; else an empty list.
    """
    because = accepted.ended_because
    if because is None and (is_complete or not accepted.counts):
        because = COMPLETE if is_complete else ROWS_CHANGED
        run.store.accepted.end(run.day, because)
    return [f"{ROWS_CHANGED} since it was {accepted.by_whom}"] if because == ROWS_CHANGED and not is_complete else []
