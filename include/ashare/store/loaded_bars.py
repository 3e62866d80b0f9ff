"""Queries for users: bars, and the securities that were listed on a day, as the CSV of PostgreSQL's COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from ashare.store import arrow
from ashare.store.queries import queries
from ashare.texts import NAMED

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]


class ListedSpan(NamedTuple):
    """The kinds of some securities, and when any of them was listed; ``None``: no limit.

    :ivar last: the last day listed.
    """

    kinds: Sequence[str]
    first: date | None
    last: date | None


class OpenDates(NamedTuple):
    """The trade dates of a range that are neither complete nor accepted.

    :ivar dates: number of dates.
    :ivar named: the first few.
    :ivar last: the last; ``None`` without a date.
    :ivar running: number of dates on which a run works, or was stopped without a record.
    :ivar is_recorded: whether a run has worked on one of the dates.
    :ivar datasets: the datasets that lack on any of the dates.
    """

    dates: int
    named: Sequence[date]
    last: date | None
    running: int
    is_recorded: bool
    datasets: Sequence[str]


def copy_bars(
    connection: Connection,
    columns: Iterable[str],
    view: str,
    *,
    start: date,
    end: date,
    codes: Sequence[str] | None,
    index: str | None = None,
) -> AbstractContextManager[Iterator[bytes]]:
    """Bars, sorted by code and trade date, as CSV in chunks of whole rows.

    :param view: the table or view of the schema ``ashare`` that has the columns.
    :param codes: only these securities; ``None``: all.
    :param index: only bars of trade dates on which the security was a member of the index; ``None``: all.
    """
    statement = queries("read")["bars" if index is None else "member_bars"]
    query = sql.SQL(statement).format(
        columns=sql.SQL(", ").join(sql.Identifier("b", name) for name in columns),
        bars=sql.Identifier("ashare", view),
    )
    return arrow.copied(connection, query, {"start": start, "end": end, "codes": codes, "index": index})


def unknown_codes(connection: Connection, codes: Sequence[str]) -> list[str]:
    """Those of ``codes`` that neither the list of securities nor any bar has."""
    return [row[0] for row in connection.execute(queries("read")["unknown"], {"codes": codes})]


def listed_span(connection: Connection, codes: Sequence[str]) -> ListedSpan:
    """The kinds of some securities, and when any of them was listed."""
    ((kinds, first, last),) = connection.execute(queries("read")["listed_span"], {"codes": list(codes)})
    return ListedSpan(kinds, first, last)


def open_dates(
    connection: Connection,
    datasets: Sequence[str],
    if_asked: Sequence[str],
    *,
    start: date,
    has_start: bool,
    end: date,
    newest: date,
    since: date | None,
) -> OpenDates:
    """The trade dates from ``start`` to ``end`` that are neither complete nor accepted.

    :param datasets: the datasets to judge by.
    :param if_asked: other datasets, each judged on the dates on which a run was asked to load it.
    :param has_start: whether dates on which no run has worked count from ``start`` on. If not, the range begins with
        the first bar, and they count from where the database is meant to be complete.
    :param newest: the newest date whose bars should be out. Later dates count only if they have bars.
    :param since: since when the database is meant to be complete.
    """
    values = {
        "datasets": list(datasets),
        "if_asked": list(if_asked),
        "start": start,
        "has_start": has_start,
        "end": end,
        "newest": newest,
        "last": min(end, newest),
        "since": since,
        "named": NAMED,
    }
    (row,) = connection.execute(queries("read")["incomplete"], values)
    return OpenDates(*row)


def list_read_at(connection: Connection) -> datetime | None:
    """When the list of securities was last read from Baostock."""
    row = connection.execute(queries("read")["list_read_at"]).fetchone()
    return row[0] if row else None


def listed_securities(connection: Connection, day: date, kinds: Sequence[str]) -> bytes:
    """The securities that were listed on a day, as CSV: code, name, kind, ipo_date, out_date."""
    query = sql.SQL(queries("read")["universe"])
    with arrow.copied(connection, query, {"day": day, "kinds": kinds}) as texts:
        return b"".join(texts)
