"""The environment of the command ``ashare`` where Airflow is installed: Airflow's connections and its pool."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ashare.connection import CONNECT_SECONDS
from ashare.environment import Environment
from ashare_airflow import connections
from ashare_airflow.pool import AirflowPool

if TYPE_CHECKING:
    import psycopg

    from ashare.connection_variables import ConnectionFields


class AirflowEnvironment(Environment):
    """Connections from environment variables, a secrets backend or Airflow's database. A command makes one.

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

    def fields(self, connection_id: str, example: str) -> ConnectionFields:
        """The fields of a connection; ``example`` is a value of its environment variable, for the error message."""
        return connections.fields(connection_id, example)

    def connector(self) -> Callable[[], psycopg.Connection[Any]]:
        """A function that opens connections to the database of ``ashare_postgres``."""
        return connections.connector()

    def alert_addresses(self) -> list[str]:
        """The addresses of the connection ``ashare_alerts``; empty without the connection."""
        return connections.alert_addresses()
