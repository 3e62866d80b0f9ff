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
"""One daily bar: strings in the order of ``COLUMNS``; an empty string is a missing value."""

BarKind = Literal["stock", "etf"]

MEMBER_COLUMNS = ("updateDate", "code", "code_name")
INDUSTRY_COLUMNS = (*MEMBER_COLUMNS, "industry", "industryClassification")
"""Baostock's columns of a member of an index, and of a stock's industry."""

STOCK, INDEX, OTHER, BOND, ETF = "1", "2", "3", "4", "5"
"""Baostock's types of a security, as in ``query_stock_basic``."""


@dataclass(frozen=True)
class Security:
    """A row of ``query_stock_basic``. ``out_date`` is the first day on which the security is no longer listed."""

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
    """The ex-dates up to ``as_of``; each fore factor is the back factor divided by the newest back factor.

    :param factors: one stock's ex-dates, in order of date.
    """
    known = [factor for factor in factors if factor.ex_date <= as_of]
    return [replace(factor, fore=f"{float(factor.back) / float(known[-1].back):.6f}") for factor in known]


class Market(Protocol):
    """A market of daily bars. All ranges include both ends; a day outside the market's data gives no rows."""

    @property
    def end(self) -> date:
        """The last day that the market covers."""

    def trade_dates(self, start: date, end: date) -> list[tuple[date, bool]]:
        """(day, whether it is a trading day) for each calendar day."""

    def securities(self) -> Sequence[Security]:
        """All securities, including delisted ones, with today's names."""

    def listed_on(self, day: date) -> list[tuple[str, str, str]]:
        """(code, tradeStatus, name) of each security listed on a trading day: stocks, indices, ETFs and ``bj.``."""

    def bars_on(self, day: date, kind: BarKind) -> list[Row]:
        """One day's bars of all stocks or all ETFs, including suspended ones, ordered by code."""

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        """One security's bars, ordered by date."""

    def factors_on(self, day: date) -> list[Factor]:
        """The ex-dates of a day as published on that day: each is its stock's newest, so its fore factor is 1."""

    def factors_of(self, code: str, start: date, end: date, as_of: date | None = None) -> list[Factor]:
        """One stock's ex-dates of a range, with fore factors relative to its newest ex-date up to ``as_of``.

        :param as_of: by default the market's last day.
        """

    def member_rows(self, index: str, day: date) -> list[tuple[str, ...]]:
        """The newest load of an index's members on or before a day: values in the order of ``MEMBER_COLUMNS``."""

    def industry_rows(self, day: date) -> list[tuple[str, ...]]:
        """The newest load of all stocks' industries on or before a day: in the order of ``INDUSTRY_COLUMNS``."""
