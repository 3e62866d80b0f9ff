"""Whether the source is in reach, found out in a process of its own: exit code 1 and one sentence if not."""

from __future__ import annotations

import sys

from ashare.errors import AshareError


def main() -> int:
    """Run with the environment of the stack."""
    from ashare.steps import check_source
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
