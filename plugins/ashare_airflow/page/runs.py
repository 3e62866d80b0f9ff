"""What Airflow knows: the runs behind the trade dates, and the backfills that the page starts and watches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.jobs.job import most_recent_job
from airflow.models.backfill import Backfill, BackfillDagRun, ReprocessBehavior, _do_dry_run
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState
from sqlalchemy import select

from ashare.dates import SHANGHAI, parse_date
from ashare.errors import InvalidInput
from ashare.status import StatusReader
from ashare_airflow.backfills import service
from ashare_airflow.backfills.service import DAG_ID, Refused
from ashare_airflow.page.access import may_start
from ashare_airflow.page.error_replies import NotFound
from ashare_airflow.schedule.timetable import first_day, last_day

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

UNFINISHED = (DagRunState.QUEUED, DagRunState.RUNNING)
LATELY_SECONDS = 60.0
MOST_ERRORS = 20
NOT_ALLOWED = f"You may look, and not start: that takes the right to create backfills of {DAG_ID} in Airflow."

NOTHING_TO_DO = "Nothing is to be done: every date of this range is complete, closed, not out yet or under way."


# ---------------------------------------------------------------------- runs


def running(session: Session) -> list[str]:
    """The ids of this package's runs that are under way."""
    ours = DagRun.dag_id.startswith("ashare_", autoescape=True)
    return list(session.scalars(select(DagRun.run_id).where(ours, DagRun.state.in_(UNFINISHED))))


def run_link(run_id: str, dag_id: str = DAG_ID) -> str:
    """A run in the Airflow UI, relative to the UI's root."""
    return f"dags/{dag_id}/runs/{quote(run_id, safe='')}"


def run_of(dag_id: str, run_id: str | None, session: Session) -> dict[str, Any] | None:
    """The run that worked on a date last."""
    if not run_id:
        return None
    state = session.scalar(select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    link = run_link(run_id, dag_id)
    return {"run_id": run_id, "state": state, "run": link, "log": f"{link}/tasks/record_status"}


def with_logs(batches: Sequence[dict[str, Any]], session: Session) -> list[dict[str, Any]]:
    """Batches with their tasks in the Airflow UI: a mapped task's name there is its batch's label."""
    run_ids = {batch["run_id"] for batch in batches}
    names = (TaskInstance.run_id, TaskInstance.rendered_map_index)
    mapped = select(*names, TaskInstance.map_index).where(  # type: ignore[call-overload]
        TaskInstance.dag_id == DAG_ID, TaskInstance.run_id.in_(run_ids), TaskInstance.task_id == "fetch_and_copy"
    )
    at = {(run_id, label): index for run_id, label, index in session.execute(mapped)}

    def log(batch: dict[str, Any]) -> str | None:
        if not batch["run_id"] or batch["is_history"]:
            return None  # a history run's pieces are not those of one date
        tasks = f"{run_link(batch['run_id'])}/tasks"
        if batch["kind"] == "factor":
            return f"{tasks}/sync_adjust_factors"
        index = at.get((batch["run_id"], batch["label"]))
        return f"{tasks}/fetch_and_copy" + ("" if index is None else f"/mapped/{index}")

    return [{**batch, "log": log(batch)} for batch in batches]


def scheduler(session: Session) -> dict[str, Any]:
    """Whether a scheduler is alive, and when it was last heard of."""
    job = most_recent_job("SchedulerJob", session=session)
    return {"alive": bool(job and job.is_alive()), "heartbeat_at": job.latest_heartbeat if job else None}


def schedule(session: Session) -> dict[str, Any]:
    """When the daily DAG runs next, and whether it is paused."""
    model = session.get(DagModel, DAG_ID)
    if model is None:
        return {"next_run": None, "is_paused": False}
    return {"next_run": None if model.is_paused else model.next_dagrun_create_after, "is_paused": model.is_paused}


# ---------------------------------------------------------------------- backfills


def start_problem(user: BaseUser, session: Session) -> str | None:
    """What keeps a user from starting a sync now; nothing is written."""
    if not may_start(user):
        return NOT_ALLOWED
    try:
        service.check_can_run(service.load_dag(DAG_ID, session), session)
    except Refused as refused:
        return str(refused)
    if other := service.active_backfill(DAG_ID, session):
        return f"Backfill {other.id} is under way, and there can be one at a time: wait for it, or cancel it."
    return None


@dataclass(frozen=True)
class Wish:
    """A range of trade dates to be synced.

    :ivar wanting: those that need it; ``None``: all of the range, complete ones too.
    """

    start: date
    end: date
    wanting: Sequence[date] | None

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """From and to, as Airflow's command line sends them: no more than what needs it."""
        days = self.wanting or (self.start, self.end)
        first, last = (datetime.combine(day, time(), timezone.utc) for day in (min(days), max(days)))
        return first, last

    def reprocess(self, session: Session) -> ReprocessBehavior:
        """Failed runs again; all again where a date needs it though its last run ended well."""
        if self.wanting is None:
            return ReprocessBehavior.COMPLETED
        keys = [str(day) for day in self.wanting]
        ended_well = select(DagRun.id).where(
            DagRun.dag_id == DAG_ID, DagRun.partition_key.in_(keys), DagRun.state == DagRunState.SUCCESS
        )
        if session.scalar(ended_well.limit(1)) is not None:
            return ReprocessBehavior.COMPLETED
        return ReprocessBehavior.FAILED

    def command(self, session: Session) -> str:
        """The same on the command line."""
        first, last = (bound.date() for bound in self.bounds)
        again = {ReprocessBehavior.COMPLETED: "--reset-dagruns", ReprocessBehavior.FAILED: "--rerun-failed-tasks"}
        return f"airflow dags backfill -s {first} -e {last} {again[self.reprocess(session)]} {DAG_ID}"


def runs_of(wish: Wish, session: Session) -> int:
    """How many runs Airflow would make."""
    if wish.wanting is not None and not wish.wanting:
        return 0
    first, last = wish.bounds
    with service.refusals():
        infos = _do_dry_run(
            dag_id=DAG_ID,
            from_date=first,
            to_date=last,
            reverse=False,
            reprocess_behavior=wish.reprocess(session),
            session=session,
        )
        return len(list(infos))


def start(wish: Wish, user: BaseUser, session: Session) -> tuple[int, int]:
    """Start a backfill in the user's name; its id, and how many runs it has made.

    :raises Refused: it would not run, or another one is under way.
    """
    dag: SerializedDAG = service.load_dag(DAG_ID, session)
    service.check_no_other_backfill(DAG_ID, session)
    service.check_can_run(dag, session)
    if not runs_of(wish, session):
        raise Refused(NOTHING_TO_DO)
    backfill_id = service.create(dag, *wish.bounds, wish.reprocess(session), user=user.get_name())
    made = select(BackfillDagRun.id).where(
        BackfillDagRun.backfill_id == backfill_id, BackfillDagRun.dag_run_id.is_not(None)
    )
    return backfill_id, len(session.scalars(made).all())


def find(backfill_id: int, session: Session) -> Backfill:
    """A backfill of the daily DAG.

    :raises NotFound: there is none of that id.
    """
    found: Backfill | None = session.scalar(
        select(Backfill).where(Backfill.id == backfill_id, Backfill.dag_id == DAG_ID)
    )
    if found is None:
        raise NotFound(f"There is no backfill {backfill_id} of {DAG_ID}.")
    return found


def active(reader: StatusReader, session: Session) -> dict[str, Any] | None:
    """The backfill that is under way, if there is one, with its progress."""
    found = service.active_backfill(DAG_ID, session)
    return {"task_id": str(found.id), "progress": progress(found, reader, session)} if found else None


def progress(backfill: Backfill, reader: StatusReader, session: Session) -> dict[str, Any]:
    """How far a backfill is: its runs as Airflow has them, their dates as the tables have them."""
    rows = session.execute(
        select(DagRun.partition_key, DagRun.state, DagRun.end_date)
        .join(BackfillDagRun, BackfillDagRun.dag_run_id == DagRun.id)
        .where(BackfillDagRun.backfill_id == backfill.id)
    ).all()
    states = {day: state for key, state, _ in rows if (day := _day(key))}
    recorded = reader.records_of(list(states))
    ended = [day for day, state in states.items() if state not in UNFINISHED]
    failed = sorted(day for day in ended if states[day] == DagRunState.FAILED)
    skipped = [day for day in ended if day not in failed and recorded.get(day, {"status": ""})["status"] == "skipped"]
    under_way = sorted(day for day, state in states.items() if state == DagRunState.RUNNING)
    # Without runs, it is still being made.
    is_over = len(ended) == len(states) and bool(states or backfill.completed_at)
    last_end = max((end for *_, end in rows if end), default=backfill.completed_at) if is_over else None
    seconds = ((last_end or reader.now()) - backfill.created_at).total_seconds()
    work = reader.work(list(states), backfill.created_at)
    speed = work["lately"] / max(min(seconds, LATELY_SECONDS), 1.0) if not is_over else work["rows"] / max(seconds, 1)
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
        "message": _message(state, states, under_way, percent, failed),
        "start_time": min(states, default=first_day(backfill.from_date)),
        "end_time": max(states, default=last_day(backfill.to_date)),
        "task_start_time": backfill.created_at.astimezone(SHANGHAI),
        "estimated_completion": reader.now() + timedelta(seconds=left) if left is not None else None,
        "duration_seconds": round(seconds),
        "errors": [{"date": day, "error": _error(recorded.get(day), state)} for day in failed[:MOST_ERRORS]],
        "progress_percent": percent,
        "running": len(under_way),
        "rows": work["rows"],
        "rows_per_second": round(speed, 1),
        "requests": work["requests"],
        "seconds_left": left,
        "waits_for": None if is_over else _waits_for(backfill, under_way, recorded, session),
        "user": backfill.triggering_user_name,
    }


def _day(key: str | None) -> date | None:
    """A run's trade date; none for a run of before the DAG had partitions."""
    try:
        return parse_date(key or "")
    except InvalidInput:
        return None


def _error(row: dict[str, Any] | None, state: str) -> str:
    if row and row["status"] == "failed" and row["reason"]:
        return str(row["reason"])
    if state == "cancelled":
        return "Cancelled before it began, or its run failed; see its log."
    return "Its run failed; see its log."


def _state(backfill: Backfill, is_over: bool, has_failed: bool, session: Session) -> str:
    if not is_over:
        return "running"
    if service.was_cancelled(backfill, session):
        return "cancelled"
    return "failed" if has_failed else "completed"


def _seconds_left(total: int, ended: int, seconds: float) -> int | None:
    if ended >= total:
        return None
    return round(seconds / ended * (total - ended)) if ended else None


def _message(state: str, states: dict[date, str], under_way: list[date], percent: float, failed: list[date]) -> str:
    if state == "running":
        return f"Syncing {under_way[0]} ({percent} %)." if under_way else f"Waiting for the scheduler ({percent} %)."
    if state == "failed":
        return f"Ended: {len(failed)} of {len(states)} dates failed."
    if state == "cancelled":
        return "Cancelled: what had not begun was marked failed."
    return f"Ended: all {len(states)} dates are done."


def _waits_for(
    backfill: Backfill, under_way: list[date], recorded: dict[date, dict[str, Any]], session: Session
) -> str | None:
    if backfill.is_paused:
        return "The backfill is paused: no more dates start until it is unpaused in Airflow."
    try:
        service.check_can_run(service.load_dag(DAG_ID, session), session)
    except Refused as refused:
        return str(refused)
    waiting = (recorded[day] for day in under_way if day in recorded)
    return next((f"{row['trade_date']}: {row['reason']}" for row in waiting if _is_waiting(row)), None)


def _is_waiting(row: dict[str, Any]) -> bool:
    return row["status"] == "syncing" and bool(row["reason"])


def cancel(backfill: Backfill, session: Session) -> None:
    """Cancel a backfill, as Airflow's own route does: dates under way finish, the others are marked failed.

    :raises Refused: it has ended, or its runs are still being made and would not be marked.
    """
    from airflow.api_fastapi.core_api.routes.public.backfills import cancel_backfill
    from fastapi import HTTPException

    service.complete_ended_backfills(DAG_ID, session)  # one that is over cannot be cancelled any more
    if session.scalar(select(BackfillDagRun.id).where(BackfillDagRun.backfill_id == backfill.id).limit(1)) is None:
        raise Refused(f"Backfill {backfill.id} is still being made: cancel it again in some seconds.")
    try:
        cancel_backfill(backfill.id, session)
    except HTTPException as error:
        raise Refused(f"Backfill {backfill.id} cannot be cancelled: {error.detail}") from None
    session.commit()
    service.release_cancelled(DAG_ID, session)
