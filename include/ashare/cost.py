"""About what a sync costs at Baostock, as far as the ledger tells: requests, seconds, days of quota.

Without a connection, it is what is usual.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.dates import beijing_now
from ashare.settings import Settings
from ashare.steps.run import MARKET_DAY_FROM
from ashare.store.measured_costs import costs_per_date, listed_stocks, seconds_per_code, stocks_and_requests

if TYPE_CHECKING:
    import psycopg

SESSION_REQUESTS = 2
"""A login and a logout."""
FIRST_REQUESTS = 20
"""Once for a range of dates: calendar, list of securities, indices, and their sessions."""
DATE_REQUESTS, DATE_SECONDS = 6, 8.0
"""A further date's, until the ledger knows better."""
OVERHEAD_SECONDS = 1.0
"""Of a date beside Baostock's own time."""
CODE_SECONDS = 0.3
"""A per-security request's, until the ledger knows better."""
STOCKS = 5_500
"""Listed ones and those that are gone, until the list of securities is read."""
SESSIONS_A_DAY = 243 / 365.25
CODES_A_BATCH = 200
PAGE_SESSIONS = 1999
"""Sessions that a per-security request asks for at most: a full page of 2,000 rows would be followed by another."""


@dataclass(frozen=True)
class Cost:
    """About so many requests, and seconds at Baostock."""

    requests: int
    seconds: float

    def quota_days(self, left: int, a_day: int) -> int:
        """On how many days requests are sent, with ``left`` of today's and ``a_day`` on each other."""
        more = max(self.requests - max(left, 0), 0)
        return int(left > 0) + -(-more // max(a_day, 1))

    def is_less_than(self, other: Cost, left: int, a_day: int) -> bool:
        """Whether it is done sooner."""
        own_days, other_days = self.quota_days(left, a_day), other.quota_days(left, a_day)
        return (own_days, self.seconds) < (other_days, other.seconds)

    def describe(self, left: int, a_day: int) -> str:
        """In words."""
        days = self.quota_days(left, a_day)
        minutes = max(round(self.seconds / 60), 1)
        time = f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
        return f"about {self.requests} requests, {time}" + (f", on {days} days of quota" if days > 1 else "")


def pages(sessions: int) -> int:
    """Requests for so many sessions of one security."""
    return -(-sessions // PAGE_SESSIONS)


def by_code(connection: psycopg.Connection[Any] | None, requests: int, batches: int) -> Cost:
    """Of so many per-security requests, in so many sessions."""
    measured = seconds_per_code(connection) if connection else None
    total = requests + SESSION_REQUESTS * batches
    return Cost(total, total * (measured or CODE_SECONDS))


def by_date(connection: psycopg.Connection[Any] | None, days: Sequence[date]) -> tuple[Cost, int]:
    """Of some trade dates one by one, and how many stocks of theirs only the per-security call serves."""
    if not days:
        return Cost(0, 0.0), 0
    date_requests, date_seconds = costs_per_date(connection) if connection else (None, None)
    by_market = [day for day in days if day >= MARKET_DAY_FROM["stock"]]
    each = min(date_requests or DATE_REQUESTS, FIRST_REQUESTS + DATE_REQUESTS)
    requests = FIRST_REQUESTS + round(each * len(by_market))
    seconds = len(by_market) * ((date_seconds or DATE_SECONDS) + OVERHEAD_SECONDS)
    codes = 0
    if others := [day for day in days if day < MARKET_DAY_FROM["stock"]]:
        codes = listed_stocks(connection, min(others), max(others)) if connection else STOCKS
        asked = codes * pages(len(others))
        requests += asked + SESSION_REQUESTS * (codes // 500 + 1)
        seconds += asked * CODE_SECONDS
    return Cost(requests, seconds), codes


def of_all_stocks(connection: psycopg.Connection[Any] | None, first: date, last: date) -> Cost:
    """Of a range's stocks one by one, bars and adjust factors, as though nothing of them were there."""
    stocks, requests = stocks_and_requests(connection, first, last, PAGE_SESSIONS) if connection else (0, 0)
    if not stocks:  # the list was not read yet
        stocks = STOCKS
        requests = STOCKS * (1 + pages(round((last - first).days * SESSIONS_A_DAY)))
    return by_code(connection, requests, -(-stocks // CODES_A_BATCH))


def suggest_history_run(
    connection: psycopg.Connection[Any] | None, days: Collection[date], kinds: Sequence[str]
) -> str:
    """A sentence when some trade dates would be had sooner by code, with the command; else nothing."""
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
    conf = json.dumps({"start_date": str(past[0]), "end_date": str(past[-1]), "kinds": list(kinds)})
    return (
        f"{len(past)} dates one by one take {one_by_one.describe(budget, budget)}; a stock at a time, they would "
        f"take {together.describe(budget, budget)}: airflow dags trigger ashare_history --conf '{conf}'"
    )
