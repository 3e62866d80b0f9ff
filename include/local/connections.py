"""Airflow connections in the environment, read without importing Airflow (which takes seconds)."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, unquote, urlsplit

from include.ashare.errors import InvalidInput

LIBPQ_EXTRAS = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}


def baostock_json(host: str, port: int, login: str = "anonymous", password: str = "123456") -> str:
    """A value for ``AIRFLOW_CONN_BAOSTOCK``."""
    fields = {"conn_type": "generic", "host": host, "port": port, "login": login, "password": password}
    return json.dumps(fields)


def libpq_env(name: str, value: str) -> dict[str, str]:
    """The variables with which ``psql`` and psycopg reach the PostgreSQL of an Airflow connection.

    ``value`` is Airflow's JSON or URI form; ``name`` is the variable it came from.

    :raises InvalidInput: it is neither.
    """
    fields = _from_json(name, value) if value.lstrip().startswith("{") else _from_uri(name, value)
    env = {
        "PGHOST": fields.get("host"),
        "PGPORT": fields.get("port"),
        "PGUSER": fields.get("login"),
        "PGPASSWORD": fields.get("password"),
        "PGDATABASE": fields.get("schema"),
    }
    env |= {variable: fields.get(extra) for extra, variable in LIBPQ_EXTRAS.items()}
    return {variable: str(text) for variable, text in env.items() if text not in (None, "")}


def _from_json(name: str, value: str) -> dict[str, object]:
    try:
        fields = json.loads(value)
        extra = fields.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
        return {**extra, **fields}
    except (ValueError, TypeError, AttributeError):
        raise InvalidInput(f"{name} is not valid JSON: write it as Airflow's connection JSON or as a URI.") from None


def _from_uri(name: str, value: str) -> dict[str, object]:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.scheme.startswith("postgres"):
        raise InvalidInput(
            f"{name} is not a PostgreSQL connection: write postgresql://user:password@host:5432/database."
        )
    query = dict(parse_qsl(parts.query))
    extra = json.loads(query["__extra__"]) if "__extra__" in query else {}
    return {
        **extra,
        **query,
        "host": unquote(parts.hostname or "") or query.get("host"),
        "port": port or query.get("port"),
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "schema": parts.path.lstrip("/"),
    }
