"""`airflow dags backfill` by one process that has imported Airflow, and is forked for each command.

To start `airflow` takes seconds. What runs in the fork is the command itself, with its arguments and its environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass

SERVER = """
import json, os, sys, tempfile, traceback
sys.argv = ["airflow", "dags", "backfill"]
import airflow.__main__ as main
import airflow.providers.postgres.hooks.postgres, airflow.serialization.serialized_objects, airflow.utils.db
import alembic.command, ashare_airflow.cli.backfill
from airflow.plugins_manager import get_timetables_plugins
from airflow.providers_manager import ProvidersManager
get_timetables_plugins()
ProvidersManager().initialize_providers_configuration()
for line in sys.stdin:
    arguments, variables = json.loads(line)
    sys.argv = ["airflow", "dags", "backfill", *arguments]
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    pid = os.fork()
    if pid == 0:
        os.dup2(out.fileno(), 1); os.dup2(err.fileno(), 2)
        os.environ.update(variables)
        code = 0
        try:
            main.main()
        except SystemExit as stopped:
            code = stopped.code or 0
        except BaseException:
            traceback.print_exc(); code = 99
        sys.stdout.flush(); sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    texts = []
    for file in (out, err):
        with file:
            file.seek(0)
            texts.append(file.read().decode())
    print(json.dumps([code, *texts]), flush=True)
"""


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


class BackfillCommand:
    """:param environ: of the process, and so of every command."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str, **variables: str) -> Said:
        """Run the command with these arguments to its end.

        :param variables: added to its environment.
        """
        assert self._server.stdin and self._server.stdout
        with self._lock:
            self._server.stdin.write(json.dumps([arguments, variables]) + "\n")
            self._server.stdin.flush()
            # What is printed before the first command is not an answer.
            answer = next(line for line in self._server.stdout if line.startswith("["))
        return Said(*json.loads(answer))

    def stop(self) -> None:
        self._server.communicate(timeout=30)
