"""The benchmark's yardstick: a DAG of the same shape as `ashare_daily`, whose tasks do nothing."""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task

from ashare.settings import POOL
from ashare_airflow.defaults import START_DATE
from ashare_airflow.schedule.timetable import TradeDateTimetable


@task(pool=POOL)
def wait() -> None:
    """Nothing."""


@task(pool=POOL)
def plan() -> list[int]:
    """As many batches as `ashare_daily` had on the date, one of them where it is not said."""
    context = get_current_context()
    batches = (context["dag_run"].conf or {}).get("batches", {})
    return list(range(batches.get(context["dag_run"].partition_key, 1)))


@task(pool=POOL)
def fetch(batch: int) -> None:
    """Nothing."""


@task(pool=POOL)
def factors() -> None:
    """Nothing."""


@task(trigger_rule="all_done")
def record() -> None:
    """Nothing."""


@dag(schedule=TradeDateTimetable(), start_date=START_DATE, catchup=False, max_active_runs=8)
def empty_runs() -> None:
    waited, planned, recorded = wait(), plan(), record()
    waited >> planned >> factors() >> recorded
    fetch.expand(batch=planned) >> recorded


empty_runs()
