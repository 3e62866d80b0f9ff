"""Acceptance: a person takes a trade date as it is.

The date counts as complete while its bars stay unchanged, and its problem is recorded.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

from ashare.datasets import PLURALS
from ashare.errors import InvalidInput
from ashare.source import SourceConfig
from ashare.store import DateCount, Store
from ashare.sync.record import count_rows, problems_of
from ashare.sync.reference import closed_reason
from ashare.sync.run import Run
from ashare.texts import bounded, storable

MOST_REASON = 500
"""Maximum length of a reason, in characters."""
MOST_PROBLEM = 1000
"""Maximum length of the recorded problem, in characters."""
MOST_NAME = 100
WAIT_SECONDS = 10.0
"""Longest wait for a run that records a date or merges bars: a person is waiting."""

UNUSED_SOURCE = SourceConfig("", 0)
"""Placeholder: judging a date sends no request to Baostock."""


def accept(store: Store, day: date, reason: str, who: str) -> str:
    """Accept a failed date as it is: it counts as complete.

    :returns: the reason of the date's new status.
    :raises InvalidInput: the reason is empty or too long, or the date cannot be accepted; the text says why.
    :raises SourceBusy: another session records a date or merges bars for longer than ``WAIT_SECONDS``.
    """
    text = _one_line(reason)
    if not text:
        raise InvalidInput("There is no reason: say in a sentence why the date is to be taken as it is.")
    if len(text) > MOST_REASON:
        raise InvalidInput(
            f"The reason has {len(text)} characters, and at most {MOST_REASON} are kept: say it in a sentence."
        )
    run = _run(store, day)
    with store.accepted.changing(WAIT_SECONDS):
        run = _acceptable(run)
        count, missing = count_rows(run)
        _refuse_without_bars(run)
        problem = _problem(run, count, missing)
        made = store.accepted.accept(day, run.kinds, reason=text.rstrip("."), problem=problem, who=_name(who))
        store.accepted.record(day, "success", count, len(missing), made.note)
    return made.note


def _refuse_without_bars(run: Run) -> None:
    """Refuse a date without any bar of an expected kind: the date at Baostock is not like that.

    :raises InvalidInput: a kind has expected securities and no bar.
    """
    for kind in run.kinds:
        if run.store.universe.expected(run.expectation, kind) and not run.store.bars.has_bars(run.day, kind):
            again = f"airflow dags backfill -s {run.day} -e {run.day} --rerun-failed-tasks ashare_daily"
            conf = json.dumps({"fetch": "code"})
            raise InvalidInput(
                f"{run.day} has no bars of {PLURALS[kind]}: there is nothing to accept. Load them one by one "
                f"({again} --conf '{conf}'), and accept what that leaves."
            )


def undo(store: Store, day: date, who: str) -> str:
    """End the acceptance of a date.

    The date is failed again, with the problem that its acceptance recorded. A date that a run is syncing keeps its
    status until the run records it.

    :returns: a sentence about the date's new state.
    :raises InvalidInput: the date is not accepted.
    :raises SourceBusy: another session records a date or merges bars for longer than ``WAIT_SECONDS``.
    """
    run = _run(store, day)
    with store.accepted.changing(WAIT_SECONDS):
        accepted = store.accepted.latest(day)
        if accepted is None or accepted.ended_because is not None:
            raise InvalidInput(f"{day} is not accepted: there is nothing to undo.")
        store.accepted.end(day, f"undone by {_name(who)}")
        count, missing = count_rows(replace(run, kinds=accepted.kinds))
        store.accepted.record(day, "failed", count, len(missing), f"{accepted.problem}.")
        recorded = store.statuses.get(day)
    if recorded and recorded[0] == "syncing":
        return f"{day} is not accepted any more, and is being synced: its run will record its status."
    return f"{day} is not complete: {accepted.problem}."


def _run(store: Store, day: date) -> Run:
    store.migrate()
    return Run(day, store, UNUSED_SOURCE)


def _acceptable(run: Run) -> Run:
    """The run with the kinds of the date's recorded status.

    :raises InvalidInput: the date is not recorded as failed.
    """
    day, known, recorded = run.day, run.store.calendar.session(run.day), run.store.statuses.get(run.day)
    if not (known[0] if known else day.weekday() < 5):
        raise InvalidInput(f"{closed_reason(day)} There is nothing to accept.")
    if known is None or recorded is None or recorded[0] == "skipped":
        raise InvalidInput(
            f"Nothing is recorded of {day}: run it first (airflow dags backfill -s {day} -e {day} ashare_daily), and "
            "accept what it leaves."
        )
    if recorded[0] == "syncing":
        raise InvalidInput(f"{day} is being synced: accept it when its run has ended.")
    accepted = run.store.accepted.latest(day)
    if recorded[0] == "success":
        if accepted and accepted.ended_because is None:
            raise InvalidInput(f"{day} is {accepted.by_whom}. To give another reason, undo that first.")
        raise InvalidInput(f"{day} is complete: there is nothing to accept.")
    return replace(run, kinds=recorded[1] or run.kinds)


def _problem(run: Run, count: DateCount, missing: list[str]) -> str:
    """The problem of the date: its recorded reason.

    If a step failed before rows were counted, the problems counted now come first.
    """
    recorded = run.store.accepted.problem(run.day).rstrip(".").replace("; the next run reads the date again", "")
    counted_now = problems_of(run, count, missing) if run.store.statuses.step_failure(run.day) else []
    problem = "; ".join([*counted_now, recorded])
    return bounded(problem, MOST_PROBLEM)


def _name(who: str) -> str:
    return _one_line(who)[:MOST_NAME] or "somebody"


def _one_line(text: str) -> str:
    return " ".join(storable(text.replace("\0", " ")).split())
