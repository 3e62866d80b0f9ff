"""A made-up A-share market that obeys the real one's rules, the same for the same parameters on every machine.

Nothing is drawn from a stream: every random number is a hash of (seed, what it is for, security, day). So a bar is
the same whether it is asked for by day or by security, in whatever order. Only closes are computed ahead,
because each one rests on the one before; everything else of a bar is derived when it is asked for.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ashare_emulator import calendar, names
from ashare_emulator.market import BOND, ETF, INDEX, OTHER, STOCK, BarKind, Factor, Row, Security, rebased

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNIT = {STOCK: 100, ETF: 1000, INDEX: 10000}
"""Price steps in one CNY (or index point)."""

BLANK_SUSPENDED_FROM = date(2021, 11, 24)
"""From here on a suspended row's volume, amount and pctChg are blank; until then they are 0."""

FREE_SESSIONS = 5
"""Number of sessions after listing without a price limit."""

DAYS_AT_ONCE = 64

# What a random number is for.
(
    CODE,
    LIST,
    DELIST,
    NAME,
    SPECIAL,
    PRICE,
    VOLATILITY,
    SHARES,
    TURNOVER,
    RATIOS,
    RETURN,
    MARKET,
    SUSPEND,
    SPELL,
) = range(14)
(EX_YEAR, EX_DAY, EX_RATIO, PAST_EX, OPEN, HIGH, LOW, VOLUME, VWAP, ST_WHEN) = range(20, 30)


class Noise:
    """Uniform and normal numbers from a hash of integers (the finaliser of SplitMix64)."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def _bits(self, purpose: int, a: Any, b: Any) -> NDArray[np.uint64]:
        key = (self._seed * 0x9E3779B97F4A7C15 + purpose * 0xD1B54A32D192ED03) % 2**64
        first = np.atleast_1d(np.asarray(a)).astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
        second = np.atleast_1d(np.asarray(b)).astype(np.uint64) * np.uint64(0x94D049BB133111EB)
        x: NDArray[np.uint64] = (first + np.uint64(key)) ^ (second + np.uint64(0x9E3779B97F4A7C15))
        x ^= x >> np.uint64(30)
        x *= np.uint64(0xBF58476D1CE4E5B9)
        x ^= x >> np.uint64(27)
        x *= np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
        return x

    def uniform(self, purpose: int, a: Any, b: Any = 0) -> Floats:
        """Numbers in [0, 1)."""
        numbers: Floats = (self._bits(purpose, a, b) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return numbers

    def one(self, purpose: int, a: int, b: int = 0) -> float:
        """What ``uniform`` gives for single integers, without the cost of an array."""
        key = (self._seed * 0x9E3779B97F4A7C15 + purpose * 0xD1B54A32D192ED03) % 2**64
        x = (a * 0xBF58476D1CE4E5B9 + key) ^ ((b * 0x94D049BB133111EB + 0x9E3779B97F4A7C15) % 2**64)
        x %= 2**64
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        x ^= x >> 31
        return (x >> 11) * 2.0**-53

    def normal(self, purpose: int, a: Any, b: Any = 0) -> Floats:
        """About normal, mean 0, deviation 1, never beyond 3: the sum of three uniforms of 21 bits."""
        x = self._bits(purpose, a, b)
        mask = np.uint64(0x1FFFFF)
        total = (x & mask) + ((x >> np.uint64(21)) & mask) + ((x >> np.uint64(42)) & mask)
        numbers: Floats = (total.astype(np.float64) * 2.0**-21 - 1.5) * 2.0
        return numbers


@dataclass(frozen=True)
class _Listed:
    """A security with bars. ``st_from`` and ``st_to`` bound when it is under special treatment, if it ever is."""

    code: str
    name: str
    type: str
    ipo: date
    out: date | None
    st_from: date | None = None
    st_to: date | None = None
    st_prefix: str = "ST"
    level: float = 0.0

    def is_st(self, day: date) -> bool:
        return self.st_from is not None and self.st_from <= day and (self.st_to is None or day < self.st_to)

    def name_on(self, day: date) -> str:
        return self.st_prefix + self.name.replace(" ", "") if self.is_st(day) else self.name


def code_number(code: str) -> int:
    """An integer for a code, unique across exchanges."""
    return {"sh": 1, "sz": 2, "bj": 3}[code[:2]] * 1_000_000 + int(code[3:])


def _shares_of(total: int, weights: Sequence[float]) -> list[int]:
    """``total`` split in proportion to ``weights``, by largest remainder."""
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda n: counts[n] - exact[n])
    for n in by_remainder[: total - sum(counts)]:
        counts[n] += 1
    return counts


class _Universe:
    """Chooses which securities there are, and when they are listed."""

    def __init__(self, noise: Noise, start: date, end: date, stocks: int, etfs: int, indices: int) -> None:
        self._noise = noise
        self._start = start
        self._end = end
        self._sessions = calendar.sessions(start, end)
        self.members: list[_Listed] = sorted(
            [*self._stocks(stocks), *self._etfs(etfs), *self._indices(indices)], key=lambda member: member.code
        )

    def _one(self, purpose: int, a: int, b: int = 0) -> float:
        return self._noise.one(purpose, a, b)

    def _ordered(self, codes: Iterable[str]) -> list[str]:
        """The codes in an order that only the seed decides."""
        candidates = sorted(codes)
        weights = self._noise.uniform(CODE, [code_number(code) for code in candidates])
        return [candidates[n] for n in np.argsort(weights, kind="stable").tolist()]

    def _stocks(self, count: int) -> Iterator[_Listed]:
        prefixes = names.STOCK_PREFIXES
        wanted = dict(zip(prefixes, _shares_of(count, [spec[0] for spec in prefixes.values()]), strict=True))
        gone_wanted = dict(
            zip(prefixes, _shares_of(max(2, count // 25), [s[0] for s in prefixes.values()]), strict=True)
        )
        listed: list[str] = []
        gone: list[str] = []
        for prefix, (_, lowest, highest) in prefixes.items():
            pool = self._ordered(f"{prefix}{number:03d}" for number in range(lowest, highest + 1))
            first = [code for code in names.ALWAYS if code in pool]
            pool = first + [code for code in pool if code not in first]
            listed += pool[: wanted[prefix]]
            gone += pool[wanted[prefix] : wanted[prefix] + gone_wanted[prefix]]
        new = self._new_listings(listed)
        for code in listed:
            yield self._stock(code, new.get(code), None)
        for code, out in zip(gone, self._delistings(len(gone)), strict=True):
            yield self._stock(code, None, out)

    def _new_listings(self, listed: Sequence[str]) -> dict[str, date]:
        """Which stocks are listed inside the window, and when: 2 % a year, spread evenly, at most half of all."""
        years = len(self._sessions) / 243
        count = max(1, min(round(len(listed) * 0.02 * years), len(listed) // 2))
        pool = [code for code in self._ordered(listed) if code not in names.ALWAYS]
        modern = [code for code in pool if code.startswith(names.NEW_LISTING_PREFIXES)]
        chosen = (modern + [code for code in pool if not code.startswith(names.NEW_LISTING_PREFIXES)])[:count]
        step = (len(self._sessions) - 1) / max(len(chosen), 1)
        days: dict[str, date] = {}
        for n, code in enumerate(chosen):
            place = int((n + self._one(LIST, code_number(code), 1)) * step)
            days[code] = (
                self._sessions[max(1, min(place, len(self._sessions) - 1))]
                if len(self._sessions) > 1
                else self._start
            )
        return days

    def _delistings(self, count: int) -> list[date]:
        """Last-day-plus-one of the stocks that are gone: a third inside the window, the others before it."""
        inside = max(1, count // 3)
        days: list[date] = []
        for n in range(count):
            if n < inside:
                place = (n + 0.2 + 0.6 * self._one(DELIST, n)) / inside
                days.append(self._sessions[int(place * len(self._sessions))])
            else:
                back = 30 + int(self._one(DELIST, n) * 3650)
                days.append(max(calendar.next_session(self._start - timedelta(days=back)), calendar.FIRST_DAY))
        return days

    def _stock(self, code: str, listed: date | None, out: date | None) -> _Listed:
        number = code_number(code)
        last = min(self._start, out or self._start) - timedelta(days=40)
        oldest = max(calendar.FIRST_DAY, last - timedelta(days=9000))
        span = max((last - oldest).days, 0)
        ipo = listed or calendar.next_session(oldest + timedelta(days=int(self._one(LIST, number) * span)))
        ipo = min(ipo, out) if out else ipo
        name = self._name(code)
        draw = self._one(SPECIAL, number)
        if draw >= 0.04 or listed:
            return _Listed(code, name, STOCK, ipo, out)
        # A quarter of those under special treatment enter or leave it inside the window.
        middle = self._sessions[int(self._one(ST_WHEN, number) * len(self._sessions))]
        prefix = "*ST" if self._one(SPECIAL, number, 1) < 0.4 else "ST"
        st_from, st_to = ipo, None
        if draw < 0.005:
            st_from = middle
        elif draw < 0.01:
            st_to = middle
        return _Listed(code, name, STOCK, ipo, out, st_from, st_to, prefix)

    def _name(self, code: str) -> str:
        number = code_number(code)
        place = names.PLACES[int(self._one(NAME, number) * len(names.PLACES))]
        trade = names.TRADES[int(self._one(NAME, number, 1) * len(names.TRADES))]
        if code == "sz.000002" or (code.startswith("sz.000") and self._one(NAME, number, 2) < 0.1):
            return f"{place[0]} {trade[0]}A"  # as the real "万 科A": names of three places are padded
        return place + trade

    def _etfs(self, count: int) -> Iterator[_Listed]:
        sizes = _shares_of(count, [40, 20, 12, 40])
        for (prefix, (lowest, highest)), size in zip(names.ETF_PREFIXES.items(), sizes, strict=True):
            digits = 9 - len(prefix)
            codes = self._ordered(f"{prefix}{number:0{digits}d}" for number in range(lowest, highest + 1))
            for code in codes[:size]:
                number = code_number(code)
                house = names.ETF_HOUSES[int(self._one(NAME, number) * len(names.ETF_HOUSES))]
                theme = names.ETF_THEMES[int(self._one(NAME, number, 1) * len(names.ETF_THEMES))]
                born = date(2005, 2, 23) + timedelta(days=int(self._one(LIST, number) ** 0.4 * 7600))
                yield _Listed(code, f"{theme}ETF{house}", ETF, calendar.next_session(born), None)

    def _indices(self, count: int) -> Iterator[_Listed]:
        for code, (name, published, level) in names.INDICES.items():
            yield _Listed(code, name, INDEX, date.fromisoformat(published), None, level=level)
        spare = [
            f"{prefix}{number:03d}"
            for prefix, ranges in names.INDEX_NUMBERS.items()
            for lowest, highest in ranges
            for number in range(lowest, highest + 1)
        ]
        pool = [code for code in self._ordered(spare) if code not in names.INDICES]
        for code in pool[: max(count - len(names.INDICES), 0)]:
            number = code_number(code)
            family = names.INDEX_FAMILIES[int(self._one(NAME, number) * 6) + (6 if code.startswith("sz") else 0)]
            theme = names.INDEX_THEMES[int(self._one(NAME, number, 1) * len(names.INDEX_THEMES))]
            born = date(2004, 1, 2) + timedelta(days=int(self._one(LIST, number) * 5800))
            level = 1000.0 + 6000.0 * self._one(PRICE, number)
            yield _Listed(code, f"{family}{theme}指数", INDEX, calendar.next_session(born), None, level=level)


@dataclass(frozen=True)
class _Event:
    """A stock going ex: its column, the reference price in price steps, the back factor from then on."""

    column: int
    preclose: float
    back: str


class GeneratedMarket:
    """About ``stocks`` listed stocks with indices, ETFs, suspensions, listings, delistings and ex-dates.

    :param start: the first day of the simulation; securities listed before it have no bars before it.
    :param end: the last day; by default that of the last published holidays' year, or of the start's, if later. It
        changes nothing of the years with published holidays: in the years after them, nobody is listed or delisted.
    :param etfs: number of ETFs; by default in proportion to ``stocks``, as are ``indices``.
    :raises ValueError: parameters that give no market; the text is one sentence.
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
        published = calendar.last_published_day()
        self._end = min(end or max(published, date(start.year, 12, 31)), calendar.LAST_DAY)
        if not calendar.FIRST_DAY <= start <= self._end:
            raise ValueError(f"The start {start} must lie between {calendar.FIRST_DAY} and the end {self._end}.")
        if not 1 <= stocks <= 5400:
            raise ValueError(f"{stocks} stocks cannot be generated: choose a number from 1 to 5400.")
        self._noise = Noise(seed)
        self._sessions = calendar.sessions(start, self._end)
        if not self._sessions:
            raise ValueError(f"There is no trading day between {start} and {self._end}.")
        self._session_no = {day: n for n, day in enumerate(self._sessions)}
        self._ordinals = np.array([day.toordinal() for day in self._sessions], dtype=np.int64)
        self._members = _Universe(
            self._noise,
            start,
            min(self._end, published) if start <= published else self._end,
            stocks,
            stocks * 3 // 13 if etfs is None else etfs,
            stocks // 10 if indices is None else indices,
        ).members
        self._column = {member.code: n for n, member in enumerate(self._members)}
        self._describe_members()
        self._past = self._past_events(start)
        self._simulate()

    # -- set-up ------------------------------------------------------------------------------------------------

    def _describe_members(self) -> None:
        members, noise = self._members, self._noise
        first, last = self._sessions[0], self._end + timedelta(days=1)
        bars_from = [names.FIRST_BARS.get(m.code, m.ipo) for m in members]
        ordinal = self._ordinals
        self._keys = np.array([code_number(m.code) for m in members], dtype=np.int64)
        self._types = np.array([m.type for m in members])
        is_stock, is_index = self._types == STOCK, self._types == INDEX
        self._is_stock = is_stock
        self._unit = np.array([UNIT[m.type] for m in members], dtype=np.float64)
        self._from = np.searchsorted(ordinal, [day.toordinal() for day in bars_from])
        self._to = np.searchsorted(ordinal, [(m.out or last).toordinal() for m in members])
        # A security that was listed before the window has no free sessions in it.
        self._listed_at = np.where([day > first for day in bars_from], self._from, -(10**6))
        prices = np.exp(np.log(11.0) + 0.75 * noise.normal(PRICE, self._keys, 1))
        etf_prices = np.exp(0.35 * noise.normal(PRICE, self._keys, 2))
        levels = np.array([m.level for m in members])
        self._anchor = np.rint(np.where(is_index, levels, np.where(is_stock, prices, etf_prices)) * self._unit)
        self._anchor = np.maximum(self._anchor, 100.0)
        size = 0.6 + 0.8 * noise.uniform(VOLATILITY, self._keys)
        self._volatility = size * np.where(is_stock, 0.019, np.where(is_index, 0.005, 0.009))
        wide = np.array([m.code.startswith(("sh.688", "sz.30")) for m in members])
        self._limit = np.where(wide & is_stock, 0.20, 0.10)
        shares = np.exp(np.log(6e8) + 1.1 * noise.normal(SHARES, self._keys))
        self._shares = np.rint(np.where(is_index, shares * 1e3, shares))
        self._turnover = np.exp(np.log(0.015) + 0.7 * noise.normal(TURNOVER, self._keys))
        self._st_from = np.array([m.st_from.toordinal() if m.st_from else 10**7 for m in members])
        self._st_to = np.array([m.st_to.toordinal() if m.st_to else 10**7 for m in members])

    def _past_events(self, start: date) -> dict[int, Factor]:
        """One ex-date before the window for most stocks that were listed long before it, with its back factor."""
        past: dict[int, Factor] = {}
        draws = self._noise.uniform(PAST_EX, self._keys).tolist()
        sizes = self._noise.uniform(PAST_EX, self._keys, 1).tolist()
        near = calendar.sessions(date(start.year - 1, 5, 15), date(start.year - 1, 7, 31))
        for n, member in enumerate(self._members):
            if member.type != STOCK or draws[n] >= 0.6 or not near:
                continue
            day = near[int(draws[n] / 0.6 * len(near))]
            if member.ipo < day and (member.out is None or day < member.out) and day < start:
                back = f"{1.002 + 4.0 * sizes[n] ** 3:.6f}"
                past[n] = Factor(member.code, day, "1.000000", back)
        return past

    def _limits(self, sessions: Any, columns: Any) -> Floats:
        """The day's price limit as a fraction; 100 (none in effect) for a stock's first sessions."""
        ordinal = self._ordinals[sessions]
        st = (self._st_from[columns] <= ordinal) & (ordinal < self._st_to[columns])
        narrow = st & (self._limit[columns] == 0.10)
        age = sessions - self._listed_at[columns]
        free = (age >= 0) & (age < FREE_SESSIONS) & self._is_stock[columns]
        limits: Floats = np.where(free, 100.0, np.where(narrow, 0.05, self._limit[columns]))
        return limits

    @staticmethod
    def _band(preclose: Floats, limit: Floats) -> tuple[Floats, Floats]:
        """The lowest and highest price of a day, in price steps."""
        low = np.floor(preclose * (1 - limit) + 0.5)
        return np.maximum(low, 1.0), np.maximum(np.floor(preclose * (1 + limit) + 0.5), 1.0)

    def _suspensions(self) -> NDArray[np.bool_]:
        """A flag for every session and security: 0.2 % of the stocks on a day, in spells of 2 to 10 sessions."""
        suspended = np.zeros((len(self._sessions), len(self._members)), dtype=np.bool_)
        columns = np.nonzero(self._is_stock)[0]
        for top in range(0, len(self._sessions), DAYS_AT_ONCE):
            ordinals = self._ordinals[top : top + DAYS_AT_ONCE, None]
            starts = self._noise.uniform(SUSPEND, ordinals, self._keys[columns][None, :]) < 0.0004
            for row, place in zip(*(part.tolist() for part in np.nonzero(starts)), strict=True):
                column = int(columns[place])
                length = 2 + int(self._noise.one(SPELL, int(self._keys[column]), int(ordinals[row, 0])) * 9)
                suspended[top + row : top + row + length, column] = True
        for column in np.nonzero((self._listed_at >= 0) & self._is_stock)[0].tolist():
            listed = int(self._listed_at[column])
            suspended[listed : listed + FREE_SESSIONS, column] = False
        return suspended

    def _planned_events(self) -> dict[int, list[int]]:
        """Session number to the columns that go ex: most stocks once a year, most of them in May to July."""
        planned: dict[int, list[int]] = defaultdict(list)
        columns = np.nonzero(self._is_stock)[0]
        keys = self._keys[columns]
        for year in range(self._sessions[0].year, self._sessions[-1].year + 1):
            when = self._noise.uniform(EX_DAY, keys, year)
            first, may = date(year, 1, 1).toordinal(), date(year, 5, 10).toordinal()
            summer = may + 80 * np.sqrt(when / 0.75)
            ordinal = np.where(when < 0.75, summer, first + 360 * (when - 0.75) / 0.25)
            # To the next session, but not past the year's end: the next year has its own.
            session = np.searchsorted(self._ordinals, ordinal.astype(np.int64))
            pays = (self._noise.uniform(EX_YEAR, keys, year) < 0.75) & (ordinal >= self._ordinals[0])
            pays &= (session > self._from[columns]) & (session < self._to[columns]) & (session < len(self._sessions))
            for place in np.nonzero(pays)[0].tolist():
                number, column = int(session[place]), int(columns[place])
                if number > 0 and not self._suspended[number, column]:
                    planned[number].append(column)
        return planned

    def _simulate(self) -> None:
        """Closes from the first session to the last, and the ex-dates on the way."""
        self._suspended = self._suspensions()
        planned = self._planned_events()
        listings: dict[int, list[int]] = defaultdict(list)
        for column in np.nonzero((self._listed_at >= 0) & self._is_stock)[0].tolist():
            listings[int(self._listed_at[column])].append(column)
        self._close = np.zeros((len(self._sessions), len(self._members)), dtype=np.int32)
        self._events: dict[int, list[_Event]] = {}
        self._events_of: dict[int, list[Factor]] = defaultdict(list)
        self._back = np.ones(len(self._members))
        for column, factor in self._past.items():
            self._back[column] = float(factor.back)
        everything = np.arange(len(self._members))
        log_anchor = np.log(self._anchor)
        last = self._anchor.copy()
        market = self._noise.normal(MARKET, self._ordinals) * 0.007
        for number in range(len(self._sessions)):
            place = number % DAYS_AT_ONCE
            if place == 0:
                days = self._ordinals[number : number + DAYS_AT_ONCE, None]
                moves = self._noise.normal(RETURN, days, self._keys[None, :]) * self._volatility
            preclose = last
            if planned[number]:
                preclose, self._events[number] = self._go_ex(number, planned[number], last)
            # The pull keeps prices near where they started, however long the market runs.
            step = moves[place] + market[number] - 0.004 * (np.log(preclose) - log_anchor)
            if listings[number]:
                step[listings[number]] += 0.1 + 1.2 * self._noise.uniform(LIST, self._keys[listings[number]], 2)
            low, high = self._band(preclose, self._limits(number, everything))
            close = np.clip(np.rint(preclose * np.exp(step)), low, high)
            last = np.where(self._suspended[number], preclose, close)
            self._close[number] = last
        # Where preclose is not the close before: places in the matrix of closes, and the values.
        width = len(self._members)
        ex = sorted(
            (day * width + event.column, event.preclose) for day, found in self._events.items() for event in found
        )
        self._ex_at = np.array([place for place, _ in ex], dtype=np.int64)
        self._ex_preclose = np.array([preclose for _, preclose in ex], dtype=np.float64)

    def _go_ex(self, number: int, columns: list[int], last: Floats) -> tuple[Floats, list[_Event]]:
        """The reference prices of a day with ex-dates, and the events that really lower a price."""
        preclose = last.copy()
        events: list[_Event] = []
        ordinal = int(self._ordinals[number])
        draws = self._noise.uniform(EX_RATIO, self._keys[columns], ordinal).tolist()
        sizes = self._noise.uniform(EX_RATIO, self._keys[columns], ordinal + 1_000_000).tolist()
        for column, draw, size in zip(columns, draws, sizes, strict=True):
            # Mostly cash, 0.2 to 4 % of the price; one in ten also gives new shares.
            ratio = 0.998 - 0.038 * size if draw < 0.9 else 0.9 - 0.25 * size
            before = float(last[column])
            after = max(float(np.rint(before * ratio)), 1.0)
            if after >= before:
                continue
            preclose[column] = after
            self._back[column] = round(float(self._back[column]) * before / after, 6)
            events.append(_Event(column, after, f"{self._back[column]:.6f}"))
            factor = Factor(self._members[column].code, self._sessions[number], "1.000000", events[-1].back)
            self._events_of[column].append(factor)
        return preclose, events

    # -- what is asked

    @property
    def end(self) -> date:
        """The last day about which the market knows anything."""
        return self._end

    def trade_dates(self, start: date, end: date) -> list[tuple[date, bool]]:
        """Calendar days with whether each is a trading day, from 1990-12-19 to the end of 2100."""
        return calendar.calendar_days(start, end)

    def securities(self) -> list[Security]:
        """All securities, delisted ones included, with the names of the market's last day."""
        found = [
            Security(m.code, m.name_on(self._end), m.ipo, m.out, m.type, "0" if m.out and m.out <= self._end else "1")
            for m in self._members
        ]
        for prefixes, kind, label in ((names.BOND_PREFIXES, BOND, "转债"), (names.OTHER_PREFIXES, OTHER, "基金")):
            codes = [f"{prefix}{n:0{9 - len(prefix)}d}" for prefix, count in prefixes.items() for n in range(count)]
            for n, code in enumerate(codes):
                found.append(Security(code, f"{names.PLACES[n]}{label}", date(2020, 6, 1 + n), None, kind, "1"))
        return sorted(found, key=lambda security: security.code)

    def listed_on(self, day: date) -> list[tuple[str, str, str]]:
        """(code, tradeStatus, name on that day) of everything listed on a session, and of some ``bj.`` codes."""
        number = self._session_no.get(day)
        if number is None:
            return []
        suspended = self._suspended[number]
        listed = [(code, "1", "") for code in names.BEIJING]
        for column in np.nonzero((self._from <= number) & (number < self._to))[0].tolist():
            member = self._members[column]
            listed.append((member.code, "0" if suspended[column] else "1", member.name_on(day)))
        return listed

    def bars_on(self, day: date, kind: BarKind) -> list[Row]:
        """One day's bars of all stocks, or of all ETFs, suspended ones included, ordered by code."""
        number = self._session_no.get(day)
        if number is None:
            return []
        wanted = self._types == (STOCK if kind == "stock" else ETF)
        columns = np.nonzero(wanted & (self._from <= number) & (number < self._to))[0]
        return self._rows(np.full(len(columns), number), columns)

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        """One security's bars, ordered by date."""
        column = self._column.get(code)
        if column is None:
            return []
        first = max(bisect_left(self._sessions, start), int(self._from[column]))
        last = min(bisect_right(self._sessions, end), int(self._to[column]))
        return self._rows(np.arange(first, last), np.full(max(last - first, 0), column))

    def factors_on(self, day: date) -> list[Factor]:
        """The stocks that go ex on a day, as published then: the newest event's fore factor is 1."""
        number = self._session_no.get(day)
        events = self._events.get(number, []) if number is not None else []
        found = [Factor(self._members[e.column].code, day, "1.000000", e.back) for e in events]
        found += [factor for factor in self._past.values() if factor.ex_date == day]
        return sorted(found, key=lambda factor: factor.code[3:])

    def factors_of(self, code: str, start: date, end: date, as_of: date | None = None) -> list[Factor]:
        """One stock's ex-dates, with the fore factors rebased to its newest event up to ``as_of``."""
        column = self._column.get(code)
        if column is None:
            return []
        factors = [self._past[column]] if column in self._past else []
        factors += self._events_of[column]
        return [f for f in rebased(factors, as_of or self._end) if start <= f.ex_date <= end]

    # -- bars

    def _preclose(self, sessions: Ints, columns: Ints) -> Floats:
        before = np.where(sessions > 0, self._close[np.maximum(sessions - 1, 0), columns], self._anchor[columns])
        preclose: Floats = before.astype(np.float64)
        if len(self._ex_at):
            wanted = sessions * len(self._members) + columns
            place = np.minimum(np.searchsorted(self._ex_at, wanted), len(self._ex_at) - 1)
            preclose = np.where(self._ex_at[place] == wanted, self._ex_preclose[place], preclose)
        return preclose

    def _rows(self, sessions: Ints, columns: Ints) -> list[Row]:
        """Bars of pairs of a session's number and a security's column."""
        if len(sessions) == 0:
            return []
        noise, keys, ordinals = self._noise, self._keys[columns], self._ordinals[sessions]
        unit, volatility = self._unit[columns], self._volatility[columns]
        preclose = self._preclose(sessions, columns)
        close = self._close[sessions, columns].astype(np.float64)
        suspended = self._suspended[sessions, columns]
        lowest, highest = self._band(preclose, self._limits(sessions, columns))
        open_ = np.rint(preclose * np.exp(0.4 * volatility * noise.normal(OPEN, ordinals, keys)))
        open_ = np.where(suspended, preclose, np.clip(open_, lowest, highest))
        up = np.abs(noise.normal(HIGH, ordinals, keys)) * volatility * 0.5
        down = np.abs(noise.normal(LOW, ordinals, keys)) * volatility * 0.5
        up, down = np.where(suspended, 0.0, up), np.where(suspended, 0.0, down)
        high = np.minimum(np.rint(np.maximum(open_, close) * (1 + up)), np.maximum(highest, close))
        low = np.maximum(np.rint(np.minimum(open_, close) * (1 - down)), np.minimum(lowest, close))
        turn = self._turnover[columns] * np.exp(0.5 * noise.normal(VOLUME, ordinals, keys))
        turn = np.minimum(turn * (1 + 10 * np.abs(close / preclose - 1)), 0.8)
        volume = np.maximum(np.rint(self._shares[columns] * turn), 100.0)
        vwap = (low + (high - low) * (0.3 + 0.4 * noise.uniform(VWAP, ordinals, keys))) / unit
        # An index's volume is its members' shares: its amount has nothing to do with its level.
        amount = volume * np.where(self._types[columns] == INDEX, 11.0, vwap)
        return self._format(
            sessions,
            columns,
            {
                "prices": [value / unit for value in (open_, high, low, close, preclose)],
                "volume": [volume],
                "amount": [amount],
                "turn": [100 * volume / self._shares[columns]],
                "pctChg": [100 * (close / preclose - 1)],
            },
            suspended,
        )

    def _format(
        self, sessions: Ints, columns: Ints, values: dict[str, list[Floats]], suspended: NDArray[np.bool_]
    ) -> list[Row]:
        def texts(numbers: Floats, form: str) -> list[str]:
            # Adding zero turns -0.0 into 0.0, which Baostock never sends.
            return [form % number for number in (numbers + 0.0).tolist()]

        prices = [texts(value, "%.4f") for value in values["prices"]]
        volume = texts(values["volume"][0], "%d")
        # Baostock rounds amounts to 2 and percentages to 4 decimals before it writes them with 4 and 6.
        amount = texts(values["amount"][0].round(2), "%.4f")
        turn = texts(values["turn"][0].round(4), "%.6f")
        change = texts(values["pctChg"][0].round(4), "%.6f")
        days = [self._sessions[n].isoformat() for n in sessions.tolist()]
        codes = [self._members[n].code for n in columns.tolist()]
        status = ["0" if flag else "1" for flag in suspended.tolist()]
        is_st = self._is_st(sessions, columns)
        valuations = self._valuations(columns, values["prices"][3], texts)
        flags = ["3"] * len(days)
        rows = [
            list(row)
            for row in zip(
                days, codes, *prices, volume, amount, flags, turn, status, change, *valuations, is_st, strict=True
            )
        ]
        for place in np.nonzero(suspended)[0].tolist():
            blank = self._sessions[int(sessions[place])] >= BLANK_SUSPENDED_FROM
            rows[place][7], rows[place][8], rows[place][12] = ("", "", "") if blank else ("0", "0.0000", "0.000000")
            rows[place][10] = ""
        # An index's first bar has no close before it.
        for place in np.nonzero((self._types[columns] == INDEX) & (sessions == self._listed_at[columns]))[0].tolist():
            rows[place][6], rows[place][12] = "0.0000", "0.000000"
        return rows

    def _is_st(self, sessions: Ints, columns: Ints) -> list[str]:
        ordinals = self._ordinals[sessions]
        st = (self._st_from[columns] <= ordinals) & (ordinals < self._st_to[columns])
        # The source's column means nothing for ETFs; here it is wrong for every third, lest it be relied on.
        noise = (self._types[columns] == ETF) & (self._keys[columns] % 3 == 0)
        return ["1" if flag else "0" for flag in (st | noise).tolist()]

    def _valuations(self, columns: Ints, close: Floats, texts: Callable[[Floats, str], list[str]]) -> list[list[str]]:
        """peTTM, pbMRQ, psTTM, pcfNcfTTM of stocks; blank for everything else."""
        found = []
        stock = self._is_stock[columns].tolist()
        for n, (middle, loss) in enumerate(((0.04, 0.25), (0.45, 0.01), (0.5, 0.0), (0.08, 0.3))):
            keys = self._keys[columns]
            per_price = middle * np.exp(0.7 * self._noise.normal(RATIOS, keys, n))
            sign = np.where(self._noise.uniform(RATIOS, keys, 10 + n) < loss, -1.0, 1.0)
            ratios = sign * close / (per_price * self._anchor[columns] / self._unit[columns])
            found.append([text if flag else "" for text, flag in zip(texts(ratios, "%.6f"), stock, strict=True)])
        return found
