"""The interface of a market that the emulator serves: a generated one, or a recorded one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, Protocol

COLUMNS: tuple[str, ...] = (
    "date",
    "code",
    "open",
    "high",
    "low",
    "close",
    "preclose",
    "volume",
    "amount",
    "adjustflag",
    "turn",
    "tradestatus",
    "pctChg",
    "peTTM",
    "pbMRQ",
    "psTTM",
    "pcfNcfTTM",
    "isST",
)
"""Baostock's columns of a daily bar. Prices and amount in CNY, volume in shares, turn and pctChg in percent."""

Row = list[str]
"""One daily bar: strings in the order of ``COLUMNS``, a blank is a missing value."""

BarKind = Literal["stock", "etf"]

STOCK, INDEX, OTHER, BOND, ETF = "1", "2", "3", "4", "5"
"""Baostock's types of a security, as in ``query_stock_basic``."""


@dataclass(frozen=True)
class Security:
    """A line of ``query_stock_basic``. ``out_date`` is the first day on which it is no longer listed."""

    code: str
    name: str
    ipo_date: date
    out_date: date | None
    type: str
    status: str


@dataclass(frozen=True)
class Factor:
    """An ex-date of a stock; ``fore`` and ``back`` are Baostock's strings with 6 decimals."""

    code: str
    ex_date: date
    fore: str
    back: str


def rebased(factors: Sequence[Factor], as_of: date) -> list[Factor]:
    """The ex-dates up to a day, with each fore factor as its back factor over the newest one's."""
    known = [factor for factor in factors if factor.ex_date <= as_of]
    return [replace(factor, fore=f"{float(factor.back) / float(known[-1].back):.6f}") for factor in known]


class Market(Protocol):
    """A market of daily bars. All ranges include both ends; days outside of what is held give nothing."""

    @property
    def end(self) -> date:
        """The last day about which the market knows anything."""

    def trade_dates(self, start: date, end: date) -> list[tuple[date, bool]]:
        """Calendar days with whether each is a trading day."""

    def securities(self) -> Sequence[Security]:
        """All securities, delisted ones included, with today's names."""

    def listed_on(self, day: date) -> list[tuple[str, str, str]]:
        """(code, tradeStatus, name) of everything listed on a trading day: stocks, indices, ETFs and ``bj.``."""

    def bars_on(self, day: date, kind: BarKind) -> list[Row]:
        """One day's bars of all stocks, or of all ETFs, suspended ones included, ordered by code."""

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        """One security's bars, ordered by date."""

    def factors_on(self, day: date) -> list[Factor]:
        """The stocks that go ex on a day, as published then: the newest event's fore factor is 1."""

    def factors_of(self, code: str, start: date, end: date, as_of: date | None = None) -> list[Factor]:
        """One stock's ex-dates, with the fore factors rebased to its newest event up to ``as_of``."""
