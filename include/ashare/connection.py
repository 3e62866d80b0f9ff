"""Where the database is: Airflow's connection in the environment, read without importing Airflow (seconds)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ashare.errors import InvalidInput, StoreUnavailable
from ashare.store.database import LOCK_SECONDS, one_line, told
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

POSTGRES_VARIABLE = "AIRFLOW_CONN_ASHARE_POSTGRES"
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
        raise told(error, connection, LOCK_SECONDS, what=NOTHING_READ) from error


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
        query = dict(parse_qsl(parts.query))
        extra = dict(json.loads(query.get("__extra__", "{}")))
    except (ValueError, TypeError):
        parts, port, query, extra = urlsplit(""), None, {}, {}
    if not parts.scheme.startswith("postgres"):
        raise InvalidInput(
            f"{name} is not a PostgreSQL connection: write postgresql://user:password@host:5432/database."
        )
    return {
        **extra,
        **query,
        "host": unquote(parts.hostname or "") or query.get("host"),
        "port": port or query.get("port"),
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "schema": unquote(parts.path.lstrip("/")),
    }
