"""Until when a trade date has to be complete: a time of its own day, Beijing's."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference

from ashare.dates import SHANGHAI, beijing_now
from ashare_airflow.defaults import DEADLINE

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class TradeDateDeadline(BaseDeadlineReference):
    """The midnight with which a run's trade date begins; none where the deadline is over, as in a backfill."""

    required_kwargs = {"dag_id", "run_id"}

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str, **_: Any) -> datetime | None:
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        query = select(DagRun.partition_date).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        midnight = session.scalar(query)
        if midnight is None or midnight + DEADLINE < beijing_now():
            return None
        return midnight.astimezone(SHANGHAI)
