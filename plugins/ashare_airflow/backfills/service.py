"""Airflow's backfills, as `airflow dags backfill` and the status page start them.

Everything that would make one wait for ever is refused before it is created.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.common.dagbag import resolve_run_on_latest_version
from airflow.jobs.job import most_recent_job
from airflow.models.backfill import (
    AlreadyRunningBackfill,
    Backfill,
    BackfillDagRun,
    InvalidBackfillConf,
    ReprocessBehavior,
    _create_backfill,
)
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk.exceptions import AirflowException
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from sqlalchemy import and_, exists, select, update

from ashare.dates import SHANGHAI

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session


DAG_ID = "ashare_daily"
"""The DAG whose runs are trade dates."""


class Refused(Exception):
    """Why nothing was started, in a sentence that says what to do."""

    exit_code = 1


class WrongUsage(Refused):
    """What was asked for can never be started."""

    exit_code = 2


class NobodyRuns(Refused):
    """No scheduler is alive."""


def load_dag(dag_id: str, session: Session) -> SerializedDAG:
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


def check_can_run(dag: SerializedDAG, session: Session) -> None:
    """Refuse where the runs would be created and then never start."""
    model = session.get(DagModel, dag.dag_id)
    if model is not None and model.is_paused:
        raise Refused(
            f"The DAG {dag.dag_id} is paused, its runs would not start: `airflow dags unpause {dag.dag_id}`."
        )
    check_pools({task.pool for task in dag.tasks}, dag.dag_id, session)
    if not scheduler_is_alive(session):
        raise NobodyRuns(f"No scheduler is alive ({_last_heartbeat(session)}): start one with `airflow scheduler`.")


def check_pools(wanted: Iterable[str], dag_id: str, session: Session) -> None:
    for name in sorted(wanted):
        pool = session.scalar(select(Pool).where(Pool.pool == name))
        if pool is None or pool.slots == 0:
            what = "which does not exist" if pool is None else "which has no slots"
            raise Refused(
                f"Tasks of {dag_id} use the pool {name!r}, {what}; they would never start: "
                f'`airflow pools set {name} 8 "connections to the source, in the queue"`.'
            )


def check_no_other_backfill(dag_id: str, session: Session) -> None:
    """Airflow allows one active backfill per DAG."""
    complete_ended_backfills(dag_id, session)
    release_cancelled(dag_id, session)
    other = active_backfill(dag_id, session)
    if other is not None:
        since = other.created_at.astimezone(SHANGHAI)
        raise Refused(
            f"Backfill {other.id} of {dag_id} ({other.from_date:%Y-%m-%d} to {other.to_date:%Y-%m-%d}) is active "
            f"since {since:%Y-%m-%d %H:%M} Asia/Shanghai, and there can be one at a time: "
            f"wait for it, or {how_to_cancel(dag_id, other.id)}"
        )


def active_backfill(dag_id: str, session: Session) -> Backfill | None:
    """The backfill of a DAG that has not ended, if there is one."""
    active: Backfill | None = session.scalar(
        select(Backfill).where(Backfill.dag_id == dag_id, Backfill.completed_at.is_(None), ~_has_ended())
    )
    return active


def how_to_cancel(dag_id: str, backfill_id: int) -> str:
    from airflow.configuration import conf

    url = (conf.get("api", "base_url", fallback="") or "http://localhost:8080").rstrip("/")
    return (
        f'cancel it: in the UI with the button "Cancel backfill" on {url}/dags/{dag_id}, '
        f"or with the API, PUT {url}/api/v2/backfills/{backfill_id}/cancel "
        "(dates under way finish, the waiting ones are marked failed)."
    )


def complete_ended_backfills(dag_id: str, session: Session) -> None:
    """Close backfills whose runs have all ended.

    The scheduler does the same every 30 seconds; until then the next backfill would be refused.
    """
    ended = session.scalars(
        select(Backfill).where(Backfill.dag_id == dag_id, Backfill.completed_at.is_(None), _has_ended())
    )
    for backfill in ended:
        backfill.completed_at = datetime.now(timezone.utc)
    session.commit()


def release_cancelled(dag_id: str, session: Session) -> None:
    """Let runs of cancelled backfills start that are cleared later.

    Airflow pauses a backfill to cancel it, for good; a paused backfill's run never starts, whoever has cleared it.
    """
    cancelled = session.scalars(
        select(Backfill)
        .where(
            Backfill.dag_id == dag_id,
            Backfill.completed_at.is_not(None),
            Backfill.is_paused.is_(True),
            # Of one that is still being made no run can be seen yet: its runs would start after all.
            exists().where(BackfillDagRun.backfill_id == Backfill.id),
        )
        .with_for_update()
    ).all()
    for backfill in cancelled:
        # What waits and was never cleared was made while the backfill was cancelled.
        session.execute(
            update(DagRun)
            .where(DagRun.backfill_id == backfill.id, DagRun.state == DagRunState.QUEUED, DagRun.clear_number == 0)
            .values(state=DagRunState.FAILED)
            .execution_options(synchronize_session=False)
        )
        backfill.is_paused = False
    session.commit()


def was_cancelled(backfill: Backfill, session: Session) -> bool:
    """Whether runs of a backfill were cancelled before they began: those have failed without an end."""
    never_began = select(DagRun.id).where(
        DagRun.backfill_id == backfill.id, DagRun.state == DagRunState.FAILED, DagRun.end_date.is_(None)
    )
    return backfill.completed_at is not None and session.scalar(never_began.limit(1)) is not None


def _has_ended() -> ColumnElement[bool]:
    """Whether all runs of a backfill have ended; one that has none yet is still being made."""
    unfinished = DagRun.state.in_((DagRunState.QUEUED, DagRunState.RUNNING))
    return and_(
        exists().where(BackfillDagRun.backfill_id == Backfill.id),
        ~exists().where(DagRun.backfill_id == Backfill.id, unfinished),
    )


def scheduler_is_alive(session: Session) -> bool:
    job = most_recent_job("SchedulerJob", session=session)
    return job is not None and job.is_alive()


def _last_heartbeat(session: Session) -> str:
    job = most_recent_job("SchedulerJob", session=session)
    if job is None or job.latest_heartbeat is None:
        return "none has ever run on this database"
    seconds = (datetime.now(timezone.utc) - job.latest_heartbeat).total_seconds()
    return f"the last heartbeat was {seconds:.0f} seconds ago"


@contextmanager
def refusals() -> Iterator[None]:
    """Airflow's own refusals, as sentences."""
    try:
        yield
    except InvalidBackfillConf as error:
        problem = str(error).split("\n", 1)[0]
        raise WrongUsage(f"The params do not fit the DAG's: {problem}") from None
    except AlreadyRunningBackfill:
        raise Refused("Another backfill of this DAG was started just now: try again when it has ended.") from None
    except AirflowException as error:
        raise Refused(str(error)) from None


def create(
    dag: SerializedDAG,
    from_date: datetime,
    to_date: datetime,
    reprocess: ReprocessBehavior,
    *,
    user: str | None,
    conf: dict[str, Any] | None = None,
    backwards: bool = False,
    max_active_runs: int | None = None,
) -> int:
    """Create a backfill in the name of a user; returns its id.

    :raises Refused: Airflow does not create it.
    """
    with create_session() as session:
        latest_version = resolve_run_on_latest_version(None, dag.dag_id, session, fallback=True)
    with refusals():
        created = _create_backfill(
            dag_id=dag.dag_id,
            from_date=from_date,
            to_date=to_date,
            max_active_runs=max_active_runs or dag.max_active_runs,
            reverse=backwards,
            dag_run_conf=conf,
            triggering_user_name=user,
            reprocess_behavior=reprocess,
            run_on_latest_version=latest_version,
        )
    return int(created.id)
