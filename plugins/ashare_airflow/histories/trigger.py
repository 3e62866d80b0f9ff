"""Starts a run of ``ashare_history``. A run that would wait for ever, or fail at once, is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare_airflow.backfills import HISTORY_DAG_ID
from ashare_airflow.backfills.refusals import Refused, airflow_refusals
from ashare_airflow.backfills.start import check_runs_start, load_dag
from ashare_airflow.histories.history_runs import active_histories

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def conf_of(start: date, end: date, datasets: Sequence[str] | None) -> dict[str, Any]:
    """The params of a run."""
    conf: dict[str, Any] = {"start_date": str(start), "end_date": str(end)}
    return conf | {"datasets": list(datasets)} if datasets else conf


def check_can_start(session: Session) -> None:
    """Check that a run can be started, and that it will begin.

    :raises Refused: another history is under way, or no run of the DAG would begin.
    """
    if active := active_histories(session):
        raise Refused(
            f"The history {active[0].run_id} is under way, and there can be one at a time: wait for it, or cancel it."
        )
    check_runs_start(load_dag(session, HISTORY_DAG_ID), session)


def start_history(conf: dict[str, Any], user: str, session: Session) -> str:
    """Start a run in the name of a user.

    :returns: the run's id.
    :raises Refused: the run would not begin, or Airflow refuses its params.
    """
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.utils.types import DagRunTriggeredByType

    check_can_start(session)
    with airflow_refusals():
        run = trigger_dag(
            dag_id=HISTORY_DAG_ID,
            triggered_by=DagRunTriggeredByType.REST_API,
            triggering_user_name=user,
            conf=conf,
            session=session,
        )
    if run is None:
        raise Refused(f"Airflow made no run of {HISTORY_DAG_ID}: try again.")
    session.commit()
    return str(run.run_id)
