"""Runs at the start of each `airflow` process, before the command line is parsed. Keep this module tiny."""

from __future__ import annotations

import os
import sys
import warnings

# Two warnings of Airflow, which go to standard output before the JSON of `-o json`. Every command that reads an
# .airflowignore prints the first. Every `airflow dags ...` without graphviz installed prints the second.
for _message in ("GitWildMatchPattern", "Could not import graphviz"):
    warnings.filterwarnings("ignore", message=_message)

_command = sys.argv[1] if len(sys.argv) > 1 else ""

if _command == "dags" or "_ARGCOMPLETE" in os.environ:
    from ashare_airflow.cli.definition import add_backfill_command

    add_backfill_command()

if _command == "celery":  # Airflow calls no listener at a Celery worker's start
    from ashare_airflow.scheduler_start import import_task_modules

    import_task_modules()
