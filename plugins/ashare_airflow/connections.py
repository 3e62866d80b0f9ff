"""Airflow's connections as this package's database, source and alert addresses."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ashare.connection import EXAMPLE, with_time_limit
from ashare.connection_variables import ALERTS_CONNECTION, STORE_CONNECTION, ConnectionFields, variable_of
from ashare.environment import Environment, alert_addresses
from ashare.errors import InvalidInput
from ashare.store import IdleStores, Store

if TYPE_CHECKING:
    import psycopg
    from airflow.sdk import Connection

PARTS = ("conn_id", "conn_type", "host", "login", "password", "schema", "port")
"""The fields of a connection, beside its extra."""

_idle_stores = IdleStores()


class AirflowConnections(Environment):
    """Connections from environment variables, a secrets backend or Airflow's database."""

    def fields(self, connection_id: str, example: str) -> ConnectionFields:
        """The fields of a connection; ``example`` is a value of its environment variable, for the error message."""
        connection = _connection(connection_id, example)
        return ConnectionFields(
            host=connection.host or "",
            port=connection.port,
            login=connection.login or "",
            password=connection.password or "",
            schema=connection.schema or "",
            extra=connection.extra_dejson,
        )

    def connector(self) -> Callable[[], psycopg.Connection[Any]]:
        """A function that opens connections to the database of ``ashare_postgres`` by Airflow's hook."""
        return _connector(_connection(STORE_CONNECTION, EXAMPLE))

    def alert_addresses(self) -> list[str]:
        """The addresses of the connection ``ashare_alerts``; empty without the connection."""
        from airflow.sdk import Connection
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            return alert_addresses(Connection.get(ALERTS_CONNECTION).password)
        except AirflowNotFoundException:
            if os.environ.get(variable_of(ALERTS_CONNECTION)):  # malformed: Airflow ignores the variable
                return alert_addresses(None)
            return []


@contextmanager
def lent_store() -> Iterator[Store]:
    """The database of the connection ``ashare_postgres``, for one reading of many in this process.

    :raises InvalidInput: the connection is not set.
    """
    connection = _connection(STORE_CONNECTION, EXAMPLE)
    key = (*(getattr(connection, name) for name in PARTS), json.dumps(connection.extra_dejson))
    with _idle_stores.lend(key, lambda: Store(_connector(connection))) as lent:
        yield lent


async def store_and_addresses() -> tuple[Store, list[str]] | None:
    """Database and alert addresses, read without blocking the triggerer's event loop; ``None``: alerts are off.

    :raises InvalidInput: the connection ``ashare_alerts`` holds no address.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        addresses = alert_addresses((await Connection.async_get(ALERTS_CONNECTION)).password)
    except AirflowNotFoundException:
        return None
    return Store(_connector(await Connection.async_get(STORE_CONNECTION))), addresses


def _connector(connection: Connection) -> Callable[[], psycopg.Connection[Any]]:
    """A function that opens a connection to the database by Airflow's hook; rows are tuples."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from psycopg.rows import tuple_row

    given = _with_time_limit(connection)

    def connect() -> psycopg.Connection[Any]:
        opened: Any = PostgresHook(connection=given).get_conn()
        opened.row_factory = tuple_row
        return opened  # type: ignore[no-any-return]

    return connect


def _with_time_limit(connection: Connection) -> Connection:
    """The connection with libpq's ``connect_timeout``, unless its extra or ``PGCONNECT_TIMEOUT`` sets one."""
    # The class is the task SDK's, or Airflow's ORM model if the API server read the connection from its database.
    given = {name: getattr(connection, name) for name in PARTS}
    return type(connection)(**given, extra=json.dumps(with_time_limit(connection.extra_dejson)))


def _connection(connection_id: str, example: str) -> Connection:
    """Airflow's connection.

    :raises InvalidInput: the connection is not set.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found: Connection = Connection.get(connection_id)
    except AirflowNotFoundException:
        raise InvalidInput(
            f"The Airflow connection {connection_id!r} is not set, or not readable: set "
            f"{variable_of(connection_id)}, for example to {example}, or add it under Admin > Connections."
        ) from None
    return found
