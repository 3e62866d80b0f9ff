"""``ashare migrate``: migrate the schema ``ashare``, and create Airflow's pool if it does not exist.

Run it once before the first run, and after each update. The command is idempotent, and safe at any time and from
several processes at once.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from ashare.environment import Environment
from ashare.settings import POOL, POOL_SLOTS

DESCRIPTION = """\
Make the schema ashare in the database of the connection ashare_postgres, or bring it up to date; with Airflow, make
the pool baostock if there is none. Bars are never touched. Needed once before the first run, and after each update.
"""


def main(arguments: Sequence[str], environment: Environment) -> int:
    """Migrate and print what was done; return the exit code."""
    argparse.ArgumentParser(prog="ashare migrate", description=DESCRIPTION).parse_args(arguments)
    logging.disable(logging.INFO)  # the lines below say the same
    with environment.store() as store:
        applied = store.migrate()
        server = store.health.server()
    done = ", ".join(applied) or "nothing to do"
    place = f"{server.database} at {server.host or 'localhost'}"
    sys.stdout.write(f"The schema ashare in {place} is at version {server.schema_version}: {done}.\n")
    if environment.pool is not None:
        state = f"is made, with {POOL_SLOTS} slots" if environment.pool.make() else "is there"
        sys.stdout.write(f"The pool {POOL} {state}.\n")
    return 0
