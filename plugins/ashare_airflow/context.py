"""Turns a task's context into the run that the task works on: of a trade date, or of a range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ashare.datasets import newest_published, newest_week
from ashare.dates import FIRST_TRADE_DATE, SHANGHAI, parse_date, parse_trade_date, parse_week
from ashare.errors import AshareError
from ashare.params import check_names
from ashare.sync import Run
from ashare.sync.history import HistoryRun
from ashare.sync.weeks import WeekRun
from ashare_airflow.connections import AirflowConnections
from ashare_airflow.report.run_metrics import task_measured

if TYPE_CHECKING:
    from airflow.sdk import Context


@contextmanager
def run_of(context: Context) -> Iterator[Run]:
    """Open the run of a task's trade date: migrate the database, measure the task, close the database at the end.

    :raises InvalidInput: the trade date, a param or a connection is wrong.
    """
    dag_run, params = context["dag_run"], _params(context)
    day = trade_date_of(dag_run.partition_key, params.get("trade_date"), dag_run.logical_date, dag_run.run_after)
    task_id, label = context["task_instance"].task_id, f"{_task_label(context)} {day} in {dag_run.run_id}"
    airflow = AirflowConnections()
    with airflow.store() as opened:
        run = Run(
            day,
            store=opened,
            source=airflow.source_config(),
            kinds=tuple(params["kinds"]),
            fetch=params["fetch"],
            batch_size=params["batch_size"],
            verify=params["verify"],
            run_id=dag_run.run_id,
            who=label,
        )
        with run.end_recorded():
            opened.migrate()
        with task_measured(opened, task_id, label), _unexpected_errors_recorded(run):
            yield run


@contextmanager
def week_of(context: Context) -> Iterator[WeekRun]:
    """Open the run of a task's week: migrate the database, measure the task, close the database at the end.

    :raises InvalidInput: the week, a param or a connection is wrong.
    """
    dag_run, params = context["dag_run"], _params(context)
    given = dag_run.partition_key or params.get("week")
    day = parse_week(given) if given else newest_week(dag_run.logical_date or dag_run.run_after)
    task_id, label = context["task_instance"].task_id, f"{_task_label(context)} {day} in {dag_run.run_id}"
    airflow = AirflowConnections()
    with airflow.store() as opened:
        run = WeekRun(
            day,
            wanted=tuple(params["datasets"]),
            store=opened,
            source=airflow.source_config(),
            run_id=dag_run.run_id,
            who=label,
        )
        with run.end_recorded():
            opened.migrate()
        with task_measured(opened, task_id, label), _unexpected_errors_recorded(run):
            yield run


@contextmanager
def _unexpected_errors_recorded(run: Run) -> Iterator[None]:
    """Record an unexpected error in ``sync_status``. The steps record expected ones (``AshareError``)."""
    from airflow.sdk.exceptions import AirflowException

    try:
        yield
    except (AshareError, AirflowException):
        raise
    except Exception:
        with run.end_recorded():
            raise


@contextmanager
def history_of(context: Context) -> Iterator[HistoryRun]:
    """Open the run of a task's range: migrate the database, measure the task, close the database at the end.

    :raises InvalidInput: a date, a param or a connection is wrong.
    """
    dag_run, params = context["dag_run"], _params(context)
    start, end = range_of(params["start_date"], params["end_date"], params["years"], dag_run.run_after)
    task_id, label = context["task_instance"].task_id, f"{_task_label(context)} {start} to {end} in {dag_run.run_id}"
    airflow = AirflowConnections()
    with airflow.store() as opened:
        run = HistoryRun(
            start,
            end,
            store=opened,
            source=airflow.source_config(),
            kinds=tuple(params["kinds"]),
            codes=params["codes"] or None,
            datasets=params["datasets"] or None,
            batch_size=params["batch_size"],
            run_id=dag_run.run_id,
            who=label,
        )
        opened.migrate()
        with task_measured(opened, task_id, label):
            yield run


def _params(context: Context) -> Mapping[str, Any]:
    """The params of a task's run.

    :raises InvalidInput: the run was given a param that its DAG does not have.
    """
    dag = context["dag"]
    check_names(context["dag_run"].conf or (), dag.params, dag.dag_id)
    return context["params"]


def _task_label(context: Context) -> str:
    """The task's name in the request ledger and in messages about locks: its id, and a mapped task's index."""
    instance = context["task_instance"]
    number = instance.map_index
    return instance.task_id if number is None or number < 0 else f"{instance.task_id}[{number}]"


def range_of(start: str | None, end: str | None, years: int, run_after: datetime) -> tuple[date, date]:
    """First and last day of a run's range. Default: the ``years`` years that end the day before ``run_after``.

    No clock is read, so every task of a run gets the same range.

    :raises InvalidInput: ``start`` or ``end`` is not a date.
    """
    last = parse_date(end) if end else run_after.astimezone(SHANGHAI).date() - timedelta(days=1)
    if start:
        return parse_date(start), last
    day = min(last.day, 28) if last.month == 2 else last.day
    first = last.replace(year=last.year - years, day=day) + timedelta(days=1)
    return max(first, FIRST_TRADE_DATE), last


def trade_date_of(
    partition_key: str | None, param: str | None, logical_date: datetime | None, run_after: datetime
) -> date:
    """A run's trade date: its partition key, else its param, else its logical date, else the newest published date.

    The newest published date is the newest weekday whose bars should be out at ``run_after``. No clock is read, so
    every task of a run gets the same date.

    :raises InvalidInput: the partition key or the param is not a trade date.
    """
    if partition_key or param:
        return parse_trade_date(partition_key or param or "")
    if logical_date:
        return logical_date.astimezone(SHANGHAI).date()
    return newest_published(run_after)
