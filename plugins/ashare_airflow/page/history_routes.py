"""The routes of histories: cost, start, progress, cancel."""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.dagrun import DagRun
from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from ashare.datasets import kept_with
from ashare.dates import parse_trade_date_range
from ashare.dry_run import dry_run_of_history
from ashare.texts import history_command
from ashare_airflow.backfills import HISTORY_DAG_ID
from ashare_airflow.backfills.refusals import Refused
from ashare_airflow.histories.history_progress import progress
from ashare_airflow.histories.history_runs import cancel, find_history
from ashare_airflow.histories.trigger import check_can_start, conf_of, start_history
from ashare_airflow.page.access import AUDITED, MAY_READ, SAME_SITE, may_start_backfills, not_allowed
from ashare_airflow.page.dependencies import Reader, open_reader, open_store
from ashare_airflow.page.error_replies import NotFound
from ashare_airflow.page.models.histories import HistoryProgress, HistoryRequest, StartedHistory
from ashare_airflow.page.models.reply import Reply
from ashare_airflow.page.models.sync_requests import Preview

MAY_START_HISTORIES = Depends(requires_access_dag("POST", DagAccessEntity.RUN, HISTORY_DAG_ID))
MAY_CANCEL_HISTORIES = Depends(requires_access_dag("PUT", DagAccessEntity.RUN, HISTORY_DAG_ID))

Datasets = Annotated[list[str] | None, Query(description="Names of the registry; none: those that are kept.")]
RunId = Annotated[str, Query(max_length=250, pattern="^[^\\x00]+$", description="The id of a run of ashare_history.")]

read_router = APIRouter(dependencies=[MAY_READ])
start_router = APIRouter(dependencies=[SAME_SITE, AUDITED])


@read_router.get("/sync/history/preview")
def preview(
    start_date: str,
    end_date: str,
    reader: Reader,
    user: GetUserDep,
    session: SessionDep,
    dataset: Datasets = None,
) -> Reply[Preview]:
    """What a range lacks, and what a history of it would cost, without starting it."""
    start, end = parse_trade_date_range(start_date, end_date)
    plan = dry_run_of_history(reader, start, end, dataset or kept_with(reader.settings.kinds))
    why_not = why_not_started(user, session)
    if why_not is None and not plan.to_sync:
        why_not = "Nothing is to be done: nothing of this range is lacking."
    return Reply(
        data=Preview.of(
            plan,
            start_date=start,
            end_date=end,
            runs=1,
            command=history_command(start, end, **({"datasets": dataset} if dataset else {})),
            can_start=why_not is None,
            why_not=why_not,
        )
    )


@start_router.post("/sync/history", dependencies=[MAY_START_HISTORIES])
def start(body: HistoryRequest, user: GetUserDep, session: SessionDep) -> Reply[StartedHistory]:
    """Start a run of ``ashare_history``, and return at once with its id."""
    first, last = parse_trade_date_range(body.start_date, body.end_date)
    with open_reader(session) as reader:
        dry_run_of_history(reader, first, last, body.datasets or kept_with(reader.settings.kinds))
    run_id = start_history(conf_of(first, last, body.datasets), user.get_name(), session)
    message = f"The history {first} to {last} is started."
    return Reply(data=StartedHistory(run_id=run_id, message=message))


@read_router.get("/sync/history/progress")
def history_progress(run_id: RunId, reader: Reader, session: SessionDep) -> Reply[HistoryProgress]:
    """How far a history is."""
    return Reply(data=HistoryProgress(**progress(_history(run_id, session), reader, session)))


@start_router.post("/sync/history/cancel", dependencies=[MAY_CANCEL_HISTORIES])
def cancel_history(run_id: RunId, session: SessionDep) -> Reply[HistoryProgress]:
    """Cancel a history: its tasks are stopped, and what is loaded stays."""
    with open_store(session) as store:  # first: what cannot be written keeps the run going
        run = _history(run_id, session)
        cancel(run, session)
        store.work.give_up(run_id)
    with open_reader(session) as reader:
        session.refresh(run)
        return Reply(data=HistoryProgress(**progress(run, reader, session)))


def why_not_started(user: GetUserDep, session: Session) -> str | None:
    """A sentence that says why a user cannot start a history now; ``None``: the user can. Writes nothing."""
    if not may_start_backfills(user, HISTORY_DAG_ID):
        return not_allowed(HISTORY_DAG_ID)
    try:
        check_can_start(session)
    except Refused as refused:
        return str(refused)
    return None


def _history(run_id: str, session: Session) -> DagRun:
    found = find_history(run_id, session)
    if found is None:
        raise NotFound(f"There is no run {run_id} of {HISTORY_DAG_ID}.")
    return found
