"""Reads bars as pandas frames, or as Arrow tables, which polars and DuckDB take without a copy.

The module does not need Airflow. The parameter ``connection`` is libpq's string or URI, or an open psycopg
connection; ``None`` means the connection in ``AIRFLOW_CONN_ASHARE_POSTGRES``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ashare.errors import InvalidInput
from ashare.incomplete import Incomplete, IncompleteBars, RequestedBars, find_problem, parse_incomplete
from ashare.incomplete_weeks import IncompleteLists, find_week_problem, parse_index
from ashare.read_arguments import Codes, Day, parse_codes, parse_day_range, parse_kinds
from ashare.reference_lists import industries, members, names, universe
from ashare.store import arrow, loaded_bars
from ashare.store.read_connection import read_only_connection, read_transaction
from ashare.texts import named

if TYPE_CHECKING:
    import pandas as pd
    import psycopg
    import pyarrow as pa

    Connection = psycopg.Connection[Any]

__all__ = [
    "IncompleteBars",
    "IncompleteLists",
    "industries",
    "load_bars",
    "load_bars_arrow",
    "load_limits",
    "members",
    "names",
    "parse_kinds",
    "universe",
]

Adjust = Literal["qfq", "hfq"]

KEY = {"trade_date": "date32", "code": arrow.CODE}
FIELDS = {
    **dict.fromkeys(("open", "high", "low", "close", "preclose"), "float64"),
    "volume": "int64",
    **dict.fromkeys(("amount", "turn", "pct_chg"), "float64"),
    **dict.fromkeys(("is_trading", "is_st"), "bool"),
    **dict.fromkeys(("pe_ttm", "pb_mrq", "ps_ttm", "pcf_ncf_ttm"), "float64"),
}
"""Value column of ``daily_bar`` -> Arrow type."""
ADJUSTED = {"factor": "float64", "adjusted_volume": "float64"}
"""Additional columns of the adjusted views."""
VIEWS = {None: "daily_bar", "qfq": "daily_bar_qfq", "hfq": "daily_bar_hfq"}

LIMITS = {
    **dict.fromkeys(("limit_up", "limit_down"), "float64"),
    **dict.fromkeys(("is_limit_up", "is_limit_down", "is_one_price", "can_buy", "can_sell", "is_outside"), "bool"),
    "rule": "string",
}
"""Value column of the view ``daily_limit`` -> Arrow type."""


class _Source(NamedTuple):
    """What is read: a table or view, its columns with their Arrow types, and which datasets must be complete."""

    view: str
    types: Mapping[str, str]
    kinds: Sequence[str] | None = None
    with_factors: bool = False


def load_bars(
    codes: Codes = None,
    start: Day | None = None,
    end: Day | None = None,
    adjust: Adjust | None = None,
    fields: str | Iterable[str] | None = None,
    *,
    index: str | None = None,
    incomplete: Incomplete = "warn",
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
        are judged, too, by an ``IncompleteLists`` warning (see ``members``).
    :returns: ``trade_date`` datetime64[ns], ``code`` str, ``is_trading`` bool, ``is_st`` boolean (``<NA>`` for a
        blank from Baostock, and for ETFs). All other columns, volume included, are float64 with NaN for a missing
        value; float64 holds volume's whole shares exactly. Units are ``daily_bar``'s: CNY, shares, percent.
    :raises InvalidInput: a code, date, field, adjustment, setting, the index or the connection is wrong, or ``start``
        is before the first list of members.
    :raises IncompleteDate: a trade date is not complete, with ``incomplete="raise"``.
    :raises StoreUnavailable: the database cannot be reached or went away.
    """
    return arrow.frame(_rows(codes, start, end, _bars(adjust, fields, index), index, incomplete, connection))


def load_bars_arrow(
    codes: Codes = None,
    start: Day | None = None,
    end: Day | None = None,
    adjust: Adjust | None = None,
    fields: str | Iterable[str] | None = None,
    *,
    index: str | None = None,
    incomplete: Incomplete = "warn",
    connection: str | Connection | None = None,
) -> pa.Table:
    """The bars of ``load_bars`` as an Arrow table, each column one chunk. Parameters and errors: see ``load_bars``.

    :returns: ``trade_date`` date32, ``code`` string, ``volume`` int64, ``is_trading`` and ``is_st``
        bool, all other columns float64; null for a missing value. float64 holds 15 digits, enough for every
        value as sent, except the last decimals of amounts over 100 billion CNY (indices).
    """
    return _rows(codes, start, end, _bars(adjust, fields, index), index, incomplete, connection)


def load_limits(
    codes: Codes = None,
    start: Day | None = None,
    end: Day | None = None,
    *,
    index: str | None = None,
    incomplete: Incomplete = "warn",
    connection: str | Connection | None = None,
) -> pd.DataFrame:
    """The price limits of stocks' bars as a frame: one row per bar of a stock, sorted by code and trade date.

    Parameters and errors: see ``load_bars``. Indices and ETFs have no row. The view ``daily_limit`` says what each
    column means, and which rules it knows.

    :returns: ``trade_date`` datetime64[ns], ``code`` str; ``limit_up`` and ``limit_down`` float64, CNY, unadjusted,
        NaN without a limit; ``is_limit_up``, ``is_limit_down``, ``is_one_price``, ``can_buy``, ``can_sell`` and
        ``is_outside`` bool; ``rule`` str, a key of the table ``price_limit_rule``, missing where it has none.
    """
    source = _Source("daily_limit", {**KEY, **LIMITS}, ("stock",))
    return arrow.frame(_rows(codes, start, end, source, index, incomplete, connection))


def _rows(
    codes: Codes,
    start: Day | None,
    end: Day | None,
    source: _Source,
    index: str | None,
    incomplete: Incomplete,
    connection: str | Connection | None,
) -> pa.Table:
    """The rows of a view; a warning if trade dates are not complete names the line that called the reader."""
    import pyarrow as pa

    first, last = parse_day_range(start, end)
    chosen = None if codes is None else parse_codes(codes)
    index = None if index is None else parse_index(index)
    since = None if start is None else first
    requested = RequestedBars(since, last, source.kinds, chosen, source.with_factors)
    parse_incomplete(incomplete)
    week_problem = None
    with read_only_connection(connection) as opened, read_transaction(opened):
        if chosen:
            _refuse_unknown(opened, chosen)
        # Before the bars are read: what a run completes in between is in the bars.
        problem = find_problem(opened, requested, incomplete)
        if index:
            week_problem = find_week_problem(opened, "index_member", since, last, incomplete, index)
        columns = arrow.schema(source.types)
        with loaded_bars.copy_bars(
            opened, source.types, source.view, start=first, end=last, codes=chosen, index=index
        ) as texts:
            tables = [arrow.parsed(text, columns) for text in texts]
    if problem:
        warnings.warn(problem.sentence, IncompleteBars, stacklevel=3)
    if week_problem:
        warnings.warn(week_problem, IncompleteLists, stacklevel=3)
    return pa.concat_tables(tables).combine_chunks()


def _bars(adjust: Any, fields: str | Iterable[str] | None, index: str | None) -> _Source:
    adjustment = _adjustment(adjust)
    kinds = None if index is None else ("stock",)
    return _Source(VIEWS[adjustment], _types(adjustment, fields), kinds, adjustment is not None)


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


def _refuse_unknown(connection: Connection, codes: Sequence[str]) -> None:
    if unknown := loaded_bars.unknown_codes(connection, codes):
        raise InvalidInput(
            f"Not known: {named(unknown)}; ashare.security lists every security that Baostock has, "
            "delisted ones included."
        )
