"""The deadline of a trade date: a time of the trade date itself, Beijing time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference

from ashare.dates import SHANGHAI, beijing_now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class TradeDateDeadline(BaseDeadlineReference):
    """The midnight at which a run's trade date begins; ``None`` if the deadline has passed, as in a backfill.

    :param within: from that midnight to the deadline. It is serialized with the DAG, so that evaluating
        the deadline reads no setting.
    """

    required_kwargs = {"dag_id", "run_id"}

    def __init__(self, within: timedelta) -> None:
        self.within = within

    def serialize_reference(self) -> dict[str, Any]:
        return {**super().serialize_reference(), "within": self.within.total_seconds()}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> TradeDateDeadline:
        # Version 1.2.0 did not serialize `within`: the deadline is the end of the day.
        return TradeDateDeadline(timedelta(seconds=reference_data.get("within", 24 * 3600)))

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str, **_: Any) -> datetime | None:
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        query = select(DagRun.partition_date).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        midnight = session.scalar(query)
        if midnight is None or midnight + self.within < beijing_now():
            return None
        return midnight.astimezone(SHANGHAI)
