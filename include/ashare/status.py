"""Read-only status of the data: how complete the trade dates are, what is missing and why.

The source is the status tables. The bars table is read only to name one date's missing securities, and for the page
of one security.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from ashare.awaited import Awaited
from ashare.datasets import BARS_APPEAR, KINDS, bars_of, kept_with, newest_published
from ashare.dates import SHANGHAI, beijing_now, days_between, weekdays
from ashare.session_spans import spans_of, years_of
from ashare.settings import Settings
from ashare.store import Expectation, Store
from ashare.store.page_rows import AsOf, DayState, PageRows, Row, YearDays, page_rows
from ashare.sync.reference import closed_reason
from ashare.sync.run import GIVE_UP

STATUSES = ("pending", "syncing", "success", "failed", "skipped")
FIGURES = (
    *("expected", "loaded", "suspended", "missing", "rejected", "revised", "requests"),
    *("run_id", "started_at", "finished_at"),
)
OPEN = ("missing", "partial", "failed")
"""Coverages of a date that should be complete and is not."""
WANTING = (*OPEN, "before")
"""Coverages of a date that a sync would repair."""


@dataclass(frozen=True)
class Bounds:
    """The range of the loaded data.

    :ivar first_date: the first recorded date.
    :ivar newest: the newest date with complete stocks, with its figures; ``None`` without such a date.
    :ivar newest_due: the newest session whose bars should be loaded.
    :ivar lag: number of due sessions after the date of ``newest``; ``None`` without such a date.
    """

    first_date: date | None
    newest: Row | None
    newest_due: date
    lag: int | None


def newest_due(now: datetime) -> date:
    """The newest weekday whose bars should be loaded. Today counts from 23:00 (Beijing), when its run gives up."""
    day = now.astimezone(SHANGHAI)
    due = day.date() if day.time() >= GIVE_UP else day.date() - timedelta(days=1)
    while due.weekday() >= 5:
        due -= timedelta(days=1)
    return due


class RangeDays(NamedTuple):
    """The days of a range of which something is known.

    :ivar at_sight: the numbers of complete and of closed days, by year.
    :ivar others: the other days that are recorded, hold bars or should be complete.
    """

    at_sight: list[YearDays]
    others: list[DayState]


OUT_OF_REACH = ("SourceUnreachable", "SourceDropped", "SourceStalled", "no reply")
"""Outcomes of a request that Baostock did not answer."""

AT_SIGHT = {"complete": "success", "closed": "skipped"}
"""The statuses of the days of ``RangeDays.at_sight``."""


@dataclass(frozen=True)
class StatusReader:
    """States of trade dates and securities, derived from one snapshot of the database.

    :param running: ids of the active Airflow runs. A ``syncing`` date whose run is not among them has lost its run.
    :param awaited: dates on which a run will work. A date that is not complete counts as ``running``.
    """

    rows: PageRows
    running: Sequence[str] = ()
    awaited: Awaited = field(default_factory=Awaited)
    settings: Settings = field(default_factory=Settings)
    now: Callable[[], datetime] = beijing_now
    _read: dict[tuple[date, date], RangeDays] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def today(self) -> date:
        return self.now().astimezone(SHANGHAI).date()

    @cached_property
    def as_of(self) -> AsOf:
        """The inputs of the states beside the tables."""
        return AsOf(kept_with(self.settings.kinds), newest_due(self.now()), self.running)

    @cached_property
    def since(self) -> date | None:
        """Since when the database is meant to be complete. Few readings have to know."""
        return self.settings.first_date or self.rows.complete_since(self.as_of.datasets, self.as_of.newest)

    def _days(self, start: date | None = None, end: date | None = None) -> RangeDays:
        """The days of a range of which something is known. Each range is read once."""
        first, last = start or date.min, end or date.max
        if (first, last) not in self._read:
            as_of = self.as_of
            known = self.rows.known_days(as_of.datasets, self.since, as_of.newest, first, last)
            states = self._states(known.others)
            others = [state for state in states if state.is_recorded or state.coverage in (*OPEN, "running")]
            self._read[first, last] = RangeDays(known.at_sight, others)
        return self._read[first, last]

    def _states(self, days: Collection[date]) -> list[DayState]:
        """The states of some days."""
        states = self.rows.states(self.as_of, days)
        known = [self._known(state.trade_date, state.coverage, state.status) for state in states]
        return [state._replace(**changes) for state, changes in zip(states, known, strict=True)]  # type: ignore[arg-type]

    def _dates(self, days: Collection[date]) -> list[Row]:
        """Some days with all that is known of them, newest first."""
        return [
            {**row, **self._known(row["trade_date"], row["coverage"], row["status"])}
            for row in self.rows.dates(self.as_of, days)
        ]

    def _known(self, day: date, coverage: str, status: str) -> dict[str, str]:
        """Coverage and status, by what the tables do not know: the runs to come, and since when dates count."""
        if coverage in WANTING and day in self.awaited:
            return {"coverage": "running", "status": "syncing"}
        is_missing = coverage == "before" and self.since is not None and day >= self.since
        return {"coverage": "missing" if is_missing else coverage, "status": status}

    # ------------------------------------------------------------------ trade dates

    def bounds(self) -> Bounds:
        """The range of the loaded data, and its lag."""
        due, ends = self.as_of.newest, self.rows.ends()
        days = self._days()
        well = [state.trade_date for state in days.others if state.status == "success"]
        at_sight = [each.last for each in days.at_sight if each.state == "complete"]
        complete = max([*at_sight, *well], default=None)
        newest: Row | None = None
        if complete:
            figures = self.rows.counted_dates(self.as_of.datasets, complete, complete).get(complete)
            newest = figures._asdict() if figures else self._dates([complete])[0]
        known_to = max(filter(None, (ends["calendar_end"], complete)), default=None)
        session = self.rows.newest_session(due)
        if known_to is None or known_to < due:
            session = due  # beyond the calendar's end, any weekday may be a session
        lag = None
        if complete and known_to:
            calendar = self.rows.sessions(complete + timedelta(days=1), due)
            lag = sum(calendar.values()) + len(weekdays(known_to + timedelta(days=1), due))
        return Bounds(ends["first_date"], newest, session or due, lag)

    def open_sessions(self) -> list[date]:
        """The sessions among the last ``ASHARE_HEAL_SESSIONS`` that are not complete, whoever works on them."""
        return self.rows.open_sessions(self.as_of, self.since, self.settings.heal_sessions)

    def overdue_sessions(self) -> list[date]:
        """The open sessions that are further back than ``ASHARE_MAX_LAG`` allows."""
        if not (found := self.open_sessions()):
            return []
        newest = self.as_of.newest
        calendar = self.rows.sessions(found[0], newest)
        later = [day for day in days_between(found[0], newest) if calendar.get(day, day.weekday() < 5)]
        tolerated = later[-self.settings.max_lag :] if self.settings.max_lag else []
        return [day for day in found if day not in tolerated]

    def counts(self, start: date | None = None, end: date | None = None) -> dict[str, int]:
        """Number of trade dates per status, from the first recorded date on."""
        days = self._days(start, end)
        found = Counter(state.status for state in days.others)
        for each in days.at_sight:
            found[AT_SIGHT[each.state]] += each.days
        return {status: found[status] for status in STATUSES}

    def open_range(self) -> tuple[date | None, date | None]:
        """The first and the last date that a sync would repair; ``None`` without such a date."""
        days = [state.trade_date for state in self._days().others if state.coverage in OPEN]
        return min(days, default=None), max(days, default=None)

    def records(
        self,
        *,
        start: date | None = None,
        end: date | None = None,
        status: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Row]:
        """Trade dates, newest first. A session without a record has the status ``pending``."""
        found = self._days(start, end)
        days = [state.trade_date for state in found.others if status in (None, state.status)]
        at_sight = [each for each in found.at_sight if status in (None, AT_SIGHT[each.state])]
        sizes = Counter(day.year for day in days)
        for each in at_sight:
            sizes[each.year] += each.days
        years, skipped = _years_shown(sizes, offset, limit)
        if not years:
            return []
        first, last = date(years[-1], 1, 1), date(years[0], 12, 31)
        days = [day for day in days if first <= day <= last]
        if at_sight:
            states = {each.state for each in at_sight}
            first, last = max(first, start or first), min(last, end or last)
            days += self.rows.days_at_sight(self.as_of.datasets, states, first, last)
        days.sort(reverse=True)
        offset -= skipped
        return self._dates(days[offset : None if limit is None else offset + limit])

    def record(self, day: date) -> Row | None:
        """One date; ``None`` for a weekday that has no record and is not in the calendar."""
        if found := self._dates([day]):
            return found[0]
        return None if day.weekday() < 5 else self._beyond_the_calendar(day)

    def coverage(self, start: date, end: date) -> list[tuple[Any, ...]]:
        """One tuple per calendar day of a range: (date, coverage, expected, loaded, missing, rejected, revised)."""
        known = self.rows.coverage(self.as_of.datasets, start, end)
        recorded = self.rows.known_days(self.as_of.datasets, None, self.as_of.newest, start, end).others
        days = list(days_between(start, end))
        # A weekend of which nothing is recorded is closed.
        others = [day for day in days if day not in known and (day.weekday() < 5 or day in recorded)]
        states = self._states(others)
        revised = self.rows.revised([state.trade_date for state in states if state.loaded is not None])
        for state in states:
            figures = (state.expected, state.loaded, state.missing, state.rejected)
            revised_of_day = None if state.loaded is None else revised.get(state.trade_date, 0)
            known[state.trade_date] = (state.trade_date, state.coverage, *figures, revised_of_day)
        nothing = (None,) * 5
        return [known.get(day) or (day, self._state_beyond_the_calendar(day)["coverage"], *nothing) for day in days]

    def wanting(self, start: date, end: date) -> list[date]:
        """Dates of a range that a sync would repair, newest first; includes weekdays beyond the calendar's end."""
        return self.wanting_of({day: coverage for day, coverage, *_ in self.coverage(start, end)})

    def wanting_of(self, coverages: Mapping[date, str]) -> list[date]:
        """The days, among some with their coverages, that a sync would repair, newest first."""
        newest = newest_published(self.now())
        wanting = [day for day, coverage in coverages.items() if coverage in WANTING]
        # Today's bars are published and today's run has not started: a user may start a sync.
        is_free = self.today not in self.awaited
        wanting += [day for day in coverages if day == self.today and coverages[day] == "unpublished" and is_free]
        return sorted((day for day in wanting if day <= newest), reverse=True)

    def need(self, day: date) -> tuple[bool, str]:
        """Whether a date needs a sync, and a sentence with the reason."""
        row = self.record(day)
        if row is None:
            return True, f"Nothing is recorded of {day}, and the calendar that is stored does not cover it."
        match row["coverage"]:
            case "complete":
                return False, f"{day} is complete: {row['loaded']} of {row['expected']} bars."
            case "accepted":
                return False, f"{day} counts as complete: it is {row['reason']}"
            case "closed":
                return False, row["reason"] or closed_reason(day)
            case "running":
                why = row["reason"]
                return False, f"{day} is being synced. {why}" if why else f"{day} is being synced."
            case "unpublished" if day not in self.wanting(day, day):
                return False, f"{day}: bars appear from {BARS_APPEAR:%H:%M} on, Beijing time."
            case "failed" | "partial":
                return True, row["reason"] or f"{day} has {row['loaded']} of {row['expected']} bars."
        return True, row["reason"] or f"Nothing is recorded of {day}, a trading day."

    def _beyond_the_calendar(self, day: date) -> Row:
        """The row of a day that the stored calendar does not have: any weekday may be a session."""
        is_weekend = day.weekday() >= 5
        return {
            "trade_date": day,
            **self._state_beyond_the_calendar(day),
            "kinds": [],
            "reason": closed_reason(day) if is_weekend else None,
            "dag_id": "ashare_daily",
            **dict.fromkeys(FIGURES),
        }

    def _state_beyond_the_calendar(self, day: date) -> dict[str, str]:
        if day.weekday() >= 5:
            return {"coverage": "closed", "status": "skipped"}
        return self._known(day, "unpublished" if day > self.as_of.newest else "before", "pending")

    # ------------------------------------------------------------------ one date

    def neighbours(self, day: date) -> tuple[date | None, date | None]:
        """The previous and the next session, neither later than today; ``None`` if there is no such session."""
        return self.rows.neighbours(day, self.today)

    def missing(self, record: Row) -> tuple[int, list[Row]]:
        """Securities of a date that have neither a bar nor a record of an absent or rejected bar.

        :returns: their number, and rows for the first of them, each with the last batch's error as ``reason``.
        """
        if record["coverage"] not in ("failed", "partial", "running", "missing", "accepted"):
            return 0, []
        day = record["trade_date"]
        kinds = tuple(record["kinds"]) or self.settings.kinds
        expectation = Expectation(day, self.today, kinds, self.settings.indices, self.settings.max_rejected)
        codes = self.rows.remaining_codes(expectation)
        rows = self.rows.reasons(day, codes)
        asked_for = "Not asked for yet." if record["coverage"] != "running" else "Waits for its batch."
        return len(codes), [{**row, "reason": row["reason"] or asked_for} for row in rows]

    # ------------------------------------------------------------------ the source

    def source(self) -> Row:
        """Budget, ban, time of the last requests, and the recent errors."""
        return {
            **asdict(self.rows.source_limit()),
            **self.rows.source_times(OUT_OF_REACH),
            "budget": self.settings.request_budget,
            "recent_errors": [
                {**row, "outcome": row["outcome"] or "ProcessEnded"} for row in self.rows.source_errors()
            ],
        }

    # ------------------------------------------------------------------ one security

    def security(self, code: str) -> Row | None:
        """A security's coverage over time; ``None`` if the list of securities lacks the code."""
        found = self.rows.security(code)
        if found is None:
            return None
        reach, events = self.rows.bar_range(code), self.rows.events(code)
        first_recorded = self.rows.ends()["first_date"]
        sessions = self._sessions_of(found, min(filter(None, (first_recorded, reach["first_bar"])), default=None))
        return {
            **found,
            **reach,
            **events,
            **self.rows.listed_as(code),
            "newest_limit": self.rows.newest_limit(code),
            "first_recorded": first_recorded,
            "years": years_of(sessions),
            "suspensions": spans_of(sessions, lambda row: "suspended" if row["is_trading"] is False else None),
            "holes": spans_of(sessions, lambda row: row["why"]),
        }

    def _sessions_of(self, security: Row, start: date | None) -> list[Row]:
        if start is None:
            return []
        end = newest_due(self.now())
        if security["ipo_date"]:
            start = max(start, security["ipo_date"])
        if security["out_date"]:
            end = min(end, security["out_date"] - timedelta(days=1))
        if security["kind"] not in KINDS:
            return []
        dataset = bars_of(security["kind"]).name
        return self.rows.security_sessions(self.as_of, security["code"], dataset, start, end)

    def bars(self, code: str, adjust: str) -> tuple[list[tuple[Any, ...]], str | None]:
        """A security's bars for a chart.

        :param adjust: ``none``, ``qfq`` or ``hfq``.
        :returns: tuples (date, open, close, low, high, volume, is_trading) sorted by date, prices in CNY, volume in
            shares; and a note if adjusted prices are requested but no ex-date is known, else ``None``.
        """
        rows = self.rows.bars(code, adjust)
        if adjust == "none" or self.rows.events(code)["ex_dates"]:
            return rows, None
        return rows, "No ex-date of this security is known: the prices are as traded."


def _years_shown(sizes: Mapping[int, int], offset: int, limit: int | None) -> tuple[list[int], int]:
    """The years of which a page of a list shows days, newest first, and the number of days of all later years.

    :param sizes: the number of days of each year.
    """
    years, skipped, before = [], 0, 0
    for year in sorted(sizes, reverse=True):
        if before + sizes[year] <= offset:
            skipped += sizes[year]
        elif limit is None or before < offset + limit:
            years.append(year)
        before += sizes[year]
    return years, skipped


@contextmanager
def status_reader(store: Store, running: Sequence[str] = (), **options: Any) -> Iterator[StatusReader]:
    """A reader over one read-only transaction: all its answers are from one snapshot.

    :raises StoreUnavailable: the database cannot be reached or refuses, or its schema is missing or outdated.
    """
    with page_rows(store) as rows:
        yield StatusReader(rows, running, **options)
