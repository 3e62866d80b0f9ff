"""Queries of the doctor: server, schema version, calendar, and the last trade dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ashare.datasets import KINDS, kept_with
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


class SessionState(NamedTuple):
    """A session, and its state by the SQL function ``trade_date_state``; a figure is ``None`` if it is not known.

    :ivar active_at: when work on the date last began or ended.
    """

    day: date
    status: str
    coverage: str
    expected: int | None
    loaded: int | None
    missing: int | None
    reason: str | None
    started_at: datetime | None
    active_at: datetime | None


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

    def odd_securities(self) -> tuple[int, Sequence[str]]:
        """How many rows of the list of securities break a rule, and the codes that are gone from the list."""
        rejected, gone = self.store.rows("health", "odd_securities")[0]
        return rejected, gone or ()

    def last_sessions(
        self, newest: date, most: int, datasets: Sequence[str] | None, since: date | None
    ) -> list[SessionState]:
        """The last sessions up to a day, newest first.

        :param datasets: the datasets that the database is meant to have; ``None``: those that were asked for.
        :param since: since when; ``None``: by its complete dates.
        """
        since = since or self.store.coverage.complete_since(datasets or kept_with(KINDS), newest)
        values = {"newest": newest, "most": most, "datasets": datasets and list(datasets), "since": since}
        rows = self.store.rows("health", "last_sessions", values)
        return [SessionState(*row) for row in rows]

    def factor_mismatches(self, since: date, until: date, most: int) -> tuple[int, Sequence[str]]:
        """How often prices and adjust factors disagree, and the newest few mismatches in words."""
        values = {"since": since, "until": until, "most": most}
        total, newest = self.store.rows("health", "factor_mismatches", values)[0]
        return total, newest or ()


def limit_statement_time(connection: psycopg.Connection[Any]) -> None:
    """Set a statement timeout of 15 s on a connection: a locked table must not hold up a monitor."""
    connection.execute(queries("health")["limit_time"])
