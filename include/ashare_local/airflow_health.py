"""Whether the Airflow of a stack is ready: its API server, its scheduler, its DAGs."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from ashare_local import StackError
from ashare_local.postgres import EmbeddedPostgres


class AirflowHealth:
    """The state of an Airflow on this machine.

    :param port: the API server's port.
    :param postgres: the server with Airflow's database ``airflow``.
    """

    def __init__(self, port: int, postgres: EmbeddedPostgres) -> None:
        self._port = port
        self._postgres = postgres

    def has_api_server(self) -> bool:
        """Whether the API server answers."""
        return bool(self._components())

    def is_healthy(self) -> bool:
        """Whether the scheduler and the DAG processor send heartbeats. The triggerer may start later."""
        components = self._components()
        return all(components.get(name, {}).get("status") == "healthy" for name in ("scheduler", "dag_processor"))

    def has_dag(self, dag_id: str) -> bool:
        """Whether the DAG processor has parsed and serialized a DAG.

        :raises StackError: a DAG file cannot be imported.
        """
        with self._postgres.connect("airflow") as connection:
            broken = connection.execute("SELECT filename, stacktrace FROM import_error LIMIT 1").fetchone()
            if broken:
                raise StackError(f"The DAG file {broken[0]} cannot be imported.\n{broken[1]}")
            query = "SELECT 1 FROM dag JOIN serialized_dag USING (dag_id) WHERE dag_id = %s AND NOT is_stale LIMIT 1"
            return connection.execute(query, (dag_id,)).fetchone() is not None

    def get(self, path: str, seconds: float) -> dict[str, Any]:
        """The API server's JSON reply; an empty dict if there is no valid reply within ``seconds``."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"http://127.0.0.1:{self._port}{path}", timeout=seconds) as reply:
                return dict(json.load(reply))
        except (OSError, ValueError):
            return {}

    def _components(self) -> dict[str, dict[str, Any]]:
        return self.get("/api/v2/monitor/health", 5)
