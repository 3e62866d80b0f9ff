"""Airflow's connections as text for the environment."""

from __future__ import annotations

import json


def baostock_json(host: str, port: int, login: str = "anonymous", password: str = "123456") -> str:
    """A value for ``AIRFLOW_CONN_BAOSTOCK``."""
    fields = {"conn_type": "generic", "host": host, "port": port, "login": login, "password": password}
    return json.dumps(fields)
