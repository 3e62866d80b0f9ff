"""A script of a test, in an Airflow of its own that knows this package's plugin."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parents[1]
# What `make test-clock` sets: without these variables the script runs at the machine's time.
CLOCK_VARIABLES = ("LD_PRELOAD", "FAKETIME", "DONT_FAKE_MONOTONIC")
SECONDS = 120

# What others wrote and Airflow imports: half of the seconds that a script would take until its first line. Airflow
# itself reads its directory and its settings when it is imported, and is imported by each script.
IMPORTED = """
aiosqlite alembic.command asyncio attrs click croniter cron_descriptor cryptography.fernet dateutil.parser dill
email.mime.multipart fastapi fsspec httpcore httpx importlib_metadata itsdangerous jinja2.sandbox jsonschema libcst
msgspec opentelemetry.sdk.trace.export packaging.requirements pathspec pendulum pluggy psutil pydantic_settings
pygments.lexers rich.console rich.markdown rich.table sqlalchemy.dialects.mysql sqlalchemy.dialects.sqlite
sqlalchemy.ext.asyncio sqlalchemy.ext.associationproxy sqlalchemy.ext.hybrid sqlalchemy.ext.mutable sqlalchemy.orm
structlog tenacity upath uuid6 wcwidth yaml
""".split()

SERVER = """
import importlib, json, os, sys, threading
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
assert threading.active_count() == 1, "A fork would lose these threads."
print("ready", flush=True)
for line in sys.stdin:
    script, sys.argv[1:], home, variables, output = json.loads(line)
    pid = os.fork()
    if pid == 0:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
else:
    sys.exit()
os.chdir(home)
os.environ.clear()
os.environ.update(variables)
for number, file in enumerate([os.devnull, *output]):
    os.dup2(os.open(file, os.O_RDWR), number)
exec(compile(script, "<string>", "exec"))
"""


def run_script(home: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end, with ``home`` as Airflow's directory; an exit code other than 0 fails the test.

    :param variables: added to the environment, which holds the few variables that Airflow needs.
    """
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        **_inherited(),
        **variables,
    }
    done = run_forked(script, *arguments, home=home, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def run_forked(
    script: str, *arguments: str, home: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """As ``python -c script arguments`` in a directory, by a fork of a process that has imported ``IMPORTED``."""
    with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        code = _ask(_server(), [script, arguments, str(home), dict(environment), [out.name, err.name]])
        texts = [Path(file.name).read_text(encoding="utf-8") for file in (out, err)]
    return subprocess.CompletedProcess([sys.executable, "-c", *arguments], code, *texts)


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PYTHONPATH", *CLOCK_VARIABLES) if name in os.environ}


@cache
def _server() -> subprocess.Popen[bytes]:
    """One for each of pytest's processes; it ends when its standard input does."""
    command = [sys.executable, "-c", SERVER, json.dumps(IMPORTED)]
    environment = {"PATH": "/usr/bin:/bin", **_inherited()}
    server = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout and server.stdout.readline() == b"ready\n"
    return server


def _ask(server: subprocess.Popen[bytes], order: object) -> int:
    assert server.stdin and server.stdout
    server.stdin.write(json.dumps(order).encode() + b"\n")
    server.stdin.flush()
    ready, _, _ = select.select([server.stdout], [], [], SECONDS)
    if not ready:
        _server.cache_clear()
        server.kill()
        raise TimeoutError(f"The script has not ended within {SECONDS} seconds.")
    answer = server.stdout.readline()
    assert answer, "The process that is forked has ended: the reason is in its standard error."
    return int(answer)
