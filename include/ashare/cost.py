"""Estimates the cost of a sync at Baostock: requests, seconds, days of quota.

The estimate uses medians from the request ledger. Without a connection or without measured values, it uses the
defaults below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ashare.datasets import MARKET_DAY_FROM, bars_of
from ashare.dates import beijing_now
from ashare.settings import Settings
from ashare.store.measured_costs import costs_per_date, seconds_per_code, seconds_per_market, stocks_and_requests
from ashare.texts import history_command

if TYPE_CHECKING:
    import psycopg

SESSION_REQUESTS = 2
"""Requests of a Baostock session beside its queries: login and logout."""
FIRST_REQUESTS = 20
"""Fixed requests per range of dates: calendar, list of securities, indices, and the logins and logouts for them."""
DATE_REQUESTS, DATE_SECONDS = 6, 8.0
"""Requests and seconds per trade date, until the ledger has measured values."""
OVERHEAD_SECONDS = 1.0
"""Seconds per trade date or week in addition to Baostock's."""
CODE_SECONDS = 0.3
"""Seconds per per-security request; ``by_code`` prefers the ledger's median."""
STOCKS = 5_500
"""Default for the number of stocks, delisted ones included."""
SESSIONS_A_DAY = 243 / 365.25
CODES_A_BATCH = 200
PAGE_SESSIONS = 1999
"""Maximum sessions per per-security request: after a full page of 2,000 rows the client requests another page."""


@dataclass(frozen=True)
class Cost:
    """Estimated requests and seconds at Baostock."""

    requests: int
    seconds: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.requests + other.requests, self.seconds + other.seconds)

    def quota_days(self, left: int, a_day: int) -> int:
        """Number of days on which requests are sent.

        :param left: requests left today.
        :param a_day: requests allowed on each later day.
        """
        more = max(self.requests - max(left, 0), 0)
        return int(left > 0) + -(-more // max(a_day, 1))

    def is_less_than(self, other: Cost, left: int, a_day: int) -> bool:
        """Whether this cost is done sooner: on fewer days of quota, or on as many in fewer seconds."""
        own_days, other_days = self.quota_days(left, a_day), other.quota_days(left, a_day)
        return (own_days, self.seconds) < (other_days, other.seconds)

    def describe(self, left: int, a_day: int) -> str:
        """The estimate in words."""
        days = self.quota_days(left, a_day)
        minutes = max(round(self.seconds / 60), 1)
        time = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
        return f"about {self.requests} requests, {time}" + (f", on {days} days of quota" if days > 1 else "")


def pages(sessions: int) -> int:
    """Number of requests for ``sessions`` sessions of one security."""
    return -(-sessions // PAGE_SESSIONS)


def by_code(connection: psycopg.Connection[Any] | None, requests: int, batches: int) -> Cost:
    """Cost of ``requests`` per-security requests in ``batches`` Baostock sessions."""
    measured = seconds_per_code(connection) if connection else None
    total = requests + SESSION_REQUESTS * batches
    return Cost(total, total * (measured or CODE_SECONDS))


def by_date(connection: psycopg.Connection[Any] | None, days: Sequence[date]) -> tuple[Cost, int]:
    """Cost of syncing trade dates one by one.

    :returns: the cost, and the number of stocks that need per-security requests: on dates before
        ``MARKET_DAY_FROM``, Baostock has no whole-market call.
    """
    if not days:
        return Cost(0, 0.0), 0
    date_requests, date_seconds = costs_per_date(connection) if connection else (None, None)
    by_market = [day for day in days if day >= MARKET_DAY_FROM["stock"]]
    each = min(date_requests or DATE_REQUESTS, FIRST_REQUESTS + DATE_REQUESTS)
    requests = FIRST_REQUESTS + round(each * len(by_market))
    seconds = len(by_market) * ((date_seconds or DATE_SECONDS) + OVERHEAD_SECONDS)
    codes = 0
    if others := [day for day in days if day < MARKET_DAY_FROM["stock"]]:
        codes = STOCKS
        if connection:
            codes, _ = stocks_and_requests(connection, min(others), max(others), PAGE_SESSIONS)
        asked = codes * pages(len(others))
        requests += asked + SESSION_REQUESTS * (codes // 500 + 1)
        seconds += asked * CODE_SECONDS
    return Cost(requests, seconds), codes


def by_verification(
    connection: psycopg.Connection[Any] | None, days: Collection[date], kinds: Collection[str]
) -> Cost:
    """Cost of reading trade dates again: one session a date, with a market of each kind and the adjust factors."""
    requests, seconds = 0, 0.0
    for served_kinds, count in _served(days, kinds).items():
        others = SESSION_REQUESTS + 1
        methods = [call.function for kind in served_kinds if (call := bars_of(kind).market_call)]
        measured = seconds_per_market(connection, methods) if connection and methods else None
        each = (measured or DATE_SECONDS) + CODE_SECONDS * others + OVERHEAD_SECONDS
        requests += count * (len(methods) + others)
        seconds += count * each
    return Cost(requests, seconds)


def _served(days: Collection[date], kinds: Collection[str]) -> Counter[tuple[str, ...]]:
    """The number of days by the kinds of which Baostock has whole markets on them."""
    return Counter(
        tuple(kind for kind in kinds if kind in MARKET_DAY_FROM and day >= MARKET_DAY_FROM[kind]) for day in days
    )


def of_all_stocks(connection: psycopg.Connection[Any] | None, first: date, last: date) -> Cost:
    """Cost of loading a range stock by stock, bars and adjust factors, as if none were loaded yet."""
    stocks, requests = stocks_and_requests(connection, first, last, PAGE_SESSIONS) if connection else (0, 0)
    if not stocks:  # no connection, or the list of securities is empty
        stocks = STOCKS
        requests = STOCKS * (1 + pages(round((last - first).days * SESSIONS_A_DAY)))
    return by_code(connection, requests, -(-stocks // CODES_A_BATCH))


def factors_of_all_stocks(connection: psycopg.Connection[Any] | None, first: date, last: date) -> Cost:
    """Cost of the adjust factors of all stocks of a range, a request each."""
    stocks = stocks_and_requests(connection, first, last, PAGE_SESSIONS)[0] if connection else 0
    return by_code(connection, stocks or STOCKS, -(-(stocks or STOCKS) // CODES_A_BATCH))


def by_week(connection: psycopg.Connection[Any] | None, requests: int, weeks: int) -> Cost:
    """Cost of weekly lists, one week a Baostock session.

    :param requests: calls and pages of all weeks.
    """
    return by_code(connection, requests, weeks) + Cost(0, weeks * OVERHEAD_SECONDS)


MANY_WEEKS = 26
"""From so many weeks on, one run of ``ashare_history`` is quicker: its sessions last for 50 weeks."""


def suggest_history_of_weeks(weeks: Collection[date], datasets: Sequence[str]) -> str:
    """Suggest a run of ``ashare_history`` for weekly lists; empty for a few weeks."""
    if len(weeks) < MANY_WEEKS:
        return ""
    last = min(max(weeks) + timedelta(days=6), beijing_now().date() - timedelta(days=1))
    return (
        f"{len(weeks)} weeks one by one open as many sessions at Baostock; one run for all of them is quicker: "
        f"{history_command(min(weeks), last, datasets=list(datasets))}"
    )


def suggest_history_run(
    connection: psycopg.Connection[Any] | None, days: Collection[date], kinds: Sequence[str]
) -> str:
    """Suggest a run of ``ashare_history`` if loading stock by stock is faster than the dates one by one.

    :returns: a sentence with the command; empty if there is nothing to suggest.
    """
    today = beijing_now().date()
    past = sorted(day for day in days if day < today)
    if not past or "stock" not in kinds:
        return ""
    settings = Settings()
    budget = settings.request_budget - settings.reserve
    one_by_one, _ = by_date(connection, past)
    together = of_all_stocks(connection, past[0], past[-1])
    if not together.is_less_than(one_by_one, budget, budget):
        return ""
    return (
        f"{len(past)} dates one by one take {one_by_one.describe(budget, budget)}; a stock at a time, they would "
        f"take {together.describe(budget, budget)}: "
        f"{history_command(past[0], past[-1], kinds=list(kinds))}"
    )
