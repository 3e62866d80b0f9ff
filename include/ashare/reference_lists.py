"""Reads lists of securities as of a day: the universe, the members of an index, industries, names.

Members, industries and names are as of the Mondays on which Baostock loads its lists: on any other day, those of the
Monday before. A change takes effect up to a week before the Monday of the first list that has it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING

from ashare.data_source import DataSource, read_from
from ashare.dates import SHANGHAI, parse_trade_date
from ashare.errors import InvalidInput
from ashare.incomplete import Incomplete, parse_incomplete
from ashare.incomplete_weeks import IncompleteLists, find_week_problem, parse_index
from ashare.read_arguments import Day, parse_day, parse_day_range, parse_kinds
from ashare.store import arrow

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ashare.data_source import Connection, Source


def universe(
    on_date: Day,
    kinds: str | Iterable[str] = ("stock",),
    *,
    index: str | None = None,
    incomplete: Incomplete = "warn",
    source: Source | None = None,
    connection: str | Connection | None = None,
) -> pd.DataFrame:
    """Point-in-time universe: the securities that were listed on a day, including those delisted since.

    :param on_date: ``YYYY-MM-DD`` or a date; need not be a session.
    :param kinds: one or several of ``stock``, ``index`` and ``etf``. Securities are returned even if Baostock has
        no bars of them on that day.
    :param index: only the members of this index on that day: ``sh.000300`` (CSI 300), ``sh.000905`` (CSI 500) or
        ``sh.000016`` (SSE 50), as of the Monday on or before it.
    :param incomplete: with ``index``, see ``members``.
    :returns: one row per security, sorted by code: ``code``, ``name`` (today's name; ``names`` has that day's),
        ``kind``, ``ipo_date``, ``out_date`` (datetime64[ns]; the first day no longer listed, NaT while listed).
    :raises InvalidInput: the date is malformed, before 1990-12-19, before the first list of members, or after the
        last read of the list of securities; a kind or the index is unknown; or the connection is wrong.
    :raises IncompleteDate: a week is not complete, with ``incomplete="raise"``.
    :raises TransientError: the database or the lake cannot be reached or went away.
    """
    day, wanted = parse_day(on_date), parse_kinds(kinds)
    dataset = None if index is None else "index_member"

    def read(data: DataSource) -> pa.Table:
        return data.listed_securities(day, wanted, index)

    return _as_of(day, dataset, index, incomplete, source, connection, read)


def members(
    index: str,
    start: Day | None = None,
    end: Day | None = None,
    *,
    incomplete: Incomplete = "warn",
    source: Source | None = None,
    connection: str | Connection | None = None,
) -> pd.DataFrame:
    """The members of an index in a range, as spans: one row per stock and time as a member.

    Spans are as of Mondays: ``start_date`` is the Monday of the first list that has the stock, and ``end_date`` that
    of the first list without it. A change takes effect up to a week before. Spans are not cut to the range.

    :param index: ``sh.000300`` (CSI 300), ``sh.000905`` (CSI 500) or ``sh.000016`` (SSE 50).
    :param start: first day, ``YYYY-MM-DD`` or a date; ``None``: the first list. Who joined before the first list
        that is loaded has its Monday as ``start_date``.
    :param end: last day, included; ``None``: today.
    :param incomplete: what to do if a week of the range is not complete, or if the newest list is over 14 days old on
        its last day: ``"warn"``: one ``IncompleteLists`` warning, which says which weeks, and how to load them;
        ``"raise"``: an ``IncompleteDate`` error with the same text; ``"ignore"``: nothing.
    :returns: the spans that overlap the range, sorted by code and start: ``index_code``, ``code``, ``start_date``,
        ``end_date`` (datetime64[ns]; exclusive, NaT while it lasts).
    :raises InvalidInput: a date is malformed or before the first list, the index is unknown, or the connection is
        wrong.
    :raises IncompleteDate: a week is not complete, with ``incomplete="raise"``.
    :raises TransientError: the database or the lake cannot be reached or went away.
    """
    index, incomplete = parse_index(index), parse_incomplete(incomplete)
    first, last = parse_day_range(start, end)
    judged = None if start is None else first

    def read(data: DataSource) -> tuple[pa.Table, str | None]:
        problem = find_week_problem(data, "index_member", judged, last, incomplete, index)
        return data.member_spans(index, first, last), problem

    found, problem = read_from(source, connection, read)
    if problem:
        warnings.warn(problem, IncompleteLists, stacklevel=2)
    return arrow.frame(found)


def industries(
    day: Day,
    classification: str | None = None,
    *,
    incomplete: Incomplete = "warn",
    source: Source | None = None,
    connection: str | Connection | None = None,
) -> pd.DataFrame:
    """The industries of the stocks that were listed on a day, as of the Monday on or before it.

    :param day: ``YYYY-MM-DD`` or a date; need not be a session.
    :param classification: the classification that is expected; ``None``: whichever Baostock had on that day. It has
        one at a time: Shenwan level 1 in earlier years, the CSRC's in later ones.
    :param incomplete: see ``members``.
    :returns: one row per stock of the list, sorted by code: ``code``, ``industry`` (missing where Baostock has none),
        ``classification``. A stock that was listed since the Monday has no row.
    :raises InvalidInput: the date is malformed, before the first list, or after the last read of the list of
        securities; Baostock had another classification on that day; or the connection is wrong.
    :raises IncompleteDate: a week is not complete, with ``incomplete="raise"``.
    :raises TransientError: the database or the lake cannot be reached or went away.
    """
    on_date = parse_day(day)

    def read(data: DataSource) -> pa.Table:
        return data.listed_stocks("industry", on_date)

    found = _as_of(on_date, "industry", None, incomplete, source, connection, read)
    in_force = sorted(found["classification"].unique())
    if classification is not None and in_force and classification not in in_force:
        raise InvalidInput(
            f"The industries of {on_date} are not by {classification!r}: choose {' or '.join(in_force)}, or another "
            "day."
        )
    return (
        found if classification is None else found[found["classification"] == classification].reset_index(drop=True)
    )


def names(
    day: Day,
    *,
    incomplete: Incomplete = "warn",
    source: Source | None = None,
    connection: str | Connection | None = None,
) -> pd.DataFrame:
    """The names that the stocks listed on a day had on it, as of the Monday on or before it.

    :param day: ``YYYY-MM-DD`` or a date; need not be a session.
    :param incomplete: see ``members``.
    :returns: one row per stock of the list, sorted by code: ``code``, ``name`` (ST or *ST in front while it holds). A
        stock that was listed since the Monday has no row.
    :raises InvalidInput: the date is malformed, before the first list, or after the last read of the list of
        securities; or the connection is wrong.
    :raises IncompleteDate: a week is not complete, with ``incomplete="raise"``.
    :raises TransientError: the database or the lake cannot be reached or went away.
    """
    on_date = parse_day(day)

    def read(data: DataSource) -> pa.Table:
        return data.listed_stocks("security_name", on_date)

    return _as_of(on_date, "security_name", None, incomplete, source, connection, read)


def _as_of(
    day: date,
    dataset: str | None,
    index: str | None,
    incomplete: Incomplete,
    source: Source | None,
    connection: str | Connection | None,
    read: Callable[[DataSource], pa.Table],
) -> pd.DataFrame:
    """A list as of a day as a frame; a warning if the week of the day is not complete.

    :param dataset: the weekly list that is read; ``None``: none.
    """
    parse_trade_date(day)
    incomplete = parse_incomplete(incomplete)
    if index is not None:
        parse_index(index)

    def judged_and_read(data: DataSource) -> tuple[pa.Table, str | None]:
        problem = None
        _refuse_later(day, data.list_read_at())
        if dataset:
            problem = find_week_problem(data, dataset, day, day, incomplete, index)
        return read(data), problem

    found, problem = read_from(source, connection, judged_and_read)
    if problem:
        warnings.warn(problem, IncompleteLists, stacklevel=3)
    return arrow.frame(found)


def _refuse_later(day: date, read_at: datetime | None) -> None:
    """Refuse a day after the last read of the list of securities: later listings and delistings are unknown."""
    if read_at is None:
        raise InvalidInput("The list of securities has not been read yet: run ashare_daily for a date first.")
    known_to = read_at.astimezone(SHANGHAI).date()
    if day > known_to:
        raise InvalidInput(
            f"The list of securities was last read on {known_to}, so who was listed on {day} is not known: choose a "
            f"date up to {known_to}, or run ashare_daily for a later date first."
        )
