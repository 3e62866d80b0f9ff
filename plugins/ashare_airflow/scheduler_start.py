"""Runs once at the scheduler's start: creates the pool, and imports the modules that tasks need."""

from __future__ import annotations

import importlib
import logging
import sys
from contextlib import suppress

from airflow.listeners import hookimpl

from ashare.errors import StoreUnavailable

log = logging.getLogger(__name__)

# Imports of the DAG files first, imports of their tasks after them.
TASK_MODULES = (
    "airflow.providers.standard.decorators.python",
    "ashare_airflow.schedule.sensor",
    "ashare_airflow.context",
    "ashare_airflow.report.asset_events",
    "ashare_airflow.report.run_report",
    "ashare.alerts",
    "ashare.metrics",
    "airflow.providers.postgres.hooks.postgres",
    "psycopg",
    "baostock",
    "pandas",
)


@hookimpl
def on_starting(component: object) -> None:
    """Airflow calls this hook for every job and every task. Only the scheduler's job is handled."""
    if sys.argv[1:2] != ["scheduler"]:
        return
    from airflow.jobs.job import Job

    if isinstance(component, Job):
        _make_pool()
        import_task_modules()


def import_task_modules() -> None:
    """Import the modules that tasks need: task processes forked from this process inherit the modules."""
    for module in TASK_MODULES:
        with suppress(Exception):  # the task that needs the module raises the error
            importlib.import_module(module)


def _make_pool() -> None:
    """Create the pool, to save a step of the installation: a task whose pool does not exist never starts."""
    from ashare_airflow.pool import AirflowPool

    try:
        AirflowPool().make()
    except StoreUnavailable as error:
        log.warning("The pool could not be looked for: %s", error)
    except Exception:  # raised, it would keep Airflow from calling other plugins' listeners
        log.exception("The pool could not be looked for.")
