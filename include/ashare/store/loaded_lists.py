"""Queries for users: the weekly lists of members, industries and names, and which weeks of them are not complete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from ashare.store import arrow
from ashare.store.queries import queries
from ashare.texts import NAMED

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]


class Begin(NamedTuple):
    """The begin of a weekly list.

    :ivar at_source: the first Monday of which Baostock has the list.
    :ivar loaded: the first Monday of which it is loaded; ``None``: it is not loaded at all.
    :ivar of_index: the first Monday since ``loaded`` on which the index has members; without one, ``loaded``.
    """

    at_source: date
    loaded: date | None
    of_index: date | None


class OpenWeeks(NamedTuple):
    """The weeks of a range that are not complete.

    :ivar weeks: number of weeks.
    :ivar named: the first few Mondays.
    :ivar last: the last Monday; ``None`` without a week.
    :ivar is_recorded: whether a run has worked on one of the weeks.
    """

    weeks: int
    named: Sequence[date]
    last: date | None
    is_recorded: bool


def begin(connection: Connection, dataset: str, index: str | None) -> Begin:
    """From when on a weekly list is loaded.

    :param index: an index, for the list of its members.
    """
    (row,) = connection.execute(queries("read_lists")["begin"], {"dataset": dataset, "index": index})
    return Begin(*row)


def open_weeks(
    connection: Connection, dataset: str, *, first: date, last: date, newest: date, oldest: int
) -> OpenWeeks:
    """The weeks of a list that are not complete, from the list in force on ``first`` to ``last``.

    :param newest: the newest Monday whose list should be out.
    :param oldest: up to which age, in days, a list is good for ``last`` though later weeks are not loaded.
    """
    values = {"dataset": dataset, "first": first, "last": last, "newest": newest, "oldest": oldest, "named": NAMED}
    (row,) = connection.execute(queries("read_lists")["open_weeks"], values)
    return OpenWeeks(*row)


def member_spans(connection: Connection, index: str, first: date, last: date) -> bytes:
    """The spans of an index's members that overlap a range, as CSV: index_code, code, start_date, end_date."""
    return _text(connection, "members", {"index": index, "first": first, "last": last})


def listed_members(connection: Connection, day: date, kinds: Sequence[str], index: str) -> bytes:
    """The listed members of an index on a day, as CSV, with the columns of ``loaded_bars.listed_securities``."""
    return _text(connection, "universe", {"day": day, "kinds": kinds, "index": index})


def listed_stocks(connection: Connection, dataset: str, day: date) -> bytes:
    """A weekly list as of a day, only the stocks listed on it, as CSV.

    :param dataset: ``industry`` (code, industry, classification) or ``security_name`` (code, name).
    """
    return _text(connection, dataset, {"day": day, "kinds": ["stock"]})


def _text(connection: Connection, name: str, values: dict[str, Any]) -> bytes:
    query = sql.SQL(queries("read_lists")[name]).format(listed=sql.SQL(queries("read")["universe"]))
    with arrow.copied(connection, query, values) as texts:
        return b"".join(texts)
