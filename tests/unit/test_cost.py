"""What a sync costs, before it is begun."""

from __future__ import annotations

import json
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashare import cost
from ashare.cost import PAGE_SESSIONS, Cost, by_date, by_verification, pages, suggest_history_run
from ashare.dates import mondays
from ashare.sync.history.range_fetch import cut_pages


@pytest.mark.parametrize(
    ("requests", "left", "days"),
    [(0, 100, 1), (100, 100, 1), (101, 100, 2), (1100, 100, 2), (1101, 100, 3), (5, 0, 1)],
)
def test_days_of_quota(requests: int, left: int, days: int) -> None:
    assert Cost(requests, 1.0).quota_days(left, 1000) == days


def test_what_takes_fewer_days_of_quota_is_less_and_else_what_takes_less_time() -> None:
    many_but_quick, few_but_slow = Cost(1500, 60.0), Cost(900, 600.0)
    assert few_but_slow.is_less_than(many_but_quick, 1000, 1000)
    assert many_but_quick.is_less_than(few_but_slow, 2000, 1000)


def test_in_words() -> None:
    assert Cost(30, 10.0).describe(1000, 1000) == "about 30 requests, 1 min"
    assert Cost(2500, 9000.0).describe(1000, 1000) == "about 2500 requests, 2.5 h, on 3 days of quota"


def test_without_a_database_a_date_costs_what_is_usual() -> None:
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(100)]
    assert by_date(None, days) == (Cost(20 + 600, 900.0), 0)
    assert by_date(None, [])[0].requests == 0


def test_to_read_dates_again_is_a_session_a_date_with_a_market_of_each_kind_and_the_factors() -> None:
    days = [date(2025, 12, 30), date(2025, 12, 31), date(2026, 1, 5)]
    assert by_verification(None, days, ("stock", "index")).requests == 3 * 4
    assert by_verification(None, days, ("stock", "index", "etf")).requests == 2 * 4 + 5
    assert by_verification(None, [], ("stock",)) == Cost(0, 0.0)


def weekdays(first: date, count: int) -> list[date]:
    return [day for n in range(count) if (day := first + timedelta(days=n)).weekday() < 5]


def test_a_better_way_is_named_for_years_and_not_for_months() -> None:
    assert suggest_history_run(None, weekdays(date(2025, 1, 1), 90), ["stock"]) == ""
    assert suggest_history_run(None, [], ["stock"]) == ""
    said = suggest_history_run(None, weekdays(date(2010, 1, 4), 3650), ["stock", "index"])
    conf = json.loads(said.split("--conf ")[1].strip("'"))
    assert conf == {"start_date": "2010-01-04", "end_date": "2020-01-01", "kinds": ["stock", "index"]}


SESSIONS = weekdays(date(1995, 1, 2), 9000)


@given(st.sets(st.integers(0, len(SESSIONS) - 1), max_size=60))
def test_pages_hold_exactly_what_is_lacking_and_are_as_few_as_can_be(lacking: set[int]) -> None:
    gaps: list[list[int]] = []
    for n in sorted(lacking):
        if gaps and gaps[-1][1] == n - 1:
            gaps[-1][1] = n
        else:
            gaps.append([n, n])
    found = cut_pages([(SESSIONS[first], SESSIONS[last]) for first, last in gaps], SESSIONS)
    assert [day for page in found for day in page.days] == [SESSIONS[n] for n in sorted(lacking)]
    at = {day: n for n, day in enumerate(SESSIONS)}
    starts = [at[page.first] for page in found]
    assert all(at[page.last] - at[page.first] < PAGE_SESSIONS for page in found)
    # What begins a page was out of the reach of the page before it: no cut with fewer pages exists.
    assert all(later - earlier >= PAGE_SESSIONS for earlier, later in pairwise(starts))


def test_a_whole_history_takes_a_request_for_every_1999_sessions() -> None:
    whole = [(SESSIONS[0], SESSIONS[-1])]
    assert len(cut_pages(whole, SESSIONS)) == pages(len(SESSIONS)) == 4
    assert cut_pages([], SESSIONS) == []


def test_many_weeks_are_quicker_in_one_run_of_a_history() -> None:
    weeks = mondays(date(2020, 1, 6), date(2020, 12, 28))
    assert cost.suggest_history_of_weeks(weeks[: cost.MANY_WEEKS - 1], ["index_member"]) == ""
    text = cost.suggest_history_of_weeks(weeks, ["index_member"])
    assert text.startswith("52 weeks one by one open as many sessions at Baostock")
    assert '{"start_date": "2020-01-06", "end_date": "2021-01-03", "datasets": ["index_member"]}' in text
