"""The generated market's ex-dates: which stock goes ex on which session, and the resulting adjust factors."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from ashare_emulator import trading_days
from ashare_emulator.market import STOCK, Factor, rebased
from ashare_emulator.noise import Floats, Ints, Noise, Purpose
from ashare_emulator.security_arrays import SecurityArrays


@dataclass(frozen=True)
class _Event:
    """One ex-date: the stock's column, the reference price in price steps, the back factor from this date on."""

    column: int
    preclose: float
    back: str


class ExDates:
    """The ex-dates before the window, and the ex-dates that the simulation adds session by session.

    :param start: the first day of the window.
    """

    def __init__(self, noise: Noise, arrays: SecurityArrays, start: date) -> None:
        self._noise = noise
        self._arrays = arrays
        self._past = self._before(start)
        self._events: dict[int, list[_Event]] = {}
        self._factors: dict[int, list[Factor]] = defaultdict(list)
        self._back = np.ones(len(arrays.listings))
        for column, factor in self._past.items():
            self._back[column] = float(factor.back)
            self._factors[column].append(factor)

    def _before(self, start: date) -> dict[int, Factor]:
        """Column to an ex-date in the summer of the year before ``start``: for 60 % of the stocks listed then."""
        past: dict[int, Factor] = {}
        draws = self._noise.uniform(Purpose.PAST_EX, self._arrays.keys).tolist()
        sizes = self._noise.uniform(Purpose.PAST_EX, self._arrays.keys, 1).tolist()
        near = trading_days.sessions(date(start.year - 1, 5, 15), date(start.year - 1, 7, 31))
        for n, listing in enumerate(self._arrays.listings):
            if listing.type != STOCK or draws[n] >= 0.6 or not near:
                continue
            day = near[int(draws[n] / 0.6 * len(near))]
            if listing.ipo < day and (listing.out is None or day < listing.out) and day < start:
                back = f"{1.002 + 4.0 * sizes[n] ** 3:.6f}"
                past[n] = Factor(listing.code, day, "1.000000", back)
        return past

    def planned(self, suspended: NDArray[np.bool_]) -> dict[int, list[int]]:
        """Session number to the columns that go ex: most stocks once a year, most ex-dates in May to July.

        :param suspended: a flag for every session and security; a suspended stock does not go ex.
        """
        arrays = self._arrays
        planned: dict[int, list[int]] = defaultdict(list)
        columns = np.nonzero(arrays.is_stock)[0]
        keys = arrays.keys[columns]
        for year in range(arrays.sessions[0].year, arrays.sessions[-1].year + 1):
            when = self._noise.uniform(Purpose.EX_DAY, keys, year)
            first, may = date(year, 1, 1).toordinal(), date(year, 5, 10).toordinal()
            summer = may + 80 * np.sqrt(when / 0.75)
            ordinal = np.where(when < 0.75, summer, first + 360 * (when - 0.75) / 0.25)
            # Round up to a session. Day 360 is early enough to stay in the year: the next one has its own ex-dates.
            session = np.searchsorted(arrays.ordinals, ordinal.astype(np.int64))
            pays = (self._noise.uniform(Purpose.EX_YEAR, keys, year) < 0.75) & (ordinal >= arrays.ordinals[0])
            pays &= (session > arrays.first[columns]) & (session < arrays.after_last[columns])
            pays &= session < len(arrays.sessions)
            for place in np.nonzero(pays)[0].tolist():
                number, column = int(session[place]), int(columns[place])
                if number > 0 and not suspended[number, column]:
                    planned[number].append(column)
        return planned

    def go_ex(self, number: int, columns: list[int], last: Floats) -> Floats:
        """The reference prices (precloses) of a session on which stocks go ex, in price steps.

        Records only the ex-dates that lower the price by at least one price step.

        :param number: the session's number.
        :param columns: the stocks that go ex.
        :param last: the previous session's closes, by column.
        """
        arrays = self._arrays
        preclose: Floats = last.copy()
        events: list[_Event] = []
        ordinal = int(arrays.ordinals[number])
        draws = self._noise.uniform(Purpose.EX_RATIO, arrays.keys[columns], ordinal).tolist()
        sizes = self._noise.uniform(Purpose.EX_RATIO, arrays.keys[columns], ordinal + 1_000_000).tolist()
        for column, draw, size in zip(columns, draws, sizes, strict=True):
            # Nine in ten pay cash only, 0.2 to 4 % of the price; one in ten also gives new shares.
            ratio = 0.998 - 0.038 * size if draw < 0.9 else 0.9 - 0.25 * size
            before = float(last[column])
            after = max(float(np.rint(before * ratio)), 1.0)
            if after >= before:
                continue
            preclose[column] = after
            self._back[column] = round(float(self._back[column]) * before / after, 6)
            events.append(_Event(column, after, f"{self._back[column]:.6f}"))
            factor = Factor(arrays.listings[column].code, arrays.sessions[number], "1.000000", events[-1].back)
            self._factors[column].append(factor)
        self._events[number] = events
        return preclose

    def precloses(self) -> tuple[Ints, Floats]:
        """The precloses that differ from the previous close: ascending flat indices into ``close``, and values."""
        width = len(self._arrays.listings)
        ex = sorted(
            (day * width + event.column, event.preclose) for day, found in self._events.items() for event in found
        )
        places = np.array([place for place, _ in ex], dtype=np.int64)
        precloses: Floats = np.array([preclose for _, preclose in ex], dtype=np.float64)
        return places, precloses

    def on(self, day: date, number: int | None) -> list[Factor]:
        """The ex-dates of a day as published on that day: each is its stock's newest, so its fore factor is 1.

        :param number: the day's session number; None for a day outside of the window.
        """
        events = self._events.get(number, []) if number is not None else []
        found = [Factor(self._arrays.listings[e.column].code, day, "1.000000", e.back) for e in events]
        found += [factor for factor in self._past.values() if factor.ex_date == day]
        return sorted(found, key=lambda factor: factor.code[3:])

    def of(self, column: int, as_of: date) -> list[Factor]:
        """One stock's ex-dates up to ``as_of``, with fore factors relative to the newest of them."""
        return rebased(self._factors.get(column, []), as_of)
