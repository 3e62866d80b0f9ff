"""The last step: count what is in the tables and say how complete the trade date is."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from include.ashare.errors import IncompleteDate
from include.ashare.steps.reference import closed_reason, universe_is_known
from include.ashare.steps.run import ETFS_FROM, Run
from include.ashare.steps.verify import Verdict, verify
from include.ashare.store import DateCount
from include.ashare.texts import MOST_CHARACTERS, joined, named

log = logging.getLogger(__name__)

NO_ETFS = f"Baostock's bars of ETFs begin on {ETFS_FROM}: none is asked for before"

NAMED = 10
"""How many missing codes a reason names."""


def record_status(run: Run) -> str:
    """Write the trade date's ``sync_status`` from rows, never from what a step believes it did.

    :returns: ``success`` or ``skipped``.
    :raises IncompleteDate: the date is not complete; it is recorded as failed, with the same text.
    """
    known = run.store.session(run.day)
    if known is not None and not known[0]:
        reason = closed_reason(run.day)
        run.store.finish_date(run.day, "skipped", run.kinds, reason=reason, run_id=run.run_id)
        log.info(reason)
        return "skipped"
    # Of two dates next to each other that end at once, the second finds the first recorded.
    with run.store.alone("the record of trade dates", run.settings.lock_timeout):
        return _record(run, known is not None)


def _record(run: Run, calendar_is_known: bool) -> str:
    # A run of some kinds says nothing of the others, which the date stays complete for.
    complete = run.store.complete_kinds(run.day)
    is_part = not set(complete) <= set(run.kinds)
    run = replace(run, kinds=tuple(dict.fromkeys([*complete, *run.kinds])))
    tally = _tally(run, calendar_is_known)
    if tally.problems:
        tally.problems += [text for text in _causes(run) if text not in tally.problems]
        reason = joined([text.rstrip(".") for text in tally.problems], most=MOST_CHARACTERS - 1) + "."
        before = _tally(replace(run, kinds=complete), calendar_is_known) if is_part else None
        if before and not before.problems:
            note = f"only {', '.join(complete)} is complete: {reason}"
            _finish(replace(run, kinds=complete), "success", note, before)
        else:
            _finish(run, "failed", reason, tally)
        raise IncompleteDate(f"{run.day} is not complete: {reason}")
    _finish(run, "success", note_of(run, tally.count, tally.verdict), tally)
    log.info("%s is complete: %d bars, %d suspended.", run.day, tally.count.loaded, tally.count.suspended)
    _look_at_following(run)
    return "success"


@dataclass
class _Tally:
    """What the tables hold for a date, and why it is not complete; no problems: it is."""

    count: DateCount
    missing: int
    verdict: Verdict
    problems: list[str]


def _tally(run: Run, calendar_is_known: bool) -> _Tally:
    count = run.store.count(run.expectation)
    missing = sorted(code for codes in run.store.remaining(run.expectation).values() for code in codes)
    problems = [] if calendar_is_known else [f"Baostock's calendar is not known for {run.day}"]
    problems += _problems(run, count, missing)
    verdict = Verdict("", "") if missing else verify(run)
    if verdict.contradiction:
        problems.append(verdict.contradiction)
    return _Tally(count, len(missing), verdict, problems)


def _finish(run: Run, status: str, reason: str | None, tally: _Tally) -> None:
    run.store.finish_date(
        run.day, status, run.kinds, reason=reason, run_id=run.run_id, missing=tally.missing, count=tally.count
    )


def _problems(run: Run, count: DateCount, missing: list[str]) -> list[str]:
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
    if not run.store.factors_are_in(run.day, run.today):
        problems.append("the adjust factors of the date are not in")
    return problems


def _causes(run: Run) -> Iterable[str]:
    yield from run.store.batch_errors(run.day)
    earlier = run.store.step_failure(run.day)
    if earlier:
        yield earlier


def recount(run: Run) -> None:
    """Write new figures of a complete date whose rows have changed since, and look at the date after it."""
    recorded = run.store.status(run.day)
    if recorded and recorded[0] == "success":
        run = replace(run, kinds=recorded[1] or run.kinds)
        verdict = verify(run)
        count = run.store.count(run.expectation)
        run.store.recount_date(run.expectation, note_of(run, count, verdict), count)
        if verdict.contradiction:
            run.store.contradict_date(run.day, f"{verdict.contradiction}.")
        _look_at_following(run)


def _look_at_following(run: Run) -> None:
    """Hold the session after the date against it: what was complete may not be, what was contradicted may be."""
    _, after = run.store.neighbours(run.day)
    recorded = run.store.status(after) if after else None
    if after is None or recorded is None:
        return
    following = replace(run, day=after, kinds=recorded[1] or run.kinds)
    if recorded[0] == "success":
        said = verify(following).contradiction
        if said:
            log.warning("%s is not complete after all: %s.", after, said)
            run.store.contradict_date(after, f"{said}.")
    elif recorded[0] == "failed" and run.store.contradicted(after, following.kinds):
        with suppress(IncompleteDate):  # as before
            _record(following, calendar_is_known=True)


def note_of(run: Run, count: DateCount, verdict: Verdict) -> str | None:
    """What is worth knowing of a complete date; with what failed beside it: dates read again for corrections."""
    notes = [verdict.note] if verdict.note else []
    if count.absent:
        notes.append(f"{count.absent} absent at the source (ashare.absent_bar)")
    if count.rejected:
        notes.append(f"{count.rejected} rejected (ashare.rejected_bar)")
    if unlisted := run.store.unlisted_indices(run.day):
        notes.append(f"ASHARE_INDICES has what Baostock's list has not, and it is not asked for: {named(unlisted)}")
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
    notes += run.store.batch_errors(run.day, only_again=True)
    return joined(notes) or None
