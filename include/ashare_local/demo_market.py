"""The generated market of the demo: ten years of one market for `make demo` and `make up DEMO=1`."""

from __future__ import annotations

import sys
from datetime import date

DEMO_FROM = date(2015, 1, 1)
KEEP_MARKER = "kept"
"""A marker file in the demo's state directory. It protects the bars of `make up DEMO=1` from `make demo`."""


def first_day(trade_date: date) -> date:
    """The first day of a demo market that contains a trade date."""
    return min(DEMO_FROM, date(trade_date.year, 1, 1))


def emulator_arguments(trade_date: date = DEMO_FROM) -> tuple[str, ...]:
    """The emulator's arguments in a demo.

    :param trade_date: a date that the market has to contain.
    """
    return ("--start", str(first_day(trade_date)))


def comparison_command(trade_date: date, end: date) -> list[str]:
    """The command that reads bars on standard input and counts those that the demo's market has.

    :param trade_date: a date that the market has to contain.
    :param end: the market's last day, not before the last bar.
    """
    return [sys.executable, "-m", "ashare_emulator", "compare", *emulator_arguments(trade_date), "--end", str(end)]
