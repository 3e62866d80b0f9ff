"""Queries of the page: rows of trade dates, one date, one security and the source, all from one snapshot."""

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
"""The most securities that one list of a date names."""


@dataclass(frozen=True)
class AsOf:
    """The inputs, beside the tables, of the states of trade dates.

    :ivar datasets: the datasets that the database is meant to have.
    :ivar since: since when; ``None``: no date is complete yet.
    :ivar newest: the newest weekday whose bars should be in.
    :ivar running: the ids of the active Airflow runs; ``None``: not known, every work without an end goes on.
    """

    datasets: Sequence[str]
    since: date | None
    newest: date
    running: Sequence[str] | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The values for SQL."""
        running = None if self.running is None else list(self.running)
        return {"datasets": list(self.datasets), "since": self.since, "newest": self.newest, "running": running}


@dataclass(frozen=True)
class PageRows:
    """Rows of the schema ``ashare``, over a connection in a read-only transaction."""

    connection: psycopg.Connection[Any]

    def _rows(self, name: str, file: str = "page", /, **values: Any) -> list[Row]:
        from psycopg.rows import dict_row

        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(queries(file)[name], values).fetchall()

    def _tuples(self, name: str, /, **values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(queries("page")[name], values).fetchall()

    # ------------------------------------------------------------------ trade dates

    def complete_since(self, datasets: Sequence[str], newest: date) -> date | None:
        """Since when the database is meant to be complete, by its complete dates; ``None`` without one."""
        since: date | None = self._tuples("since", datasets=list(datasets), newest=newest)[0][0]
        return since

    def bounds(self, as_of: AsOf) -> Row:
        """The first recorded date, the calendar's end, and the newest complete date."""
        return self._rows("bounds", **as_of.parameters)[0]

    def open_sessions(self, as_of: AsOf, most: int) -> list[date]:
        """The sessions among the last ``most`` that are not complete, by date, whoever works on them."""
        values = {**as_of.parameters, "running": [], "most": most}
        return [row["trade_date"] for row in self._rows("open_dates", "coverage", **values)] if most else []

    def newest_session(self, until: date) -> date | None:
        """The newest session up to a day."""
        newest: date | None = self._tuples("newest_session", newest=until)[0][0]
        return newest

    def counts(self, as_of: AsOf, start: date | None, end: date | None) -> dict[str, int]:
        """How many trade dates have each status."""
        return dict(self._tuples("counts", **as_of.parameters, start=start, end=end))

    def open_range(self, as_of: AsOf) -> tuple[date | None, date | None]:
        """The first and the last date whose status is ``pending`` or ``failed``."""
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
        derived: bool = False,
    ) -> list[Row]:
        """Trade dates, newest first.

        :param derived: also days of the calendar without a record that are not missing: closed, before, unpublished.
        """
        values = {"start": start, "end": end, "status": status, "limit": limit, "offset": offset, "all": derived}
        return self._rows("list", **as_of.parameters, **values)

    def coverage(self, as_of: AsOf, start: date, end: date) -> list[tuple[Any, ...]]:
        """The known days of a range: date, coverage, expected, loaded, missing, rejected, revised."""
        # Thousands of days: tuples, and only the columns that are shown.
        return self._tuples("coverage", **as_of.parameters, start=start, end=end)

    def sessions(self, start: date, end: date) -> dict[date, bool]:
        """The calendar of a range: day to whether it is a session."""
        return dict(self._tuples("sessions", start=start, end=end))

    def recorded(self, as_of: AsOf, days: Sequence[date]) -> dict[date, Row]:
        """The records of some dates, by date."""
        return {row["trade_date"]: row for row in self._rows("records_of", **as_of.parameters, days=list(days))}

    def loaded_since(self, days: Sequence[date], since: datetime) -> Row:
        """Rows and requests of the dates' batches that are done since a moment, and rows of the last minute."""
        return self._rows("work", days=list(days), since=since)[0]

    def histories(self, running: Sequence[str]) -> list[Row]:
        """The active runs of ``ashare_history``: their plans, and how many of their batches are done."""
        return self._rows("histories", running=list(running))

    # ------------------------------------------------------------------ one date

    def neighbours(self, day: date, today: date) -> tuple[date | None, date | None]:
        """The sessions before and after a day, none later than ``today``."""
        before, after = self._tuples("neighbours", day=day, today=today)[0]
        return before, after

    def batches(self, day: date) -> list[Row]:
        """The batches of a date, without superseded ones."""
        return self._rows("batches", day=day)

    def remaining_codes(self, expectation: Expectation) -> list[str]:
        """Expected codes that have neither a bar nor a recorded reason."""
        found = self._rows("remaining", "universe", **expectation.parameters)
        return sorted(code for row in found for code in row["codes"])

    def reasons(self, day: date, codes: Sequence[str]) -> list[Row]:
        """The first ``MOST`` of these securities, each with the error of the last batch that asked for it."""
        return self._rows("reasons", day=day, codes=list(codes[:MOST]))

    def listed(self, name: str, day: date) -> tuple[int, list[Row]]:
        """A date's ``absent``, ``rejected`` or ``revisions``: the total, and the first ``MOST`` rows."""
        rows = self._rows(name, day=day, most=MOST)
        return (rows[0]["total"] if rows else 0), rows

    def acceptance(self, day: date) -> Row | None:
        """The current acceptance of a date (reason, problem, by whom, when); ``None`` without one."""
        rows = self._rows("accepted", day=day)
        return rows[0] if rows else None

    def checks(self, day: date) -> list[Row]:
        """The last cross-checks of a date."""
        return self._rows("checks", day=day)

    # ------------------------------------------------------------------ one security

    def find(self, part: str) -> list[Row]:
        """Up to 20 securities whose code or name contains ``part``."""
        escaped = part.replace("\0", "").strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return self._rows("find", part=f"%{escaped}%") if escaped else []

    def security(self, code: str) -> Row | None:
        """A security's row in the list of securities; ``None`` without one."""
        rows = self._rows("security", code=code)
        return rows[0] if rows else None

    def bar_range(self, code: str) -> Row:
        """A security's first and last bar, and how many bars it has."""
        return self._rows("first_and_last_bar", code=code)[0]

    def events(self, code: str) -> Row:
        """A security's ex-dates, and how many of its bars were revised."""
        return self._rows("events_of", code=code)[0]

    def security_sessions(self, as_of: AsOf, code: str, dataset: str, start: date, end: date) -> list[Row]:
        """The sessions of a range: whether the security was traded, or why it has no bar."""
        values = {"code": code, "dataset": dataset, "start": start, "end": end}
        return self._rows("sessions_of", **as_of.parameters, **values)

    def bars(self, code: str, adjust: str) -> list[tuple[Any, ...]]:
        """A security's bars by date: date, open, close, low, high, volume, is_trading."""
        return self._tuples("bars_of", code=code, adjust=adjust)

    # ------------------------------------------------------------------ the source

    def source_limit(self) -> SourceLimit:
        """The current limit on requests to Baostock."""
        return SourceLimit(**self._rows("limit", "source_gate")[0])

    def source_times(self) -> Row:
        """When Baostock was last asked, and when it last answered."""
        return self._rows("source_times")[0]

    def source_errors(self) -> list[Row]:
        """The last requests that failed, or never ended."""
        return self._rows("source_errors")


@contextmanager
def page_rows(store: Store) -> Iterator[PageRows]:
    """Open one read-only transaction for ``PageRows``: all rows come from one snapshot.

    :raises StoreUnavailable: the database is away, refuses, or lacks this version's schema.
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
