"""What the scheduler does when a run starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl
from airflow.utils.state import DagRunState

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Fail a run of this package when a pool is missing: its tasks would wait for ever, silently."""
    if not dag_run.dag_id.startswith("ashare_") or dag_run.dag is None:
        return
    from airflow.models.pool import Pool
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return
    wanted = {task.pool for task in dag_run.dag.tasks}
    missing = wanted - set(session.scalars(select(Pool.pool).where(Pool.pool.in_(wanted))))
    if missing:
        name = min(missing)
        dag_run.note = (
            f"The pool {name!r} does not exist, so this run's tasks would never start. "
            f'Create it under Admin > Pools or with `airflow pools set {name} 8 ""`, then clear this run.'
        )
        dag_run.set_state(DagRunState.FAILED)
