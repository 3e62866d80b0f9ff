"""The constant properties of the generated market's securities, as arrays with one value per security.

Securities are columns and sessions are rows: a bar is a pair of a session's number and a security's column.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from ashare_emulator import names
from ashare_emulator.listings import Listing, code_number
from ashare_emulator.market import ETF, INDEX, STOCK
from ashare_emulator.noise import Floats, Noise, Purpose

UNIT = {STOCK: 100, ETF: 1000, INDEX: 10000}
"""Price steps per CNY (or per index point), by type."""

FREE_SESSIONS = 5
"""Number of a stock's first sessions, which have no price limit."""

NEVER = 10**7
"""An ordinal after every day."""


class SecurityArrays:
    """The securities' properties by column, and the sessions by row.

    Prices are in price steps (``unit`` steps are one CNY); price limits and turnovers are fractions.

    :param end: the market's last day; a security without a date of delisting is listed up to it.
    """

    def __init__(self, noise: Noise, listings: Sequence[Listing], sessions: Sequence[date], end: date) -> None:
        self.listings = listings
        self.sessions = sessions
        self.ordinals = np.array([day.toordinal() for day in sessions], dtype=np.int64)
        self.keys = np.array([code_number(listing.code) for listing in listings], dtype=np.int64)
        self.types = np.array([listing.type for listing in listings])
        is_stock, is_index = self.types == STOCK, self.types == INDEX
        self.is_stock = is_stock
        self.unit = np.array([UNIT[listing.type] for listing in listings], dtype=np.float64)
        self._place_in_time(end)
        prices = np.exp(np.log(11.0) + 0.75 * noise.normal(Purpose.PRICE, self.keys, 1))
        etf_prices = np.exp(0.35 * noise.normal(Purpose.PRICE, self.keys, 2))
        levels = np.array([listing.level for listing in listings])
        anchor = np.rint(np.where(is_index, levels, np.where(is_stock, prices, etf_prices)) * self.unit)
        self.anchor = np.maximum(anchor, 100.0)
        size = 0.6 + 0.8 * noise.uniform(Purpose.VOLATILITY, self.keys)
        self.volatility = size * np.where(is_stock, 0.019, np.where(is_index, 0.005, 0.009))
        wide = np.array([listing.code.startswith(("sh.688", "sz.30")) for listing in listings])
        self._limit = np.where(wide & is_stock, 0.20, 0.10)
        shares = np.exp(np.log(6e8) + 1.1 * noise.normal(Purpose.SHARES, self.keys))
        self.shares = np.rint(np.where(is_index, shares * 1e3, shares))
        self.turnover = np.exp(np.log(0.015) + 0.7 * noise.normal(Purpose.TURNOVER, self.keys))

    def _place_in_time(self, end: date) -> None:
        first, last = self.sessions[0], end + timedelta(days=1)
        bars_from = [names.FIRST_BARS.get(listing.code, listing.ipo) for listing in self.listings]
        self.first = np.searchsorted(self.ordinals, [day.toordinal() for day in bars_from])
        self.after_last = np.searchsorted(self.ordinals, [(m.out or last).toordinal() for m in self.listings])
        # A security listed on or before the first session has no sessions without a price limit in the window.
        self.listed_at = np.where([day > first for day in bars_from], self.first, -(10**6))
        self.st_from = np.array([m.st_from.toordinal() if m.st_from else NEVER for m in self.listings])
        self.st_to = np.array([m.st_to.toordinal() if m.st_to else NEVER for m in self.listings])

    def is_st(self, sessions: Any, columns: Any) -> Any:
        """Whether securities are under special treatment on sessions; the two arguments broadcast."""
        ordinals = self.ordinals[sessions]
        return (self.st_from[columns] <= ordinals) & (ordinals < self.st_to[columns])

    def limits(self, sessions: Any, columns: Any) -> Floats:
        """Price limits as fractions; 100, in effect no limit, for a stock's first sessions."""
        narrow = self.is_st(sessions, columns) & (self._limit[columns] == 0.10)
        age = sessions - self.listed_at[columns]
        free = (age >= 0) & (age < FREE_SESSIONS) & self.is_stock[columns]
        limits: Floats = np.where(free, 100.0, np.where(narrow, 0.05, self._limit[columns]))
        return limits


def band(preclose: Floats, limit: Floats) -> tuple[Floats, Floats]:
    """The lowest and highest price of a day, in price steps."""
    low = np.floor(preclose * (1 - limit) + 0.5)
    return np.maximum(low, 1.0), np.maximum(np.floor(preclose * (1 + limit) + 0.5), 1.0)
