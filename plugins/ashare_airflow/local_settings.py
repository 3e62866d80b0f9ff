"""What each `airflow` process does at its start, before the command line is parsed. Keep it tiny."""

from __future__ import annotations

import os
import sys
import warnings

# Airflow's own, printed into standard output, before the JSON of `-o json`: by every command that reads an
# .airflowignore, and by every `airflow dags ...` where graphviz is not installed.
for _message in ("GitWildMatchPattern", "Could not import graphviz"):
    warnings.filterwarnings("ignore", message=_message)

_command = sys.argv[1] if len(sys.argv) > 1 else ""

if _command == "dags" or "_ARGCOMPLETE" in os.environ:
    from ashare_airflow.cli.definition import add_backfill_command

    add_backfill_command()

if _command == "celery":  # a worker, which Airflow tells no listener of; of a scheduler it does
    from ashare_airflow.scheduler_start import import_task_modules

    import_task_modules()
