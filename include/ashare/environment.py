"""What a command depends on: the database, Baostock, the alerts' addresses, and, with Airflow, the pool."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ashare.connection import EXAMPLE, parameters_of, with_time_limit
from ashare.connection_variables import (
    ALERTS_CONNECTION,
    SOURCE_CONNECTION,
    STORE_CONNECTION,
    ConnectionFields,
    read_connection,
    variable_of,
)
from ashare.errors import AshareError, InvalidInput
from ashare.settings import current_settings
from ashare.source import SourceConfig
from ashare.source.config import PORT, PUBLIC_HOST
from ashare.source.transport import Limits
from ashare.store import Store

if TYPE_CHECKING:
    import psycopg

    from ashare.alerts import Alerts

log = logging.getLogger(__name__)

SOURCE_EXAMPLE = f"baostock://anonymous:123456@{PUBLIC_HOST}:{PORT}"


class Pool(Protocol):
    """Airflow's pool in front of Baostock."""

    def slots(self) -> tuple[int, int] | None:
        """The pool's total slots (negative: unlimited) and taken slots; ``None`` if the pool does not exist."""

    def make(self) -> bool:
        """Create the pool if it does not exist; return whether it was created."""


class Environment:
    """Connections from the environment variables ``AIRFLOW_CONN_*``.

    Each method that reads a connection raises ``InvalidInput`` if the connection is not set or is malformed, or if a
    setting is wrong.

    :ivar pool: Airflow's pool; ``None`` without Airflow.
    """

    pool: Pool | None = None

    def fields(self, connection_id: str, example: str) -> ConnectionFields:
        """The fields of a connection.

        :param example: a value of its environment variable, for the error message.
        """
        if fields := read_connection(connection_id):
            return fields
        variable = variable_of(connection_id)
        raise InvalidInput(f"The connection {connection_id!r} is not set: set {variable}, for example to {example}.")

    def store(self) -> Store:
        """The database of the connection ``ashare_postgres``."""
        return Store(self.connector())

    def connector(self) -> Callable[[], psycopg.Connection[Any]]:
        """A function that opens connections to the database of ``ashare_postgres``."""
        import psycopg

        parameters = with_time_limit(parameters_of(self.fields(STORE_CONNECTION, EXAMPLE)))
        return lambda: psycopg.connect(**parameters)

    def conninfo(self) -> str:
        """libpq's connection string for ``ashare_postgres``. The string holds the password."""
        from psycopg.conninfo import make_conninfo

        return make_conninfo(**parameters_of(self.fields(STORE_CONNECTION, EXAMPLE)))

    def source_config(self) -> SourceConfig:
        """Configuration of Baostock: the connection ``baostock``, and limits from the settings.

        The connection's host, port, login and password are used, and ``api_key`` in its extra.
        """
        fields, settings = self.fields(SOURCE_CONNECTION, SOURCE_EXAMPLE), current_settings()
        given = {"user": fields.login, "password": fields.password}
        return SourceConfig(
            fields.host,
            fields.port or PORT,
            api_key=fields.extra.get("api_key"),
            limits=Limits(settings.connect_timeout, settings.idle_timeout, settings.reply_timeout),
            session_requests=settings.session_requests,
            **{name: value for name, value in given.items() if value},
        )

    def alert_addresses(self) -> list[str]:
        """Apprise's addresses in the password of the connection ``ashare_alerts``; empty without the connection.

        :raises InvalidInput: the connection is set but holds no address.
        """
        fields = read_connection(ALERTS_CONNECTION)
        return alert_addresses(fields.password) if fields else []

    def alerts(self, store: Store) -> Alerts:
        """The alerts of a database, to these addresses, which are read when a message is sent."""
        from ashare.alerts import Alerts, Delivery

        return Alerts(store, lambda: Delivery(self.alert_addresses()))

    def report_recovery(self, store: Store) -> None:
        """Send the messages of troubles that are over. An error of sending is logged, not raised."""
        try:
            self.alerts(store).recovered("")
        except AshareError as error:
            log.error("The message that a trouble is over could not be sent: %s", error)


def alert_addresses(password: str | None) -> list[str]:
    """The addresses in a connection's password, separated by white space.

    :raises InvalidInput: the password holds no address.
    """
    if found := (password or "").split():
        return found
    raise InvalidInput(
        "The connection ashare_alerts holds no address: its password has to be Apprise's addresses, with blanks "
        'between, for example {"conn_type": "generic", "password": "dingtalk://TOKEN feishu://TOKEN"}.'
    )
