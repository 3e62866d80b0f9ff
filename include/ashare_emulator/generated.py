"""A generated A-share market that obeys the real market's rules. Equal parameters give the same market everywhere.

There is no stream of random numbers: each number is a hash of (seed, purpose, security, day). So a bar does not
depend on the order of requests, or on whether they ask by day or by security. Only the closes are computed in
advance, because each close depends on the previous one; the other columns are derived on request.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date

import numpy as np

from ashare_emulator import names, trading_days
from ashare_emulator.bar_rows import BarRows
from ashare_emulator.ex_dates import ExDates
from ashare_emulator.index_members import IndexMembers
from ashare_emulator.industries import Industries
from ashare_emulator.listings import Universe
from ashare_emulator.market import BOND, ETF, OTHER, STOCK, BarKind, Factor, Row, Security
from ashare_emulator.noise import Noise
from ashare_emulator.reference_loads import INDUSTRIES, newest_load
from ashare_emulator.security_arrays import SecurityArrays
from ashare_emulator.simulation import Simulation


class GeneratedMarket:
    """About ``stocks`` listed stocks with indices, ETFs, suspensions, listings, delistings and ex-dates.

    :param start: the first day of the simulation; no security has bars before it.
    :param end: the last day; by default the end of the last year with published holidays, or of ``start``'s year if
        that is later. An end after the published holidays does not change the bars up to them: unless the market
        starts after them, no security is listed or delisted in later years.
    :param etfs: number of ETFs; by default in proportion to ``stocks``.
    :param indices: number of indices, at least those of ``names.INDICES``; by default a tenth of ``stocks``.
    :raises ValueError: the parameters do not define a market; the text is one sentence.
    """

    def __init__(
        self,
        start: date = date(2024, 1, 1),
        end: date | None = None,
        stocks: int = 5200,
        seed: int = 1,
        *,
        etfs: int | None = None,
        indices: int | None = None,
    ) -> None:
        published = trading_days.last_published_day()
        self._end = min(end or max(published, date(start.year, 12, 31)), trading_days.LAST_DAY)
        if not trading_days.FIRST_DAY <= start <= self._end:
            raise ValueError(f"The start {start} must lie between {trading_days.FIRST_DAY} and the end {self._end}.")
        if not 1 <= stocks <= 5400:
            raise ValueError(f"{stocks} stocks cannot be generated: choose a number from 1 to 5400.")
        self._sessions = trading_days.sessions(start, self._end)
        if not self._sessions:
            raise ValueError(f"There is no trading day between {start} and {self._end}.")
        self._session_no = {day: n for n, day in enumerate(self._sessions)}
        noise = Noise(seed)
        self._listings = Universe(
            noise,
            start,
            min(self._end, published) if start <= published else self._end,
            stocks,
            stocks * 3 // 13 if etfs is None else etfs,
            stocks // 10 if indices is None else indices,
        ).listings
        self._column = {listing.code: n for n, listing in enumerate(self._listings)}
        self._arrays = SecurityArrays(noise, self._listings, self._sessions, self._end)
        self._ex_dates = ExDates(noise, self._arrays, start)
        self._simulation = Simulation(noise, self._arrays, self._ex_dates)
        self._bars = BarRows(noise, self._arrays, self._simulation)
        self._members = IndexMembers(noise, self._arrays)
        self._industries = Industries(noise, self._arrays, self._end)
        self._newest_industries: tuple[date, list[tuple[str, ...]]] | None = None

    @property
    def end(self) -> date:
        """The last day that the market covers."""
        return self._end

    def trade_dates(self, start: date, end: date) -> list[tuple[date, bool]]:
        """(day, whether it is a trading day) for each calendar day from 1990-12-19 to the end of 2100."""
        return trading_days.calendar_days(start, end)

    def securities(self) -> list[Security]:
        """All securities, including delisted ones, with their names on the market's last day."""
        found = [
            Security(m.code, m.name_on(self._end), m.ipo, m.out, m.type, "0" if m.out and m.out <= self._end else "1")
            for m in self._listings
        ]
        return sorted([*found, *_without_bars()], key=lambda security: security.code)

    def listed_on(self, day: date) -> list[tuple[str, str, str]]:
        """(code, tradeStatus, name on that day) of each security listed on a session, and of some ``bj.`` codes."""
        number = self._session_no.get(day)
        if number is None:
            return []
        suspended = self._simulation.suspended[number]
        listed = [(code, "1", "") for code in names.BEIJING]
        for column in np.nonzero((self._arrays.first <= number) & (number < self._arrays.after_last))[0].tolist():
            listing = self._listings[column]
            listed.append((listing.code, "0" if suspended[column] else "1", listing.name_on(day)))
        return listed

    def bars_on(self, day: date, kind: BarKind) -> list[Row]:
        """One day's bars of all stocks or all ETFs, including suspended ones, ordered by code."""
        number = self._session_no.get(day)
        if number is None:
            return []
        arrays = self._arrays
        wanted = arrays.types == (STOCK if kind == "stock" else ETF)
        columns = np.nonzero(wanted & (arrays.first <= number) & (number < arrays.after_last))[0]
        return self._bars.rows(np.full(len(columns), number), columns)

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        """One security's bars, ordered by date."""
        column = self._column.get(code)
        if column is None:
            return []
        first = max(bisect_left(self._sessions, start), int(self._arrays.first[column]))
        after_last = min(bisect_right(self._sessions, end), int(self._arrays.after_last[column]))
        sessions = np.arange(first, after_last)
        return self._bars.rows(sessions, np.full(len(sessions), column))

    def factors_on(self, day: date) -> list[Factor]:
        """The ex-dates of a day as published on that day: each is its stock's newest, so its fore factor is 1."""
        return self._ex_dates.on(day, self._session_no.get(day))

    def factors_of(self, code: str, start: date, end: date, as_of: date | None = None) -> list[Factor]:
        """One stock's ex-dates of a range, with fore factors relative to its newest ex-date up to ``as_of``.

        :param as_of: by default the market's last day.
        """
        column = self._column.get(code)
        if column is None:
            return []
        return [f for f in self._ex_dates.of(column, as_of or self._end) if start <= f.ex_date <= end]

    def members(self, index: str, day: date) -> list[str]:
        """The codes of an index's members in force on any day, in order of code, loaded or not.

        :param index: sh.000300, sh.000016 or sh.000905; another index has no members.
        """
        return [self._listings[column].code for column in self._members.columns(index, day)]

    def member_rows(self, index: str, day: date) -> list[tuple[str, ...]]:
        """The newest load of an index's members on or before a day: (updateDate, code, name on that Monday).

        Loads begin in 2006 or 2007, also in a market whose bars begin later.
        """
        load = newest_load(index, min(day, self._end))
        if load is None:
            return []
        listings = [self._listings[column] for column in self._members.columns(index, load)]
        return [(load.isoformat(), listing.code, listing.name_on(load)) for listing in listings]

    def industry_rows(self, day: date) -> list[tuple[str, ...]]:
        """The newest load of industries on or before a day: (updateDate, code, name, industry, classification).

        A load has every stock that was listed up to its Monday; the industry of a delisted stock is blank.
        """
        load = newest_load(INDUSTRIES, min(day, self._end))
        if load is None:
            return []
        # A load is several pages, hence several requests.
        newest = self._newest_industries
        if newest is None or newest[0] != load:
            newest = load, [(load.isoformat(), *row) for row in self._industries.rows(load)]
            self._newest_industries = newest
        return newest[1]


def _without_bars() -> Iterator[Security]:
    """Convertible bonds and other securities, which have no bars."""
    for prefixes, kind, label in ((names.BOND_PREFIXES, BOND, "转债"), (names.OTHER_PREFIXES, OTHER, "基金")):
        codes = [f"{prefix}{n:0{9 - len(prefix)}d}" for prefix, count in prefixes.items() for n in range(count)]
        for n, code in enumerate(codes):
            yield Security(code, f"{names.PLACES[n]}{label}", date(2020, 6, 1 + n), None, kind, "1")
