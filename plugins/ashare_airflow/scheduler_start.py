"""What the scheduler does once at its start: the pool is made, and the modules of tasks are imported."""

from __future__ import annotations

import importlib
import logging
import sys
from contextlib import suppress

from airflow.listeners import hookimpl

from ashare.errors import StoreUnavailable

log = logging.getLogger(__name__)

# First what the DAG files import, then what their tasks do.
TASK_MODULES = (
    "airflow.providers.standard.decorators.python",
    "ashare_airflow.schedule.sensor",
    "ashare_airflow.context",
    "ashare.alerts",
    "ashare.metrics",
    "airflow.providers.postgres.hooks.postgres",
    "psycopg",
    "baostock",
    "pandas",
)


@hookimpl
def on_starting(component: object) -> None:
    """Airflow calls this for every job and for every task; the scheduler's job is the only one that is meant."""
    if sys.argv[1:2] != ["scheduler"]:
        return
    from airflow.jobs.job import Job

    if isinstance(component, Job):
        _make_pool()
        import_task_modules()


def import_task_modules() -> None:
    """Import what tasks need: a task process that is forked from this one does not import it again."""
    for module in TASK_MODULES:
        with suppress(Exception):  # the task that needs it will say so; the scheduler goes on with all others
            importlib.import_module(module)


def _make_pool() -> None:
    """Or an installation would need one more step: a task in a pool that does not exist is never started."""
    from ashare_airflow.pool import AirflowPool

    try:
        AirflowPool().make()
    except StoreUnavailable as error:
        log.warning("The pool could not be looked for: %s", error)
    except Exception:  # or Airflow would not call the other plugins' listeners of the start
        log.exception("The pool could not be looked for.")
