"""What has changed since a lake's files were written.

Trade dates are told by the versions of their rows, securities by the tables that adjust factors and price limits
follow from.

Each file of bars has in its metadata what it was made of. So a file is up to date, or is patched, or is written anew,
whatever was killed, deleted or restored in between.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

NEVER = -1_000_000
"""A blank date, as a day since 1970."""

LISTING_DAYS, LEAVING_DAYS = 30, 45
"""The view ``daily_limit`` looks at listings up to 30 days before a bar, and at delistings up to 45 days after it."""

MOST_DAYS, MOST_CODES = 60, 400
"""A file of which more has changed is written anew."""

INPUTS = ("factor_step", "security", "trade_calendar")
"""The tables that adjust factors and price limits follow from, beside the bars and the rules."""


@dataclass(frozen=True)
class Inputs:
    """The tables that adjust factors and price limits follow from.

    :ivar tables: ``factor_step``, ``security`` and ``trade_calendar``, as they are in the lake.
    :ivar kinds: the kinds of securities that the lake has; ``None``: all.
    """

    tables: Mapping[str, pa.Table]
    kinds: Collection[str] | None = None

    def of_year(self, year: int) -> str:
        """A hash that changes with whatever the factors and limits of the year's bars follow from."""
        first, last = _day(date(year, 1, 1)), _day(date(year, 12, 31))
        hashed = hashlib.sha256()
        for column in self._steps_of(first, last):
            hashed.update(column.tobytes())
        codes, begins, ends = self._stocks
        chosen = begins <= last
        hashed.update(codes[chosen].tobytes())
        hashed.update(_between(begins[chosen], first - LISTING_DAYS, last).tobytes())
        hashed.update(_between(ends[chosen], first, last + LEAVING_DAYS).tobytes())
        odd = self._odd_days
        hashed.update(odd[(odd >= first - LEAVING_DAYS) & (odd <= last + LEAVING_DAYS)].tobytes())
        return hashed.hexdigest()

    def adjusted_otherwise(self, former: Inputs, year: int, until: date) -> set[str]:
        """The codes whose adjust factors differ on any day of the year up to ``until``."""
        first, last = _day(date(year, 1, 1)), _day(date(year, 12, 31))
        new, old = (set(zip(*map(list, each._steps_of(first, last)), strict=True)) for each in (self, former))
        return {code.decode() for code, start, _ in new ^ old if start <= _day(until)}

    def listed_otherwise(self, former: Inputs, year: int) -> set[str]:
        """The codes whose price limits of the year may differ, as their listing or delisting does."""
        first, last = date(year, 1, 1), date(year, 12, 31)

        def seen(row: tuple[date | None, date | None] | None) -> object:
            if row is None or (row[0] and row[0] > last):
                return None
            begin, end = row
            return (
                begin if begin and begin >= first - timedelta(LISTING_DAYS) else None,
                end if end and first <= end <= last + timedelta(LEAVING_DAYS) else None,
            )

        new, old = self._listings, former._listings
        changed = {code for code, _ in new.items() ^ old.items()}
        return {code for code in changed if seen(new.get(code)) != seen(old.get(code))}

    def days_otherwise(self, former: Inputs) -> set[date]:
        """The days whose price limits may differ, as the calendar does near them."""
        import numpy as np

        changed = np.setxor1d(self._odd_days, former._odd_days)
        near = range(-LEAVING_DAYS, LISTING_DAYS + 1)
        return {date(1970, 1, 1) + timedelta(int(day) + n) for day in changed for n in near}

    @cached_property
    def _chosen_steps(self) -> pa.Table:
        """The steps of the kinds."""
        import pyarrow.compute as pc

        steps, securities = self.tables["factor_step"], self.tables["security"]
        if self.kinds is None:
            return steps
        others = securities.filter(pc.invert(pc.is_in(securities["kind"], value_set=_strings(self.kinds))))
        return steps.filter(pc.invert(pc.is_in(steps["code"], value_set=others["code"].combine_chunks())))

    @cached_property
    def _chosen_stocks(self) -> pa.Table:
        import pyarrow.compute as pc

        securities = self.tables["security"]
        has_stocks = self.kinds is None or "stock" in self.kinds
        return securities.filter(pc.equal(securities["kind"], "stock")) if has_stocks else securities.slice(0, 0)

    @cached_property
    def _steps(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        steps = self._chosen_steps
        return _names(steps["code"]), _days(steps["start_date"]), steps["hfq_factor"].to_numpy()

    def _steps_of(self, first: int, last: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Codes, starts and factors of the steps that some days have; a step that began before begins with them."""
        import numpy as np

        codes, starts, factors = self._steps
        ends = np.append(np.where(codes[1:] == codes[:-1], starts[1:], -NEVER), -NEVER)[: len(codes)]
        chosen = (starts <= last) & (ends > first)
        return codes[chosen], np.maximum(starts[chosen], first), factors[chosen]

    @cached_property
    def _listings(self) -> dict[str, tuple[date | None, date | None]]:
        found = self._chosen_stocks.select(["code", "ipo_date", "out_date"]).to_pylist()
        return {row["code"]: (row["ipo_date"], row["out_date"]) for row in found}

    @cached_property
    def _stocks(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        stocks = self._chosen_stocks
        return _names(stocks["code"]), _days(stocks["ipo_date"]), _days(stocks["out_date"])

    @cached_property
    def _odd_days(self) -> NDArray[np.int32]:
        """The days on which the calendar differs from Monday to Friday, which stand for a day that it lacks."""
        calendar = self.tables["trade_calendar"]
        days = _days(calendar["calendar_date"])
        is_weekday = (days + 3) % 7 < 5  # 1970-01-01 was a Thursday
        odd: NDArray[np.int32] = days[calendar["is_trading_day"].to_numpy(zero_copy_only=False) != is_weekday]
        return odd


@dataclass
class Change:
    """What of a year's file is not up to date.

    :ivar is_whole: the file is to be written anew.
    :ivar days: the days whose rows have changed, or are gone.
    :ivar codes: the codes of which other days have changed, too.
    """

    is_whole: bool = False
    days: set[date] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return self.is_whole or bool(self.days or self.codes)


def change_of(
    year: int,
    noted: Mapping[str, str],
    state: Mapping[str, str],
    inputs: Inputs,
    former_inputs: Callable[[], Inputs | None],
) -> Change:
    """What of a year's file is not up to date.

    :param noted: the notes in the file's metadata; empty without a file.
    :param state: the notes that the file would have now.
    :param former_inputs: reads the inputs as they are in the lake; ``None``: they cannot be read.
    """
    days = json.loads(state["days"])
    held = json.loads(noted.get("days", "{}"))
    found = Change(days={date.fromisoformat(day) for day, _ in days.items() ^ held.items()})
    if any(noted.get(name) != state[name] for name in ("layout", "options", "database", "rules")):
        found.is_whole = True
    elif noted["inputs"] != state["inputs"]:
        former = former_inputs()
        if former is None or former.of_year(year) != noted["inputs"]:
            found.is_whole = True
        else:
            _add_inputs(found, year, {date.fromisoformat(day) for day in days}, inputs, former)
    if len(found.days) > min(MOST_DAYS, len(days) // 2) or len(found.codes) > MOST_CODES:
        found.is_whole = True
    return found


def _add_inputs(found: Change, year: int, days: set[date], inputs: Inputs, former: Inputs) -> None:
    found.days |= inputs.days_otherwise(former) & days
    newest = max(days - found.days, default=None)
    if newest:
        found.codes |= inputs.adjusted_otherwise(former, year, newest)
        found.codes |= inputs.listed_otherwise(former, year)


def notes_of(days: Iterable[tuple[date, str, int, int]]) -> dict[date, str]:
    """What identifies the rows of each trade date.

    :param days: trade date, dataset, number of rows, and their version.
    """
    found: dict[date, list[tuple[str, int, int]]] = {}
    for day, dataset, rows, version in days:
        found.setdefault(day, []).append((dataset, rows, version))
    return {day: hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()[:16] for day, rows in found.items()}


def _day(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _days(column: pa.ChunkedArray) -> NDArray[np.int32]:
    import pyarrow as pa

    days: NDArray[np.int32] = column.cast(pa.int32()).fill_null(NEVER).to_numpy()
    return days


def _strings(values: Iterable[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(sorted(values), pa.string())


def _names(column: pa.ChunkedArray) -> NDArray[Any]:
    import numpy as np

    return np.array(column.to_pylist(), dtype="S")


def _between(days: NDArray[np.int32], first: int, last: int) -> NDArray[np.int32]:
    """The days of a range; others count as blank."""
    import numpy as np

    return np.where((days >= first) & (days <= last), days, NEVER).astype(np.int32)
