"""Queries of the page: rows of trade dates, one date, one security and the source, all from one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ashare.datasets import INDUSTRY_CALL, KINDS, MEMBER_LISTS
from ashare.errors import StoreUnavailable
from ashare.store.coverage import complete_since
from ashare.store.database import one_line
from ashare.store.queries import queries
from ashare.store.request_ledger import SourceLimit
from ashare.store.weekly_lists import WeekState, state_values

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
    :ivar newest: the newest weekday whose bars should be in.
    :ivar running: the ids of the active Airflow runs; ``None``: not known, every work without an end goes on.
    """

    datasets: Sequence[str]
    newest: date
    running: Sequence[str] | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The values for SQL."""
        running = None if self.running is None else list(self.running)
        return {"datasets": list(self.datasets), "newest": self.newest, "running": running}


class CountedDate(NamedTuple):
    """A date that was counted, with its figures.

    :ivar is_closed: the date is closed. Of other dates, the SQL function ``trade_date_state`` may say so, too.
    """

    trade_date: date
    is_complete: bool
    is_closed: bool
    expected: int | None
    loaded: int
    suspended: int | None
    rejected: int | None


class YearDays(NamedTuple):
    """The number of days of a year that are complete, or closed, at sight: no state has to be derived for them.

    :ivar state: ``complete`` or ``closed``.
    :ivar last: the last of them.
    """

    year: int
    state: str
    days: int
    last: date


class KnownDays(NamedTuple):
    """The days of a range of which something is known.

    :ivar others: the days that are recorded, worked on, hold bars or should be complete, and are neither at sight.
    """

    at_sight: list[YearDays]
    others: set[date]


class DayState(NamedTuple):
    """The state of a day, as the SQL function ``trade_date_state`` derives it.

    :ivar coverage: ``before`` also of a day that is ``missing``: see ``PageRows``.
    """

    trade_date: date
    status: str
    coverage: str
    expected: int | None
    loaded: int | None
    missing: int | None
    rejected: int | None
    is_recorded: bool


class ListedSecurity(NamedTuple):
    """A security of the list, for a search.

    :ivar name: its name of today.
    :ivar former_names: its other names by the weekly lists, the newest first.
    """

    code: str
    name: str | None
    kind: str
    is_delisted: bool
    former_names: tuple[str, ...]


def _only(days: Collection[date]) -> dict[str, Any]:
    return {"start": min(days), "end": max(days), "days": list(days)}


@dataclass(frozen=True)
class PageRows:
    """Rows of the schema ``ashare``, over a connection in a read-only transaction.

    Since when the database is meant to be complete is derived for itself, as few readings need it. The states here
    know nothing of it: of every session up to the newest that nothing is recorded of, the coverage is ``before``.
    """

    connection: psycopg.Connection[Any]

    def _rows(self, name: str, file: str = "page", /, **values: Any) -> list[Row]:
        from psycopg.rows import dict_row

        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(queries(file)[name], values).fetchall()

    def _tuples(self, name: str, file: str = "page", /, **values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(queries(file)[name], values).fetchall()

    # ------------------------------------------------------------------ trade dates

    def ends(self) -> Row:
        """The first recorded date, and the calendar's end."""
        return self._rows("ends")[0]

    def complete_since(self, datasets: Sequence[str], newest: date) -> date | None:
        """Since when the database is meant to be complete; see ``coverage.complete_since``."""
        return complete_since(self.connection, datasets, newest)

    def known_days(
        self, datasets: Sequence[str], since: date | None, newest: date, start: date, end: date
    ) -> KnownDays:
        """The days of a range of which something is known.

        :param since: the sessions from here to ``newest`` should be complete; ``None``: no session should be.
        """
        values = {"datasets": list(datasets), "since": since, "newest": newest, "start": start, "end": end}
        rows = self._tuples("known_days", **values)
        at_sight = [YearDays(*row[:4]) for row in rows if row[1] != "other"]
        (others,) = [set(row[4]) for row in rows if row[1] == "other"]
        return KnownDays(at_sight, others)

    def days_at_sight(self, datasets: Sequence[str], states: Collection[str], start: date, end: date) -> list[date]:
        """The days of a range that are ``complete`` or ``closed`` at sight, as ``states`` says."""
        values = {"datasets": list(datasets), "states": list(states), "start": start, "end": end}
        return [row[0] for row in self._tuples("days_at_sight", **values)]

    def counted_dates(self, datasets: Sequence[str], start: date, end: date) -> dict[date, CountedDate]:
        """The dates of a range that were counted, with figures."""
        rows = self._tuples("counted_dates", datasets=list(datasets), start=start, end=end)
        return {row[0]: CountedDate(*row) for row in rows}

    def open_sessions(self, as_of: AsOf, since: date | None, most: int) -> list[date]:
        """The sessions among the last ``most`` that are not complete, by date, whoever works on them."""
        values = {**as_of.parameters, "since": since, "running": [], "most": most}
        return [row["trade_date"] for row in self._rows("open_dates", "coverage", **values)] if most else []

    def newest_session(self, until: date) -> date | None:
        """The newest session up to a day."""
        newest: date | None = self._tuples("newest_session", newest=until)[0][0]
        return newest

    def states(self, as_of: AsOf, days: Collection[date]) -> list[DayState]:
        """The states of some days, without a text."""
        return [DayState(*row) for row in self._tuples("states", **as_of.parameters, **_only(days))] if days else []

    def dates(self, as_of: AsOf, days: Collection[date]) -> list[Row]:
        """Some days with all that is known of them, newest first."""
        return self._rows("dates", **as_of.parameters, **_only(days)) if days else []

    def coverage(self, datasets: Sequence[str], start: date, end: date) -> dict[date, tuple[Any, ...]]:
        """The complete and the closed days of a range, with the tuples of ``StatusReader.coverage``."""
        return {row[0]: row for row in self._tuples("coverage", datasets=list(datasets), start=start, end=end)}

    def revised(self, days: Collection[date]) -> dict[date, int]:
        """The number of revised bars of each of some dates that has any."""
        return dict(self._tuples("revised", days=list(days))) if days else {}

    def sessions(self, start: date, end: date) -> dict[date, bool]:
        """The calendar of a range: day to whether it is a session."""
        return dict(self._tuples("sessions", start=start, end=end))

    def loaded_since(self, days: Sequence[date], since: datetime) -> Row:
        """Rows and requests of the dates' batches that are done since a moment, and rows of the last minute."""
        return self._rows("work", days=list(days), since=since)[0]

    def history(self, run_id: str) -> Row | None:
        """A run of ``ashare_history``: its plan, and its batches in numbers; ``None``: no plan is recorded."""
        return next(iter(self._rows("history", run_id=run_id)), None)

    def history_errors(self, run_id: str, most: int) -> list[tuple[Any, ...]]:
        """Labels and errors of a history's failed batches."""
        return self._tuples("history_errors", run_id=run_id, most=most)

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
        return self._as_of(day, self._rows("reasons", day=day, codes=list(codes[:MOST])))

    def listed(self, name: str, day: date) -> tuple[int, list[Row]]:
        """A date's ``absent``, ``rejected`` or ``revisions``: the total, and the first ``MOST`` rows."""
        rows = self._as_of(day, self._rows(name, day=day, most=MOST))
        return (rows[0]["total"] if rows else 0), rows

    def _as_of(self, day: date, rows: Sequence[Row]) -> list[Row]:
        """Rows of securities with ``name``, ``is_name_of_today``, ``is_st`` and ``at_limit`` as of a day."""
        if not rows:
            return []
        codes = sorted({row["code"] for row in rows})
        found = {row["code"]: row for row in self._rows("securities_on", day=day, codes=codes)}
        return [{**row, **found[row["code"]]} for row in rows]

    def at_limit(self, day: date) -> Row:
        """How many stocks closed at the upper and at the lower price limit: ``up`` and ``down``."""
        return self._rows("at_limit", day=day)[0]

    def acceptance(self, day: date) -> Row | None:
        """The current acceptance of a date (reason, problem, by whom, when); ``None`` without one."""
        rows = self._rows("accepted", day=day)
        return rows[0] if rows else None

    def checks(self, day: date) -> list[Row]:
        """The last cross-checks of a date."""
        return self._rows("checks", day=day)

    # ------------------------------------------------------------------ one security

    def listed_securities(self) -> list[ListedSecurity]:
        """All securities of the kinds whose bars are kept."""
        return [
            ListedSecurity(code, name, kind, is_delisted, tuple(former_names.splitlines()))
            for code, name, kind, is_delisted, former_names in self._tuples("listed_securities", kinds=list(KINDS))
        ]

    def first_listed(self, codes: Sequence[str]) -> str | None:
        """The first of some codes that the list of securities has: stocks come before indices, those before ETFs."""
        rows = self._tuples("first_listed", codes=list(codes), kinds=list(KINDS))
        return rows[0][0] if rows else None

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

    def listed_as(self, code: str) -> dict[str, list[Row]]:
        """A security in the weekly lists: spans of its ``names``, ``memberships`` and ``industries``, newest first.

        A span's ``end_date`` is exclusive, and ``None`` while the newest list has the row.
        """
        return {
            "names": self._rows("names_of", code=code),
            "memberships": self._rows("memberships_of", code=code),
            "industries": self._rows("industries_of", code=code),
        }

    def newest_limit(self, code: str) -> Row | None:
        """The price limits of a stock's newest bar, in CNY; ``None`` for other kinds, and without a bar."""
        rows = self._rows("newest_limit", code=code)
        return rows[0] if rows else None

    def security_sessions(self, as_of: AsOf, code: str, dataset: str, start: date, end: date) -> list[Row]:
        """The sessions of a range: whether the security was traded, or why it has no bar."""
        rows = self._rows("sessions_of", code=code, start=start, end=end)
        if holes := {row["calendar_date"]: row for row in rows if row["why"] == ""}:
            for day, why in self._tuples("holes", **as_of.parameters, **_only(holes), dataset=dataset):
                holes[day]["why"] = why
        return rows

    def bars(self, code: str, adjust: str) -> list[tuple[Any, ...]]:
        """A security's bars by date: date, open, close, low, high, volume, is_trading."""
        return self._tuples("bars_of", code=code, adjust=adjust)

    # ------------------------------------------------------------------ weekly lists

    def stocks_until(self, days: Sequence[date]) -> dict[date, int]:
        """How many stocks were ever listed up to each of some days."""
        return dict(self._tuples("stocks_until", "weekly_lists", days=list(days)))

    def lists_loaded_since(self, weeks: Sequence[date], since: datetime) -> Row:
        """Rows and requests of the weeks' lists that were loaded since a moment, and rows of the last minute."""
        methods = [INDUSTRY_CALL, *(each.function for each in MEMBER_LISTS.values())]
        return self._rows("work_of_weeks", weeks=list(weeks), since=since, methods=methods)[0]

    def week_states(
        self, datasets: Sequence[str], first: date, last: date, newest: date, running: Sequence[str] | None
    ) -> list[WeekState]:
        """The states of a range's weeks, by Monday and dataset; see ``WeeklyLists.states``."""
        values = state_values(datasets, first, last, newest, running)
        return [WeekState(*row) for row in self._tuples("states", "weekly_lists", **values)]

    def open_weeks(
        self, datasets: Sequence[str], newest: date, last: date, running: Sequence[str] | None
    ) -> list[WeekState]:
        """The states of the weeks since the first list, up to ``last``, that are not complete at sight, by Monday.

        The newest list of each dataset and the week ``newest`` are among them, complete or not.

        :param newest: the newest Monday whose lists should be loaded.
        """
        values = {"datasets": list(datasets), "newest": newest, "last": last}
        running = None if running is None else list(running)
        return [WeekState(*row) for row in self._tuples("open_weeks", **values, running=running)]

    # ------------------------------------------------------------------ the source

    def source_limit(self) -> SourceLimit:
        """The current limit on requests to Baostock."""
        return SourceLimit(**self._rows("limit", "source_gate")[0])

    def source_times(self, out_of_reach: Collection[str]) -> Row:
        """When Baostock was last asked, when it last answered, and since when it answers nothing.

        :param out_of_reach: the outcomes of requests without an answer.
        """
        return self._rows("source_times", out_of_reach=list(out_of_reach))[0]

    def source_errors(self) -> list[Row]:
        """The last requests that failed, or never ended."""
        return self._rows("source_errors")


@contextmanager
def page_rows(store: Store) -> Iterator[PageRows]:
    """Open one read-only transaction for ``PageRows``: all rows come from one snapshot.

    :raises StoreUnavailable: the database is away, refuses, or lacks this version's schema.
    """
    from psycopg import Error, errors

    with store.transaction() as connection:
        # A statement that is prepared may be planned for unknown values: those plans read all years.
        connection.prepare_threshold = None
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
