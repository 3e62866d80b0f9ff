"""Simulates the generated market's closes session by session, with suspensions and ex-dates."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from ashare_emulator.ex_dates import ExDates
from ashare_emulator.noise import Floats, Ints, Noise, Purpose
from ashare_emulator.security_arrays import FREE_SESSIONS, SecurityArrays, band

DAYS_AT_ONCE = 64

NEWS_FROM, NEWS_FACTOR = 2.5, 4.0
"""A stock's move of more standard deviations than this is multiplied."""


class Simulation:
    """``close`` (in price steps) and ``suspended`` (flags): a row per session, a column per security."""

    def __init__(self, noise: Noise, arrays: SecurityArrays, ex_dates: ExDates) -> None:
        self._noise = noise
        self._arrays = arrays
        self.suspended = self._suspensions()
        self.close = np.zeros((len(arrays.sessions), len(arrays.listings)), dtype=np.int32)
        self._simulate(ex_dates)
        self._ex_places, self._ex_precloses = ex_dates.precloses()

    def _suspensions(self) -> NDArray[np.bool_]:
        """A flag per session and security: about 0.2 % of the stocks on a day, in spells of 2 to 10 sessions."""
        arrays = self._arrays
        suspended = np.zeros((len(arrays.sessions), len(arrays.listings)), dtype=np.bool_)
        columns = np.nonzero(arrays.is_stock)[0]
        for top in range(0, len(arrays.sessions), DAYS_AT_ONCE):
            ordinals = arrays.ordinals[top : top + DAYS_AT_ONCE, None]
            starts = self._noise.uniform(Purpose.SUSPEND, ordinals, arrays.keys[columns][None, :]) < 0.0004
            for row, place in zip(*(part.tolist() for part in np.nonzero(starts)), strict=True):
                column = int(columns[place])
                length = self._noise.one(Purpose.SPELL, int(arrays.keys[column]), int(ordinals[row, 0]))
                suspended[top + row : top + row + 2 + int(length * 9), column] = True
        for column in self._newly_listed():
            listed = int(arrays.listed_at[column])
            suspended[listed : listed + FREE_SESSIONS, column] = False
        return suspended

    def _newly_listed(self) -> list[int]:
        """The columns of the stocks that are listed inside the window."""
        columns: list[int] = np.nonzero((self._arrays.listed_at >= 0) & self._arrays.is_stock)[0].tolist()
        return columns

    def _simulate(self, ex_dates: ExDates) -> None:
        """Compute the closes and ex-dates from the first session to the last."""
        arrays = self._arrays
        planned = ex_dates.planned(self.suspended)
        listings: dict[int, list[int]] = defaultdict(list)
        for column in self._newly_listed():
            listings[int(arrays.listed_at[column])].append(column)
        every_column = np.arange(len(arrays.listings))
        log_anchor = np.log(arrays.anchor)
        last = arrays.anchor.copy()
        market = self._noise.normal(Purpose.MARKET, arrays.ordinals) * 0.007
        for number in range(len(arrays.sessions)):
            place = number % DAYS_AT_ONCE
            if place == 0:
                days = arrays.ordinals[number : number + DAYS_AT_ONCE, None]
                moves = self._moves(days)
            preclose = ex_dates.go_ex(number, planned[number], last) if planned[number] else last
            # Mean reversion keeps prices near their initial level, however long the market runs.
            step = moves[place] + market[number] - 0.004 * (np.log(preclose) - log_anchor)
            if listings[number]:
                jump = self._noise.uniform(Purpose.LIST, arrays.keys[listings[number]], 2)
                step[listings[number]] += 0.1 + 1.2 * jump
            low, high = band(preclose, arrays.limits(number, every_column))
            close = np.clip(np.rint(preclose * np.exp(step)), low, high)
            last = np.where(self.suspended[number], preclose, close)
            self.close[number] = last

    def _moves(self, ordinals: Ints) -> Floats:
        """The moves of some days before the market's own, in logarithms; a large one is news, and larger still.

        Without news, hardly any stock would reach its price limit; in the real market about one in a hundred does.
        """
        moves = self._noise.normal(Purpose.RETURN, ordinals, self._arrays.keys[None, :])
        is_news = (np.abs(moves) > NEWS_FROM) & self._arrays.is_stock
        return np.where(is_news, NEWS_FACTOR, 1.0) * moves * self._arrays.volatility

    def preclose(self, sessions: Ints, columns: Ints) -> Floats:
        """The reference prices (precloses) of the pairs (``sessions[n]``, ``columns[n]``), in price steps."""
        before = np.where(
            sessions > 0, self.close[np.maximum(sessions - 1, 0), columns], self._arrays.anchor[columns]
        )
        preclose: Floats = before.astype(np.float64)
        if len(self._ex_places):
            wanted = sessions * len(self._arrays.listings) + columns
            place = np.minimum(np.searchsorted(self._ex_places, wanted), len(self._ex_places) - 1)
            preclose = np.where(self._ex_places[place] == wanted, self._ex_precloses[place], preclose)
        return preclose
