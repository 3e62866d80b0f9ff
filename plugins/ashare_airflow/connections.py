"""Airflow's connections as this package's database, source and alert addresses."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ashare import environment
from ashare.connection import EXAMPLE, with_time_limit
from ashare.connection_variables import (
    ALERTS_CONNECTION,
    SOURCE_CONNECTION,
    STORE_CONNECTION,
    ConnectionFields,
    variable_of,
)
from ashare.errors import InvalidInput
from ashare.store import IdleStores, Store

if TYPE_CHECKING:
    import psycopg
    from airflow.sdk import Connection

    from ashare.source import SourceConfig

PARTS = ("conn_id", "conn_type", "host", "login", "password", "schema", "port")
"""The fields of a connection, beside its extra."""

_idle_stores = IdleStores()


def source_config() -> SourceConfig:
    """The source that the connection ``baostock`` names.

    :raises InvalidInput: the connection is not set, or a setting is wrong.
    """
    return environment.source_config(fields(SOURCE_CONNECTION, environment.SOURCE_EXAMPLE))


def store(connection: Connection | None = None) -> Store:
    """The database of the connection ``ashare_postgres``.

    :raises InvalidInput: the connection is not set.
    """
    return Store(connector(connection))


@contextmanager
def lent_store() -> Iterator[Store]:
    """The database of the connection ``ashare_postgres``, for one reading of many in this process.

    :raises InvalidInput: the connection is not set.
    """
    connection = _connection(STORE_CONNECTION, EXAMPLE)
    key = (*(getattr(connection, name) for name in PARTS), json.dumps(connection.extra_dejson))
    with _idle_stores.lend(key, lambda: store(connection)) as lent:
        yield lent


def connector(connection: Connection | None = None) -> Callable[[], psycopg.Connection[Any]]:
    """A function that opens connections to the database of ``ashare_postgres`` by Airflow's hook; rows are tuples.

    :raises InvalidInput: the connection is not set.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from psycopg.rows import tuple_row

    given = _with_time_limit(connection or _connection(STORE_CONNECTION, EXAMPLE))

    def connect() -> psycopg.Connection[Any]:
        opened: Any = PostgresHook(connection=given).get_conn()
        opened.row_factory = tuple_row
        return opened  # type: ignore[no-any-return]

    return connect


def fields(connection_id: str, example: str) -> ConnectionFields:
    """The fields of a connection.

    :param example: a value of its environment variable, for the error message.
    :raises InvalidInput: the connection is not set.
    """
    connection = _connection(connection_id, example)
    return ConnectionFields(
        host=connection.host or "",
        port=connection.port,
        login=connection.login or "",
        password=connection.password or "",
        schema=connection.schema or "",
        extra=connection.extra_dejson,
    )


def _with_time_limit(connection: Connection) -> Connection:
    """The connection with libpq's ``connect_timeout``, unless its extra or ``PGCONNECT_TIMEOUT`` sets one."""
    # The class is the task SDK's, or Airflow's ORM model if the API server read the connection from its database.
    given = {name: getattr(connection, name) for name in PARTS}
    return type(connection)(**given, extra=json.dumps(with_time_limit(connection.extra_dejson)))


def alert_addresses() -> list[str]:
    """Apprise's addresses, from the password of the connection ``ashare_alerts``.

    :returns: the addresses; empty without the connection: alerts are off.
    :raises InvalidInput: the connection exists, but holds no address.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return environment.alert_addresses(Connection.get(ALERTS_CONNECTION).password)
    except AirflowNotFoundException:
        if os.environ.get(variable_of(ALERTS_CONNECTION)):  # malformed: Airflow ignores the variable
            return environment.alert_addresses(None)
        return []


async def store_and_addresses() -> tuple[Store, list[str]] | None:
    """Database and alert addresses, read without blocking the triggerer's event loop; ``None``: alerts are off.

    :raises InvalidInput: the connection ``ashare_alerts`` holds no address.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        addresses = environment.alert_addresses((await Connection.async_get(ALERTS_CONNECTION)).password)
    except AirflowNotFoundException:
        return None
    return store(await Connection.async_get(STORE_CONNECTION)), addresses


def _connection(connection_id: str, example: str) -> Connection:
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
