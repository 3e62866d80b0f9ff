"""The last step: count the rows in the tables and record whether the trade date is complete."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from ashare.datasets import ETFS_FROM
from ashare.errors import AshareError, IncompleteDate
from ashare.store import DateCount
from ashare.store.accepted import COMPLETE, ROWS_CHANGED, Acceptance
from ashare.sync.reference import closed_reason, universe_is_known
from ashare.sync.run import Run
from ashare.sync.verify import Verdict, verify
from ashare.texts import MOST_CHARACTERS, joined, named

log = logging.getLogger(__name__)

NO_ETFS = f"Baostock's bars of ETFs begin on {ETFS_FROM}: none is asked for before"

NAMED = 10
"""Maximum number of missing codes that a reason names."""


def record_status(run: Run) -> str:
    """Write the trade date's ``sync_status`` from the rows in the tables, never from what a step reports.

    :returns: ``success`` or ``skipped``.
    :raises IncompleteDate: the date is not complete. It is recorded with the same reason: as failed, or as complete
        only for the kinds that were complete before.
    """
    with run.end_recorded():
        known = run.store.calendar.session(run.day)
        if known is not None and not known[0]:
            reason = closed_reason(run.day)
            run.store.statuses.finish(run.day, "skipped", run.kinds, reason=reason, run_id=run.run_id)
            log.info(reason)
            return "skipped"
        # Of two adjacent dates that end at the same time, the second finds the first recorded.
        with run.store.mutex("the record of trade dates", run.settings.lock_timeout):
            return _record(run, known is not None)


def _record(run: Run, calendar_is_known: bool) -> str:
    # A run of some kinds says nothing about the other kinds: the date stays complete for them.
    complete = run.store.statuses.complete_kinds(run.day)
    is_part = not set(complete) <= set(run.kinds)
    run = replace(run, kinds=tuple(dict.fromkeys([*complete, *run.kinds])))
    tally = _tally(run, calendar_is_known)
    if tally.problems:
        problems = [*tally.problems, *(text for text in _causes(run) if text not in tally.problems)]
        reason = joined([text.rstrip(".") for text in problems], most=MOST_CHARACTERS - 1) + "."
        before = _tally(replace(run, kinds=complete), calendar_is_known) if is_part else None
        if before and not before.problems:
            notes = [f"complete for {', '.join(complete)} only", *([before.note] if before.note else []), reason]
            _finish(replace(run, kinds=complete), "success", joined(notes), before)
        else:
            _finish(run, "failed", reason, tally)
        raise IncompleteDate(f"{run.day} is not complete: {reason}")
    _finish(run, "success", tally.note, tally)
    log.info("%s is complete: %d bars, %d suspended.", run.day, tally.count.loaded, tally.count.suspended)
    try:
        _look_at_following(run)
    except AshareError as problem:  # the run's own date is recorded as complete
        log.warning("The session after %s could not be held against it. %s", run.day, problem)
    return "success"


@dataclass(frozen=True)
class _Tally:
    """A date's row counts and problems. Without problems the date is complete, and its reason is ``note``."""

    count: DateCount
    missing: int
    problems: list[str]
    note: str | None


def _tally(run: Run, calendar_is_known: bool) -> _Tally:
    accepted = run.store.accepted.latest(run.day)
    counts = accepted is not None and accepted.counts_for(run.kinds)
    count, missing = count_rows(run)
    problems = [] if calendar_is_known else [f"Baostock's calendar is not known for {run.day}"]
    problems += problems_of(run, count, missing)
    verdict = Verdict("", "") if missing else verify(run, read_again=not counts)
    if verdict.contradiction:
        problems.append(verdict.contradiction)
    if accepted and counts and problems:
        return _Tally(count, len(missing), [], accepted.note)
    if accepted:
        problems += end_acceptance(run, accepted, is_complete=not problems)
    return _Tally(count, len(missing), problems, None if problems else note_of(run, count, verdict))


def count_rows(run: Run) -> tuple[DateCount, list[str]]:
    """The date's row counts, and the sorted codes that have neither a bar nor a recorded reason."""
    missing = sorted(code for codes in run.store.universe.remaining(run.expectation).values() for code in codes)
    return run.store.universe.count(run.expectation), missing


def _finish(run: Run, status: str, reason: str | None, tally: _Tally) -> None:
    run.store.statuses.finish(
        run.day, status, run.kinds, reason=reason, run_id=run.run_id, missing=tally.missing, count=tally.count
    )


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


def problems_of(run: Run, count: DateCount, missing: list[str]) -> list[str]:
    """The problems of a date that its row counts show."""
    problems = []
    if not universe_is_known(run):
        problems.append(f"the list of securities was not read since {run.day}")
    if missing:
        problems.append(f"{len(missing)} of {count.expected} securities have no bar: {named(missing, NAMED)}")
    if count.rejected > run.settings.max_rejected:
        problems.append(
            f"{count.rejected} rows broke a rule, more than ASHARE_MAX_REJECTED "
            f"({run.settings.max_rejected}); see ashare.rejected_bar"
        )
    if not run.store.batches.factors_are_in(run.day, run.today):
        problems.append("the adjust factors of the date are not in")
    return problems


def _causes(run: Run) -> Iterable[str]:
    yield from run.store.batches.errors(run.day)
    earlier = run.store.statuses.step_failure(run.day)
    if earlier:
        yield earlier


def recount(run: Run) -> None:
    """Update the status of a complete or accepted date whose rows have changed.

    A complete date gets new figures and new cross-checks, and the session after it is checked against it.
    """
    recorded = run.store.statuses.get(run.day)
    if recorded is None:
        return
    run = replace(run, kinds=recorded[1] or run.kinds)
    accepted = run.store.accepted.latest(run.day)
    if accepted and recorded[0] == ("success" if accepted.ended_because is None else "failed"):
        _judge_accepted(run, accepted)
    elif recorded[0] == "success":
        verdict = verify(run)
        count = run.store.universe.count(run.expectation)
        run.store.statuses.recount(run.expectation, note_of(run, count, verdict), count)
        if verdict.contradiction:
            run.store.statuses.contradict(run.day, f"{verdict.contradiction}.")
        _look_at_following(run)


def _judge_accepted(run: Run, accepted: Acceptance) -> None:
    """Record a date again that is or was accepted, unless its acceptance still counts."""
    if not accepted.counts_for(run.kinds):
        with suppress(IncompleteDate):  # the date is recorded as such
            _record(run, calendar_is_known=True)


def _look_at_following(run: Run) -> None:
    """Check the session after the date against it.

    A complete session may turn out failed, and a contradicted one complete.
    """
    _, after = run.store.corrections.neighbours(run.day)
    recorded = run.store.statuses.get(after) if after else None
    if after is None or recorded is None:
        return
    following = replace(run, day=after, kinds=recorded[1] or run.kinds)
    accepted = run.store.accepted.latest(after)
    if accepted and accepted.ended_because is None and recorded[0] == "success":
        _judge_accepted(following, accepted)
    elif recorded[0] == "success":
        contradiction = verify(following).contradiction
        if contradiction:
            log.warning("%s is not complete after all: %s.", after, contradiction)
            run.store.statuses.contradict(after, f"{contradiction}.")
    elif recorded[0] == "failed" and run.store.corrections.contradicted(after, following.kinds):
        with suppress(IncompleteDate):  # the session stays failed
            _record(following, calendar_is_known=True)


def note_of(run: Run, count: DateCount, verdict: Verdict) -> str | None:
    """The notes on a complete date, with errors of batches that read earlier dates again; ``None`` if none."""
    notes = [verdict.note] if verdict.note else []
    if count.absent:
        notes.append(f"{count.absent} absent at the source (ashare.absent_bar)")
    if count.rejected:
        notes.append(f"{count.rejected} rejected (ashare.rejected_bar)")
    if unlisted := run.store.universe.unlisted_indices(run.day):
        notes.append(f"Baostock's list has no such index of ASHARE_INDICES, so none is asked for: {named(unlisted)}")
    if count.blanked:
        notes.append(f"{count.blanked} with a valuation that is no number, left blank (ashare.blanked_value)")
    if count.rejected_factors:
        notes.append(f"{count.rejected_factors} adjust factors set aside (ashare.rejected_row)")
    if count.rejected_securities:
        notes.append(f"{count.rejected_securities} rows of the list of securities set aside (ashare.rejected_row)")
    if count.taken_securities:
        notes.append(
            f"{count.taken_securities} rows of the list of securities contradict themselves (ashare.rejected_row)"
        )
    if "etf" in run.kinds and run.day < ETFS_FROM:
        notes.append(NO_ETFS)
    notes += run.store.batches.errors(run.day, only_rereads=True)
    return joined(notes) or None
