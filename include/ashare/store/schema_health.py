"""Queries of the doctor: server, schema version, calendar, list of securities, and adjust factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ashare.store.migrate import applied
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

    from ashare.store.store import Store


class ServerState(NamedTuple):
    """The server of the database.

    :ivar number: the server's version as a number, 180001 for 18.1.
    :ivar schema_version: 0 without the schema.
    """

    version: str
    number: int
    database: str
    is_read_only: bool
    host: str
    schema_version: int


@dataclass(frozen=True)
class SchemaHealth:
    """The health of the schema ``ashare`` and its server."""

    store: Store

    def server(self) -> ServerState:
        """The server, and the schema's version."""
        with self.store.transaction() as connection:
            row = connection.execute(queries("health")["server"]).fetchone()
            assert row is not None
            version, number, database, is_read_only = row
            host = connection.info.host
            return ServerState(version, number, database, is_read_only, host, schema_version=applied(connection))

    def calendar_reach(self) -> tuple[date | None, datetime | None]:
        """The last day of the calendar, and when the calendar was last read; both ``None`` while it is empty."""
        until, fetched_at = self.store.rows("health", "calendar_reach")[0]
        return until, fetched_at

    def gone_codes(self) -> list[str]:
        """The codes that are gone from the list of securities, newest first."""
        return [row[0] for row in self.store.rows("health", "gone_codes")]

    def first_of_last_sessions(self, newest: date, most: int) -> date:
        """The first of the last sessions up to a day, days on which a run works included; else the day itself."""
        values = {"newest": newest, "most": most}
        first: date = self.store.rows("health", "first_of_last_sessions", values)[0][0]
        return first

    def active_at(self, day: date) -> datetime | None:
        """When a batch of a date last began or ended. A run that continues after a wait keeps its ``started_at``."""
        found: datetime | None = self.store.rows("health", "active_at", {"day": day})[0][0]
        return found

    def factor_mismatches(self, since: date, until: date, most: int) -> tuple[int, Sequence[str]]:
        """How often prices and adjust factors disagree, and the newest few mismatches in words."""
        values = {"since": since, "until": until, "most": most}
        total, newest = self.store.rows("health", "factor_mismatches", values)[0]
        return total, newest or ()


def limit_statement_time(connection: psycopg.Connection[Any]) -> None:
    """Set a statement timeout of 15 s on a connection: a locked table must not hold up a monitor."""
    connection.execute(queries("health")["limit_time"])
