"""Waits for the runs of a backfill, and shows the result of each date when its run has ended."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from ashare.errors import AshareError
from ashare_airflow.backfills.refusals import Refused
from ashare_airflow.backfills.scheduler import scheduler_state
from ashare_airflow.backfills.state import UNFINISHED, DateRun, paused_backfill, release_cancelled, runs_by_id
from ashare_airflow.cli.date_result import DateResult, result_of, unknown_result

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ashare.store.recorded_partitions import RecordedPartitions
    from ashare_airflow.cli.display import ProgressDisplay
    from ashare_airflow.cli.interrupt import InterruptFlag

_POLL_SECONDS = 1.0
_HEALTH_CHECK_SECONDS = 5.0
_SCHEDULER_GRACE_SECONDS = 120.0
"""A restarted scheduler is back within this time. After it, a person has to start the scheduler."""
_NOTHING_STARTS_SECONDS = 60.0
_TABLES_GRACE_SECONDS = 120.0
"""A restarted database of the bars is back within this time."""


@dataclass(frozen=True)
class WatchedRun:
    """A date's run.

    :param is_earlier: the run is older than the backfill, which left the date alone.
    """

    run_id: int
    trade_date: date
    is_earlier: bool


class RunMonitor:
    """Polls runs until all have ended.

    :param recorded: the dates' records in the schema ``ashare``.
    """

    def __init__(
        self,
        runs: Iterable[WatchedRun],
        recorded: RecordedPartitions,
        display: ProgressDisplay,
        interrupt: InterruptFlag,
        dag_id: str,
    ) -> None:
        self._dag_id = dag_id
        self._pending = {run.run_id: run for run in runs}
        self._recorded = recorded
        self._display = display
        self._interrupt = interrupt
        self._results: list[DateResult] = []
        self._notice = ""
        self._checked_at = self._alive_at = self._started_at = time.monotonic()
        self._unreadable_since: float | None = None

    def wait(self) -> list[DateResult]:
        """Return the results in the order in which the dates ended.

        :raises Refused: the scheduler or Airflow's database stayed away for two minutes.
        :raises KeyboardInterrupt: Ctrl-C was pressed.
        """
        while True:
            try:
                with create_session() as session:
                    self._read_runs(session)
                    if not self._pending:
                        return self._results
                    if time.monotonic() - self._checked_at >= _HEALTH_CHECK_SECONDS:
                        self._check_health(session)
            except OperationalError:
                self._show_notice("Airflow's database does not answer; trying again.")
                self._stop_after_grace("Airflow's database did not answer for two minutes.")
            self._interrupt.sleep(_POLL_SECONDS)

    def _read_runs(self, session: Session) -> None:
        runs = {run.id: run for run in runs_by_id(self._pending, session)}
        for run_id in self._pending.keys() - runs.keys():
            deleted = self._pending.pop(run_id).trade_date
            self._add_result(DateResult(deleted, "deleted", reason="its run was deleted"))
        is_readable = True
        for run in sorted(runs.values(), key=_end):
            if run.state not in UNFINISHED:
                is_readable = is_readable and self._judge(run, session)
        running = sum(run.state == DagRunState.RUNNING for run in runs.values())
        if running or not self._pending:
            self._started_at = time.monotonic()
        self._display.show_running(running)

    def _judge(self, run: DateRun, session: Session) -> bool:
        """Show the result of a run's date.

        :returns: False: the date's rows cannot be read now; the next poll reads them again.
        """
        is_earlier = self._pending[run.id].is_earlier
        try:
            result = result_of(run, self._recorded, is_earlier_run=is_earlier, session=session)
            self._unreadable_since = None
        except AshareError as problem:
            self._unreadable_since = self._unreadable_since or time.monotonic()
            grace = _TABLES_GRACE_SECONDS if self._recorded.was_read else 0.0
            if time.monotonic() - self._unreadable_since < grace:
                self._show_notice(f"{problem} The dates that end are looked at again for two minutes.")
                return False
            result = unknown_result(run, problem, is_earlier_run=is_earlier, session=session)
        del self._pending[run.id]
        self._add_result(result)
        return True

    def _add_result(self, result: DateResult) -> None:
        self._results.append(result)
        self._display.show_result(result)

    def _check_health(self, session: Session) -> None:
        self._checked_at = time.monotonic()
        if not scheduler_state(session).alive:
            self._show_notice("The scheduler sends no heartbeats any more; waiting two minutes for it to come back.")
            self._stop_after_grace("No scheduler came back within two minutes.")
            return
        self._alive_at = self._checked_at
        release_cancelled(session)
        if session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == self._dag_id)):
            self._show_notice(
                f"The DAG was paused: dates not started wait for `airflow dags unpause {self._dag_id}`."
            )
        elif (paused := paused_backfill(self._pending, session)) is not None:
            self._show_notice(
                f"Backfill {paused} is paused: its dates do not start until it is unpaused, in the UI or with "
                f"the API, PUT /api/v2/backfills/{paused}/unpause."
            )
        elif self._unreadable_since:
            return  # the notice of the unreadable rows is shown already
        elif self._checked_at - self._started_at > _NOTHING_STARTS_SECONDS:
            self._show_notice(
                "No date has started for a minute though the scheduler is alive. A scheduler that was started "
                "before this package was installed does not know its timetable: restart it; else see its log."
            )
        elif waiting := self._first_waiting():
            self._show_notice(waiting)
        elif self._notice:
            self._show_notice("")
            self._display.show_notice("It goes on.")

    def _first_waiting(self) -> str:
        """A sentence: the earliest waiting date, and what it waits for; empty if no date waits."""
        try:
            waiting = self._recorded.first_waiting([run.trade_date for run in self._pending.values()])
        except AshareError as problem:
            return str(problem)
        return f"{waiting[0]} waits: {waiting[1]}" if waiting else ""

    def _show_notice(self, text: str) -> None:
        """Show a notice, unless it is the one shown last."""
        if text and text != self._notice:
            self._display.show_notice(text)
        self._notice = text

    def _stop_after_grace(self, problem: str) -> None:
        if time.monotonic() - self._alive_at > _SCHEDULER_GRACE_SECONDS:
            raise Refused(
                f"{problem} The backfill is not lost: it goes on where it was when `airflow scheduler` runs again."
            )


def _end(run: DateRun) -> tuple[bool, float]:
    """Sort key of a run: its end. Runs without an end come last, as in PostgreSQL."""
    return run.end_date is None, run.end_date.timestamp() if run.end_date else 0.0
