"""The securities of the generated market: their codes and names, and their dates of listing and delisting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from ashare_emulator import names, trading_days
from ashare_emulator.market import ETF, INDEX, STOCK
from ashare_emulator.noise import Noise, Purpose

RENAMED_A_YEAR = 0.01
"""Share of the stocks whose company changes its name in a year."""
RENAMES_FROM = 2006
"""The first year of renames: the first loads of index members are of this year."""
ST_STOCKS_FROM = 300
"""The number of stocks from which a market has a stock that becomes *ST, and one that stops being *ST."""


@dataclass(frozen=True)
class Listing:
    """A security with bars.

    :ivar out: the first day on which the security is no longer listed.
    :ivar st_from: the first day of special treatment; None if there is none.
    :ivar st_to: the first day after special treatment; None if it does not end.
    :ivar level: an index's initial level in points; 0 for stocks and ETFs.
    :ivar renames: (first day, name) of each later name, in order of day; ``name`` is the first name.
    """

    code: str
    name: str
    type: str
    ipo: date
    out: date | None
    st_from: date | None = None
    st_to: date | None = None
    st_prefix: str = "ST"
    level: float = 0.0
    renames: tuple[tuple[date, str], ...] = ()

    def is_st(self, day: date) -> bool:
        """Whether the security is under special treatment on a day."""
        return self.st_from is not None and self.st_from <= day and (self.st_to is None or day < self.st_to)

    def name_on(self, day: date) -> str:
        """The name on a day; special treatment adds its prefix."""
        name = self.name
        for first_day, later_name in self.renames:
            if first_day <= day:
                name = later_name
        return self.st_prefix + name.replace(" ", "") if self.is_st(day) else name


def code_number(code: str) -> int:
    """An integer for a code, unique across exchanges."""
    return {"sh": 1, "sz": 2, "bj": 3}[code[:2]] * 1_000_000 + int(code[3:])


def _apportioned(total: int, weights: Sequence[float]) -> list[int]:
    """``total`` split in proportion to ``weights``, by largest remainder."""
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda n: counts[n] - exact[n])
    for n in by_remainder[: total - sum(counts)]:
        counts[n] += 1
    return counts


class Universe:
    """Chooses the securities of a market, and their dates of listing and delisting."""

    def __init__(self, noise: Noise, start: date, end: date, stocks: int, etfs: int, indices: int) -> None:
        self._noise = noise
        self._start = start
        self._end = end
        self._sessions = trading_days.sessions(start, end)
        self.listings: list[Listing] = sorted(
            [*self._named(self._stocks(stocks)), *self._etfs(etfs), *self._indices(indices)],
            key=lambda listing: listing.code,
        )

    def _one(self, purpose: Purpose, a: int, b: int = 0) -> float:
        return self._noise.one(purpose, a, b)

    def _ordered(self, codes: Iterable[str]) -> list[str]:
        """The codes in pseudo-random order, which depends on the seed alone."""
        candidates = sorted(codes)
        weights = self._noise.uniform(Purpose.CODE, [code_number(code) for code in candidates])
        return [candidates[n] for n in np.argsort(weights, kind="stable").tolist()]

    def _stocks(self, count: int) -> Iterator[Listing]:
        prefixes = names.STOCK_PREFIXES
        wanted = dict(zip(prefixes, _apportioned(count, [spec[0] for spec in prefixes.values()]), strict=True))
        delisted_wanted = dict(
            zip(prefixes, _apportioned(max(2, count // 25), [s[0] for s in prefixes.values()]), strict=True)
        )
        listed: list[str] = []
        delisted: list[str] = []
        for prefix, (_, lowest, highest) in prefixes.items():
            pool = self._ordered(f"{prefix}{number:03d}" for number in range(lowest, highest + 1))
            first = [code for code in names.ALWAYS if code in pool]
            pool = first + [code for code in pool if code not in first]
            listed += pool[: wanted[prefix]]
            delisted += pool[wanted[prefix] : wanted[prefix] + delisted_wanted[prefix]]
        new = self._new_listings(listed)
        for code in listed:
            yield self._stock(code, new.get(code), None)
        for code, out in zip(delisted, self._delistings(len(delisted)), strict=True):
            yield self._stock(code, None, out)

    def _new_listings(self, listed: Sequence[str]) -> dict[str, date]:
        """Code to first day of the stocks listed inside the window: 2 % a year, evenly spread, at most half."""
        years = len(self._sessions) / 243
        count = max(1, min(round(len(listed) * 0.02 * years), len(listed) // 2))
        pool = [code for code in self._ordered(listed) if code not in names.ALWAYS]
        modern = [code for code in pool if code.startswith(names.NEW_LISTING_PREFIXES)]
        chosen = (modern + [code for code in pool if not code.startswith(names.NEW_LISTING_PREFIXES)])[:count]
        step = (len(self._sessions) - 1) / max(len(chosen), 1)
        days: dict[str, date] = {}
        for n, code in enumerate(chosen):
            place = int((n + self._one(Purpose.LIST, code_number(code), 1)) * step)
            days[code] = (
                self._sessions[max(1, min(place, len(self._sessions) - 1))]
                if len(self._sessions) > 1
                else self._start
            )
        return days

    def _delistings(self, count: int) -> list[date]:
        """The first unlisted day of each delisted stock: a third inside the window, the others before it."""
        inside = max(1, count // 3)
        days: list[date] = []
        for n in range(count):
            if n < inside:
                place = (n + 0.2 + 0.6 * self._one(Purpose.DELIST, n)) / inside
                days.append(self._sessions[int(place * len(self._sessions))])
            else:
                back = 30 + int(self._one(Purpose.DELIST, n) * 3650)
                days.append(
                    max(trading_days.next_session(self._start - timedelta(days=back)), trading_days.FIRST_DAY)
                )
        return days

    def _stock(self, code: str, listed: date | None, out: date | None) -> Listing:
        number = code_number(code)
        last = min(self._start, out or self._start) - timedelta(days=40)
        oldest = max(trading_days.FIRST_DAY, last - timedelta(days=9000))
        span = max((last - oldest).days, 0)
        ipo = listed or trading_days.next_session(
            oldest + timedelta(days=int(self._one(Purpose.LIST, number) * span))
        )
        ipo = min(ipo, out) if out else ipo
        name = self._name(code)
        draw = self._one(Purpose.SPECIAL, number)
        if draw >= 0.04 or listed:
            return Listing(code, name, STOCK, ipo, out)
        # A quarter of the stocks with special treatment enter or leave it inside the window.
        middle = self._sessions[int(self._one(Purpose.ST_WHEN, number) * len(self._sessions))]
        prefix = "*ST" if self._one(Purpose.SPECIAL, number, 1) < 0.4 else "ST"
        st_from, st_to = ipo, None
        if draw < 0.005:
            st_from = middle
        elif draw < 0.01:
            st_to = middle
        return Listing(code, name, STOCK, ipo, out, st_from, st_to, prefix)

    def _named(self, stocks: Iterable[Listing]) -> list[Listing]:
        """The stocks with their changes of name: renames, and special treatment that begins and ends."""
        listings = list(stocks)
        numbers = [code_number(listing.code) for listing in listings]
        for year in range(min(self._start.year, RENAMES_FROM), self._end.year + 1):
            draws = self._noise.uniform(Purpose.RENAME, numbers, year)
            for n in np.nonzero(draws < RENAMED_A_YEAR)[0].tolist():
                listing = listings[n]
                part = float(draws[n]) / RENAMED_A_YEAR
                day = trading_days.next_session(date(year, 1, 1) + timedelta(days=int(part * 360)))
                name = self._words(Purpose.RENAME, numbers[n], 10_000 + 2 * year)
                if listing.ipo < day < (listing.out or trading_days.LAST_DAY) and day <= self._end:
                    listings[n] = replace(listing, renames=(*listing.renames, (day, name)))
        if len(listings) >= ST_STOCKS_FROM and len(self._sessions) > 2:
            self._special_treatment(listings)
        return listings

    def _special_treatment(self, listings: list[Listing]) -> None:
        """Let a stock become *ST and recover inside the window, if there is not one stock for each already."""
        starred = [listing for listing in listings if listing.st_prefix == "*ST"]
        first, never = self._sessions[0], trading_days.LAST_DAY
        enters = any(first < (m.st_from or never) < (m.out or never) for m in starred)
        leaves = any(first < (m.st_to or never) < (m.out or never) for m in starred)
        if enters and leaves:
            return
        ordinary = [
            n
            for n, m in enumerate(listings)
            if m.st_from is None and m.out is None and m.ipo < first and m.code not in names.ALWAYS
        ]
        third = len(self._sessions) // 3
        n = min(ordinary, key=lambda n: self._one(Purpose.SPECIAL, code_number(listings[n].code)))
        listings[n] = replace(
            listings[n], st_from=self._sessions[third], st_to=self._sessions[2 * third], st_prefix="*ST"
        )

    def _name(self, code: str) -> str:
        number = code_number(code)
        name = self._words(Purpose.NAME, number, 0)
        if code == "sz.000002" or (code.startswith("sz.000") and self._one(Purpose.NAME, number, 2) < 0.1):
            return f"{name[0]} {name[2]}A"  # like the real "万 科A": a space pads a name of three characters
        return name

    def _words(self, purpose: Purpose, number: int, draw: int) -> str:
        """A company's name of four characters: a place and a trade, from two draws."""
        place = names.PLACES[int(self._one(purpose, number, draw) * len(names.PLACES))]
        trade = names.TRADES[int(self._one(purpose, number, draw + 1) * len(names.TRADES))]
        return place + trade

    def _etfs(self, count: int) -> Iterator[Listing]:
        sizes = _apportioned(count, [40, 20, 12, 40])
        for (prefix, (lowest, highest)), size in zip(names.ETF_PREFIXES.items(), sizes, strict=True):
            digits = 9 - len(prefix)
            codes = self._ordered(f"{prefix}{number:0{digits}d}" for number in range(lowest, highest + 1))
            for code in codes[:size]:
                number = code_number(code)
                house = names.ETF_HOUSES[int(self._one(Purpose.NAME, number) * len(names.ETF_HOUSES))]
                theme = names.ETF_THEMES[int(self._one(Purpose.NAME, number, 1) * len(names.ETF_THEMES))]
                born = date(2005, 2, 23) + timedelta(days=int(self._one(Purpose.LIST, number) ** 0.4 * 7600))
                yield Listing(code, f"{theme}ETF{house}", ETF, trading_days.next_session(born), None)

    def _indices(self, count: int) -> Iterator[Listing]:
        for code, (name, published, level) in names.INDICES.items():
            yield Listing(code, name, INDEX, date.fromisoformat(published), None, level=level)
        spare = [
            f"{prefix}{number:03d}"
            for prefix, ranges in names.INDEX_NUMBERS.items()
            for lowest, highest in ranges
            for number in range(lowest, highest + 1)
        ]
        pool = [code for code in self._ordered(spare) if code not in names.INDICES]
        for code in pool[: max(count - len(names.INDICES), 0)]:
            number = code_number(code)
            family = names.INDEX_FAMILIES[
                int(self._one(Purpose.NAME, number) * 6) + (6 if code.startswith("sz") else 0)
            ]
            theme = names.INDEX_THEMES[int(self._one(Purpose.NAME, number, 1) * len(names.INDEX_THEMES))]
            born = date(2004, 1, 2) + timedelta(days=int(self._one(Purpose.LIST, number) * 5800))
            level = 1000.0 + 6000.0 * self._one(Purpose.PRICE, number)
            yield Listing(code, f"{family}{theme}指数", INDEX, trading_days.next_session(born), None, level=level)
