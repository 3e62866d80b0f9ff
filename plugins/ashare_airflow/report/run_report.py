"""Reports the end of a run: metrics of its dates, and messages that troubles are over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ashare.sync import Run
from ashare.sync.agenda import open_states
from ashare.sync.history import HistoryRun
from ashare.sync.weeks import WeekRun
from ashare_airflow.backfills.links import run_link
from ashare_airflow.connections import AirflowConnections
from ashare_airflow.report.reliable import failure_logged
from ashare_airflow.report.run_metrics import send_completeness

SUBJECT = "The message that a trouble is over"


@contextmanager
def end_reported(run: Run | HistoryRun) -> Iterator[None]:
    """Wraps the recording of a run's dates: sends their metrics and, if the body raises nothing, the recoveries."""
    is_complete = False
    try:
        yield
        is_complete = True
    finally:
        send_completeness(run.store, run.day if isinstance(run, Run) else None)
        if is_complete:
            with failure_logged(SUBJECT):
                alerts = AirflowConnections().alerts(run.store)
                alerts.recovered(run.run_id, run.end if isinstance(run, HistoryRun) else None)
        if isinstance(run, Run):
            with failure_logged("The message about earlier dates that are not complete"):
                _report_holes(run)


@contextmanager
def week_reported(run: WeekRun) -> Iterator[None]:
    """Wraps the work on a week: if the body raises nothing, sends that the run's trouble is over."""
    yield
    with failure_logged(SUBJECT):
        AirflowConnections().alerts(run.store).recovered(run.run_id)


def _report_holes(run: Run) -> None:
    """Alert of earlier dates that the run of the newest date could not complete."""
    if states := open_states(run):
        AirflowConnections().alerts(run.store).holes(states, run.run_id, run_link("ashare_daily", run.run_id))


def report_accepted_date() -> None:
    """Send that an accepted date's trouble is over. An acceptance has no run that would report the recovery."""
    airflow = AirflowConnections()
    with failure_logged(SUBJECT), airflow.store() as store:
        airflow.alerts(store).recovered("")
