"""Connections of users who read the schema ``ashare``; nothing is written over these connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ashare.connection import EXAMPLE, POSTGRES_VARIABLE, parameters_of, with_time_limit
from ashare.connection_variables import STORE_CONNECTION, read_connection
from ashare.errors import InvalidInput, StoreUnavailable
from ashare.store.database import LOCK_SECONDS, as_ashare_error, one_line
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

NOTHING_READ = "nothing was read"


@contextmanager
def read_only_connection(
    connection: str | psycopg.Connection[Any] | None = None,
) -> Iterator[psycopg.Connection[Any]]:
    """A connection for reading the schema ``ashare``.

    :param connection: an open connection, which is left as it is; or libpq's string or URI, for a read-only
        connection that is closed at the end, each of whose transactions reads one snapshot; ``None``: the value of
        ``AIRFLOW_CONN_ASHARE_POSTGRES``.
    :raises InvalidInput: no connection is given, or it is not well-formed.
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
def read_transaction(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Run the block in a transaction (in a savepoint, if one is open), and roll it back at the end.

    :raises InvalidInput: the database has no schema ``ashare``, or the user no right to read it.
    :raises StoreUnavailable: the database went away or refuses, or other sessions lock the tables for too long.
    """
    import psycopg

    try:
        # Rolled back, as settings that are local to a transaction outlive a released savepoint.
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
                "fallback_application_name": "ashare: reading",
                **with_time_limit(parameters),
                "client_encoding": "UTF8",
            }
        )
    except psycopg.OperationalError as error:
        raise StoreUnavailable(
            f"The database cannot be reached ({one_line(error)}): check that it runs, and {POSTGRES_VARIABLE} or the "
            "connection that was given."
        ) from None
    opened.read_only = True
    opened.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return opened


def _of_environment() -> dict[str, str]:
    if fields := read_connection(STORE_CONNECTION):
        return parameters_of(fields)
    raise InvalidInput(
        f"No database is named: set {POSTGRES_VARIABLE} (`. .airflow/env.sh` does, after `make up`), or give the "
        f"connection, for example {EXAMPLE}."
    )


def _of_string(text: str) -> dict[str, Any]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parameters = conninfo_to_dict(text)
    except psycopg.ProgrammingError:
        parameters = {"port": "none"}
    # If a password has an unescaped @, / or :, libpq takes its rest for the host or port, and names it in errors.
    odd_port = not str(parameters.get("port", "0")).replace(",", "").isdigit()
    if odd_port or "@" in str(parameters.get("host", "")):
        raise InvalidInput(
            f"The connection is not well-formed: write {EXAMPLE}, with @, /, : and % in the password as "
            "%40, %2F, %3A and %25, or give an open psycopg connection."
        )
    return parameters
