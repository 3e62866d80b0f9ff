"""The progress of a backfill: its runs' states from Airflow, its trade dates' rows from the schema ``ashare``."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from airflow.models.backfill import Backfill
from airflow.utils.state import DagRunState

from ashare.dates import SHANGHAI
from ashare.status import StatusReader
from ashare_airflow.backfills.start import start_problem
from ashare_airflow.backfills.state import UNFINISHED, active_backfill, runs_of_backfill, was_cancelled
from ashare_airflow.schedule.timetable import first_day, last_day

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SPEED_SECONDS = 60.0
"""The window over which a running backfill's speed is measured."""
MAX_ERRORS = 20
"""At most so many failed dates are listed with their errors."""


def active_progress(reader: StatusReader, session: Session) -> dict[str, Any] | None:
    """The active backfill, with the names of the API's model ``Active``; ``None``: no backfill is active."""
    active = active_backfill(session)
    return {"task_id": str(active.id), "progress": progress(active, reader, session)} if active else None


def progress(backfill: Backfill, reader: StatusReader, session: Session) -> dict[str, Any]:
    """A backfill's progress, with the names of the API's model ``Progress``."""
    runs = runs_of_backfill(backfill.id, session)
    states = {run.trade_date: run.state for run in runs}
    recorded = {row["trade_date"]: row for row in reader.rows.dates(reader.as_of, list(states))}
    ended = [day for day, state in states.items() if state not in UNFINISHED]
    failed = sorted(day for day in ended if states[day] == DagRunState.FAILED)
    skipped = [day for day in ended if day not in failed and recorded.get(day, {"status": ""})["status"] == "skipped"]
    under_way = sorted(day for day, state in states.items() if state == DagRunState.RUNNING)
    # A backfill without runs is still being created.
    is_over = len(ended) == len(states) and bool(states or backfill.completed_at)
    last_end = max((run.end_date for run in runs if run.end_date), default=backfill.completed_at) if is_over else None
    seconds = ((last_end or reader.now()) - backfill.created_at).total_seconds()
    work = reader.rows.loaded_since(list(states), backfill.created_at)
    speed = work["rows"] / max(seconds, 1) if is_over else work["lately"] / max(min(seconds, SPEED_SECONDS), 1.0)
    left = _seconds_left(len(states), len(ended), seconds)
    percent = round(100 * len(ended) / len(states), 1) if states else 0.0
    state = _state(backfill, is_over, bool(failed), session)
    return {
        "status": state,
        "total": len(states),
        "current": len(ended),
        "success": len(ended) - len(failed) - len(skipped),
        "failed": len(failed),
        "skipped": len(skipped),
        "current_date": str(under_way[0]) if under_way else "",
        "message": _message(state, len(states), under_way, percent, len(failed)),
        "start_time": min(states, default=first_day(backfill.from_date)),
        "end_time": max(states, default=last_day(backfill.to_date)),
        "task_start_time": backfill.created_at.astimezone(SHANGHAI),
        "estimated_completion": reader.now() + timedelta(seconds=left) if left is not None else None,
        "duration_seconds": round(seconds),
        "errors": [{"date": day, "error": _error(recorded.get(day), state)} for day in failed[:MAX_ERRORS]],
        "progress_percent": percent,
        "running": len(under_way),
        "rows": work["rows"],
        "rows_per_second": round(speed, 1),
        "requests": work["requests"],
        "seconds_left": left,
        "waits_for": None if is_over else _waits_for(backfill, under_way, recorded, session),
        "user": backfill.triggering_user_name,
    }


def _error(record: dict[str, Any] | None, state: str) -> str:
    if record and record["status"] == "failed" and record["reason"]:
        return str(record["reason"])
    if state == "cancelled":
        return "Cancelled before it began, or its run failed; see its log."
    return "Its run failed; see its log."


def _state(backfill: Backfill, is_over: bool, has_failed: bool, session: Session) -> str:
    if not is_over:
        return "running"
    if was_cancelled(backfill, session):
        return "cancelled"
    return "failed" if has_failed else "completed"


def _seconds_left(total: int, ended: int, seconds: float) -> int | None:
    if ended >= total:
        return None
    return round(seconds / ended * (total - ended)) if ended else None


def _message(state: str, total: int, under_way: list[date], percent: float, failed: int) -> str:
    if state == "running":
        return f"Syncing {under_way[0]} ({percent} %)." if under_way else f"Waiting for the scheduler ({percent} %)."
    if state == "failed":
        return f"Ended: {failed} of {total} dates failed."
    if state == "cancelled":
        return "Cancelled: what had not begun was marked failed."
    return f"Ended: all {total} dates are done."


def _waits_for(
    backfill: Backfill, under_way: list[date], recorded: dict[date, dict[str, Any]], session: Session
) -> str | None:
    if backfill.is_paused:
        return "The backfill is paused: no more dates start until it is unpaused in Airflow."
    if problem := start_problem(session):
        return problem
    records = (recorded[day] for day in under_way if day in recorded)
    return next((f"{row['trade_date']}: {row['reason']}" for row in records if _is_waiting(row)), None)


def _is_waiting(record: dict[str, Any]) -> bool:
    return record["status"] == "syncing" and bool(record["reason"])
