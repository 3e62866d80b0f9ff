"""One connection to the schema ``ashare``, and a class for each subject of its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ashare.errors import InvalidInput, SourceBusy, StoreBusy, StoreUnavailable
from ashare.store.accepted import AcceptedDates
from ashare.store.alert_outbox import AlertOutbox
from ashare.store.bars import Bars
from ashare.store.batches import Batches
from ashare.store.corrections import Corrections
from ashare.store.coverage import Coverage
from ashare.store.database import (
    LOCK_SECONDS,
    LockHeld,
    answers,
    as_ashare_error,
    limit_wait,
    lock_holders,
    one_line,
    set_up,
    wait_for_lock,
)
from ashare.store.migrate import migrate
from ashare.store.queries import queries
from ashare.store.request_ledger import RequestLedger
from ashare.store.schema_health import SchemaHealth
from ashare.store.text_adapters import make_texts_storable
from ashare.store.trading_calendar import TradingCalendar
from ashare.store.universe import Universe
from ashare.store.weekly_lists import WeeklyLists
from ashare.store.work import Work

if TYPE_CHECKING:
    import psycopg


class Store:
    """The schema ``ashare``, over one connection, which is opened on first use and reopened after a loss.

    :param connect: opens a new connection to the schema's database.
    :ivar calendar: the trading calendar.
    :ivar universe: the securities.
    :ivar bars: bars and adjust factors.
    :ivar weekly_lists: members of indices, industries and names.
    :ivar batches: the plans of trade dates.
    :ivar coverage: facts and states of trade dates.
    :ivar work: the work of runs.
    :ivar corrections: cross-checks, and the dates to be read again.
    :ivar accepted: the accepted trade dates.
    :ivar ledger: the ledger of requests to Baostock, and the limit on them.
    :ivar alerts: the alerts.
    :ivar health: the queries of the doctor.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None
        self._name, self._lock_seconds = "ashare", LOCK_SECONDS
        self.calendar = TradingCalendar(self)
        self.universe = Universe(self)
        self.bars = Bars(self)
        self.weekly_lists = WeeklyLists(self)
        self.batches = Batches(self)
        self.coverage = Coverage(self)
        self.work = Work(self)
        self.corrections = Corrections(self)
        self.accepted = AcceptedDates(self)
        self.ledger = RequestLedger(self)
        self.alerts = AlertOutbox(self)
        self.health = SchemaHealth(self)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close_if_silent(self, seconds: float) -> None:
        """Close the connection if the server has ended the session, or does not answer in time."""
        if self._connection is not None and not answers(self._connection, seconds):
            self.close()

    def name_sessions(self, who: str, wait_seconds: float) -> None:
        """Set the sessions' name, for reports of lock holders, and lock timeout (at most ``LOCK_SECONDS``)."""
        name, lock_seconds = f"ashare: {who}", min(wait_seconds, LOCK_SECONDS)
        if (name, lock_seconds) != (self._name, self._lock_seconds):
            self.close()  # the next use opens a connection with these settings
            self._name, self._lock_seconds = name, lock_seconds

    def connect(self) -> psycopg.Connection[Any]:
        """Open a further connection, set up like the store's own.

        :raises StoreUnavailable: PostgreSQL cannot be reached, or refuses; the text never holds a password.
        :raises InvalidInput: the connection is not well-formed, or the database has another encoding than UTF8.
        """
        import psycopg

        try:
            connection = self._connect()
            try:
                make_texts_storable(connection)
                set_up(connection, self._name, self._lock_seconds)
            except BaseException:
                connection.close()
                raise
            return connection
        except psycopg.ProgrammingError as error:
            raise InvalidInput(f"The connection ashare_postgres is not well-formed ({one_line(error)}).") from error
        except psycopg.Error as error:
            raise StoreUnavailable(
                f"The database of the connection ashare_postgres cannot be reached ({one_line(error)}): "
                "check that it runs, and AIRFLOW_CONN_ASHARE_POSTGRES or Admin > Connections."
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """One transaction: committed at the end, rolled back on an error; inside another one, a savepoint."""
        with self._connected() as connection, connection.transaction():
            yield connection

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection, in autocommit. Errors of the database are raised as errors of this package."""
        import psycopg

        if self._connection is None:
            self._connection = self.connect()
        connection = self._connection
        try:
            yield connection
        except (psycopg.Error, UnicodeError, LockHeld) as error:
            store_error = as_ashare_error(error, connection, self._lock_seconds)
            if isinstance(store_error, StoreUnavailable) and not isinstance(store_error, StoreBusy):
                self.close()
            raise store_error from error

    def second_store(self) -> Store:
        """A store of the same database with its own connection, for another thread."""
        other = Store(self._connect)
        other._name, other._lock_seconds = self._name, self._lock_seconds
        return other

    def migrate(self) -> list[str]:
        """Bring the schema up to date; see ``store.migrate``."""
        with self._connected() as connection:
            return migrate(connection, self._lock_seconds)

    @contextmanager
    def mutex(self, work: str, wait_seconds: float) -> Iterator[None]:
        """Hold the mutex of a piece of work: of two tasks that need the same work, the second finds it done.

        :raises SourceBusy: another task held the mutex for longer than ``wait_seconds``; the text says who.
        """
        lock = f"ashare work: {work}"
        with self._connected() as connection:
            try:
                with connection.transaction():
                    limit_wait(connection, wait_seconds)
                    waiting = f"Waiting for another task that is at work on {work}"
                    wait_for_lock(connection, lock, self.connect, waiting)
            except LockHeld as held:
                raise SourceBusy(
                    f"Another task has been at work on {work} for over {wait_seconds:g} s: "
                    f"{lock_holders(connection, held.lock)}."
                ) from None
        try:
            yield
        finally:
            # A lost connection has released the lock already, and must not hide the block's own error.
            with suppress(StoreUnavailable):
                if self._connection is not None:
                    self.rows("database", "unlock", {"lock": lock})

    def rows(self, file: str, name: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a named statement of ``queries/<file>.sql``."""
        with self._connected() as connection:
            return connection.execute(queries(file)[name], values).fetchall()

    def execute(self, file: str, name: str, values: Mapping[str, Any]) -> None:
        """Execute a named statement of ``queries/<file>.sql``."""
        with self._connected() as connection:
            connection.execute(queries(file)[name], values)
