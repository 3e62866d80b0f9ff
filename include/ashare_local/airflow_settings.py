"""The environment of a stack's Airflow: its ``AIRFLOW__...`` settings, and the paths to code and programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ashare_local import PROJECT
from ashare_local.ports import free_port
from ashare_local.state_directory import Secrets, write_private

PYTHON_BIN = Path(sys.executable).parent
JOB_SCHEDULE = "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE"

DEFAULTS = {
    "AIRFLOW__CORE__PARALLELISM": "16",  # more than the pool's eight slots: other tasks run while eight wait
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__API__EXPOSE_CONFIG": "False",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    # Tasks that were running when the stack was killed start again half a minute after its next start.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
    # If a task's sockets close before the task ends, its supervisor polls again after this pause (default: 5 s).
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}
"""Default settings. An ``AIRFLOW__...`` variable of the caller overrides them."""


@dataclass(frozen=True)
class AirflowSettings:
    """The settings of a stack's Airflow.

    :ivar home: Airflow's directory, with its logs.
    :ivar port: the API server's port, at ``localhost``.
    :ivar database: the SQLAlchemy URL of Airflow's database.
    :ivar users: the UI's users: name to role.
    :ivar scheduled: True: DAGs run by their schedule. False: DAGs run only on request.
    """

    home: Path
    port: int
    database: str
    secrets: Secrets
    dags_folder: Path
    plugins_folder: Path
    users: Mapping[str, str]
    scheduled: bool = True

    @property
    def import_path(self) -> str:
        """The value of ``PYTHONPATH``."""
        return os.pathsep.join([str(PROJECT / "include"), str(self.plugins_folder)])

    def _write_passwords(self) -> Path:
        """Write the file of the UI's passwords and return its path. All users have the same password."""
        path = self.home.with_name("passwords.json")
        write_private(path, json.dumps(dict.fromkeys(self.users, self.secrets["password"])))
        return path

    def environment(self, caller: Mapping[str, str]) -> dict[str, str]:
        """The environment of Airflow's processes. Also writes the file of the UI's passwords.

        :param caller: the environment in which the stack is started.
        """
        logs = self.home / "logs"
        fixed = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW_CONFIG": str(self.home / "airflow.cfg"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_folder),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.plugins_folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "AIRFLOW__CORE__FERNET_KEY": self.secrets["fernet_key"],
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(":".join(user) for user in self.users.items()),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._write_passwords()),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": self.database,
            "AIRFLOW__API__BASE_URL": f"http://localhost:{self.port}",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": self.secrets["api_secret_key"],
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secrets["jwt_secret"],
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(logs),
            "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(logs / "dag_processor"),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "PYTHONPATH": self.import_path,
            "PATH": f"{PYTHON_BIN}{os.pathsep}{caller.get('PATH', os.defpath)}",
        }
        if not self.scheduled:
            fixed[JOB_SCHEDULE] = "False"
        return DEFAULTS | dict(caller) | fixed | _no_proxy_to_this_machine(caller)


def _no_proxy_to_this_machine(caller: Mapping[str, str]) -> dict[str, str]:
    """Variables that make tasks connect to the API server on this machine directly, never through a proxy."""
    if sys.platform == "darwin":
        # On macOS, looking up the system's proxies after a fork kills the process.
        return {"NO_PROXY": "*", "no_proxy": "*", "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}
    listed = caller.get("no_proxy") or caller.get("NO_PROXY") or ""
    both = ",".join(part for part in (listed, "localhost,127.0.0.1") if part)
    return {"NO_PROXY": both, "no_proxy": both}
