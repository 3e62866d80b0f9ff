"""Checks in a process of its own that the source is reachable. If not: exit code 1, and a sentence on stdout."""

from __future__ import annotations

import sys

from ashare.errors import AshareError


def main() -> int:
    """Run in the stack's environment.

    :returns: the exit code.
    """
    from ashare.sync import check_source
    from ashare_airflow.airflow_environment import AirflowEnvironment

    environment = AirflowEnvironment()
    try:
        with environment.store() as store:
            check_source(store, environment.source_config(), who="make up")
    except AshareError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
