"""Backfills of this package's DAGs and their runs, from Airflow's database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from airflow.models.backfill import Backfill, BackfillDagRun
from airflow.models.dagrun import DagRun
from airflow.utils.state import DagRunState
from sqlalchemy import and_, exists, select, update

from ashare.dates import parse_date
from ashare.errors import InvalidInput
from ashare_airflow.backfills import DAG_ID, PARTITIONS
from ashare_airflow.backfills.links import base_url
from ashare_airflow.backfills.refusals import Refused

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

UNFINISHED = (DagRunState.QUEUED, DagRunState.RUNNING)


class DateRun(NamedTuple):
    """A run of a trade date or a week.

    :ivar trade_date: the date of its partition key; of a week, the Monday.
    """

    trade_date: date
    dag_id: str
    id: int
    run_id: str
    state: str
    start_date: datetime | None
    end_date: datetime | None


# ---------------------------------------------------------------------- runs


def runs_by_id(ids: Collection[int], session: Session) -> list[DateRun]:
    """The runs with these ids, in the order of their creation. Deleted runs are left out."""
    return _date_runs(session, DagRun.id.in_(ids))


def runs_of_backfill(backfill_id: int, session: Session) -> list[DateRun]:
    """The runs that a backfill has created."""
    created = select(BackfillDagRun.dag_run_id).where(BackfillDagRun.backfill_id == backfill_id)
    return _date_runs(session, DagRun.id.in_(created))


def newest_runs(days: Collection[date], session: Session, dag_id: str = DAG_ID) -> dict[date, DateRun]:
    """The newest run of each trade date or week. Dates without a run are left out."""
    keys = [str(day) for day in days]
    runs = _date_runs(session, and_(DagRun.dag_id == dag_id, DagRun.partition_key.in_(keys)))
    return {run.trade_date: run for run in runs}


def unfinished_dates(session: Session) -> list[date]:
    """The trade dates of the runs that are queued or under way."""
    runs = _date_runs(session, and_(DagRun.dag_id == DAG_ID, DagRun.state.in_(UNFINISHED)))
    return [run.trade_date for run in runs]


def succeeded_dates(days: Collection[date], session: Session, dag_id: str = DAG_ID) -> set[date]:
    """The dates whose newest run has Airflow's state ``success``."""
    return {day for day, run in newest_runs(days, session, dag_id).items() if run.state == DagRunState.SUCCESS}


def _date_runs(session: Session, condition: ColumnElement[bool]) -> list[DateRun]:
    columns = (DagRun.dag_id, DagRun.id, DagRun.run_id, DagRun.state, DagRun.start_date, DagRun.end_date)
    is_of_package = DagRun.dag_id.in_(PARTITIONS)
    rows = session.execute(select(DagRun.partition_key, *columns).where(is_of_package, condition).order_by(DagRun.id))
    return [DateRun(day, *row) for key, *row in rows if (day := _trade_date(key))]


def _trade_date(partition_key: str | None) -> date | None:
    """The trade date of a partition key; ``None``: the run is older than the DAG's partitions."""
    try:
        return parse_date(partition_key or "")
    except InvalidInput:
        return None


# ---------------------------------------------------------------------- backfills


def find_backfill(backfill_id: int, session: Session) -> Backfill | None:
    """The backfill with this id; ``None``: no DAG of this package has such a backfill."""
    found: Backfill | None = session.scalar(
        select(Backfill).where(Backfill.id == backfill_id, Backfill.dag_id.in_(PARTITIONS))
    )
    return found


def active_backfill(session: Session, dag_id: str = DAG_ID) -> Backfill | None:
    """The backfill of a DAG that has not ended; ``None``: there is none."""
    active: Backfill | None = session.scalar(
        select(Backfill).where(Backfill.dag_id == dag_id, Backfill.completed_at.is_(None), ~_all_runs_ended())
    )
    return active


def paused_backfill(run_ids: Collection[int], session: Session) -> int | None:
    """The id of a paused backfill that holds back one of these runs. The runs may belong to several backfills."""
    waiting = select(DagRun.backfill_id).where(DagRun.id.in_(run_ids), DagRun.state == DagRunState.QUEUED)
    paused: int | None = session.scalar(
        select(Backfill.id).where(Backfill.is_paused.is_(True), Backfill.id.in_(waiting))
    )
    return paused


def complete_ended_backfills(session: Session) -> None:
    """Set ``completed_at`` of the backfills whose runs have all ended.

    The scheduler does the same, but only every 30 seconds. Until then Airflow would refuse the next backfill.
    """
    ended = session.scalars(
        select(Backfill).where(Backfill.dag_id.in_(PARTITIONS), Backfill.completed_at.is_(None), _all_runs_ended())
    )
    for backfill in ended:
        backfill.completed_at = datetime.now(timezone.utc)
    session.commit()


def _all_runs_ended() -> ColumnElement[bool]:
    """SQL condition: all runs of a backfill have ended. A backfill without runs is still being created."""
    return and_(
        exists().where(BackfillDagRun.backfill_id == Backfill.id),
        ~exists().where(DagRun.backfill_id == Backfill.id, DagRun.state.in_(UNFINISHED)),
    )


# ---------------------------------------------------------------------- cancelled backfills


def how_to_cancel(backfill_id: int, dag_id: str = DAG_ID) -> str:
    """A sentence that says how to cancel a backfill."""
    url = base_url()
    return (
        f'cancel it: in the UI with the button "Cancel backfill" on {url}/dags/{dag_id}, '
        f"or with the API, PUT {url}/api/v2/backfills/{backfill_id}/cancel "
        "(dates under way finish, the waiting ones are marked failed)."
    )


def cancel(backfill: Backfill, session: Session) -> None:
    """Cancel a backfill by Airflow's own route: dates under way finish, waiting dates are marked failed.

    :raises Refused: the backfill has ended, or its runs are still being created and would not be marked.
    """
    from airflow.api_fastapi.core_api.routes.public.backfills import cancel_backfill
    from fastapi import HTTPException

    complete_ended_backfills(session)  # so that Airflow refuses to cancel an ended backfill
    if session.scalar(select(BackfillDagRun.id).where(BackfillDagRun.backfill_id == backfill.id).limit(1)) is None:
        raise Refused(f"Backfill {backfill.id} is still being made: cancel it again in some seconds.")
    try:
        cancel_backfill(backfill.id, session)
    except HTTPException as error:
        raise Refused(f"Backfill {backfill.id} cannot be cancelled: {error.detail}") from None
    session.commit()
    release_cancelled(session)


def release_cancelled(session: Session) -> None:
    """Unpause cancelled backfills, so that their runs start when they are cleared later.

    Airflow pauses a backfill to cancel it, and never unpauses it. A paused backfill's run never starts, not even
    after it is cleared.
    """
    cancelled = session.scalars(
        select(Backfill)
        .where(
            Backfill.dag_id.in_(PARTITIONS),
            Backfill.completed_at.is_not(None),
            Backfill.is_paused.is_(True),
            # Not while its runs are still being created: they are not visible yet, and would start after all.
            exists().where(BackfillDagRun.backfill_id == Backfill.id),
        )
        .with_for_update()
    ).all()
    for backfill in cancelled:
        # A queued run that was never cleared was created while the backfill was cancelled.
        session.execute(
            update(DagRun)
            .where(DagRun.backfill_id == backfill.id, DagRun.state == DagRunState.QUEUED, DagRun.clear_number == 0)
            .values(state=DagRunState.FAILED)
            .execution_options(synchronize_session=False)
        )
        backfill.is_paused = False
    session.commit()


def was_cancelled(backfill: Backfill, session: Session) -> bool:
    """Whether runs of a backfill were cancelled before they began: such runs are failed and have no end date."""
    never_began = select(DagRun.id).where(
        DagRun.backfill_id == backfill.id, DagRun.state == DagRunState.FAILED, DagRun.end_date.is_(None)
    )
    return backfill.completed_at is not None and session.scalar(never_began.limit(1)) is not None
