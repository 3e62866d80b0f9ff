"""The members of the generated market's indices on every day, as a pure function of the seed.

The stocks are ranked at each rebalance, the largest first. The first stocks are the members of sh.000300, the next
ones those of sh.000905, and the first ones of Shanghai those of sh.000016. A member that is delisted or becomes an ST
stock is replaced by the next stock of the ranking on that session, until the next rebalance makes a new ranking.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ashare_emulator import trading_days
from ashare_emulator.noise import Floats, Ints, Noise, Purpose
from ashare_emulator.reference_loads import CSI300, CSI500, SSE50
from ashare_emulator.security_arrays import NEVER, SecurityArrays

FULL_SIZES = {CSI300: 300, SSE50: 50, CSI500: 500}
"""Index code to the number of members in a large market."""

FULL_FROM = 900
"""The number of listed stocks from which every index has its full size."""
SCALE = 1200
"""In a smaller market, the number of listed stocks per full size: 300 of 1,200 is a quarter of the stocks."""

SEASONING = 90
"""Days between a stock's listing and the first rebalance that may select it."""

DRIFT_HALF_YEARS = 10
"""The number of half-years after which the drift of a stock's size is independent of the earlier drift."""
DRIFT = 0.5
"""Standard deviation of the drift, in logarithms of the size."""


def members_expected(index: str, listed: int) -> int:
    """The number of an index's members, from the number of stocks that are listed at the newest rebalance.

    With 900 listed stocks and more: 300, 50 and 500. With fewer: the same number times ``listed / 1200``, rounded
    down, at least 1. An index has fewer members than that only if fewer stocks are eligible: stocks of Shanghai for
    sh.000016, stocks that are no members of sh.000300 for sh.000905.

    :param index: a key of ``FULL_SIZES``.
    :param listed: stocks of Shanghai and Shenzhen, ST stocks included.
    """
    full = FULL_SIZES[index]
    return full if listed >= FULL_FROM else max(full * listed // SCALE, min(listed, 1))


def rebalance_on_or_before(day: date) -> date:
    """The newest rebalance: the session on or after the Monday after the second Friday of June or December."""
    for year, month in ((day.year, 12), (day.year, 6), (day.year - 1, 12)):
        first = date(year, month, 1)
        second_friday = first + timedelta(days=(4 - first.weekday()) % 7 + 7)
        effective = trading_days.next_session(second_friday + timedelta(days=3))
        if effective <= day:
            break
    return effective


class IndexMembers:
    """The members of sh.000300, sh.000016 and sh.000905. Nothing is computed before the first question.

    :param arrays: the market's securities, in order of code.
    """

    def __init__(self, noise: Noise, arrays: SecurityArrays) -> None:
        self._noise = noise
        self._arrays = arrays
        self._rankings: dict[date, tuple[Ints, int]] = {}

    @cached_property
    def _columns(self) -> Ints:
        columns: Ints = np.nonzero(self._arrays.is_stock)[0]
        return columns

    @cached_property
    def _ipo(self) -> Ints:
        return np.array([listing.ipo.toordinal() for listing in self._arrays.listings], dtype=np.int64)

    @cached_property
    def _out(self) -> Ints:
        listings = self._arrays.listings
        return np.array([m.out.toordinal() if m.out else NEVER for m in listings], dtype=np.int64)

    @cached_property
    def _in_shanghai(self) -> NDArray[np.bool_]:
        return np.array([listing.code.startswith("sh.") for listing in self._arrays.listings])

    def _sizes(self, columns: Ints, effective: date) -> Floats:
        """The logarithms of the stocks' sizes at a rebalance: initial market values with a slow drift."""
        arrays = self._arrays
        keys = arrays.keys[columns]
        value = np.log(arrays.shares[columns] * arrays.anchor[columns])
        half_year = 2 * effective.year + (effective.month > 6)
        phase = np.floor(self._noise.uniform(Purpose.INDEX_DRIFT, keys) * DRIFT_HALF_YEARS).astype(np.int64)
        step, part = np.divmod(half_year + phase, DRIFT_HALF_YEARS)
        before = self._noise.normal(Purpose.INDEX_DRIFT, keys, 1 + step)
        after = self._noise.normal(Purpose.INDEX_DRIFT, keys, 2 + step)
        sizes: Floats = value + DRIFT * (before + (after - before) * part / DRIFT_HALF_YEARS)
        return sizes

    def _ranking(self, effective: date) -> tuple[Ints, int]:
        """The columns of the stocks that a rebalance may select, largest first; the number of all listed stocks."""
        if effective not in self._rankings:
            columns, ordinal = self._columns, effective.toordinal()
            arrays = self._arrays
            columns = columns[(self._ipo[columns] <= ordinal) & (self._out[columns] > ordinal)]
            listed = len(columns)
            is_st = (arrays.st_from[columns] <= ordinal) & (ordinal < arrays.st_to[columns])
            columns = columns[(self._ipo[columns] + SEASONING <= ordinal) & ~is_st]
            ranked = columns[np.argsort(-self._sizes(columns, effective), kind="stable")]
            self._rankings[effective] = ranked, listed
        return self._rankings[effective]

    def columns(self, index: str, day: date) -> list[int]:
        """The columns of an index's members on a day, in order of code; an unknown index has none.

        :param index: a key of ``FULL_SIZES``.
        """
        if index not in FULL_SIZES:
            return []
        effective = rebalance_on_or_before(day)
        ranked, listed = self._ranking(effective)
        ordinal = day.toordinal()
        st_from = self._arrays.st_from[ranked]
        became_st = (st_from > effective.toordinal()) & (st_from <= ordinal)
        ranked = ranked[(self._out[ranked] > ordinal) & ~became_st]
        if index == SSE50:
            ranked = ranked[self._in_shanghai[ranked]]
        first = members_expected(CSI300, listed) if index == CSI500 else 0
        chosen: list[int] = sorted(ranked[first : first + members_expected(index, listed)].tolist())
        return chosen
