"""Airflow's own UI in a real browser: a backfill from its form, for viewers in many time zones."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from ashare_local.stack import Stack
from tests.e2e.conftest import Query, sign_in
from tests.waiting import until


def pick(page: Page, day: str) -> None:
    empty = page.get_by_text("Select date and time")
    left = empty.count() - 1
    empty.first.click()
    page.get_by_placeholder("YYYY/MM/DD").last.fill(day.replace("-", "/"))
    page.keyboard.press("Escape")
    expect(empty).to_have_count(left)  # or the next day goes into the same field
    expect(page.get_by_placeholder("YYYY/MM/DD")).to_have_count(0)


@pytest.mark.parametrize(
    ("time_zone", "first", "last"),
    [
        ("Asia/Shanghai", "2025-10-16", "2025-10-17"),
        ("UTC", "2025-10-20", "2025-10-21"),
        ("America/New_York", "2025-10-22", "2025-10-23"),
    ],
)
def test_a_backfill_from_the_form_runs_the_days_that_the_viewer_picked(
    browser: Browser, stack: Stack, query: Query, time_zone: str, first: str, last: str
) -> None:
    close_backfills(stack)
    page = sign_in(browser, stack, time_zone)
    page.goto(f"{stack.url}/dags/ashare_daily")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_text("Run this Dag for a range of dates").click()
    pick(page, first)
    pick(page, last)
    expect(page.get_by_text("2 runs will be triggered.")).to_be_visible()
    page.get_by_role("button", name="Run Backfill").click()

    def ended() -> list[tuple[str, str]]:
        return query(
            "SELECT trade_date::text, status FROM ashare.sync_status "
            "WHERE trade_date BETWEEN %s AND %s AND finished_at IS NOT NULL ORDER BY 1",
            first,
            last,
        )

    until(lambda: len(ended()) == 2, seconds=180)
    assert ended() == [(first, "success"), (last, "success")]
    page.context.close()


@pytest.mark.parametrize(
    ("time_zone", "chosen"),
    [
        ("Pacific/Pago_Pago", None),
        ("Asia/Shanghai", "Pacific/Kiritimati"),
    ],
)
def test_the_form_previews_the_days_that_were_picked_where_midnights_are_a_day_apart(
    browser: Browser, stack: Stack, time_zone: str, chosen: str | None
) -> None:
    page = sign_in(browser, stack, time_zone)
    if chosen:  # in the UI's own menu
        page.evaluate("zone => localStorage.setItem('timezone', JSON.stringify(zone))", chosen)
    page.goto(f"{stack.url}/dags/ashare_daily")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_text("Run this Dag for a range of dates").click()
    pick(page, "2024-03-06")
    with page.expect_response("**/backfills/dry_run") as previewed:
        pick(page, "2024-03-07")
    found = [run["partition_key"] for run in previewed.value.json()["backfills"]]
    assert found == ["2024-03-06", "2024-03-07"]
    page.context.close()


def close_backfills(stack: Stack) -> None:
    """As Airflow does, half a minute after the last run has ended; it refuses another backfill until then."""

    def are_closed() -> bool:
        with stack.postgres.connect("airflow") as database:
            database.execute(
                "UPDATE backfill b SET completed_at = now() WHERE completed_at IS NULL AND NOT EXISTS "
                "(SELECT FROM dag_run r WHERE r.backfill_id = b.id AND r.state IN ('queued', 'running'))"
            )
            return database.execute("SELECT FROM backfill WHERE completed_at IS NULL").fetchone() is None

    until(are_closed)


def test_the_dag_explains_itself(browser: Browser, stack: Stack) -> None:
    page = sign_in(browser, stack, "Asia/Shanghai")
    page.goto(f"{stack.url}/dags/ashare_daily")
    for task in ("wait_for_trading_day", "plan_batches", "fetch_and_copy", "sync_adjust_factors", "record_status"):
        expect(page.get_by_text(task).first).to_be_visible()
    page.context.close()
