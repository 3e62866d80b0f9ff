"""A request for a backfill: its dry run, and the creation of the backfill.

No other module calls private functions of Airflow.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timezone
from typing import TYPE_CHECKING, Any

from airflow.models.backfill import ReprocessBehavior, _create_backfill, _do_dry_run

from ashare.texts import backfill_command
from ashare_airflow.backfills import DAG_ID
from ashare_airflow.backfills.refusals import airflow_refusals
from ashare_airflow.backfills.state import succeeded_dates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.timetables.base import DagRunInfo
    from sqlalchemy.orm import Session

FLAGS = {
    ReprocessBehavior.NONE: "",
    ReprocessBehavior.FAILED: "--rerun-failed-tasks",
    ReprocessBehavior.COMPLETED: "--reset-dagruns",
}
"""The command line's flag for what becomes of dates that have a run."""


@dataclass(frozen=True)
class BackfillRequest:
    """A range of trade dates or weeks, both ends included.

    :ivar dag_id: the DAG: ``ashare_daily`` or ``ashare_reference``.
    :ivar reprocess: which of the dates that have a run are run again.
    :ivar conf: the params of each run.
    :ivar backwards: whether the newest date runs first.
    :ivar max_active_runs: dates under way at once; ``None``: as many as the DAG allows.
    """

    first: date
    last: date
    reprocess: ReprocessBehavior
    conf: dict[str, Any] | None = None
    backwards: bool = False
    max_active_runs: int | None = None
    dag_id: str = DAG_ID

    @property
    def command(self) -> str:
        """The command line of the same request."""
        return backfill_command(self.first, self.last, FLAGS[self.reprocess], self.conf, self.dag_id)

    @property
    def _bounds(self) -> tuple[datetime, datetime]:
        """First and last date as midnights UTC, which is what Airflow's command line sends."""
        first, last = (datetime.combine(day, time(), timezone.utc) for day in (self.first, self.last))
        return first, last

    def trade_dates(self, dag: SerializedDAG) -> list[date]:
        """The dates of the range that can have a run: weekdays or Mondays, none later than today."""
        return _trade_dates(dag.iter_dagrun_infos_between(*self._bounds))

    def dates_to_run(self, session: Session) -> list[date]:
        """The dates for which Airflow would create a run, from Airflow's own dry run.

        :raises Refused: Airflow refuses the request.
        """
        first, last = self._bounds
        with airflow_refusals():
            # _do_dry_run is a generator: it raises while it is read.
            return _trade_dates(
                _do_dry_run(
                    dag_id=self.dag_id,
                    from_date=first,
                    to_date=last,
                    reverse=self.backwards,
                    reprocess_behavior=self.reprocess,
                    dag_run_conf=self.conf,
                    session=session,
                )
            )

    def narrowed(self, needed: Collection[date], session: Session) -> BackfillRequest | None:
        """The request, narrowed to the range from the first to the last needed date.

        Airflow skips a date whose newest run succeeded. If such a date is needed, all dates of the range are run
        again, whatever the states of their runs. Complete dates between needed dates are run, too: a backfill is a
        range, and a complete date sends no request to Baostock.

        :param needed: the dates whose rows are not complete.
        :returns: ``None`` if no date is needed.
        """
        if not needed:
            return None
        must_rerun = succeeded_dates(needed, session, self.dag_id)
        reprocess = ReprocessBehavior.COMPLETED if must_rerun else self.reprocess
        return replace(self, first=min(needed), last=max(needed), reprocess=reprocess)

    def create(self, dag: SerializedDAG, user: str | None) -> int:
        """Create the backfill in the name of a user.

        :returns: the backfill's id.
        :raises Refused: Airflow refuses the request.
        """
        first, last = self._bounds
        with airflow_refusals():
            created = _create_backfill(
                dag_id=self.dag_id,
                from_date=first,
                to_date=last,
                max_active_runs=self.max_active_runs or dag.max_active_runs,
                reverse=self.backwards,
                dag_run_conf=self.conf,
                triggering_user_name=user,
                reprocess_behavior=self.reprocess,
            )
        return int(created.id)


def _trade_dates(infos: Iterable[DagRunInfo]) -> list[date]:
    return [date.fromisoformat(info.partition_key or "") for info in infos]
