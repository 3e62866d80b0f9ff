"""Acceptance: a person takes a trade date as it is.

The date counts as complete while its bars stay unchanged, and its problem is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from ashare.datasets import PLURALS
from ashare.errors import InvalidInput
from ashare.source import SourceConfig
from ashare.store import Store
from ashare.store.coverage import DateState
from ashare.store.rows import Fact
from ashare.sync.judge import CrossChecks, judge
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
        run, recorded = _acceptable(run)
        _refuse_without_bars(run)
        # Counted anew, and not cross-checked: what contradicted is what is accepted.
        known = store.coverage.problems(day)
        facts = [
            replace(fact, problem=known.get(fact.dataset) or fact.problem)
            for fact in judge([run], checks=CrossChecks.NONE)[0]
        ]
        problem = _problem(run, facts, recorded.reason or "")
        made = store.accepted.accept(day, run.kinds, reason=text.rstrip("."), problem=problem, who=_name(who))
        store.coverage.record(facts, None, asked=run.asked)
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
    _run(store, day)  # validates the date
    with store.accepted.changing(WAIT_SECONDS):
        accepted = store.accepted.latest(day)
        if accepted is None or accepted.ended_because is not None:
            raise InvalidInput(f"{day} is not accepted: there is nothing to undo.")
        store.accepted.end(day, f"undone by {_name(who)}")
        state = store.coverage.state(day)
    if state and state.status == "syncing":
        return f"{day} is not accepted any more, and is being synced: its run will record its status."
    return f"{day} is not complete: {accepted.problem}."


def _run(store: Store, day: date) -> Run:
    store.migrate()
    return Run(day, store=store, source=UNUSED_SOURCE)


def _acceptable(run: Run) -> tuple[Run, DateState]:
    """The run with the recorded kinds of the date, and the date's state.

    :raises InvalidInput: the date is not recorded as failed.
    """
    day, known, recorded = run.day, run.store.calendar.session(run.day), run.store.coverage.state(run.day)
    if not (known[0] if known else day.weekday() < 5):
        raise InvalidInput(f"{closed_reason(day)} There is nothing to accept.")
    if known is None or recorded is None or recorded.status in ("skipped", "pending"):
        raise InvalidInput(
            f"Nothing is recorded of {day}: run it first (airflow dags backfill -s {day} -e {day} ashare_daily), and "
            "accept what it leaves."
        )
    if recorded.status == "syncing":
        raise InvalidInput(f"{day} is being synced: accept it when its run has ended.")
    accepted = run.store.accepted.latest(day)
    if recorded.status == "success":
        if accepted and accepted.ended_because is None:
            raise InvalidInput(f"{day} is {accepted.by_whom}. To give another reason, undo that first.")
        raise InvalidInput(f"{day} is complete: there is nothing to accept.")
    return replace(run, kinds=tuple(recorded.kinds) or run.kinds), recorded


def _problem(run: Run, facts: Sequence[Fact], recorded: str) -> str:
    """The problem of the date: its recorded reason.

    If a step failed before rows were counted, the problems counted now come first.
    """
    counted_now = (
        [] if run.store.coverage.recorded_kinds(run.day) else [fact.problem for fact in facts if fact.problem]
    )
    reason = recorded.rstrip(".").replace("; the next run reads the date again", "")
    return bounded("; ".join([*(text.rstrip(".") for text in counted_now), reason]), MOST_PROBLEM)


def _name(who: str) -> str:
    return _one_line(who)[:MOST_NAME] or "somebody"


def _one_line(text: str) -> str:
    return " ".join(storable(text.replace("\0", " ")).split())
