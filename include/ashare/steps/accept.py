"""A trade date that a person takes as it is: complete for as long as its bars stay the same, what was wrong noted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

from ashare.errors import InvalidInput
from ashare.source import SourceConfig
from ashare.steps.record import count_rows, problems_of
from ashare.steps.reference import closed_reason
from ashare.steps.run import PLURALS, Run
from ashare.store import DateCount, Store
from ashare.texts import bounded, storable

MOST_REASON = 500
"""Characters of a reason."""
MOST_PROBLEM = 1000
"""Characters of what was wrong that are kept."""
MOST_NAME = 100
WAIT_SECONDS = 10.0
"""A person waits no longer for a run that records or merges."""

UNUSED_SOURCE = SourceConfig("", 0)
"""Judging a date asks nothing of Baostock."""


def accept(store: Store, day: date, reason: str, who: str) -> str:
    """Have a red date count as complete as it is; returns the reason of its status.

    :raises InvalidInput: no reason, or too long a one; or the date is none that can be accepted, and why.
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
    """A date without a bar of a whole kind is not the date as Baostock has it."""
    for kind in run.kinds:
        if run.store.universe.expected(run.expectation, kind) and not run.store.bars.has_bars(run.day, kind):
            again = f"airflow dags backfill -s {run.day} -e {run.day} --rerun-failed-tasks ashare_daily"
            conf = json.dumps({"fetch": "code"})
            raise InvalidInput(
                f"{run.day} has no bars of {PLURALS[kind]}: there is nothing to accept. Load them one by one "
                f"({again} --conf '{conf}'), and accept what that leaves."
            )


def undo(store: Store, day: date, who: str) -> str:
    """Have an accepted date be what it was before, red for what was wrong; returns a sentence.

    :raises InvalidInput: the date is not accepted.
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
    """The run, for the kinds that the date is recorded for.

    :raises InvalidInput: there is no red record of it.
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
    """What was wrong with the date: by its record, and by its rows where the record does not come from them."""
    recorded = run.store.accepted.problem(run.day).rstrip(".").replace("; the next run reads the date again", "")
    # A step that could not go on has written its reason without counting.
    counted_now = problems_of(run, count, missing) if run.store.statuses.step_failure(run.day) else []
    problem = "; ".join([*counted_now, recorded])
    return bounded(problem, MOST_PROBLEM)


def _name(who: str) -> str:
    return _one_line(who)[:MOST_NAME] or "somebody"


def _one_line(text: str) -> str:
    return " ".join(storable(text.replace("\0", " ")).split())
