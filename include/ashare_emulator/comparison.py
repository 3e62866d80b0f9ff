"""Compares given bars with the bars of a generated market."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation

from ashare_emulator.market import COLUMNS, Market

CLOSE, VOLUME = COLUMNS.index("close"), COLUMNS.index("volume")


def count_equal_bars(market: Market, lines: Iterable[str]) -> int:
    """The number of given bars that equal the market's bar of the same date and code in close and volume.

    :param lines: CSV without a header: trade date, code, close in CNY, volume in shares; a blank volume is 0.
    :raises ValueError: a line has another form; the text is one sentence.
    """
    equal = 0
    for row in csv.reader(lines):
        try:
            day, code, close, volume = date.fromisoformat(row[0]), row[1], Decimal(row[2]), int(row[3] or 0)
        except (ValueError, IndexError, InvalidOperation):
            raise ValueError(f"{','.join(row)!r} is not a bar: write date,code,close,volume.") from None
        for bar in market.bars_of(code, day, day):
            equal += Decimal(bar[CLOSE]) == close and int(bar[VOLUME] or 0) == volume
    return equal
