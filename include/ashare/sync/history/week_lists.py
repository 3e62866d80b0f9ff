"""Many weeks of lists, as a run of ``ashare_history``: fetched in batches of weeks, each week written by itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import date

from ashare import cost
from ashare.datasets import WEEKLY_DATASETS, newest_week
from ashare.errors import AshareError, BadReply, IncompleteDate, InvalidInput
from ashare.source import Session
from ashare.store import Batch
from ashare.store.rows import MergeCounts
from ashare.store.weekly_lists import WeekState, lacking_lists
from ashare.sync.history.range_plan import ensure_range_reference
from ashare.sync.history.span import HistoryRun
from ashare.sync.run import RunContext, batch_recorded
from ashare.sync.weeks.week import WeekRun, fetch_lists, requests_of, requests_of_weeks
from ashare.texts import joined, named

log = logging.getLogger(__name__)

WEEKS_A_BATCH = 50
"""A batch of so many weeks is some 300 requests."""


def plan_batches(history: HistoryRun) -> list[Batch]:
    """Write the range's weeks that are not complete as batches, with the plan in words, and return the batches.

    :raises InvalidInput: the range has no week with lists.
    """
    history.tables.forget_plan()
    ensure_range_reference(history)
    states = _states(history)
    if not states:
        raise InvalidInput(
            f"Baostock has no weekly lists from {history.start} to {history.end}: choose a range with a Monday "
            f"from {min(WEEKLY_DATASETS[name].first_week for name in history.weekly)} on."
        )
    lacking = lacking_lists(states)
    weeks = sorted(lacking)
    parts = [weeks[at : at + WEEKS_A_BATCH] for at in range(0, len(weeks), WEEKS_A_BATCH)]
    batches = [
        Batch("week", "week", [str(week) for week in part], f"weeks {part[0]} to {part[-1]}") for part in parts
    ]
    text = _words_of_plan(history, lacking, len({state.week for state in states}), len(batches))
    batches = history.store.batches.replace(history.plan, batches)
    history.tables.plan(text)
    log.info("%s", text)
    return batches


def fetch_and_copy(history: HistoryRun, batch_no: int) -> MergeCounts:
    """Fetch what the weeks of a batch lack, in one session. A list that is not believed does not stop the others.

    :returns: how many rows the lists that were written have.
    :raises InvalidInput: the run has no such batch.
    :raises BadReply: some lists are not believed; all others are loaded.
    """
    batch = history.store.batches.start(history.plan, batch_no)
    if batch is None:
        raise InvalidInput(f"There is no batch {batch_no} of {history.run_id}: clear the task plan_batches first.")
    rows = 0
    with batch_recorded(history.store, history.plan, batch_no) as tried:
        wanted = [date.fromisoformat(text) for text in batch.codes or ()]
        lacking = lacking_lists(_states(history, min(wanted), max(wanted)))
        weeks = [week for week in wanted if week in lacking]
        if not weeks:
            return MergeCounts(0, 0, 0)
        problems: list[str] = []
        tried.session = session = history.session(requests_of(weeks[0], lacking[weeks[0]]))
        try:
            with session:
                for week in weeks:
                    session.give_way()
                    session.expect(requests_of(week, lacking[week]))
                    try:
                        rows += _fetch(history, session, week, lacking[week])
                    except BadReply as problem:
                        problems.append(f"{week}: {problem}")
        finally:
            with suppress(AshareError):
                history.store.batches.add_rows(history.plan, batch_no, rows)
        if problems:
            raise BadReply(joined(problems, " "))
    return MergeCounts(rows, 0, 0)


def record_status(history: HistoryRun) -> str:
    """Record the end of the run.

    :returns: the sentence that is logged at the end.
    :raises IncompleteDate: there is no plan, or weeks of the range are not complete.
    """
    span = f"{history.start} to {history.end}"
    if history.tables.planned_start() is None:
        raise IncompleteDate(f"{span}: the plan could not be made, see plan_batches.")
    states = _states(history)
    lacking = sorted(lacking_lists(states))
    history.tables.end()
    problems = history.store.batches.errors(history.plan)
    if lacking:
        problems.append(f"{len(lacking)} weeks are not complete ({named(lacking)})")
    if problems:
        raise IncompleteDate(f"{span}: {joined(problems)}.")
    result = f"{span}: {len({state.week for state in states})} weeks of {', '.join(history.weekly)} are complete."
    log.info(result)
    return result


def _fetch(history: HistoryRun, session: Session, week: date, lacking: Sequence[str]) -> int:
    run = _on(history, week)
    with run.end_recorded():
        run.store.work.start(run.scope)
        rows = fetch_lists(run, session, lacking)
        run.store.work.done([week], run.datasets)
    return rows


def _on(history: HistoryRun, week: date) -> WeekRun:
    """The run of one week of the range."""
    context = {each.name: getattr(history, each.name) for each in fields(RunContext)}
    return WeekRun(week, wanted=history.weekly, **context)


def _states(history: HistoryRun, first: date | None = None, last: date | None = None) -> list[WeekState]:
    """The states of the range's weeks that have lists."""
    newest = newest_week(history.now())
    first, last = first or history.start, min(last or history.end, newest)
    states = history.store.weekly_lists.states(history.weekly, first, last, newest)
    return [state for state in states if state.state != "none"]


def _words_of_plan(history: HistoryRun, lacking: dict[date, list[str]], weeks: int, batches: int) -> str:
    """The plan for the log and the page."""
    span, settings = f"{history.start} to {history.end}", history.settings
    if not lacking:
        return f"{span}: nothing is lacking of {weeks} weeks, and nothing is asked of Baostock."
    stocks = history.store.weekly_lists.stocks_until(sorted(lacking))
    requests = requests_of_weeks(lacking, stocks)
    with history.store.transaction() as connection:
        expected = cost.by_code(connection, requests, batches)
    a_day = settings.request_budget - settings.reserve
    left = max(a_day - history.store.ledger.limit().used_today, 0)
    return (
        f"{span}: {len(lacking)} of {weeks} weeks lack lists of {', '.join(history.weekly)}: "
        f"{expected.describe(left, a_day)}; in {batches} batches. {left} of {a_day} requests are left today."
    )
