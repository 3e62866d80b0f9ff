"""How a date ended: the state of its run, and what `ashare.sync_status` says about it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow.models.dagrun import DagRunNote
from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CONNECTION = "ashare_postgres"
_RECORDED = ("success", "skipped", "failed")


@dataclass(frozen=True)
class Outcome:
    """One date that has ended.

    :param key: the trade date.
    :param status: ``success``, ``skipped`` or ``failed``, or the run's state.
    :param rows: rows in the table for that date, when known.
    :param seconds: how long the run took.
    :param reason: why it failed or was skipped.
    :param left_alone: the run was there before this backfill.
    """

    key: str
    status: str
    rows: int | None = None
    seconds: float | None = None
    reason: str = ""
    left_alone: bool = False

    @property
    def failed(self) -> bool:
        return self.status not in ("success", "skipped")

    @property
    def status_text(self) -> str:
        return f"already run: {self.status}" if self.left_alone else self.status


class RunRow(NamedTuple):
    """The columns of ``dag_run`` that are looked at once a second."""

    id: int
    run_id: str
    state: str
    start_date: datetime | None
    end_date: datetime | None


def outcome_of(
    key: str, run: RunRow, dag_id: str, synced: SyncStatus, *, left_alone: bool, session: Session
) -> Outcome:
    seconds = (run.end_date - run.start_date).total_seconds() if run.start_date and run.end_date else None
    outcome = Outcome(key, str(run.state), seconds=seconds, left_alone=left_alone)
    row = synced.read(key)
    # A failed run that did not come as far as recording has an older run's row, which is not about it.
    if row is not None and (row["run_id"] == run.run_id or left_alone or not outcome.failed):
        outcome = replace(outcome, rows=row["loaded"], reason=row["reason"] or "")
        if row["status"] in _RECORDED:
            outcome = replace(outcome, status=row["status"])
    if outcome.failed and not outcome.reason:
        outcome = replace(outcome, reason=_reason_in_airflow(dag_id, run, session))
    return outcome


def _reason_in_airflow(dag_id: str, run: RunRow, session: Session) -> str:
    note = session.scalar(select(DagRunNote.content).where(DagRunNote.dag_run_id == run.id))
    if note:
        return note
    tasks: Sequence[str] = session.scalars(
        select(TaskInstance.task_id)
        .where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.run_id == run.run_id,
            TaskInstance.state == TaskInstanceState.FAILED,
        )
        .distinct()
        .order_by(TaskInstance.task_id)
    ).all()
    return f"failed: {', '.join(tasks)} (see the task's log)" if tasks else "cancelled or marked failed"


class SyncStatus:
    """Reads ``ashare.sync_status``; when it cannot be read, the runs' states have to do."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self.problem = ""

    def read(self, key: str) -> Mapping[str, Any] | None:
        """The row of a trade date."""
        rows = self._ask("SELECT status, loaded, reason, run_id FROM ashare.sync_status WHERE trade_date = %s", key)
        return dict(zip(("status", "loaded", "reason", "run_id"), rows[0], strict=True)) if rows else None

    def waits_for(self, keys: Iterable[str]) -> str:
        """What the earliest of these dates waits for (a ban's end, the next day's budget), or nothing."""
        rows = self._ask(
            "SELECT trade_date, reason FROM ashare.sync_status "
            "WHERE trade_date = ANY (%s::date[]) AND status = 'syncing' AND reason IS NOT NULL ORDER BY 1 LIMIT 1",
            list(keys),
        )
        return f"{rows[0][0]} waits: {rows[0][1]}" if rows else ""

    def _ask(self, query: str, value: object) -> Sequence[tuple[Any, ...]]:
        if not self._enabled:
            return []
        try:
            return self._query(query, value)
        except Exception as error:  # noqa: BLE001  (whatever it is, the backfill itself goes on)
            self._enabled = False
            # The driver's text may hold parts of the connection.
            self.problem = (
                f"ashare.sync_status cannot be read through the connection {CONNECTION} ({type(error).__name__}): "
                "rows and reasons are not shown."
            )
            return []

    def _query(self, query: str, value: object) -> Sequence[tuple[Any, ...]]:
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        os.environ.setdefault("PGCONNECT_TIMEOUT", "5")  # a host that does not answer must not hold up the display
        connection = PostgresHook(postgres_conn_id=CONNECTION).get_conn()
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, (value,))
                rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        finally:
            connection.close()
        return rows
