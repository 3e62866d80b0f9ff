"""Airflow connections as values of variables, and the mark that tells a stack's own connections from the user's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from ashare.connection import POSTGRES_VARIABLE
from ashare.connection_variables import SOURCE_CONNECTION, variable_of

BAOSTOCK_VARIABLE = variable_of(SOURCE_CONNECTION)
CONNECTIONS = (POSTGRES_VARIABLE, BAOSTOCK_VARIABLE)
MADE_BY = "made by the stack in "


def baostock_json(host: str, port: int, login: str = "anonymous", password: str = "123456") -> str:
    """A value for ``AIRFLOW_CONN_BAOSTOCK``."""
    fields = {"conn_type": "generic", "host": host, "port": port, "login": login, "password": password}
    return json.dumps(fields)


def mark_as_stack_connection(value: str, state_dir: object) -> str:
    """The connection with a description that marks it as made by the stack of ``state_dir``."""
    return json.dumps({**json.loads(value), "description": f"{MADE_BY}{state_dir}"})


def caller_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without connections that a stack has made, which come from an ``env.sh``.

    In a terminal that has read the demo's ``env.sh``, a stack would otherwise take them for the user's own database
    and source, and `make up` would write real bars into the demo's database.
    """
    return {
        name: value
        for name, value in environment.items()
        if not (name in CONNECTIONS and _is_stack_connection(value))
    }


def _is_stack_connection(value: str) -> bool:
    try:
        return str(json.loads(value).get("description", "")).startswith(MADE_BY)
    except (ValueError, AttributeError):
        return False
