"""How a date ended: by the rows that are there and what `ashare.sync_status` says, whatever its run's state is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from airflow.models.dagrun import DagRunNote
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ashare_airflow.cli.known import Known, Record, Unreadable

NOTHING_RECORDED = "nothing is recorded of it in ashare.sync_status: run it again with --reset-dagruns"


@dataclass(frozen=True)
class Outcome:
    """One date that has ended.

    :param key: the trade date.
    :param status: ``success``, ``skipped`` or ``failed``, or the run's state; ``unknown``: the rows cannot be read.
    :param rows: rows in the table for that date, when known.
    :param seconds: how long the run took.
    :param reason: why it failed or was skipped.
    :param left_alone: the run was there before this backfill.
    """

    key: str
    status: str
    rows: int | None = None
    seconds: float | None = None
    reason: str = ""
    left_alone: bool = False

    @property
    def failed(self) -> bool:
        return self.status not in ("success", "skipped")

    @property
    def status_text(self) -> str:
        return f"already run: {self.status}" if self.left_alone else self.status


class RunRow(NamedTuple):
    """The columns of ``dag_run`` that are looked at once a second."""

    id: int
    run_id: str
    state: str
    start_date: datetime | None
    end_date: datetime | None


def outcome_of(
    key: str, run: RunRow, dag_id: str, known: Known | None, *, left_alone: bool, session: Session
) -> Outcome:
    """How a date has ended: by its rows where they are known, else by the state of its run.

    :raises Unreadable: its rows are not known now.
    """
    outcome = _of_run(key, run, left_alone)
    if known is not None:
        outcome = _by_rows(outcome, run.run_id, known.record(date.fromisoformat(key)), known.kinds)
    return _with_reason(outcome, run, dag_id, session)


def unknown_outcome(
    key: str, run: RunRow, dag_id: str, problem: Unreadable, *, left_alone: bool, session: Session
) -> Outcome:
    """How a date has ended whose rows nobody can read: never well."""
    outcome = _of_run(key, run, left_alone)
    if not outcome.failed:
        outcome = replace(
            outcome, status="unknown", reason=f"its run ended well, and its rows cannot be read: {problem}"
        )
    return _with_reason(outcome, run, dag_id, session)


def _of_run(key: str, run: RunRow, left_alone: bool) -> Outcome:
    seconds = (run.end_date - run.start_date).total_seconds() if run.start_date and run.end_date else None
    return Outcome(key, str(run.state), seconds=seconds, left_alone=left_alone)


def _by_rows(outcome: Outcome, run_id: str, record: Record | None, kinds: Sequence[str]) -> Outcome:
    # A failed run that did not come as far as recording has an older run's record, which is not about it.
    if outcome.failed and not outcome.left_alone and (record is None or record.run_id != run_id):
        return outcome
    if record is None:
        if outcome.failed:
            return outcome
        return replace(outcome, status="failed", rows=0, reason=f"its run ended well, and {NOTHING_RECORDED}")
    rows = None if record.loaded is None else min(record.loaded, record.bars)
    outcome = replace(outcome, rows=rows, reason=record.reason or "")
    if record.status in ("skipped", "failed"):
        return replace(outcome, status=record.status)
    problem = _lacking(record, kinds)
    return replace(outcome, status="failed", reason=problem) if problem else replace(outcome, status="success")


def _lacking(record: Record, kinds: Sequence[str]) -> str:
    """What keeps a date from being complete that is recorded as such, or as under way."""
    if record.status != "success":
        return f"the run {record.run_id} is at work on it, or has died"
    lost = (record.loaded or 0) - record.bars
    if lost > 0:
        return f"{lost:,} of its {record.loaded:,} rows are gone"
    lacking = [kind for kind in kinds if kind not in record.kinds]
    return f"it is complete for {', '.join(record.kinds)}, not for {', '.join(lacking)}" if lacking else ""


def _with_reason(outcome: Outcome, run: RunRow, dag_id: str, session: Session) -> Outcome:
    if outcome.failed and not outcome.reason:
        return replace(outcome, reason=_reason_in_airflow(dag_id, run, session))
    return outcome


def _reason_in_airflow(dag_id: str, run: RunRow, session: Session) -> str:
    note = session.scalar(select(DagRunNote.content).where(DagRunNote.dag_run_id == run.id))
    if note:
        return note
    tasks: Sequence[str] = session.scalars(
        select(TaskInstance.task_id)
        .where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.run_id == run.run_id,
            TaskInstance.state == TaskInstanceState.FAILED,
        )
        .distinct()
        .order_by(TaskInstance.task_id)
    ).all()
    return f"failed: {', '.join(tasks)} (see the task's log)" if tasks else "cancelled or marked failed"
