"""The progress of a run of ``ashare_history``: its state from Airflow, its batches from the schema ``ashare``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ashare.dates import SHANGHAI
from ashare.history_status import history_work, holes
from ashare.status import StatusReader
from ashare_airflow.backfills import HISTORY_DAG_ID
from ashare_airflow.backfills.links import run_path
from ashare_airflow.backfills.start import start_problem
from ashare_airflow.histories.history_runs import datasets_of, failed_task, kinds_of, span_of, state_of

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

SPEED_SECONDS = 60.0
"""The window over which a running history's speed is measured."""


def progress(run: DagRun, reader: StatusReader, session: Session) -> dict[str, Any]:
    """A run's progress, with the names of the API's model ``HistoryProgress``."""
    state, work, span = state_of(run, session), history_work(reader, run.run_id), span_of(run)
    is_running = state == "running"
    start, end = (work.start, work.end) if work.plan else span or (None, None)
    began = run.start_date or run.queued_at or run.run_after
    seconds = ((run.end_date if run.end_date and not is_running else reader.now()) - began).total_seconds()
    left = None
    if is_running and 0 < work.done < work.batches:
        planned = max((reader.now() - work.planned_at).total_seconds(), 1.0) if work.planned_at else seconds
        left = round(planned / work.done * (work.batches - work.done))
    window = max(min(seconds, SPEED_SECONDS), 1.0)
    kinds = kinds_of(run)
    lacking = holes(reader, start, end, kinds) if start and end and kinds else []
    failed = failed_task(run, session) if state == "failed" else None
    path = run_path(HISTORY_DAG_ID, run.run_id)
    return {
        "run_id": run.run_id,
        "status": state,
        "start_date": start,
        "end_date": end,
        "datasets": datasets_of(run),
        "plan": work.plan or "",
        "batches": work.batches,
        "batches_done": work.done,
        "batches_failed": work.failed,
        "progress_percent": round(100 * (work.done + work.failed) / work.batches, 1) if work.batches else 0.0,
        "rows": work.rows,
        "rows_per_second": round(work.lately / window if is_running else work.rows / max(seconds, 1.0), 1),
        "requests": work.requests,
        "task_start_time": began.astimezone(SHANGHAI),
        "duration_seconds": round(seconds),
        "seconds_left": left,
        "waits_for": (start_problem(session, HISTORY_DAG_ID) or work.waits_for) if is_running else None,
        "holes": len(lacking),
        "first_hole": min(lacking, default=None),
        "last_hole": max(lacking, default=None),
        "errors": [{"batch": label, "error": error} for label, error in work.errors],
        "user": run.triggering_user_name,
        "run": path,
        "log": f"{path}/tasks/{failed}" if failed else None,
    }
