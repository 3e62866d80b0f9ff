"""Converts an Airflow connection to libpq's environment variables and connection string, without Airflow."""

from __future__ import annotations

from ashare.connection_variables import STORE_CONNECTION, ConnectionFields, parse_connection, variable_of
from ashare.errors import InvalidInput

POSTGRES_VARIABLE = variable_of(STORE_CONNECTION)
EXAMPLE = "postgresql://user:password@host:5432/ashare"
CONNECT_SECONDS = "10"
"""libpq's connect timeout. Without it, libpq waits for minutes for a database host that does not answer."""

LIBPQ_EXTRAS = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
PARAMETERS = {
    "PGHOST": "host",
    "PGPORT": "port",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGDATABASE": "dbname",
    **{variable: extra for extra, variable in LIBPQ_EXTRAS.items()},
}
"""libpq's environment variable -> libpq's connection keyword."""


def libpq_env(name: str, value: str) -> dict[str, str]:
    """Environment variables with which ``psql`` and psycopg reach the PostgreSQL of an Airflow connection.

    :param name: the environment variable that holds ``value``, for the error message.
    :param value: the connection in Airflow's JSON or URI form.
    :raises InvalidInput: ``value`` is malformed, or the URI's scheme is not PostgreSQL's.
    """
    return libpq_env_of(postgres_fields(parse_connection(name, value), name))


def postgres_fields(fields: ConnectionFields, name: str) -> ConnectionFields:
    """Return the fields unchanged if they describe a PostgreSQL connection.

    :param name: the environment variable of the connection, for the error message.
    :raises InvalidInput: the URI's scheme is not PostgreSQL's. (A connection in JSON form has no scheme.)
    """
    if fields.scheme and not fields.scheme.startswith("postgres"):
        raise InvalidInput(
            f"{name} is not a PostgreSQL connection: write postgresql://user:password@host:5432/database."
        )
    return fields


def libpq_env_of(fields: ConnectionFields) -> dict[str, str]:
    """Environment variables with which ``psql`` and psycopg reach the PostgreSQL of a connection; no empty ones."""
    env = {
        "PGHOST": fields.host or fields.extra.get("host"),
        "PGPORT": fields.port or fields.extra.get("port"),
        "PGUSER": fields.login,
        "PGPASSWORD": fields.password,
        "PGDATABASE": fields.schema,
    }
    env |= {variable: fields.extra.get(extra) for extra, variable in LIBPQ_EXTRAS.items()}
    return {variable: str(text) for variable, text in env.items() if text not in (None, "")}


def conninfo_of(fields: ConnectionFields) -> str:
    """libpq's connection string for a connection. The string holds the password."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo(**{PARAMETERS[variable]: text for variable, text in libpq_env_of(fields).items()})
