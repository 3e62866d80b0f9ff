"""Validates bars before the write. A row that breaks a rule is rejected; the valid rows of the reply are kept."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, lru_cache
from operator import itemgetter

from ashare.datasets import BAR_COLUMNS
from ashare.source import Table
from ashare.store.rows import BlankedBar, RejectedBar

PRICES = ("open", "high", "low", "close", "preclose")
NUMBERS = (*PRICES, "amount", "turn", "pctChg")
VALUATIONS = ("peTTM", "pbMRQ", "psTTM", "pcfNcfTTM")
NOT_NEGATIVE = (*PRICES, "amount", "turn")
BLANK_WHEN_SUSPENDED = ("volume", "amount", "turn", "pctChg")

COPY_ORDER = ("date", "code", *BAR_COLUMNS)
"""Baostock's column names, in the order of COPY."""
_TRADESTATUS, _IS_ST = map(COPY_ORDER.index, ("tradestatus", "isST"))

# The length limits admit every real value, and no value that PostgreSQL refuses.
is_number = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?").fullmatch
_is_count = re.compile(r"[0-9]{1,18}").fullmatch
is_code = re.compile(r"(sh|sz|bj)\.[0-9]{6}").fullmatch

# Fast path for nearly every row: a traded day, every value well-formed, no forbidden negative value. A line's
# shape has 0 for every digit. Many lines have the same shape, and each shape is held against the rules once.
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)
_PRICE, _CHANGE = r"0{1,20}(?:\.0{1,20})?", r"-?0{1,20}(?:\.0{1,20})?"
_is_ordinary = re.compile(
    "\t".join(
        [
            r"0000-00-00\ts[hz]\.0{6}",
            rf"({_PRICE})(?:(?:\t\1){{3}}|((?:\t{_PRICE}){{3}}))",  # open, high, low, close
            rf"{_PRICE}\t0{{1,18}}\t{_PRICE}\t{_PRICE}\t{_CHANGE}\t0\t0",
            *[_CHANGE] * 4,
        ]
    ).encode()
).fullmatch


@lru_cache(maxsize=4096)
def _zero_price(shape: bytes) -> str | None:
    """The price 0 in the form of a line's prices, if the line has the shape of an ordinary row; else ``None``.

    Empty if the prices differ in form. Prices of one form are in the same order as texts and as numbers.
    """
    found = _is_ordinary(shape)
    if found is None:
        return None
    price, others = found.groups()
    return "" if others else str(price, "ascii")


@dataclass
class CheckedBars:
    """The result of a check.

    :ivar lines: valid rows as COPY text, columns in ``COPY_ORDER``.
    :ivar rejects: rows that break a rule.
    :ivar blanked: malformed valuations of valid rows; ``lines`` has NULL in their place.
    """

    lines: list[str] = field(default_factory=list)
    rejects: list[RejectedBar] = field(default_factory=list)
    blanked: list[BlankedBar] = field(default_factory=list)

    def add(self, bar: dict[str, str], kind: str) -> None:
        """Add a valid row. A valuation that is not a number becomes NULL and goes to ``blanked``."""
        odd = {name: bar[name] for name in VALUATIONS if bar[name] and not is_number(bar[name])}
        if odd:
            self.blanked.append(BlankedBar(date.fromisoformat(bar["date"]), bar["code"], odd))
        self.lines.append(_copy_line(bar | dict.fromkeys(odd, ""), kind))


def check_bars(
    table: Table,
    code: str | None,
    start: date,
    end: date,
    *,
    day: date,
    kind: str = "stock",
    sessions: Container[str] | None = None,
) -> CheckedBars:
    """Check a reply to a request for one code, or for all codes (``None``), from ``start`` to ``end``.

    A rejected row whose date is malformed or out of the range is recorded under the trade date ``day``.

    :param sessions: trading days of the range (``YYYY-MM-DD``), if known; a bar of any other day is rejected.
    """
    checked = CheckedBars()
    first, last = str(start), str(end)
    columns = itemgetter(*map(table.fields.index, COPY_ORDER))
    adjustflag = table.fields.index("adjustflag")
    repeated = _repeated(table)
    is_simple = kind != "etf" and not repeated
    is_session = cache(lambda text: _is_asked(text, first, last) and (sessions is None or text in sessions))
    loaded = set()
    for row in table.rows:
        values = columns(row)
        if is_simple and row[adjustflag] == "3" and values[1] == (code or values[1]) and is_session(values[0]):
            line = _ordinary_line(values)
            if line:
                checked.lines.append(line)
                continue
        bar = dict(zip(table.fields, row, strict=True))
        if kind == "etf":
            bar["isST"] = ""  # Baostock fills isST for ETFs, where isST has no meaning
        key = values[:2]
        rule = _broken_rule(bar, first=first, last=last, asked_code=code)
        if sessions is not None and bar["date"] not in sessions:
            rule = rule or "the day is not a trading day, by Baostock's calendar"
        if repeated.get(key):
            rule = "another row for the same day and code says otherwise"
        if rule:
            own_day = date.fromisoformat(bar["date"]) if _is_asked(bar["date"], first, last) else day
            checked.rejects.append(RejectedBar(own_day, bar["code"], rule, bar))
        elif key not in loaded:  # deduplicate identical rows
            loaded.add(key)
            checked.add(bar, kind)
    return checked


def _ordinary_line(values: Sequence[str]) -> str | None:
    """The row as COPY text, if it traded and breaks no rule; ``None``: whether it does is not known.

    :param values: in ``COPY_ORDER``.
    """
    line = "\t".join(values)
    zero = _zero_price(line.encode("ascii", "replace").translate(_DIGITS))
    if zero is None or values[_TRADESTATUS] != "1" or values[_IS_ST] not in ("0", "1"):
        return None
    opened, high, low, close = values[2:6]
    if zero:
        is_good = zero < low <= opened <= high and low <= close <= high
    else:
        lowest, highest = float(low), float(high)
        is_good = 0 < lowest <= float(opened) <= highest and lowest <= float(close) <= highest
    return line + "\n" if is_good else None


def _repeated(table: Table) -> dict[tuple[str, ...], bool]:
    """Duplicate keys (date, code) -> whether their rows differ. Differing rows are all rejected."""
    keys = list(table.columns("date", "code"))
    if len(set(keys)) == len(keys):
        return {}
    rows: dict[tuple[str, ...], list[list[str]]] = {}
    for key, row in zip(keys, table.rows, strict=True):
        rows.setdefault(key, []).append(row)
    return {key: any(row != found[0] for row in found) for key, found in rows.items() if len(found) > 1}


@cache
def is_date(text: str) -> bool:
    """Whether the text is a valid date in Baostock's format, ``YYYY-MM-DD``."""
    try:
        return str(date.fromisoformat(text)) == text
    except ValueError:
        return False


def _is_asked(text: str, first: str, last: str) -> bool:
    return first <= text <= last and is_date(text)


def _broken_rule(bar: dict[str, str], *, first: str, last: str, asked_code: str | None) -> str | None:
    """The first rule that the row breaks, in words; ``None`` for a valid row."""
    if not _is_asked(bar["date"], first, last):
        return f"the date is not in what was asked for ({first} to {last})"
    if not is_code(bar["code"]) or (asked_code and bar["code"] != asked_code):
        return f"the code is not what was asked for ({asked_code or 'all of a market'})"
    if bar["adjustflag"] not in ("3", ""):
        return f"the prices are adjusted (adjustflag {bar['adjustflag']})"
    return _broken_number(bar) or _broken_price(bar)


def _broken_number(bar: dict[str, str]) -> str | None:
    for name in NUMBERS:
        if bar[name] and not is_number(bar[name]):
            return f"{name} is not a number"
    if bar["volume"] and not _is_count(bar["volume"]):
        return "volume is not a whole number of shares"
    for name in NOT_NEGATIVE:
        if bar[name].startswith("-"):
            return f"{name} is negative"
    if bar["tradestatus"] not in ("0", "1", ""):
        return "tradestatus is neither 0 nor 1"
    if bar["isST"] not in ("0", "1", ""):
        return "isST is neither 0 nor 1"
    return None


def _broken_price(bar: dict[str, str]) -> str | None:
    if not all(bar[name] for name in ("open", "high", "low", "close")):
        return "a price is missing"
    if bar["tradestatus"] == "0":
        return _broken_suspension(bar)
    opened, high, low, close = (float(bar[name]) for name in ("open", "high", "low", "close"))
    if not low <= min(opened, close) <= max(opened, close) <= high:
        return "open or close lies outside low to high"
    if low <= 0:
        return "a price is 0"
    return None


def _broken_suspension(bar: dict[str, str]) -> str | None:
    """The rule that a suspended row breaks; ``None`` for a valid row.

    The rules: close equals preclose; open, high and low are not 0 unless close is 0; there is no turnover.
    Some suspended rows hold stale values of an earlier day: a price other than the close (sz.000672 in 2013),
    or volume and turn with an amount of 0 (2020-06-17). A rejection would leave a gap in the security's history.
    So such a row is loaded as sent; its false ``is_trading`` means: ignore open, high, low, volume and turn.
    """
    close = float(bar["close"])
    is_filled = close == 0 or all(float(bar[name]) for name in ("open", "high", "low"))
    if close != float(bar["preclose"] or close) or not is_filled:
        return "suspended, but the prices are not all the last close"
    turnover = ("amount",) if _is_zero(bar["amount"]) else ("volume", "amount", "turn")
    if any(float(bar[name] or 0) for name in turnover):
        return "suspended, but there is turnover"
    return None


def _is_zero(text: str) -> bool:
    return bool(text) and float(text) == 0


def _is_suspended(bar: dict[str, str], kind: str) -> bool:
    """Whether nothing was traded, whatever ``tradestatus`` says.

    The signs: all prices are equal, and volume, amount, turn and pctChg are blank (seen on 2022-01-10).
    """
    prices = {float(bar[name]) for name in PRICES if bar[name]}
    return kind != "index" and len(prices) == 1 and not any(bar[name] for name in BLANK_WHEN_SUSPENDED)


def _copy_line(bar: dict[str, str], kind: str) -> str:
    # Rows of an index have no tradestatus: an index is never suspended.
    values = bar | {"tradestatus": "0" if _is_suspended(bar, kind) else bar["tradestatus"] or "1"}
    return "\t".join([values[name] or "\\N" for name in COPY_ORDER]) + "\n"
