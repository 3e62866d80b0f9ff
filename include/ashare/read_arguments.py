"""Arguments of the readers: days, ranges, codes, kinds. A wrong one is answered in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime

from ashare.checks import is_code
from ashare.datasets import KINDS
from ashare.dates import FIRST_TRADE_DATE, beijing_now, check_order, parse_date, parse_trade_date
from ashare.errors import InvalidInput

Codes = str | Iterable[str] | None
Day = str | date


def parse_day(given: Day) -> date:
    """Read a day: ``YYYY-MM-DD``, a date, or a moment, whose date counts.

    :raises InvalidInput: the text is not such a date.
    """
    if isinstance(given, datetime):  # includes pandas' Timestamp
        return given.date()
    return given if isinstance(given, date) else parse_date(str(given))


def parse_day_range(start: Day | None, end: Day | None) -> tuple[date, date]:
    """Resolve the range. It may extend before the first session or into the future, but must not lie there.

    :returns: first and last day; without a start, 1990-12-19; without an end, today in Beijing.
    :raises InvalidInput: a day is malformed, the end is before the start, or no part of the range can be loaded.
    """
    today = beijing_now().date()
    first = FIRST_TRADE_DATE if start is None else parse_day(start)
    last = max(today, first) if end is None else parse_day(end)
    check_order(first, last)
    parse_trade_date(max(first, FIRST_TRADE_DATE), today=today)
    parse_trade_date(min(last, today), today=today)
    return first, last


def parse_codes(given: str | Iterable[str]) -> list[str]:
    """Validate and deduplicate codes.

    :raises InvalidInput: a code is malformed, or no code is given.
    """
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
