"""The environment of the command ``ashare`` where Airflow is installed: Airflow's connections and its pool."""

from __future__ import annotations

import os
from importlib.util import find_spec

from ashare.connection import CONNECT_SECONDS
from ashare_airflow.connections import AirflowConnections
from ashare_airflow.pool import AirflowPool


class AirflowEnvironment(AirflowConnections):
    """Airflow's connections and pool for a command, which makes one of it.

    :raises ModuleNotFoundError: Airflow is not installed.
    """

    pool = AirflowPool()

    def __init__(self) -> None:
        if find_spec("airflow") is None:
            raise ModuleNotFoundError("Airflow is not installed", name="airflow")
        # Airflow's own commands set it, too. Without it, connections added in the UI are not found.
        os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
        # Airflow's own database may be down, too: limit the time to connect.
        os.environ.setdefault("PGCONNECT_TIMEOUT", CONNECT_SECONDS)
