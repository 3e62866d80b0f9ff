"""The result of a date: judged by its rows and its record in `ashare.sync_status`, not by its run's state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from airflow.models.dagrun import DagRunNote
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ashare.errors import AshareError
    from ashare.store.recorded_partitions import Record, RecordedPartitions
    from ashare_airflow.backfills.state import DateRun

NOTHING_RECORDED = "nothing is recorded of it in {}: run it again with --reset-dagruns"


@dataclass(frozen=True)
class DateResult:
    """The result of a date whose run has ended.

    :param status: ``success``, ``skipped`` or ``failed``; ``unknown``: the rows cannot be read; ``deleted``: the
        run was deleted.
    :param rows: recorded rows of the date that are still in the table; ``None``: unknown.
    :param seconds: how long the run took; ``None``: unknown.
    :param reason: why the date failed or was skipped.
    :param is_earlier_run: the run is older than this backfill, which left the date alone.
    """

    trade_date: date
    status: str
    rows: int | None = None
    seconds: float | None = None
    reason: str = ""
    is_earlier_run: bool = False

    @property
    def failed(self) -> bool:
        return self.status not in ("success", "skipped")

    @property
    def status_text(self) -> str:
        return f"already run: {self.status}" if self.is_earlier_run else self.status


def result_of(run: DateRun, recorded: RecordedPartitions, *, is_earlier_run: bool, session: Session) -> DateResult:
    """The result of an ended run's date, by the date's rows.

    :raises AshareError: the rows cannot be read now.
    """
    result = _result_of_run(run, is_earlier_run)
    record = recorded.record(run.trade_date)
    if result.failed and recorded.run_must_succeed and record and record.run_id == run.run_id:
        result = replace(result, rows=record.loaded, reason=record.reason or "")
    else:
        result = _judged_by_rows(result, run.run_id, record, recorded.table)
    return _with_reason(result, run, session)


def unknown_result(run: DateRun, problem: AshareError, *, is_earlier_run: bool, session: Session) -> DateResult:
    """The result of a date whose rows cannot be read: never a success."""
    result = _result_of_run(run, is_earlier_run)
    if not result.failed:
        reason = f"its run ended well, and its rows cannot be read: {problem}"
        result = replace(result, status="unknown", reason=reason)
    return _with_reason(result, run, session)


def _result_of_run(run: DateRun, is_earlier_run: bool) -> DateResult:
    seconds = (run.end_date - run.start_date).total_seconds() if run.start_date and run.end_date else None
    return DateResult(run.trade_date, str(run.state), seconds=seconds, is_earlier_run=is_earlier_run)


def _judged_by_rows(result: DateResult, run_id: str, record: Record | None, table: str) -> DateResult:
    # If the run failed before it recorded the date, the record is an older run's.
    if result.failed and not result.is_earlier_run and (record is None or record.run_id != run_id):
        return result
    if record is None:
        if result.failed:
            return result
        return replace(
            result, status="failed", rows=0, reason=f"its run ended well, and {NOTHING_RECORDED.format(table)}"
        )
    result = replace(result, rows=record.loaded or 0, reason=record.reason or "")
    if record.status == "syncing":
        at_work = f"the run {record.run_id} is at work on it, or has died"
        return replace(result, status="failed", reason=at_work)
    return replace(result, status="failed" if record.status == "pending" else record.status)


def _with_reason(result: DateResult, run: DateRun, session: Session) -> DateResult:
    if result.failed and not result.reason:
        return replace(result, reason=_reason_in_airflow(run, session))
    return result


def _reason_in_airflow(run: DateRun, session: Session) -> str:
    note = session.scalar(select(DagRunNote.content).where(DagRunNote.dag_run_id == run.id))
    if note:
        return note
    tasks: Sequence[str] = session.scalars(
        select(TaskInstance.task_id)
        .where(
            TaskInstance.dag_id == run.dag_id,
            TaskInstance.run_id == run.run_id,
            TaskInstance.state == TaskInstanceState.FAILED,
        )
        .distinct()
        .order_by(TaskInstance.task_id)
    ).all()
    return f"failed: {', '.join(tasks)} (see the task's log)" if tasks else "cancelled or marked failed"
