"""The progress of a backfill: its runs' states from Airflow, its rows from the schema ``ashare``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from airflow.models.backfill import Backfill
from airflow.utils.state import DagRunState

from ashare.dates import SHANGHAI
from ashare.status import StatusReader
from ashare.store.recorded_partitions import Record
from ashare.store.verifications import verified_dates, waiting_verification
from ashare.week_status import week_records
from ashare_airflow.backfills import PARTITIONS, REFERENCE_DAG_ID, verifies
from ashare_airflow.backfills.start import start_problem
from ashare_airflow.backfills.state import UNFINISHED, active_backfill, runs_of_backfill, was_cancelled
from ashare_airflow.schedule.timetable import first_day, last_day

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SPEED_SECONDS = 60.0
"""The window over which a running backfill's speed is measured."""
MAX_ERRORS = 20
"""At most so many failed dates are listed with their errors."""
MAX_CHANGED = 20
"""At most so many dates are listed that were read again and had changed."""


def active_progresses(reader: StatusReader, session: Session) -> list[dict[str, Any]]:
    """The active backfills, at most one per DAG, with the names of the API's model ``Active``."""
    active = (active_backfill(session, dag_id) for dag_id in PARTITIONS)
    return [{"task_id": str(each.id), "progress": progress(each, reader, session)} for each in active if each]


def progress(backfill: Backfill, reader: StatusReader, session: Session) -> dict[str, Any]:
    """A backfill's progress, with the names of the API's model ``Progress``."""
    runs = runs_of_backfill(backfill.id, session)
    states = {run.trade_date: run.state for run in runs}
    recorded, work = _records_and_work(backfill, reader, list(states))
    ended = [day for day, state in states.items() if state not in UNFINISHED]
    cancelled = [run.trade_date for run in runs if run.state == DagRunState.FAILED and run.end_date is None]
    failed = sorted(day for day in ended if states[day] == DagRunState.FAILED and day not in cancelled)
    skipped = [
        day
        for day in ended
        if day not in failed and day not in cancelled and day in recorded and recorded[day].status == "skipped"
    ]
    closed = _closed(backfill, reader, states)
    under_way = sorted(day for day, state in states.items() if state == DagRunState.RUNNING)
    # A backfill without runs is still being created.
    is_over = len(ended) == len(states) and bool(states or backfill.completed_at)
    last_end = max((run.end_date for run in runs if run.end_date), default=backfill.completed_at) if is_over else None
    seconds = ((last_end or reader.now()) - backfill.created_at).total_seconds()
    speed = work["rows"] / max(seconds, 1) if is_over else work["lately"] / max(min(seconds, SPEED_SECONDS), 1.0)
    left = _seconds_left(len(states), len(ended), seconds)
    percent = round(100 * len(ended) / len(states), 1) if states else 0.0
    state = _state(backfill, is_over, bool(failed), session)
    return {
        "dag_id": backfill.dag_id,
        "status": state,
        "total": len(states),
        "current": len(ended),
        "success": len(ended) - len(failed) - len(cancelled) - len(skipped),
        "failed": len(failed),
        "skipped": len(skipped),
        "cancelled": len(cancelled),
        "closed": len(closed),
        "closed_ended": len(closed.intersection(ended)),
        "current_date": str(under_way[0]) if under_way else "",
        "message": _message(backfill, state, len(states) - len(closed), under_way, percent, len(failed)),
        "start_time": min(states, default=first_day(backfill.from_date)),
        "end_time": max(states, default=last_day(backfill.to_date)),
        "task_start_time": backfill.created_at.astimezone(SHANGHAI),
        "estimated_completion": reader.now() + timedelta(seconds=left) if left is not None else None,
        "duration_seconds": round(seconds),
        "errors": [{"date": day, "error": _error(recorded.get(day))} for day in failed[:MAX_ERRORS]],
        "progress_percent": percent,
        "running": len(under_way),
        "rows": work["rows"],
        "rows_per_second": round(speed, 1),
        "requests": work["requests"],
        "seconds_left": left,
        "waits_for": None if is_over else _waits_for(backfill, under_way, recorded, reader, session),
        "user": backfill.triggering_user_name,
        "comparison": _comparison(backfill, list(states), reader) if verifies(backfill.dag_run_conf) else None,
    }


def _comparison(backfill: Backfill, days: list[date], reader: StatusReader) -> dict[str, Any]:
    """What the dates that were read again have shown, with the names of the API's model ``Comparison``."""
    found = verified_dates(reader.rows.connection, days, backfill.created_at)
    changed = [each for each in found if each.differs]
    names = ("compared", "revised", "inserted", "lacking", "factors")
    return {
        "dates": len(found),
        "changed_dates": len(changed),
        **{name: sum(getattr(each, name) for each in found) for name in names},
        "changed": [{**each._asdict(), "date": each.trade_date} for each in changed[:MAX_CHANGED]],
    }


def _records_and_work(
    backfill: Backfill, reader: StatusReader, days: list[date]
) -> tuple[dict[date, Record], dict[str, Any]]:
    """The records of a backfill's trade dates or weeks, and the rows and requests since it was created."""
    if backfill.dag_id == REFERENCE_DAG_ID:
        records = week_records(reader, min(days), max(days)) if days else {}
        return records, reader.rows.lists_loaded_since(days, backfill.created_at)
    names = ("trade_date", "status", "loaded", "reason", "run_id")
    rows = reader.rows.dates(reader.as_of, days)
    records = {row["trade_date"]: Record(*(row[name] for name in names)) for row in rows}
    return records, reader.rows.loaded_since(days, backfill.created_at)


def _closed(backfill: Backfill, reader: StatusReader, days: Collection[date]) -> set[date]:
    """The days of a backfill of trade dates on which the exchanges are closed: their runs do nothing."""
    if backfill.dag_id == REFERENCE_DAG_ID or not days:
        return set()
    return {day for day, is_session in reader.rows.sessions(min(days), max(days)).items() if not is_session} & set(
        days
    )


def _error(record: Record | None) -> str:
    if record and record.status == "failed" and record.reason:
        return record.reason
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


def _message(backfill: Backfill, state: str, total: int, under_way: list[date], percent: float, failed: int) -> str:
    plural = PARTITIONS[backfill.dag_id]
    if state == "running":
        return f"Syncing {under_way[0]} ({percent} %)." if under_way else f"Waiting for the scheduler ({percent} %)."
    if state == "failed":
        return f"Ended: {failed} of {total} {plural} failed."
    if state == "cancelled":
        return "Cancelled: what had not begun was marked failed."
    return f"Ended: all {total} {plural} are done."


def _waits_for(
    backfill: Backfill, under_way: list[date], recorded: dict[date, Record], reader: StatusReader, session: Session
) -> str | None:
    if backfill.is_paused:
        return f"The backfill is paused: no more {PARTITIONS[backfill.dag_id]} start until it is unpaused in Airflow."
    if problem := start_problem(session, backfill.dag_id):
        return problem
    records = (recorded[day] for day in under_way if day in recorded)
    if waiting := next((f"{each.day}: {each.reason}" for each in records if _is_waiting(each)), None):
        return waiting
    # A complete date that waits to be read again is complete nevertheless.
    again = waiting_verification(reader.rows.connection, under_way) if verifies(backfill.dag_run_conf) else None
    return f"{again[0]}: {again[1]}" if again else None


def _is_waiting(record: Record) -> bool:
    return record.status == "syncing" and bool(record.reason)
