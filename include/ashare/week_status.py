"""Read-only status of the weekly lists: which weeks are loaded, which are not complete, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ashare.datasets import WEEKLY_DATASETS, newest_week
from ashare.dates import monday_of
from ashare.status import StatusReader
from ashare.store.recorded_partitions import Record, records_of_weeks
from ashare.store.weekly_lists import WeekState, lacking_lists


@dataclass(frozen=True)
class WeeklyListStatus:
    """How complete the lists of one weekly dataset are.

    :ivar newest_week: the Monday of the newest list that is loaded; ``None``: none is.
    :ivar rows: rows of that list that are in the tables.
    :ivar state: the state of the newest week that should be loaded, as the SQL function ``week_state`` derives it.
    :ivar open_weeks: number of weeks since the first list, up to that one, that are not complete.
    :ivar problem_week: the newest of these weeks of which it is recorded why it is not complete, and ``reason``.
    """

    dataset: str
    newest_week: date | None
    rows: int | None
    state: str
    open_weeks: int
    problem_week: date | None
    reason: str | None


def due_week(reader: StatusReader) -> date:
    """The newest Monday whose lists should be loaded."""
    return newest_week(reader.now())


def weekly_lists(reader: StatusReader) -> list[WeeklyListStatus]:
    """The status of each weekly dataset, over all weeks since its first list."""
    due = due_week(reader)
    last = max(due, monday_of(reader.today))
    states = reader.rows.open_weeks(tuple(WEEKLY_DATASETS), due, last, reader.running)
    return [_status(name, [state for state in states if state.dataset == name], due) for name in WEEKLY_DATASETS]


def week_records(reader: StatusReader, first: date, last: date) -> dict[date, Record]:
    """The records of a range's weeks, by Monday. A week of which nothing is recorded has none."""
    return {record.day: record for record in records_of_weeks(_states(reader, first, last))}


def wanting_weeks(reader: StatusReader, first: date, last: date) -> dict[date, list[str]]:
    """The weeks of a range that a sync would repair, newest first, with the datasets that it would fetch."""
    states = _states(reader, first, min(last, due_week(reader)))
    under_way = {record.day for record in records_of_weeks(states) if record.status == "syncing"}
    lacking = lacking_lists(states)
    return {week: lacking[week] for week in sorted(lacking, reverse=True) if week not in under_way}


def _states(reader: StatusReader, first: date, last: date) -> list[WeekState]:
    return reader.rows.week_states(tuple(WEEKLY_DATASETS), first, last, due_week(reader), reader.running)


def _status(name: str, states: list[WeekState], due: date) -> WeeklyListStatus:
    loaded = [state for state in states if state.expected is not None]
    open_states = [
        state for state in states if state.week <= due and not state.is_settled and state.state != "before"
    ]
    problems = [state for state in open_states if state.reason]
    return WeeklyListStatus(
        dataset=name,
        newest_week=loaded[-1].week if loaded else None,
        rows=loaded[-1].loaded if loaded else None,
        state=next(state.state for state in states if state.week == due),
        open_weeks=len(open_states),
        problem_week=problems[-1].week if problems else None,
        reason=problems[-1].reason if problems else None,
    )
