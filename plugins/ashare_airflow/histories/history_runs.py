"""Runs of ``ashare_history`` from Airflow's database: which there are, their ranges and states."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import select

from ashare.datasets import KINDS, bars_of, kept_with
from ashare.errors import AshareError
from ashare_airflow.backfills import HISTORY_DAG_ID
from ashare_airflow.backfills.refusals import Refused
from ashare_airflow.backfills.start import load_dag
from ashare_airflow.backfills.state import UNFINISHED
from ashare_airflow.context import range_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_ENDED_BY_HAND = (None, TaskInstanceState.SKIPPED, TaskInstanceState.REMOVED)
"""States of the last task, which runs whatever became of the tasks before, in a run that a person has ended."""


def find_history(run_id: str, session: Session) -> DagRun | None:
    """The run with this id; ``None``: there is none."""
    found: DagRun | None = session.scalar(
        select(DagRun).where(DagRun.dag_id == HISTORY_DAG_ID, DagRun.run_id == run_id)
    )
    return found


def active_histories(session: Session) -> list[DagRun]:
    """The runs that have not ended, the one that works first."""
    unfinished = select(DagRun).where(DagRun.dag_id == HISTORY_DAG_ID, DagRun.state.in_(UNFINISHED))
    return sorted(session.scalars(unfinished), key=lambda run: (run.state != DagRunState.RUNNING, run.id))


def params_of(run: DagRun) -> dict[str, Any]:
    """The run's params: those that the run was given, and the DAG's defaults."""
    # Not at the top: a wrong setting, which that module reads, would keep the page from starting.
    from ashare_airflow.defaults import HISTORY_PARAMS

    return {**{name: param.value for name, param in HISTORY_PARAMS.items()}, **(run.conf or {})}


def span_of(run: DagRun) -> tuple[date, date] | None:
    """The first and the last day of a run's range; ``None``: its params are wrong, and the run will fail."""
    params = params_of(run)
    try:
        return range_of(params["start_date"], params["end_date"], params["years"], run.run_after)
    except (AshareError, TypeError, ValueError):
        return None


def datasets_of(run: DagRun) -> list[str]:
    """The names of the datasets that a run loads."""
    params = params_of(run)
    return list(params["datasets"] or kept_with(params["kinds"]))


def kinds_of(run: DagRun) -> list[str]:
    """The kinds of securities all of whose bars a run loads; empty: lists, adjust factors or some codes alone."""
    return [] if params_of(run)["codes"] else [kind for kind in KINDS if bars_of(kind).name in datasets_of(run)]


def state_of(run: DagRun, session: Session) -> str:
    """A run's state with the page's names: ``running``, ``completed``, ``failed`` or ``cancelled``."""
    if run.state in UNFINISHED:
        return "running"
    if run.state == DagRunState.SUCCESS:
        return "completed"
    last = session.scalar(
        select(TaskInstance.state).where(
            TaskInstance.dag_id == run.dag_id,
            TaskInstance.run_id == run.run_id,
            TaskInstance.task_id == "record_status",
        )
    )
    return "cancelled" if last in _ENDED_BY_HAND else "failed"


def failed_task(run: DagRun, session: Session) -> str | None:
    """The name of the first task that failed; ``None``: no task has."""
    found: str | None = session.scalar(
        select(TaskInstance.task_id)
        .where(
            TaskInstance.dag_id == run.dag_id,
            TaskInstance.run_id == run.run_id,
            TaskInstance.state == TaskInstanceState.FAILED,
        )
        .order_by(TaskInstance.end_date)
        .limit(1)
    )
    return found


def cancel(run: DagRun, session: Session) -> None:
    """End a run: Airflow stops its tasks and starts no more of them. What is loaded stays.

    :raises Refused: the run has ended.
    """
    from airflow.api.common.mark_tasks import set_dag_run_state_to_failed

    if run.state not in UNFINISHED:
        raise Refused(f"The run {run.run_id} has ended: there is nothing to cancel.")
    set_dag_run_state_to_failed(
        dag=load_dag(session, HISTORY_DAG_ID), run_id=run.run_id, commit=True, session=session
    )
    session.commit()
