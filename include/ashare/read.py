"""Reads bars as pandas frames, or as Arrow tables, which polars and DuckDB take without a copy.

The module does not need Airflow. The parameter ``connection`` is libpq's string or URI, or an open psycopg
connection; ``None`` means the connection in ``AIRFLOW_CONN_ASHARE_POSTGRES``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from ashare.checks import is_code
from ashare.datasets import KINDS
from ashare.dates import FIRST_TRADE_DATE, SHANGHAI, beijing_now, check_order, parse_date, parse_trade_date
from ashare.errors import InvalidInput
from ashare.incomplete import Incomplete, IncompleteBars, RequestedBars, find_problem, parse_incomplete
from ashare.store import arrow, loaded_bars
from ashare.store.read_connection import read_only_connection, read_transaction
from ashare.texts import named

if TYPE_CHECKING:
    import pandas as pd
    import psycopg
    import pyarrow as pa

    Connection = psycopg.Connection[Any]

__all__ = ["IncompleteBars", "load_bars", "load_bars_arrow", "parse_kinds", "universe"]

Adjust = Literal["qfq", "hfq"]
Codes = str | Iterable[str] | None
Day = str | date

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

LISTED = {"code": "string", "name": "string", "kind": "string", "ipo_date": "date32", "out_date": "date32"}


def load_bars(
    codes: Codes = None,
    start: Day | None = None,
    end: Day | None = None,
    adjust: Adjust | None = None,
    fields: str | Iterable[str] | None = None,
    *,
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
    :param incomplete: what to do if a trade date of the range is neither complete nor accepted: ``"warn"``: one
        ``IncompleteBars`` warning, which says which dates, and how to load them; ``"raise"``: an ``IncompleteDate``
        error with the same text; ``"ignore"``: nothing. Judged are the kinds of ``codes``, within the time when any
        of them was listed; without ``codes``, the kinds of ``ASHARE_KINDS``, and others that a run was asked to
        load; with ``adjust``, the adjust factors, too. From ``start`` on, every session counts up to the newest whose
        bars should be out. Without ``start``, the range begins with the first bar, and a date on which no run has
        worked counts from ``ASHARE_FIRST_DATE`` or the first complete date on.
    :returns: ``trade_date`` datetime64[ns], ``code`` str, ``is_trading`` bool, ``is_st`` boolean (``<NA>`` for a
        blank from Baostock, and for ETFs). All other columns, volume included, are float64 with NaN for a missing
        value; float64 holds volume's whole shares exactly. Units are ``daily_bar``'s: CNY, shares, percent.
    :raises InvalidInput: a code, date, field, adjustment, setting or the connection is wrong.
    :raises IncompleteDate: a trade date is not complete, with ``incomplete="raise"``.
    :raises StoreUnavailable: the database cannot be reached or went away.
    """
    return _frame(_read(codes, start, end, adjust, fields, incomplete, connection))


def load_bars_arrow(
    codes: Codes = None,
    start: Day | None = None,
    end: Day | None = None,
    adjust: Adjust | None = None,
    fields: str | Iterable[str] | None = None,
    *,
    incomplete: Incomplete = "warn",
    connection: str | Connection | None = None,
) -> pa.Table:
    """The bars of ``load_bars`` as an Arrow table, each column one chunk. Parameters and errors: see ``load_bars``.

    :returns: ``trade_date`` date32, ``code`` string, ``volume`` int64, ``is_trading`` and ``is_st``
        bool, all other columns float64; null for a missing value. float64 holds 15 digits, enough for every
        value as sent, except the last decimals of amounts over 100 billion CNY (indices).
    """
    return _read(codes, start, end, adjust, fields, incomplete, connection)


def _read(
    codes: Codes,
    start: Day | None,
    end: Day | None,
    adjust: Adjust | None,
    fields: str | Iterable[str] | None,
    incomplete: Incomplete,
    connection: str | Connection | None,
) -> pa.Table:
    """The bars of ``load_bars``; a warning if some of them are not complete names the line that called the reader."""
    import pyarrow as pa

    first, last = _range(start, end)
    chosen = None if codes is None else _codes(codes)
    types = _types(_adjustment(adjust), fields)
    requested = RequestedBars(None if start is None else first, last, codes=chosen, with_factors=adjust is not None)
    parse_incomplete(incomplete)
    with read_only_connection(connection) as opened, read_transaction(opened):
        if chosen:
            _refuse_unknown(opened, chosen)
        # Before the bars are read: what a run completes in between is in the bars.
        problem = find_problem(opened, requested, incomplete)
        columns = arrow.schema(types)
        with loaded_bars.copy_bars(opened, types, VIEWS[adjust], start=first, end=last, codes=chosen) as texts:
            tables = [arrow.parsed(text, columns) for text in texts]
    if problem:
        warnings.warn(problem.sentence, IncompleteBars, stacklevel=3)
    return pa.concat_tables(tables).combine_chunks()


def universe(
    on_date: Day, kinds: str | Iterable[str] = ("stock",), *, connection: str | Connection | None = None
) -> pd.DataFrame:
    """Point-in-time universe: the securities that were listed on a day, including those delisted since.

    :param on_date: ``YYYY-MM-DD`` or a date; need not be a session.
    :param kinds: one or several of ``stock``, ``index`` and ``etf``. Securities are returned even if Baostock has
        no bars of them on that day.
    :returns: one row per security, sorted by code: ``code``, ``name`` (today's name, not that day's), ``kind``,
        ``ipo_date``, ``out_date`` (datetime64[ns]; the first day no longer listed, NaT while listed).
    :raises InvalidInput: the date is malformed, before 1990-12-19 or after the last read of the list of
        securities; a kind is unknown; or the connection is wrong.
    :raises StoreUnavailable: the database cannot be reached or went away.
    """
    day, wanted = _day(on_date), parse_kinds(kinds)
    parse_trade_date(day)
    with read_only_connection(connection) as opened, read_transaction(opened):
        _refuse_later(day, loaded_bars.list_read_at(opened))
        text = loaded_bars.listed_securities(opened, day, wanted)
    return _frame(arrow.parsed(text, arrow.schema(LISTED)))


def _frame(table: pa.Table) -> pd.DataFrame:
    """Convert a table to a frame. A column's dtype does not depend on whether a value is missing."""
    import pyarrow as pa

    by_type = {pa.date32(): pa.timestamp("ns"), pa.int64(): pa.float64()}
    types = [(field.name, by_type.get(field.type, field.type)) for field in table.schema]
    frame: pd.DataFrame = table.cast(pa.schema(types)).to_pandas()
    return frame.astype({"is_st": "boolean"}) if "is_st" in frame else frame


# ---------------------------------------------------------------------- arguments


def _day(given: Day) -> date:
    if isinstance(given, datetime):  # includes pandas' Timestamp
        return given.date()
    return given if isinstance(given, date) else parse_date(str(given))


def _range(start: Day | None, end: Day | None) -> tuple[date, date]:
    """Resolve the range. It may extend before the first session or into the future, but must not lie there."""
    today = beijing_now().date()
    first = FIRST_TRADE_DATE if start is None else _day(start)
    last = max(today, first) if end is None else _day(end)
    check_order(first, last)
    parse_trade_date(max(first, FIRST_TRADE_DATE), today=today)
    parse_trade_date(min(last, today), today=today)
    return first, last


def _codes(given: str | Iterable[str]) -> list[str]:
    codes = list(dict.fromkeys([given] if isinstance(given, str) else map(str, given)))
    if not codes:
        raise InvalidInput("No code is given: name at least one, for example sh.600000, or None for all.")
    for code in codes:
        if re.fullmatch(r"\d{6}", code):
            raise InvalidInput(
                f"{code!r} lacks its exchange: write sh.{code} (Shanghai) or sz.{code} (Shenzhen); "
                "sh.000001 is the Shanghai Composite, sz.000001 Ping An Bank."
            )
        if not is_code(code):
            raise InvalidInput(
                f"{code!r} is not a code: write the exchange, a dot and six digits, as sh.600000 or sz.000001."
            )
    return codes


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


def parse_kinds(given: str | Iterable[str]) -> list[str]:
    """Validate and deduplicate kinds of securities.

    :raises InvalidInput: a kind is not ``stock``, ``index`` or ``etf``, or no kind is given.
    """
    kinds = list(dict.fromkeys([given] if isinstance(given, str) else map(str, given)))
    wrong = [kind for kind in kinds if kind not in KINDS]
    if wrong or not kinds:
        problem = f"There is no kind {wrong[0]!r}" if wrong else "No kind is given"
        raise InvalidInput(f"{problem}: choose among {', '.join(KINDS)}.")
    return kinds


def _refuse_unknown(connection: Connection, codes: Sequence[str]) -> None:
    if unknown := loaded_bars.unknown_codes(connection, codes):
        raise InvalidInput(
            f"Not known: {named(unknown)}; ashare.security lists every security that Baostock has, "
            "delisted ones included."
        )


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
