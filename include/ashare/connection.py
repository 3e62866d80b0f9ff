"""Converts an Airflow connection to libpq's environment variables and connection keywords, without Airflow."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from ashare.connection_variables import STORE_CONNECTION, ConnectionFields, parse_connection, variable_of
from ashare.errors import InvalidInput

POSTGRES_VARIABLE = variable_of(STORE_CONNECTION)
EXAMPLE = "postgresql://user:password@host:5432/ashare"
is_conninfo = re.compile(r"\s*(postgres(ql)?://|[a-z_]+\s*=)").match
"""Whether a text is libpq's URI or string of keywords; where a lake may be named, any other text is one."""
CONNECT_SECONDS = "10"
"""libpq's connect timeout. Without it, libpq waits for minutes for a database host that does not answer."""

PARAMETERS = {
    "PGHOST": "host",
    "PGPORT": "port",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGDATABASE": "dbname",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGSSLCERT": "sslcert",
    "PGSSLKEY": "sslkey",
    "PGOPTIONS": "options",
    "PGTARGETSESSIONATTRS": "target_session_attrs",
    "PGCONNECT_TIMEOUT": "connect_timeout",
}
"""libpq's environment variable -> libpq's connection keyword."""


def libpq_env(name: str, value: str) -> dict[str, str]:
    """Environment variables with which ``psql`` and psycopg reach the PostgreSQL of an Airflow connection.

    :param name: the environment variable that holds ``value``, for the error message.
    :param value: the connection in Airflow's JSON or URI form.
    :raises InvalidInput: ``value`` is malformed, or the URI's scheme is not PostgreSQL's.
    """
    parameters = parameters_of(parse_connection(name, value))
    return {variable: parameters[keyword] for variable, keyword in PARAMETERS.items() if keyword in parameters}


def parameters_of(fields: ConnectionFields) -> dict[str, str]:
    """libpq's connection keywords for the connection ``ashare_postgres``; no empty ones. They hold the password.

    :raises InvalidInput: the URI's scheme is not PostgreSQL's. (A connection in JSON form has no scheme.)
    """
    if fields.scheme and not fields.scheme.startswith("postgres"):
        raise InvalidInput(
            f"{POSTGRES_VARIABLE} is not a PostgreSQL connection: "
            "write postgresql://user:password@host:5432/database."
        )
    given = {
        **fields.extra,
        "host": fields.host or fields.extra.get("host"),
        "port": fields.port or fields.extra.get("port"),
        "user": fields.login,
        "password": fields.password,
        "dbname": fields.schema,
    }
    return {keyword: str(given[keyword]) for keyword in PARAMETERS.values() if given.get(keyword) not in (None, "")}


def with_time_limit(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with libpq's ``connect_timeout``, unless they or ``PGCONNECT_TIMEOUT`` set one."""
    # A number: of an Airflow connection's extra, Airflow takes every text for a secret.
    limit = {} if "PGCONNECT_TIMEOUT" in os.environ else {"connect_timeout": int(CONNECT_SECONDS)}
    return {**limit, **parameters}
