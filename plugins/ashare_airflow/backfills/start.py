"""Checks before a backfill is created. A backfill whose runs would wait for ever is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.models.dag import DagModel
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from sqlalchemy import select

from ashare.dates import clock
from ashare_airflow.backfills import DAG_ID
from ashare_airflow.backfills.refusals import NoScheduler, Refused
from ashare_airflow.backfills.scheduler import scheduler_state
from ashare_airflow.backfills.state import (
    active_backfill,
    complete_ended_backfills,
    how_to_cancel,
    release_cancelled,
)

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session


def load_dag(session: Session, dag_id: str = DAG_ID) -> SerializedDAG:
    """A DAG of this package.

    :raises Refused: Airflow does not have the DAG.
    """
    row = session.scalar(SerializedDagModel.latest_item_select_object(dag_id))  # type: ignore[no-untyped-call]
    model = session.get(DagModel, dag_id)
    if row is None or model is None or model.is_stale:
        raise Refused(
            f"There is no DAG {dag_id!r}: `airflow dags list` shows those that there are, "
            "`airflow dags list-import-errors` those that could not be read; "
            "a new one appears when the DAG processor has read its file."
        )
    dag: SerializedDAG = row.dag
    return dag


def check_can_start(dag: SerializedDAG, session: Session) -> None:
    """Check that a backfill can be created, and that its runs will start.

    :raises Refused: another backfill is active, or the runs would be created and then never start.
    """
    complete_ended_backfills(session)
    release_cancelled(session)
    if active := active_backfill(session, dag.dag_id):
        raise Refused(
            f"Backfill {active.id} of {dag.dag_id} ({active.from_date:%Y-%m-%d} to {active.to_date:%Y-%m-%d}) is "
            f"active since {clock(active.created_at)} Asia/Shanghai, and there can be one at a time: "
            f"wait for it, or {how_to_cancel(active.id, dag.dag_id)}"
        )
    check_runs_start(dag, session)


def start_problem(session: Session, dag_id: str = DAG_ID) -> str | None:
    """A sentence that says why no run of a DAG would start now; ``None``: runs would start."""
    try:
        check_runs_start(load_dag(session, dag_id), session)
    except Refused as refused:
        return str(refused)
    return None


def check_runs_start(dag: SerializedDAG, session: Session) -> None:
    """Check that a DAG's runs would begin: it is not paused, its pools have slots, a scheduler is alive.

    :raises Refused: they would be created, and never begin.
    """
    model = session.get(DagModel, dag.dag_id)
    if model is not None and model.is_paused:
        raise Refused(
            f"The DAG {dag.dag_id} is paused, its runs would not start: `airflow dags unpause {dag.dag_id}`."
        )
    _check_pools(dag, session)
    scheduler = scheduler_state(session)
    if not scheduler.alive:
        raise NoScheduler(f"No scheduler is alive ({scheduler.last_heartbeat}): start one with `airflow scheduler`.")


def _check_pools(dag: SerializedDAG, session: Session) -> None:
    for name in sorted({task.pool for task in dag.tasks}):
        pool = session.scalar(select(Pool).where(Pool.pool == name))
        if pool is None or pool.slots == 0:
            problem = "which does not exist" if pool is None else "which has no slots"
            raise Refused(
                f"Tasks of {dag.dag_id} use the pool {name!r}, {problem}; they would never start: "
                f'`airflow pools set {name} 8 "connections to the source, in the queue"`.'
            )
