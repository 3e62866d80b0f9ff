"""Reads bars as pandas frames, or as Arrow tables, which polars and DuckDB take without a copy.

The module does not need Airflow. The parameter ``source`` is a lake (a path, or an fsspec URL such as
``s3://bucket/lake``), or a connection: libpq's string or URI, or an open psycopg connection. ``None`` means the lake
in ``ASHARE_LAKE``, and without that the connection in ``AIRFLOW_CONN_ASHARE_POSTGRES``. ``connection`` is always a
connection. A lake and its database give the same frames, to the last bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from ashare.data_source import DataSource, View, read_from
from ashare.errors import InvalidInput
from ashare.incomplete import Incomplete, IncompleteBars, Problem, RequestedBars, find_problem, parse_incomplete
from ashare.incomplete_weeks import IncompleteLists, find_week_problem, parse_index
from ashare.read_arguments import Codes, Day, parse_codes, parse_day_range, parse_kinds
from ashare.read_columns import ADJUSTED, FIELDS, KEY, LIMITS
from ashare.reference_lists import industries, members, names, universe
from ashare.store import arrow
from ashare.texts import named

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from ashare.data_source import Connection, Source

__all__ = [
    "IncompleteBars",
    "IncompleteLists",
    "industries",
    "load_bars",
    "load_bars_arrow",
    "load_limits",
    "load_panel",
    "members",
    "names",
    "parse_kinds",
    "scan_bars",
    "universe",
]

Adjust = Literal["qfq", "hfq"]
Read = TypeVar("Read")

VIEWS: dict[Adjust | None, View] = {None: "daily_bar", "qfq": "daily_bar_qfq", "hfq": "daily_bar_hfq"}


class _Requested(NamedTuple):
    """What is read: a table or view, its columns with their Arrow types, and which datasets must be complete."""

    view: View
    types: Mapping[str, str]
    kinds: Sequence[str] | None = None
    with_factors: bool = False


@dataclass(frozen=True)
class _Range:
    """Of which securities and days it is read, what is done about days that are not complete, and from where."""

    codes: Codes
    start: Day | None
    end: Day | None
    index: str | None
    incomplete: Incomplete
    source: Source | None
    connection: str | Connection | None


def load_bars(
    codes: Codes = None,
    start: Day | None = None,
    end: Day | None = None,
    adjust: Adjust | None = None,
    fields: str | Iterable[str] | None = None,
    *,
    index: str | None = None,
    incomplete: Incomplete = "warn",
    source: Source | None = None,
    connection: str | Connection | None = None,
) -> pd.DataFrame:
    """Daily bars as a frame: one row per code and trade date, sorted by both in this order; a default index.

    A bar that is not loaded has no row; ``incomplete`` says so. A suspended day has a row, with ``is_trading`` false.

    :param codes: one code or several, each with its exchange (``sh.600000``); ``None``: all codes.
    :param start: first trade date, ``YYYY-MM-DD`` or a date; ``None``: the first loaded date.
    :param end: last trade date, included; ``None``: the newest loaded date.
    :param adjust: ``None``: prices as traded; ``"qfq"``: adjusted, continuous with the stock's newest price;
        ``"hfq"``: adjusted, continuous with its first price. open, high, low, close and preclose are adjusted;
        volume and amount stay as traded.
    :param fields: columns in addition to ``trade_date`` and ``code``; ``None``: all columns, with ``adjust`` also
        ``factor`` and ``adjusted_volume``.
    :param index: only the bars of its members: of each stock, those of the trade dates on which it was a member of
        ``sh.000300`` (CSI 300), ``sh.000905`` (CSI 500) or ``sh.000016`` (SSE 50), as of the Mondays of Baostock's
        lists (see ``members``). With ``codes``, those of them that were members.
    :param incomplete: what to do if a trade date of the range is neither complete nor accepted: ``"warn"``: one
        ``IncompleteBars`` warning, which says which dates, and how to load them; ``"raise"``: an ``IncompleteDate``
        error with the same text; ``"ignore"``: nothing. Judged are the kinds of ``codes``, within the time when any
        of them was listed; without ``codes``, the kinds of ``ASHARE_KINDS``, and others that a run was asked to
        load; with ``adjust``, the adjust factors, too. From ``start`` on, every session counts up to the newest whose
        bars should be out. Without ``start``, the range begins with the first bar, and a date on which no run has
        worked counts from ``ASHARE_FIRST_DATE`` or the first complete date on. With ``index``, the weeks of the lists
        are judged, too, by an ``IncompleteLists`` warning (see ``members``). Of a lake that was written before the
        newest bars were out, the warning says so.
    :param source: a lake or a connection; ``None``: ``ASHARE_LAKE``, else ``AIRFLOW_CONN_ASHARE_POSTGRES``.
    :param connection: a connection, whatever ``ASHARE_LAKE`` is; give it or ``source``.
    :returns: ``trade_date`` datetime64[ns], ``code`` str, ``is_trading`` bool, ``is_st`` boolean (``<NA>`` for a
        blank from Baostock, and for ETFs). All other columns, volume included, are float64 with NaN for a missing
        value; float64 holds volume's whole shares exactly. Units are ``daily_bar``'s: CNY, shares, percent.
    :raises InvalidInput: a code, date, field, adjustment, setting, the index or the connection is wrong, or ``start``
        is before the first list of members.
    :raises IncompleteDate: a trade date is not complete, with ``incomplete="raise"``.
    :raises TransientError: the database or the lake cannot be reached or went away.
    """
    requested = _bars(adjust, fields, index)
    return arrow.frame(_rows(requested, _Range(codes, start, end, index, incomplete, source, connection)))


def load_bars_arrow(
    codes: Codes = None,
    start: Day | None = None,
    end: Day | None = None,
    adjust: Adjust | None = None,
    fields: str | Iterable[str] | None = None,
    *,
    index: str | None = None,
    incomplete: Incomplete = "warn",
    source: Source | None = None,
    connection: str | Connection | None = None,
) -> pa.Table:
    """The bars of ``load_bars`` as an Arrow table, each column one chunk. Parameters and errors: see ``load_bars``.

    :returns: ``trade_date`` date32, ``code`` string, ``volume`` int64, ``is_trading`` and ``is_st``
        bool, all other columns float64; null for a missing value. float64 holds 15 digits, enough for every
        value as sent, except the last decimals of amounts over 100 billion CNY (indices).
    """
    requested = _bars(adjust, fields, index)
    return _rows(requested, _Range(codes, start, end, index, incomplete, source, connection))


def load_limits(
    codes: Codes = None,
    start: Day | None = None,
    end: Day | None = None,
    *,
    index: str | None = None,
    incomplete: Incomplete = "warn",
    source: Source | None = None,
    connection: str | Connection | None = None,
) -> pd.DataFrame:
    """The price limits of stocks' bars as a frame: one row per bar of a stock, sorted by code and trade date.

    Parameters and errors: see ``load_bars``. Indices and ETFs have no row. The view ``daily_limit`` says what each
    column means, and which rules it knows.

    :returns: ``trade_date`` datetime64[ns], ``code`` str; ``limit_up`` and ``limit_down`` float64, CNY, unadjusted,
        NaN without a limit; ``is_limit_up``, ``is_limit_down``, ``is_one_price``, ``can_buy``, ``can_sell`` and
        ``is_outside`` bool; ``rule`` str, a key of the table ``price_limit_rule``, missing where it has none.
    """
    requested = _Requested("daily_limit", {**KEY, **LIMITS}, ("stock",))
    return arrow.frame(_rows(requested, _Range(codes, start, end, index, incomplete, source, connection)))


def load_panel(
    field: str,
    start: Day | None = None,
    end: Day | None = None,
    *,
    adjust: Adjust | None = None,
    index: str | None = None,
    codes: Codes = None,
    incomplete: Incomplete = "warn",
    source: Source | None = None,
    connection: str | Connection | None = None,
) -> pd.DataFrame:
    """One field as a wide frame: a row per trade date and a column per security. Fastest from a lake.

    Parameters and errors: see ``load_bars``.

    :param field: any one column of ``load_bars``, with ``adjust`` also ``factor`` or ``adjusted_volume``.
    :returns: index ``trade_date`` (datetime64[ns], sorted), columns ``code`` (sorted); float64, booleans as 1.0 and
        0.0; NaN for a missing value, and where a security has no bar.
    """
    if not isinstance(field, str) or field in KEY:
        raise InvalidInput(f"A panel has one field, not {field!r}: name one, for example 'close'.")
    requested = _bars(adjust, field, index)
    asked = _Range(codes, start, end, index, incomplete, source, connection)

    def read(data: DataSource, **chosen: Any) -> pd.DataFrame:
        return data.panel(requested.view, requested.types, **chosen).frame()

    return _read(requested, asked, read, 2)


def scan_bars(adjust: Adjust | None = None, source: str | Path | None = None) -> pl.LazyFrame:
    """The bars of a lake as a polars ``LazyFrame``: filters, columns and aggregates read only what they need.

    Which trade dates are complete is not judged; ``load_bars`` does that. Columns: those of ``load_bars_arrow``.
    Adjusted columns are computed with floats and rounded: a last bit may differ from ``load_bars``.

    :param source: the lake; ``None``: the lake in ``ASHARE_LAKE``.
    :raises InvalidInput: polars is not installed, or there is no such lake.
    """
    from ashare.lake.lazy_bars import scan

    return scan(VIEWS[_adjustment(adjust)], source)


def _rows(requested: _Requested, asked: _Range) -> pa.Table:
    """The rows of a view; a warning names the line that called the reader."""

    def read(data: DataSource, **chosen: Any) -> pa.Table:
        return data.rows(requested.view, requested.types, **chosen)

    return _read(requested, asked, read, 3)


def _read(requested: _Requested, asked: _Range, read: Callable[..., Read], depth: int) -> Read:
    """Check arguments, judge which dates are complete, and read.

    :param read: called with the source, and with ``start``, ``end``, ``codes`` and ``index``.
    :param depth: number of functions up to the line that called the reader, for warnings.
    """
    first, last = parse_day_range(asked.start, asked.end)
    codes = None if asked.codes is None else parse_codes(asked.codes)
    index = None if asked.index is None else parse_index(asked.index)
    since = None if asked.start is None else first
    judged = RequestedBars(since, last, requested.kinds, codes, requested.with_factors)
    incomplete = parse_incomplete(asked.incomplete)

    def judged_and_read(data: DataSource) -> tuple[Read, Problem | None, str | None]:
        if codes:
            _refuse_unknown(data, codes)
        # Before the bars are read: what a run completes in between is in the bars.
        problem, week_problem = find_problem(data, judged, incomplete), None
        if index:
            week_problem = find_week_problem(data, "index_member", since, last, incomplete, index)
        return read(data, start=first, end=last, codes=codes, index=index), problem, week_problem

    found, problem, week_problem = read_from(asked.source, asked.connection, judged_and_read)
    if problem:
        warnings.warn(problem.sentence, IncompleteBars, stacklevel=depth + 1)
    if week_problem:
        warnings.warn(week_problem, IncompleteLists, stacklevel=depth + 1)
    return found


def _bars(adjust: Any, fields: str | Iterable[str] | None, index: str | None) -> _Requested:
    adjustment = _adjustment(adjust)
    kinds = None if index is None else ("stock",)
    return _Requested(VIEWS[adjustment], _types(adjustment, fields), kinds, adjustment is not None)


def _types(adjust: Adjust | None, fields: str | Iterable[str] | None) -> dict[str, str]:
    """Selected column -> Arrow type; the key columns come first."""
    allowed = {**KEY, **FIELDS, **(ADJUSTED if adjust else {})}
    if fields is None:
        return allowed
    chosen = [fields] if isinstance(fields, str) else [str(field) for field in fields]
    for field in chosen:
        if field in ADJUSTED and not adjust:
            raise InvalidInput(f"Only adjusted bars have the field {field}: add adjust='qfq' or adjust='hfq'.")
        if field not in allowed:
            raise InvalidInput(f"There is no field {field!r}: choose among {', '.join(allowed)}.")
    return {name: allowed[name] for name in dict.fromkeys([*KEY, *chosen])}


def _adjustment(given: Any) -> Adjust | None:
    if given not in list(VIEWS):
        raise InvalidInput(
            f"There is no adjustment {given!r}: write None for prices as traded, 'qfq' for continuous with the "
            "newest, or 'hfq' for continuous with the first price."
        )
    adjust: Adjust | None = given
    return adjust


def _refuse_unknown(data: DataSource, codes: Sequence[str]) -> None:
    if unknown := data.unknown_codes(codes):
        raise InvalidInput(
            f"Not known: {named(unknown)}; ashare.security lists every security that Baostock has, "
            "delisted ones included."
        )
