from __future__ import annotations

from datetime import date, datetime, timezone

import pytest

from ashare.datasets import newest_published
from ashare.dates import SHANGHAI, parse_trade_date, parse_trade_date_range
from ashare.errors import InvalidInput
from ashare_airflow.context import trade_date_of

TODAY = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-02-30", "is not a trade date: write it as YYYY-MM-DD"),
        ("20260302", "is not a trade date: write it as YYYY-MM-DD"),
        ("tomorrow", "is not a trade date: write it as YYYY-MM-DD"),
        ("1990-12-18", "before 1990-12-19, the first session"),
        ("2026-03-03", "is in the future (today in Beijing is 2026-03-02)"),
    ],
)
def test_a_date_that_cannot_be_is_refused_with_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_trade_date(text, today=TODAY)
    assert said in str(refused.value)


def test_the_first_session_and_today_are_allowed() -> None:
    assert parse_trade_date("1990-12-19", today=TODAY) == date(1990, 12, 19)
    assert parse_trade_date(" 2026-03-02 ", today=TODAY) == TODAY


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(InvalidInput, match="The end date 2025-10-01 is before the start date 2025-10-09"):
        parse_trade_date_range("2025-10-09", "2025-10-01")


@pytest.mark.parametrize(
    ("moment", "newest"),
    [
        ("2026-03-02T17:29", date(2026, 2, 27)),  # Monday before publication: Friday's
        ("2026-03-02T17:30", date(2026, 3, 2)),
        ("2026-03-01T23:00", date(2026, 2, 27)),  # Sunday
    ],
)
def test_the_newest_published_date_goes_by_beijing_time(moment: str, newest: date) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=SHANGHAI)
    assert newest_published(at) == newest
    assert newest_published(at.astimezone(timezone.utc)) == newest


def test_the_trade_date_of_a_run_is_its_key_else_its_param_else_its_own_date() -> None:
    run_after = datetime(2026, 3, 2, 10, 5, tzinfo=timezone.utc)
    # 22:00 UTC is already the next day in Shanghai.
    logical = datetime(2026, 2, 25, 22, 0, tzinfo=timezone.utc)
    assert trade_date_of("2025-10-09", "2025-10-10", logical, run_after) == date(2025, 10, 9)
    assert trade_date_of(None, "2025-10-10", logical, run_after) == date(2025, 10, 10)
    assert trade_date_of(None, None, logical, run_after) == date(2026, 2, 26)
    assert trade_date_of(None, None, None, run_after) == date(2026, 3, 2)
