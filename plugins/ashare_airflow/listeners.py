"""Listener hooks of the scheduler: a run starts, a run has failed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from airflow.listeners import hookimpl
from airflow.utils.state import DagRunState

from ashare.errors import AshareError, InvalidInput
from ashare_airflow.backfills import verifies
from ashare_airflow.report import alerts

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

OURS = ("ashare_daily", "ashare_export", "ashare_history", "ashare_reference")
"""The DAGs of this package."""
NO_POOL = "The pool"
"""First words of the note on a run that failed because its pool does not exist."""

NO_PARAM = "has no param"
"""Follows the DAG's id in the note on a run that failed because of an unknown param."""


@hookimpl
def on_dag_run_running(dag_run: DagRun, msg: str) -> None:
    """Fail a run of this package that has an unknown param, or whose pool does not exist.

    On the first run of a long backfill, note that ``ashare_history`` would be quicker.
    """
    if dag_run.dag_id in OURS:
        with _no_harm_to_others(dag_run):
            _check(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """Send an alert, unless a person marked the run as failed."""
    if dag_run.dag_id in OURS and "manually" not in msg:
        with _no_harm_to_others(dag_run):
            _alert(dag_run)


@contextmanager
def _no_harm_to_others(dag_run: DagRun) -> Iterator[None]:
    """Log every exception: a raised one would keep Airflow from calling the listeners of other plugins."""
    try:
        yield
    except AshareError as error:
        log.error("%s %s: %s", dag_run.dag_id, dag_run.run_id, error)
    except Exception:
        log.exception("The listener of %s %s failed.", dag_run.dag_id, dag_run.run_id)


def _check(dag_run: DagRun) -> None:
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None or dag_run.dag is None:
        return
    if refusal := _wrong_params(dag_run):
        # No alert: whoever started the run sees the note, and a backfill may have thousands of such runs.
        dag_run.note = refusal
        dag_run.set_state(DagRunState.FAILED)
        return
    if missing := _missing_pool(dag_run, session):
        dag_run.note = (
            f"{NO_POOL} {missing!r} does not exist, so this run's tasks would never start. "
            f'Create it under Admin > Pools or with `airflow pools set {missing} 8 ""`, then clear this run.'
        )
        dag_run.set_state(DagRunState.FAILED)
        alerts.run_failed(dag_run, session, dag_run.note)
        return
    if (dag_run.note or "").startswith((NO_POOL, f"{dag_run.dag_id} {NO_PARAM}")):
        dag_run.note = None  # written before the run was cleared
    if dag_run.dag_id == "ashare_daily" and dag_run.backfill_id and (note := _history_suggestion(dag_run, session)):
        dag_run.note = note


def _alert(dag_run: DagRun) -> None:
    from sqlalchemy.orm import object_session

    if (session := object_session(dag_run)) is not None:
        alerts.run_failed(dag_run, session)


def _wrong_params(dag_run: DagRun) -> str:
    from ashare.params import check_names

    try:
        check_names(dag_run.conf or (), dag_run.dag.params if dag_run.dag else (), dag_run.dag_id)
    except InvalidInput as error:
        return str(error)
    return ""


def _missing_pool(dag_run: DagRun, session: Session) -> str | None:
    from airflow.models.pool import Pool
    from sqlalchemy import select

    wanted = {task.pool for task in dag_run.dag.tasks} if dag_run.dag else set()
    missing = wanted - set(session.scalars(select(Pool.pool).where(Pool.pool.in_(wanted))))
    return min(missing, default=None)


def _history_suggestion(dag_run: DagRun, session: Session) -> str:
    """On a backfill's first run: suggest ``ashare_history`` if it is quicker by usual costs; else an empty text."""
    from airflow.models.backfill import BackfillDagRun
    from sqlalchemy import select

    from ashare import cost
    from ashare.settings import Settings

    place = select(BackfillDagRun.sort_ordinal).where(BackfillDagRun.dag_run_id == dag_run.id)
    if session.scalar(place) != 1:
        return ""
    if verifies(dag_run.conf):
        return ""  # a history brings what is missing, and compares nothing
    keys = session.scalars(
        select(BackfillDagRun.partition_key).where(BackfillDagRun.backfill_id == dag_run.backfill_id)
    )
    days = [date.fromisoformat(key) for key in keys if key]
    return cost.suggest_history_run(None, days, (dag_run.conf or {}).get("kinds") or Settings().kinds)
