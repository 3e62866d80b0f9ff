"""Airflow's side of the page: runs of the trade dates, the next scheduled run, backfills started from the page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import select

from ashare.awaited import Awaited
from ashare_airflow.backfills import DAG_ID
from ashare_airflow.backfills.links import run_path
from ashare_airflow.backfills.refusals import Refused
from ashare_airflow.backfills.request import BackfillRequest
from ashare_airflow.backfills.start import check_can_start, load_dag, start_problem
from ashare_airflow.backfills.state import UNFINISHED, active_backfill, runs_of_backfill, unfinished_dates
from ashare_airflow.histories.history_runs import active_histories, kinds_of, span_of
from ashare_airflow.page.access import may_start_backfills, not_allowed
from ashare_airflow.page.sync_kinds import SyncKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


# ---------------------------------------------------------------------- runs


def runs_under_way(session: Session) -> list[str]:
    """The ids of this package's runs that are under way."""
    is_ours = DagRun.dag_id.startswith("ashare_", autoescape=True)
    return list(session.scalars(select(DagRun.run_id).where(is_ours, DagRun.state.in_(UNFINISHED))))


def awaited_dates(session: Session, kinds: Collection[str]) -> Awaited:
    """The trade dates of the runs that are queued or under way, one by one or as a history of all these kinds."""
    histories = (run for run in active_histories(session) if set(kinds) <= set(kinds_of(run)))
    ranges = [span for run in histories if (span := span_of(run))]
    return Awaited(frozenset(unfinished_dates(session)), tuple(ranges))


def last_run(dag_id: str, run_id: str | None, session: Session) -> dict[str, Any] | None:
    """The run that worked on a date last, with the names of the model ``RunOfDay``."""
    if not run_id:
        return None
    state = session.scalar(select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    path = run_path(dag_id, run_id)
    return {"run_id": run_id, "state": state, "run": path, "log": f"{path}/tasks/record_status"}


def with_paths(kept: dict[str, Any], session: Session) -> dict[str, Any]:
    """Datasets whose last runs have ``run``, their path in Airflow's UI; ``None``: Airflow has the run no longer.

    :param kept: with the names of the model ``KeptDatasets``.
    """
    last_runs = [dataset["last_run"] for dataset in kept["datasets"] if dataset["last_run"]]
    asked = select(DagRun.dag_id, DagRun.run_id).where(DagRun.run_id.in_({run["run_id"] for run in last_runs}))
    there = {tuple(name) for name in session.execute(asked)}

    def with_path(run: dict[str, Any] | None) -> dict[str, Any] | None:
        if run is None:
            return None
        is_there = (run["dag_id"], run["run_id"]) in there
        return {**run, "run": run_path(run["dag_id"], run["run_id"]) if is_there else None}

    return {**kept, "datasets": [{**each, "last_run": with_path(each["last_run"])} for each in kept["datasets"]]}


def with_logs(batches: Sequence[dict[str, Any]], session: Session) -> list[dict[str, Any]]:
    """Batches with ``log``, the path of their task in Airflow's UI. A mapped task is named by its batch's label."""
    run_ids = {batch["run_id"] for batch in batches}
    names = (TaskInstance.run_id, TaskInstance.rendered_map_index)
    mapped = select(*names, TaskInstance.map_index).where(  # type: ignore[call-overload]
        TaskInstance.dag_id == DAG_ID, TaskInstance.run_id.in_(run_ids), TaskInstance.task_id == "fetch_and_copy"
    )
    map_indexes = {(run_id, label): index for run_id, label, index in session.execute(mapped)}

    def log(batch: dict[str, Any]) -> str | None:
        if not batch["run_id"] or batch["is_history"]:
            return None  # a history run's batch is not one date's batch
        tasks = f"{run_path(DAG_ID, batch['run_id'])}/tasks"
        if batch["kind"] == "factor":
            return f"{tasks}/sync_adjust_factors"
        index = map_indexes.get((batch["run_id"], batch["label"]))
        return f"{tasks}/fetch_and_copy" + ("" if index is None else f"/mapped/{index}")

    return [{**batch, "log": log(batch)} for batch in batches]


def schedule(session: Session) -> dict[str, Any]:
    """When the daily DAG runs next, and whether it is paused."""
    model = session.get(DagModel, DAG_ID)
    if model is None:
        return {"next_run": None, "is_paused": False}
    return {"next_run": None if model.is_paused else model.next_dagrun_create_after, "is_paused": model.is_paused}


# ---------------------------------------------------------------------- backfills


def why_not_started(user: BaseUser, session: Session, dag_id: str) -> str | None:
    """A sentence that says why a user cannot start a backfill now; ``None``: the user can. Writes nothing."""
    if not may_start_backfills(user, dag_id):
        return not_allowed(dag_id)
    if problem := start_problem(session, dag_id):
        return problem
    if active := active_backfill(session, dag_id):
        return f"Backfill {active.id} is under way, and there can be one at a time: wait for it, or cancel it."
    return None


def start_backfill(
    kind: SyncKind, request: BackfillRequest | None, user: BaseUser, session: Session
) -> tuple[int, int]:
    """Start a backfill in the user's name.

    :param request: ``None``: no date needs a run.
    :returns: the backfill's id, and how many runs it has created.
    :raises Refused: the runs would not start, another backfill is active, or there is nothing to do.
    """
    dag = load_dag(session, kind.dag_id)
    check_can_start(dag, session)
    if request is None or not request.dates_to_run(session):
        raise Refused(kind.nothing_to_do)
    backfill_id = request.create(dag, user.get_name())
    return backfill_id, len(runs_of_backfill(backfill_id, session))
