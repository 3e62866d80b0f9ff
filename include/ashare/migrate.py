"""``python -m ashare.migrate``: the schema ``ashare`` brought up to date, and the pool made if there is none.

What an Airflow needs once before its first run, and after each update. Safe at any time, and from several processes
at once. Exit code 1, with a sentence, when it cannot be done.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress

from ashare.connection import CONNECT_SECONDS
from ashare.errors import AshareError
from ashare.settings import POOL, POOL_SLOTS


def main() -> int:
    """Say what was done; the exit code."""
    from ashare_airflow.bridge import make_pool, read_connections_outside_of_a_task, store

    logging.disable(logging.INFO)  # said here
    os.environ.setdefault("PGCONNECT_TIMEOUT", CONNECT_SECONDS)
    try:
        with suppress(AshareError):  # what is lacking is said by whatever needs it
            read_connections_outside_of_a_task()
        with store() as opened:
            applied = opened.migrate()
            version, where = opened.version()
        done = ", ".join(applied) or "nothing to do"
        sys.stdout.write(f"The schema ashare in {where} is at version {version}: {done}.\n")
        said = f"is made, with {POOL_SLOTS} slots" if make_pool() else "is there"
        sys.stdout.write(f"The pool {POOL} {said}.\n")
    except AshareError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
