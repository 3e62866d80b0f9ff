"""What the page reads: rows of trade dates, of one date, of one security and of the source, all of one moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ashare.errors import StoreUnavailable
from ashare.store.database import one_line
from ashare.store.queries import queries
from ashare.store.request_ledger import SourceLimit

if TYPE_CHECKING:
    import psycopg

    from ashare.store.rows import Expectation
    from ashare.store.store import Store

Row = dict[str, Any]

MOST = 500
"""Securities of a kind that are named of one date."""


@dataclass(frozen=True)
class AsOf:
    """What the states of trade dates depend on beside the tables.

    :ivar newest: the newest weekday whose bars should be in.
    :ivar running: the ids of the Airflow runs that are under way.
    """

    newest: date
    running: Sequence[str]

    @property
    def parameters(self) -> dict[str, Any]:
        """The values for SQL."""
        return {"newest": self.newest, "running": list(self.running)}


@dataclass(frozen=True)
class PageRows:
    """Rows of the schema ``ashare`` over one connection, on which nothing can be written."""

    connection: psycopg.Connection[Any]

    def _rows(self, name: str, file: str = "page", /, **values: Any) -> list[Row]:
        from psycopg.rows import dict_row

        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(queries(file)[name], values).fetchall()

    def _tuples(self, name: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(queries("page")[name], values).fetchall()

    # ------------------------------------------------------------------ trade dates

    def bounds(self, newest_due: date) -> Row:
        """From where to where the records reach, and the newest complete date."""
        return self._rows("bounds", newest=newest_due)[0]

    def first_date(self) -> date | None:
        """The first date that is recorded."""
        first: date | None = self._tuples("first_date")[0][0]
        return first

    def newest_session(self, until: date) -> date | None:
        """The newest session up to a day."""
        newest: date | None = self._tuples("newest_session", newest=until)[0][0]
        return newest

    def counts(self, as_of: AsOf, start: date | None, end: date | None) -> dict[str, int]:
        """How many trade dates have each status."""
        return dict(self._tuples("counts", **as_of.parameters, start=start, end=end))

    def open_range(self, as_of: AsOf) -> tuple[date | None, date | None]:
        """The first and the last date that is missing or failed."""
        first, last = self._tuples("open_range", **as_of.parameters)[0]
        return first, last

    def dates(
        self,
        as_of: AsOf,
        *,
        start: date | None,
        end: date | None,
        status: str | None,
        limit: int | None,
        offset: int,
    ) -> list[Row]:
        """Trade dates, newest first."""
        values = {"start": start, "end": end, "status": status, "limit": limit, "offset": offset}
        return self._rows("list", **as_of.parameters, **values)

    def coverage(self, as_of: AsOf, start: date, end: date) -> list[tuple[Any, ...]]:
        """Recorded dates of a range: date, coverage, expected, loaded, missing, rejected, revised."""
        # Thousands of days: as tuples of no more than is shown.
        return self._tuples("coverage", **as_of.parameters, start=start, end=end)

    def sessions(self, start: date, end: date) -> dict[date, bool]:
        """Days of the calendar, each with whether it is a session."""
        return dict(self._tuples("sessions", start=start, end=end))

    def recorded(self, days: Sequence[date]) -> dict[date, Row]:
        """What is recorded of some dates, as it is stored."""
        return {row["trade_date"]: row for row in self._rows("records_of", days=list(days))}

    def loaded_since(self, days: Sequence[date], since: datetime) -> Row:
        """What batches of some dates have loaded since a moment, and in the last minute."""
        return self._rows("work", days=list(days), since=since)[0]

    def histories(self, running: Sequence[str]) -> list[Row]:
        """The runs of ``ashare_history`` that are under way: their plans, and how many of their batches are done."""
        return self._rows("histories", running=list(running))

    # ------------------------------------------------------------------ one date

    def neighbours(self, day: date, today: date) -> tuple[date | None, date | None]:
        """The sessions before and after, none later than today."""
        before, after = self._tuples("neighbours", day=day, today=today)[0]
        return before, after

    def batches(self, day: date) -> list[Row]:
        """The pieces of work of a date, without those that a later plan took over."""
        return self._rows("batches", day=day)

    def remaining_codes(self, expectation: Expectation) -> list[str]:
        """Codes that have neither a bar nor a recorded reason."""
        found = self._rows("remaining", "universe", **expectation.parameters)
        return sorted(code for row in found for code in row["codes"])

    def reasons(self, day: date, codes: Sequence[str]) -> list[Row]:
        """The first of these securities, with what the last batch that asked for each said."""
        return self._rows("reasons", day=day, codes=list(codes[:MOST]))

    def listed(self, name: str, day: date) -> tuple[int, list[Row]]:
        """A date's ``absent``, ``rejected`` or ``revisions``: how many, and the first of them."""
        rows = self._rows(name, day=day, most=MOST)
        return (rows[0]["total"] if rows else 0), rows

    def acceptance(self, day: date) -> Row | None:
        """By whom, when and why a date is taken as it is, if it is, and what was wrong with it."""
        rows = self._rows("accepted", day=day)
        return rows[0] if rows else None

    def checks(self, day: date) -> list[Row]:
        """The last cross-checks of a date."""
        return self._rows("checks", day=day)

    # ------------------------------------------------------------------ one security

    def find(self, part: str) -> list[Row]:
        """Securities whose code or name has a part."""
        escaped = part.replace("\0", "").strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return self._rows("find", part=f"%{escaped}%") if escaped else []

    def security(self, code: str) -> Row | None:
        """A row of the list of securities."""
        rows = self._rows("security", code=code)
        return rows[0] if rows else None

    def bar_range(self, code: str) -> Row:
        """A security's first and last bar, and how many bars it has."""
        return self._rows("first_and_last_bar", code=code)[0]

    def events(self, code: str) -> Row:
        """A security's ex-dates, and how many of its bars were revised."""
        return self._rows("events_of", code=code)[0]

    def security_sessions(self, code: str, kind: str, start: date, end: date) -> list[Row]:
        """Sessions of a security: whether it was traded, or why there is no bar."""
        return self._rows("sessions_of", code=code, kind=kind, start=start, end=end)

    def bars(self, code: str, adjust: str) -> list[tuple[Any, ...]]:
        """A security's bars by date: date, open, close, low, high, volume, is_trading."""
        return self._tuples("bars_of", code=code, adjust=adjust)

    # ------------------------------------------------------------------ the source

    def source_limit(self) -> SourceLimit:
        """What may be sent to Baostock now."""
        return SourceLimit(**self._rows("limit", "source_gate")[0])

    def source_times(self) -> Row:
        """When Baostock was last asked, and when it last answered."""
        return self._rows("source_times")[0]

    def source_errors(self) -> list[Row]:
        """The last requests that did not end well."""
        return self._rows("source_errors")


@contextmanager
def page_rows(store: Store) -> Iterator[PageRows]:
    """Rows in one read-only transaction: all of them are of one moment.

    :raises StoreUnavailable: the database is away, refuses, or does not have this version's schema yet.
    """
    from psycopg import Error, errors

    with store, store.transaction() as connection:
        try:
            connection.execute(queries("page")["read_only"])
            yield PageRows(connection)
        except (errors.InvalidSchemaName, errors.UndefinedTable, errors.UndefinedFunction) as error:
            raise StoreUnavailable(
                "The schema ashare is not there yet, or older than this page: the first run brings it up to date "
                f"({one_line(error)})."
            ) from error
        except Error as error:
            raise StoreUnavailable(f"The database refuses, or went away: {one_line(error)}.") from error
