"""`make psql`: a psql prompt on the ashare database; an embedded server that does not run runs for as long."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from include.ashare.connection import POSTGRES_VARIABLE, libpq_env
from include.ashare.errors import AshareError
from include.local.postgres import EmbeddedPostgres, PostgresError, bin_dir, running_server
from include.local.stack import StackError, claim
from include.local.terminal import demo_dir, errors, shown, state_dir, wants_demo


def main(arguments: Sequence[str]) -> int:
    """Run ``psql`` with these arguments; its exit code."""
    try:
        if given := os.environ.get(POSTGRES_VARIABLE):
            return _psql(libpq_env(POSTGRES_VARIABLE, given), arguments)
        return _on_embedded(arguments)
    except (AshareError, PostgresError, StackError) as error:
        errors.print(str(error), markup=False)
        return 1


def _on_embedded(arguments: Sequence[str]) -> int:
    directory = demo_dir() if wants_demo() else state_dir()
    postgres = EmbeddedPostgres(directory / "postgres")
    if not (directory / "postgres" / "data").exists():
        first = "make demo" if wants_demo() else "make up"
        raise StackError(f"There is no database in {shown(directory)} yet: run `{first}` first.")
    if running_server(directory / "postgres"):
        return _psql(postgres.libpq_env("ashare"), arguments)
    # Held, so that a `make up` meanwhile does not lose its database when this prompt is closed.
    with claim(directory), postgres:
        return _psql(postgres.libpq_env("ashare"), arguments)


def _psql(libpq: Mapping[str, str], arguments: Sequence[str]) -> int:
    # Ctrl-C at the prompt cancels a query; it is psql's, not ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = shutil.which("psql") or str(bin_dir() / "psql")
    with subprocess.Popen(
        [program, *arguments],
        env={**os.environ, **libpq},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
