"""The generated market's bars in Baostock's format, derived on request from the simulated closes."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

from ashare_emulator.market import COLUMNS, ETF, INDEX, Row
from ashare_emulator.noise import Floats, Ints, Noise, Purpose
from ashare_emulator.security_arrays import SecurityArrays, band
from ashare_emulator.simulation import Simulation

BLANK_SUSPENDED_FROM = date(2021, 11, 24)
"""From this trade date on, a suspended row's volume, amount and pctChg are blank; before it, they are 0."""

PRECLOSE, VOLUME, AMOUNT, TURN, PCT_CHG = map(COLUMNS.index, ("preclose", "volume", "amount", "turn", "pctChg"))


class BarRows:
    """Builds rows of bars from the simulation's closes, precloses and suspensions."""

    def __init__(self, noise: Noise, arrays: SecurityArrays, simulation: Simulation) -> None:
        self._noise = noise
        self._arrays = arrays
        self._simulation = simulation

    def rows(self, sessions: Ints, columns: Ints) -> list[Row]:
        """The bars of the pairs (``sessions[n]``, ``columns[n]``), in this order.

        :param sessions: numbers of sessions.
        :param columns: columns of securities, of the same length.
        """
        if len(sessions) == 0:
            return []
        noise, arrays = self._noise, self._arrays
        keys, ordinals = arrays.keys[columns], arrays.ordinals[sessions]
        unit, volatility = arrays.unit[columns], arrays.volatility[columns]
        preclose = self._simulation.preclose(sessions, columns)
        close = self._simulation.close[sessions, columns].astype(np.float64)
        suspended = self._simulation.suspended[sessions, columns]
        lowest, highest = band(preclose, arrays.limits(sessions, columns))
        open_ = np.rint(preclose * np.exp(0.4 * volatility * noise.normal(Purpose.OPEN, ordinals, keys)))
        open_ = np.where(suspended, preclose, np.clip(open_, lowest, highest))
        up = np.abs(noise.normal(Purpose.HIGH, ordinals, keys)) * volatility * 0.5
        down = np.abs(noise.normal(Purpose.LOW, ordinals, keys)) * volatility * 0.5
        up, down = np.where(suspended, 0.0, up), np.where(suspended, 0.0, down)
        high = np.minimum(np.rint(np.maximum(open_, close) * (1 + up)), np.maximum(highest, close))
        low = np.maximum(np.rint(np.minimum(open_, close) * (1 - down)), np.minimum(lowest, close))
        turn = arrays.turnover[columns] * np.exp(0.5 * noise.normal(Purpose.VOLUME, ordinals, keys))
        turn = np.minimum(turn * (1 + 10 * np.abs(close / preclose - 1)), 0.8)
        volume = np.maximum(np.rint(arrays.shares[columns] * turn), 100.0)
        vwap = (low + (high - low) * (0.3 + 0.4 * noise.uniform(Purpose.VWAP, ordinals, keys))) / unit
        # An index's volume counts its members' shares, so its amount does not depend on its level.
        amount = volume * np.where(arrays.types[columns] == INDEX, 11.0, vwap)
        rows = [
            list(row)
            for row in zip(
                [arrays.sessions[n].isoformat() for n in sessions.tolist()],
                [arrays.listings[n].code for n in columns.tolist()],
                *(_texts(price / unit, "%.4f") for price in (open_, high, low, close, preclose)),
                _texts(volume, "%d"),
                # Baostock rounds amounts to 2 decimals and writes 4; it rounds percentages to 4 and writes 6.
                _texts(amount.round(2), "%.4f"),
                ["3"] * len(sessions),
                _texts((100 * volume / arrays.shares[columns]).round(4), "%.6f"),
                ["0" if flag else "1" for flag in suspended.tolist()],
                _texts((100 * (close / preclose - 1)).round(4), "%.6f"),
                *self._valuations(columns, close / unit),
                self._is_st(sessions, columns),
                strict=True,
            )
        ]
        self._write_exceptions(rows, sessions, columns, suspended)
        return rows

    def _write_exceptions(self, rows: list[Row], sessions: Ints, columns: Ints, suspended: NDArray[np.bool_]) -> None:
        arrays = self._arrays
        for place in np.nonzero(suspended)[0].tolist():
            blank = arrays.sessions[int(sessions[place])] >= BLANK_SUSPENDED_FROM
            row = rows[place]
            row[VOLUME], row[AMOUNT], row[PCT_CHG] = ("", "", "") if blank else ("0", "0.0000", "0.000000")
            row[TURN] = ""
        # An index's first bar has no previous close.
        first_bars = (arrays.types[columns] == INDEX) & (sessions == arrays.listed_at[columns])
        for place in np.nonzero(first_bars)[0].tolist():
            rows[place][PRECLOSE], rows[place][PCT_CHG] = "0.0000", "0.000000"

    def _is_st(self, sessions: Ints, columns: Ints) -> list[str]:
        # Baostock's isST is meaningless for ETFs. Here it is 1 for a third of them, so that no code relies on it.
        wrong = (self._arrays.types[columns] == ETF) & (self._arrays.keys[columns] % 3 == 0)
        return ["1" if flag else "0" for flag in (self._arrays.is_st(sessions, columns) | wrong).tolist()]

    def _valuations(self, columns: Ints, close: Floats) -> list[list[str]]:
        """The columns peTTM, pbMRQ, psTTM, pcfNcfTTM; blank for all securities but stocks."""
        arrays = self._arrays
        found = []
        stock = arrays.is_stock[columns].tolist()
        keys = arrays.keys[columns]
        for n, (middle, loss) in enumerate(((0.04, 0.25), (0.45, 0.01), (0.5, 0.0), (0.08, 0.3))):
            per_price = middle * np.exp(0.7 * self._noise.normal(Purpose.RATIOS, keys, n))
            sign = np.where(self._noise.uniform(Purpose.RATIOS, keys, 10 + n) < loss, -1.0, 1.0)
            ratios = sign * close / (per_price * arrays.anchor[columns] / arrays.unit[columns])
            found.append([text if flag else "" for text, flag in zip(_texts(ratios, "%.6f"), stock, strict=True)])
        return found


def _texts(numbers: Floats, form: str) -> list[str]:
    # Baostock never sends -0.0; adding 0.0 turns it into 0.0.
    return [form % number for number in (numbers + 0.0).tolist()]
