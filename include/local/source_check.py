"""Whether the source is in reach, found out in a process of its own: exit code 1 and one sentence if not."""

from __future__ import annotations

import os
import sys

from include.ashare.errors import AshareError


def main() -> int:
    """Run with the environment of the stack."""
    from airflow.models.connection import Connection

    from include.ashare import airflow_bridge
    from include.ashare.steps import check_source

    found = Connection.get_connection_from_secrets("baostock")
    # Outside a task, the task SDK reads connections from the environment only.
    os.environ["AIRFLOW_CONN_BAOSTOCK"] = found.as_json()
    try:
        check_source(airflow_bridge.store(), airflow_bridge.source_config(), who="make up")
    except AshareError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
