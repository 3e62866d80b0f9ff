"""``python -m ashare_airflow``: the command ``ashare``, for a package that is mounted, not installed."""

from __future__ import annotations

import sys

from ashare.command import main
from ashare_airflow.airflow_environment import AirflowEnvironment

if __name__ == "__main__":
    sys.exit(main(environment=AirflowEnvironment()))
