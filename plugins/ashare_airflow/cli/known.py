"""What the tables know of trade dates, before and while they are backfilled: their rows count, and no run's state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import NamedTuple, TypeVar

import psycopg

from ashare import cost
from ashare.errors import AshareError, StoreRefused
from ashare.store import Store
from ashare.store.queries import queries
from ashare_airflow import connections

T = TypeVar("T")


class Unreadable(Exception):
    """The tables cannot be read now; the text is a sentence without secrets."""


class Record(NamedTuple):
    """What ``sync_status`` says of a date, and the rows that are in ``daily_bar``."""

    status: str
    kinds: Sequence[str]
    loaded: int | None
    reason: str | None
    run_id: str | None
    bars: int


class Known:
    """Reads the schema over one connection, which is opened again after it was lost.

    In a database that has no schema yet, nothing is recorded.

    :param kinds: of securities, that a date has to be complete for.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self.kinds = kinds
        self.was_read = False
        self._store: Store | None = None

    def complete(self, days: Collection[date]) -> set[date]:
        """Those of some dates for which nothing is to be done: complete, or closed and recorded so.

        :raises Unreadable: nobody knows.
        """
        if not days:
            return set()
        return self._read(lambda store: store.settled(min(days), max(days), self.kinds) & set(days), set())

    def record(self, day: date) -> Record | None:
        """What is recorded of a date.

        :raises Unreadable: nobody knows.
        """

        def read(store: Store) -> Record | None:
            with store.transaction() as connection:
                row = connection.execute(queries("status")["record"], {"day": day}).fetchone()
            return Record(*row) if row else None

        return self._read(read, None)

    def waits_for(self, days: Collection[date]) -> str:
        """What the earliest of these dates waits for (a ban's end, the next day's budget), or nothing.

        :raises Unreadable: nobody knows.
        """

        def read(store: Store) -> str:
            with store.transaction() as connection:
                row = connection.execute(queries("status")["waiting"], {"days": list(days)}).fetchone()
            return f"{row[0]} waits: {row[1]}" if row else ""

        return self._read(read, "")

    def better_way(self, days: Collection[date]) -> str:
        """A sentence when some dates would be had sooner by code, with the command; else nothing."""

        def read(store: Store) -> str | None:
            with store.transaction() as connection:
                return cost.better_way(connection, days, self.kinds)

        with suppress(Unreadable):
            found = self._read(read, None)
            if found is not None:
                return found
        return cost.better_way(None, days, self.kinds)

    def _read(self, read: Callable[[Store], T], nothing: T) -> T:
        with _readable():
            if self._store is None:
                self._store = connections.store()
            try:
                found = read(self._store)
            except StoreRefused as refused:
                if not isinstance(refused.__cause__, psycopg.errors.UndefinedTable):
                    raise
                found = nothing
        self.was_read = True
        return found


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except AshareError as error:
        raise Unreadable(str(error)) from None
    except psycopg.Error as error:
        # The driver's text may hold parts of the connection.
        raise Unreadable(f"ashare.sync_status cannot be read ({type(error).__name__}).") from None
