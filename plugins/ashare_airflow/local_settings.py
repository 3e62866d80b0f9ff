"""What each `airflow` process does at its start, before the command line is parsed. Keep it tiny."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from contextlib import suppress

# Airflow's own, printed into standard output, before the JSON of `-o json`: by every command that reads an
# .airflowignore, and by every `airflow dags ...` where graphviz is not installed.
for _message in ("GitWildMatchPattern", "Could not import graphviz"):
    warnings.filterwarnings("ignore", message=_message)

_command = sys.argv[1] if len(sys.argv) > 1 else ""

if _command == "dags" or "_ARGCOMPLETE" in os.environ:
    from ashare_airflow.cli.definition import add_backfill_command

    add_backfill_command()

if _command in ("scheduler", "celery"):
    # Task processes are forked from these: what is imported here is not imported again by each task. First what the
    # DAG files import, then what their tasks do.
    for _module in (
        "airflow.providers.standard.decorators.python",
        "ashare_airflow.schedule.sensor",
        "ashare_airflow.context",
        "ashare.alerts",
        "ashare.metrics",
        "airflow.providers.postgres.hooks.postgres",
        "psycopg",
        "baostock",
        "pandas",
    ):
        with suppress(Exception):  # the task that needs it will say so; the scheduler goes on with all others
            importlib.import_module(_module)
