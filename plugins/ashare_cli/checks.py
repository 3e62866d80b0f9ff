"""What is looked at before a backfill is created: everything that would make it wait for ever is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, time, timezone
from typing import TYPE_CHECKING, Any

from airflow._shared.timezones.timezone import parse as parse_instant
from airflow.jobs.job import most_recent_job
from airflow.models.backfill import Backfill, BackfillDagRun
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.state import DagRunState
from sqlalchemy import exists, select

from include.ashare.dates import SHANGHAI, parse_trade_date_range
from include.ashare.errors import InvalidInput
from trade_date_timetable import TradeDateTimetable

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG
    from sqlalchemy.orm import Session

WRONG_USAGE = 2


class Refused(Exception):
    """Why nothing was started, in a sentence that says what to do."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def read_conf(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        conf = json.loads(text)
    except ValueError as error:
        raise Refused(
            f"--conf is not JSON ({error}): write an object, for example '{{\"batch_size\": 200}}'.", WRONG_USAGE
        ) from None
    if not isinstance(conf, dict):
        raise Refused(
            f"--conf is a JSON {type(conf).__name__}, not an object: write '{{\"name\": value}}'.", WRONG_USAGE
        )
    return conf


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


def read_range(dag: SerializedDAG, start: str | None, end: str | None) -> tuple[datetime, datetime]:
    """The bounds as Airflow's own command line would send them. One alone means that one date, as in Airflow 2."""
    if start is None and end is None:
        raise Refused("Say which dates: -s/--start-date and -e/--end-date, YYYY-MM-DD.", WRONG_USAGE)
    start, end = start or end or "", end or start or ""
    try:
        if isinstance(dag.timetable, TradeDateTimetable):
            first, last = parse_trade_date_range(start, end)
            return datetime.combine(first, time(), timezone.utc), datetime.combine(last, time(), timezone.utc)
        lower, upper = parse_instant(start), parse_instant(end)
    except InvalidInput as error:
        raise Refused(str(error), WRONG_USAGE) from None
    except ValueError:
        raise Refused(f"{start!r} or {end!r} is not a date: write YYYY-MM-DD.", WRONG_USAGE) from None
    if upper < lower:
        raise Refused(f"The end date {end} is before the start date {start}: swap them.", WRONG_USAGE)
    return lower, upper


def check_can_run(dag: SerializedDAG, session: Session) -> None:
    """Refuse where the runs would be created and then never start."""
    model = session.get(DagModel, dag.dag_id)
    if model is not None and model.is_paused:
        raise Refused(
            f"The DAG {dag.dag_id} is paused, its runs would not start: `airflow dags unpause {dag.dag_id}`."
        )
    check_pools({task.pool for task in dag.tasks}, dag.dag_id, session)
    if not scheduler_is_alive(session):
        raise Refused(f"No scheduler is alive ({_last_heartbeat(session)}): start one with `airflow scheduler`.")


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
    other = session.scalar(select(Backfill).where(Backfill.dag_id == dag_id, Backfill.completed_at.is_(None)))
    if other is not None:
        since = other.created_at.astimezone(SHANGHAI)
        raise Refused(
            f"Backfill {other.id} of {dag_id} ({other.from_date:%Y-%m-%d} to {other.to_date:%Y-%m-%d}) is active "
            f"since {since:%Y-%m-%d %H:%M} Asia/Shanghai, and there can be one at a time: "
            f"wait for it, or {how_to_cancel(dag_id, other.id)}"
        )


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
        select(Backfill).where(
            Backfill.dag_id == dag_id,
            Backfill.completed_at.is_(None),
            exists().where(BackfillDagRun.backfill_id == Backfill.id),
            ~exists().where(
                DagRun.backfill_id == Backfill.id, DagRun.state.in_((DagRunState.QUEUED, DagRunState.RUNNING))
            ),
        )
    )
    for backfill in ended:
        backfill.completed_at = datetime.now(timezone.utc)
    session.commit()


def scheduler_is_alive(session: Session) -> bool:
    job = most_recent_job("SchedulerJob", session=session)
    return job is not None and job.is_alive()


def _last_heartbeat(session: Session) -> str:
    job = most_recent_job("SchedulerJob", session=session)
    if job is None or job.latest_heartbeat is None:
        return "none has ever run on this database"
    seconds = (datetime.now(timezone.utc) - job.latest_heartbeat).total_seconds()
    return f"the last heartbeat was {seconds:.0f} seconds ago"
