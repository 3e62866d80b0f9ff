"""Waits for the runs of a backfill and shows each date as it ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from airflow.models.backfill import Backfill
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from ashare_airflow.backfills.service import release_cancelled, scheduler_is_alive
from ashare_airflow.cli.known import Known, Unreadable
from ashare_airflow.cli.outcome import Outcome, RunRow, outcome_of, unknown_outcome

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_POLL_SECONDS = 1.0
_INTERRUPT_SECONDS = 0.1
_HEALTH_CHECK_SECONDS = 5.0
_SCHEDULER_GRACE_SECONDS = 120.0
"""A scheduler that is restarted is back by then; one that is not is for a person to start."""
_NOTHING_STARTS_SECONDS = 60.0
_TABLES_GRACE_SECONDS = 120.0
"""A database of the bars that is restarted is back by then."""
_TABLE_LINES = 60
_COLOURS = {"success": "green", "skipped": "cyan", "failed": "red"}


class Interrupt:
    """Ctrl-C, remembered until it is asked about: raised wherever it hits, it can get lost in a library's clean-up.

    A second one, for when nobody asks, is raised at once.
    """

    def __init__(self) -> None:
        self._pressed = False

    def __enter__(self) -> Interrupt:
        self._before = signal.signal(signal.SIGINT, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = True

    def sleep(self, seconds: float) -> None:
        """Sleep, but not over a Ctrl-C.

        :raises KeyboardInterrupt: it was pressed, now or before.
        """
        until = time.monotonic() + seconds
        while not self._pressed and time.monotonic() < until:
            time.sleep(_INTERRUPT_SECONDS)
        if self._pressed:
            raise KeyboardInterrupt


class NobodyWorks(Exception):
    """Waiting on has no point: the scheduler, or Airflow's database, is gone."""


@dataclass
class WatchedRun:
    """The run of a date, made by this backfill or found there."""

    key: str
    run_id: int
    left_alone: bool


class Display:
    """A progress bar on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console, dag_id: str, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[running]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(escape(dag_id), total=total, running="")

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        self._console.print(text, style="yellow", soft_wrap=True, markup=False, highlight=False)

    def running(self, count: int) -> None:
        self._progress.update(self._task, running=f"{count} running")

    def ended(self, outcome: Outcome) -> None:
        self._done += 1
        self._progress.update(self._task, completed=self._done)
        status = f"[{_COLOURS.get(outcome.status, 'red')}]{outcome.status_text:<9}[/]"
        rows = "" if outcome.rows is None else f"{outcome.rows:,} rows"
        seconds = "" if outcome.seconds is None else f"{outcome.seconds:.0f} s"
        count = escape(f"[{self._done}/{self._total}]")
        text = f"{count} {escape(outcome.key)}  {status}  {rows:>11}  {seconds:>5}  {escape(outcome.reason)}"
        self._console.print(text.rstrip(), soft_wrap=True, highlight=False)


class Watcher:
    """Follows runs until all have ended.

    :param known: what the tables say of the dates; None: the runs' states have to do.
    """

    def __init__(
        self,
        dag_id: str,
        runs: Iterable[WatchedRun],
        known: Known | None,
        display: Display,
        interrupt: Interrupt,
    ) -> None:
        self._dag_id = dag_id
        self._pending = {run.run_id: run for run in runs}
        self._known = known
        self._display = display
        self._interrupt = interrupt
        self._outcomes: list[Outcome] = []
        self._notice = ""
        self._checked_at = self._alive_at = self._started_at = time.monotonic()
        self._unread_since: float | None = None

    def wait(self) -> list[Outcome]:
        """Return the outcomes in the order in which the dates ended.

        :raises NobodyWorks: the scheduler or the database stayed away.
        """
        while True:
            try:
                with create_session() as session:
                    self._look(session)
                    if not self._pending:
                        return self._outcomes
                    if time.monotonic() - self._checked_at >= _HEALTH_CHECK_SECONDS:
                        self._check_health(session)
            except OperationalError:
                self._tell_once("Airflow's database does not answer; trying again.")
                self._give_up_when_late("Airflow's database did not answer for two minutes.")
            self._interrupt.sleep(_POLL_SECONDS)

    def _look(self, session: Session) -> None:
        columns = (DagRun.id, DagRun.run_id, DagRun.state, DagRun.start_date, DagRun.end_date)
        rows = session.execute(select(*columns).where(DagRun.id.in_(self._pending)).order_by(DagRun.end_date))
        found = {row.id: RunRow(*row) for row in rows}
        for run_id in self._pending.keys() - found.keys():
            self._end(Outcome(self._pending.pop(run_id).key, "deleted", reason="its run was deleted"))
        running = 0
        is_readable = True
        for row in found.values():
            if row.state in (DagRunState.SUCCESS, DagRunState.FAILED):
                is_readable = is_readable and self._judge(row, session)
            elif row.state == DagRunState.RUNNING:
                running += 1
        if running or not self._pending:
            self._started_at = time.monotonic()
        self._display.running(running)

    def _judge(self, row: RunRow, session: Session) -> bool:
        """Say how a run's date has ended; False when its rows cannot be read now, and will be looked at again."""
        run = self._pending[row.id]
        try:
            outcome = outcome_of(run.key, row, self._dag_id, self._known, left_alone=run.left_alone, session=session)
            self._unread_since = None
        except Unreadable as problem:
            self._unread_since = self._unread_since or time.monotonic()
            grace = _TABLES_GRACE_SECONDS if self._known and self._known.was_read else 0.0
            if time.monotonic() - self._unread_since < grace:
                self._tell_once(f"{problem} The dates that end are looked at again for two minutes.")
                return False
            outcome = unknown_outcome(run.key, row, self._dag_id, problem, left_alone=run.left_alone, session=session)
        del self._pending[row.id]
        self._end(outcome)
        return True

    def _end(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._display.ended(outcome)

    def _check_health(self, session: Session) -> None:
        self._checked_at = time.monotonic()
        if not scheduler_is_alive(session):
            self._tell_once("The scheduler sends no heartbeats any more; waiting two minutes for it to come back.")
            self._give_up_when_late("No scheduler came back within two minutes.")
            return
        self._alive_at = self._checked_at
        if session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == self._dag_id)):
            self._tell_once(f"The DAG was paused: dates not started wait for `airflow dags unpause {self._dag_id}`.")
        elif (paused := self._paused_backfill(session)) is not None:
            self._tell_once(
                f"Backfill {paused} is paused: its dates do not start until it is unpaused, in the UI or with "
                f"the API, PUT /api/v2/backfills/{paused}/unpause."
            )
        elif self._unread_since:
            return  # that is said already
        elif self._checked_at - self._started_at > _NOTHING_STARTS_SECONDS:
            self._tell_once(
                "No date has started for a minute though the scheduler is alive. A scheduler that was started "
                "before this package was installed does not know its timetable: restart it; else see its log."
            )
        elif waiting := self._waits_for():
            self._tell_once(waiting)
        elif self._notice:
            self._tell_once("")
            self._display.say("It goes on.")

    def _paused_backfill(self, session: Session) -> int | None:
        """A paused backfill that holds back a date, this one or an earlier one."""
        release_cancelled(self._dag_id, session)
        waiting = DagRun.id.in_(self._pending) & (DagRun.state == DagRunState.QUEUED)
        paused: int | None = session.scalar(
            select(Backfill.id).where(
                Backfill.is_paused.is_(True), Backfill.id.in_(select(DagRun.backfill_id).where(waiting))
            )
        )
        return paused

    def _waits_for(self) -> str:
        try:
            days = [date.fromisoformat(run.key) for run in self._pending.values()] if self._known else []
            return self._known.waits_for(days) if self._known else ""
        except Unreadable as problem:
            return str(problem)

    def _tell_once(self, text: str) -> None:
        if text and text != self._notice:
            self._display.say(text)
        self._notice = text

    def _give_up_when_late(self, text: str) -> None:
        if time.monotonic() - self._alive_at > _SCHEDULER_GRACE_SECONDS:
            raise NobodyWorks(text)


def print_table(console: Console, outcomes: list[Outcome]) -> None:
    """The dates in their order, or only those not complete when the range is long."""
    shown = sorted(outcomes, key=lambda outcome: outcome.key)
    if len(shown) > _TABLE_LINES:
        shown = [outcome for outcome in shown if outcome.failed]
    if shown:
        table = Table()
        for heading in ("Trade date", "Status"):
            table.add_column(heading, no_wrap=True)
        for heading in ("Rows", "Seconds"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("Reason", overflow="fold")
        for outcome in shown:
            table.add_row(
                escape(outcome.key),
                f"[{_COLOURS.get(outcome.status, 'red')}]{outcome.status_text}[/]",
                "" if outcome.rows is None else f"{outcome.rows:,}",
                "" if outcome.seconds is None else f"{outcome.seconds:.1f}",
                escape(outcome.reason),
            )
        console.print(table)
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.status] = counts.get(outcome.status, 0) + 1
    summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    console.print(f"{len(outcomes)} trade dates: {summary}.", highlight=False)
