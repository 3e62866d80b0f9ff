"""Where the database is: Airflow's connection in the environment, read without importing Airflow (seconds)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ashare.connection_variables import STORE_CONNECTION, ConnectionFields, parse_connection, variable_of
from ashare.errors import InvalidInput, StoreUnavailable
from ashare.store.database import LOCK_SECONDS, as_ashare_error, one_line
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

POSTGRES_VARIABLE = variable_of(STORE_CONNECTION)
NOTHING_READ = "nothing was read"
EXAMPLE = "postgresql://user:password@host:5432/ashare"
CONNECT_SECONDS = "10"
"""For libpq, which otherwise waits for minutes for a database host that does not answer."""

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
"""libpq's keywords by its environment variables."""


@contextmanager
def connected(connection: str | psycopg.Connection[Any] | None = None) -> Iterator[psycopg.Connection[Any]]:
    """A connection to read the schema ``ashare`` over.

    :param connection: an open connection, which is left as it was; or libpq's string or URI of one that is opened,
        read only, and closed at the end; ``None``: what ``AIRFLOW_CONN_ASHARE_POSTGRES`` says.
    :raises InvalidInput: nothing is given, or it is not well-formed.
    :raises StoreUnavailable: PostgreSQL cannot be reached or refuses; the text never holds a password.
    """
    import psycopg

    if isinstance(connection, psycopg.Connection):
        yield connection
        return
    if not isinstance(connection, str | None):
        raise InvalidInput(
            f"{type(connection).__name__} is no connection: give libpq's string or URI, for example {EXAMPLE}, or "
            "an open psycopg connection."
        )
    opened = _open(_of_environment() if connection is None else _of_string(connection))
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def reading(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Read within a transaction, or a part of the one that is open, of which nothing stays.

    :raises InvalidInput: the database has no schema ``ashare``, or the user no right to read it.
    :raises StoreUnavailable: the database went away or refuses, or others keep the tables locked.
    """
    import psycopg

    try:
        # Rolled back, as settings that are local to a transaction outlive a part of it that is committed.
        with connection.transaction(force_rollback=True):
            connection.execute(queries("read")["settings"], {"lock_timeout": f"{LOCK_SECONDS:g}s"})
            yield
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.InvalidSchemaName,
    ) as error:
        raise InvalidInput(
            f"The database {connection.info.dbname} lacks what is read ({error.diag.message_primary}): check that it "
            "is the right one; the first task of each run makes the schema ashare and brings it up to date."
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise InvalidInput(
            f"The database user {connection.info.user} may not read the schema ashare "
            f"({error.diag.message_primary}): grant it USAGE and SELECT."
        ) from error
    except (psycopg.Error, UnicodeError) as error:
        raise as_ashare_error(error, connection, LOCK_SECONDS, what=NOTHING_READ) from error


def _open(parameters: dict[str, Any]) -> psycopg.Connection[Any]:
    import psycopg

    try:
        opened: psycopg.Connection[Any] = psycopg.connect(
            **{
                "connect_timeout": CONNECT_SECONDS,
                "fallback_application_name": "ashare: reading",
                **parameters,
                "client_encoding": "UTF8",
            }
        )
    except psycopg.OperationalError as error:
        raise StoreUnavailable(
            f"The database cannot be reached ({one_line(error)}): check that it runs, and {POSTGRES_VARIABLE} or the "
            "connection that was given."
        ) from None
    opened.read_only = True
    return opened


def _of_environment() -> dict[str, str]:
    value = os.environ.get(POSTGRES_VARIABLE, "").strip()
    if not value:
        raise InvalidInput(
            f"No database is named: set {POSTGRES_VARIABLE} (`. .airflow/env.sh` does, after `make up`), or give the "
            f"connection, for example {EXAMPLE}."
        )
    return {PARAMETERS[variable]: text for variable, text in libpq_env(POSTGRES_VARIABLE, value).items()}


def _of_string(text: str) -> dict[str, Any]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parameters = conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        parameters = {"port": "none"}
    # libpq takes the rest of a password with an unescaped @, / or : for the host or the port, and names it.
    odd_port = not str(parameters.get("port", "0")).replace(",", "").isdigit()
    if odd_port or "@" in str(parameters.get("host", "")):
        raise InvalidInput(
            f"The connection is not well-formed: write {EXAMPLE}, with @, /, : and % in the password as "
            "%40, %2F, %3A and %25, or give an open psycopg connection."
        )
    return parameters


def libpq_env(name: str, value: str) -> dict[str, str]:
    """The variables with which ``psql`` and psycopg reach the PostgreSQL of an Airflow connection.

    ``value`` is Airflow's JSON or URI form; ``name`` is the variable it came from.

    :raises InvalidInput: it is neither.
    """
    given = parse_connection(name, value)
    if given.scheme and not given.scheme.startswith("postgres"):
        raise InvalidInput(
            f"{name} is not a PostgreSQL connection: write postgresql://user:password@host:5432/database."
        )
    return libpq_env_of(given)


def libpq_env_of(fields: ConnectionFields) -> dict[str, str]:
    """The variables with which ``psql`` and psycopg reach the PostgreSQL of a connection."""
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
    """libpq's connection string of a connection. It holds the password."""
    from psycopg.conninfo import make_conninfo

    return make_conninfo(**{PARAMETERS[variable]: text for variable, text in libpq_env_of(fields).items()})
