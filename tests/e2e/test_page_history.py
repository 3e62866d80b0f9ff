"""A history on the status page: its cost, its start, its progress, its holes, its cancel."""

from __future__ import annotations

import re
from datetime import date, timedelta

from playwright.sync_api import (
    expect,
)

from ashare.dates import beijing_now
from ashare_emulator.faults import fault
from ashare_emulator.server import Emulator
from tests.e2e.conftest import Query
from tests.e2e.page import ALONE, YEARS, Visit, asked, coverage, fact, listed, wait_for_query
from tests.waiting import until

# ---------------------------------------------------------------------- a history

TORN = ["2025-09-02", "2025-09-03"]
"""Dates of which a test deletes bars."""


def loaded(query: Query, days: list[str]) -> list[int]:
    return [
        count
        for (count,) in query(
            "SELECT count(*) FROM ashare.daily_bar WHERE trade_date = ANY (%s::date[]) GROUP BY trade_date "
            "ORDER BY trade_date",
            days,
        )
    ]


def test_a_history_is_started_cancelled_and_completed_on_the_page(
    visit: Visit, query: Query, source: Emulator
) -> None:
    whole = loaded(query, TORN)
    query("DELETE FROM ashare.daily_bar WHERE trade_date = ANY (%s::date[]) AND code LIKE 'sh.60000%%'", TORN)
    # Without adjust factors, which are a request for each stock of the market.
    datasets = "datasets=stock_bar,index_bar"
    page = visit(f"{ALONE}?{YEARS}&what=history&{datasets}&from={TORN[0]}&to={TORN[1]}")
    assert {coverage(page)[day] for day in TORN} == {"partial"}
    open_before = listed(page, "failed") + listed(page, "pending")
    expect(fact(page.get_by_test_id("preview"), "To sync")).to_have_text("2")
    expect(page.get_by_test_id("command")).to_contain_text("airflow dags trigger ashare_history")
    for method in ("query_daily_history_k_AStock", "query_history_k_data_plus"):
        source.add_fault(fault(method, "delay", times=0, seconds=60))
    try:
        page.get_by_test_id("start-button").click()
        history = page.get_by_test_id("history")
        expect(history.locator("p[role=status]")).to_have_text(
            re.compile(r"^Running: 0 of \d+ batch"), timeout=60_000
        )
        expect(history).to_contain_text("securities lack bars or adjust factors")
        # What is being loaded is warned of nowhere: the numbers, the calendar and the head say one thing.
        expect(page.get_by_test_id("card-syncing").locator("b")).to_have_text("2")
        until(lambda: {coverage(page)[day] for day in TORN}, {"running"}.__eq__, 30)
        assert listed(page, "failed") + listed(page, "pending") == open_before - 2
        expect(page.locator(".verdict")).to_contain_text(f"{open_before - 2} dates are not complete")
        expect(page.get_by_test_id("start-reason")).to_contain_text("is under way, and there can be one at a time")

        history.get_by_test_id("cancel-button").click()
        history.get_by_test_id("cancel-confirm").click()
        expect(history.locator("p[role=status]")).to_have_text(re.compile("^Cancelled"))
        until(lambda: {coverage(page)[day] for day in TORN}, {"partial"}.__eq__, 30)
    finally:
        source.clear_faults()

    page.get_by_test_id("start-button").click()
    expect(history.first.locator("p[role=status]")).to_have_text(re.compile("^Completed"), timeout=120_000)
    expect(history.first.get_by_test_id("history-holes")).to_have_text("0")
    until(lambda: {coverage(page)[day] for day in TORN}, {"complete"}.__eq__, 30)
    assert loaded(query, TORN) == whole
    assert asked(page.url)["history"].startswith("manual__")


def test_more_than_ninety_days_are_loaded_as_a_history_and_no_plan_outlives_its_dates(visit: Visit) -> None:
    page = visit(f"{ALONE}?from=2024-01-02&to=2024-12-31")
    panel = page.get_by_test_id("start-panel")
    expect(fact(page.get_by_test_id("preview"), "Weekdays")).to_have_text("261")
    expect(page.get_by_test_id("start-button")).to_have_count(0)
    page.get_by_test_id("as-history").click()
    wait_for_query(page, what="history", **{"from": "2024-01-02", "to": "2024-12-31"})
    expect(page.get_by_test_id("start-button")).to_be_enabled()
    expect(page.get_by_test_id("command")).to_contain_text('"start_date": "2024-01-02"')

    panel.get_by_label("First date").fill("1980-01-01")
    expect(panel.get_by_test_id("banner-error")).to_have_count(1)
    expect(panel.get_by_test_id("banner-error")).to_contain_text("1990-12-19")
    expect(page.get_by_test_id("start-reason")).to_have_text("")
    expect(page.get_by_test_id("start-button")).to_be_disabled()
    expect(panel.locator("dl")).to_have_count(0)
    panel.get_by_label("First date").fill("2024-03-01")
    expect(page.get_by_test_id("start-button")).to_be_enabled()
    # What the field shows is no date: the date before does not count any more.
    panel.get_by_label("First date").fill("2024-13")
    expect(page.get_by_test_id("start-button")).to_be_disabled()
    expect(page.get_by_test_id("start-reason")).to_have_text("Write the date as YYYY-MM-DD.")
    expect(panel.locator("dl")).to_have_count(0)
    panel.get_by_label("First date").blur()
    expect(panel.get_by_role("alert").filter(has_text="Write the date")).to_be_visible()
    panel.get_by_label("First date").fill("2024-03-04")
    expect(page.get_by_test_id("start-button")).to_be_enabled()


def test_the_years_of_a_history_end_yesterday_and_its_datasets_are_bars_or_lists(visit: Visit) -> None:
    page = visit(f"{ALONE}?what=history")
    panel = page.get_by_test_id("start-panel")
    yesterday = beijing_now().date() - timedelta(days=1)
    panel.get_by_role("button", name="Last 3 years").click()
    wait_for_query(page, to=str(yesterday))
    assert (yesterday - date.fromisoformat(asked(page.url)["from"])).days in (1094, 1095, 1096)
    panel.get_by_label("Industries").check()
    wait_for_query(page, datasets="industry")
    expect(panel.get_by_label("Daily bars of stocks")).not_to_be_checked()
    expect(fact(page.get_by_test_id("preview"), "Weeks, by their Mondays")).to_have_text(re.compile("15[67]"))
    panel.get_by_label("Industries").uncheck()
    expect(page.get_by_test_id("start-reason")).to_have_text("Choose a dataset.")
    panel.get_by_label("Daily bars of indices").check()
    expect(page.get_by_test_id("command")).to_contain_text('"datasets": ["index_bar"]')
