"""`make psql`: a psql prompt on the ashare database. If the embedded server is stopped, it runs until psql ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from ashare.errors import AshareError
from ashare_local import StackError
from ashare_local.ashare_database import ashare_database
from ashare_local.postgres import PostgresError, bin_dir
from ashare_local.terminal import errors


def main(arguments: Sequence[str]) -> int:
    """Run ``psql`` with these arguments and return its exit code."""
    try:
        with ashare_database() as libpq:
            return _psql(libpq, arguments)
    except (AshareError, PostgresError, StackError) as error:
        errors.print(str(error), markup=False)
        return 1


def _psql(libpq: Mapping[str, str], arguments: Sequence[str]) -> int:
    # Ctrl-C at the prompt cancels a query: psql handles the signal, this process ignores it.
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
