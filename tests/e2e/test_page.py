"""The status page in a real browser, over a real run: these tests build on each other, in the order they stand."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    expect,
)

from tests.e2e.conftest import Query
from tests.e2e.page import (
    ALONE,
    FIRST,
    HURT,
    LAST,
    SESSIONS,
    YEARS,
    Visit,
    asked,
    coverage,
    dates_of,
    fact,
    listed,
    number,
    pixel,
    ready,
    rows,
    wait_for_query,
)
from tests.waiting import until

# ---------------------------------------------------------------------- a sync


@pytest.mark.usefixtures("slow_source")
def test_two_weeks_are_synced_from_the_page_and_watched_without_a_reload(visit: Visit, query: Query) -> None:
    page = visit(f"{ALONE}?{YEARS}&start_date={FIRST}&end_date={LAST}")
    page.evaluate("window.survivor = 'the same document'")
    before = coverage(page)
    assert {before[day] for day in SESSIONS} <= {"before", "missing"}
    assert {before[day] for day in ("2025-09-06", "2025-09-07")} == {"closed"}
    assert listed(page, "success") == 0
    expect(page.get_by_test_id("start-button")).to_be_disabled()
    expect(page.get_by_test_id("start-reason")).to_have_text("Choose two dates.")

    panel = page.get_by_test_id("start-panel")
    panel.get_by_label("First date").fill(FIRST)
    panel.get_by_label("Last date").fill(LAST)
    preview = page.get_by_test_id("preview")
    expect(fact(preview, "To sync")).to_have_text("10")
    expect(fact(preview, "Runs")).to_have_text("10")
    expect(page.get_by_test_id("command")).to_have_text(
        re.compile(rf"^airflow dags backfill -s {FIRST} -e {LAST} --\S+ ashare_daily$")
    )
    page.get_by_test_id("start-button").click()

    progress = page.get_by_test_id("progress")
    expect(progress.get_by_role("status")).to_have_text(re.compile("^Running: [0-9] of 10 dates$"))
    expect(page.get_by_test_id("start-reason")).to_contain_text("is under way, and there can be one at a time")
    until(lambda: set(coverage(page).values()), lambda states: "running" in states)
    expect(progress.get_by_role("status")).to_have_text("Completed: 10 of 10 dates", timeout=120_000)
    expect(fact(progress, "Success")).to_have_text("10")
    expect(fact(progress, "Failed")).to_have_text("0")
    expect(fact(progress, "Started by")).to_have_text("admin")

    until(lambda: {coverage(page)[day] for day in SESSIONS}, {"complete"}.__eq__, 30)
    assert coverage(page)["2025-09-06"] == "closed"
    expect(page.get_by_test_id("card-success").locator("b")).to_have_text("10")
    assert dates_of(page) == SESSIONS[::-1]
    recorded = query(
        "SELECT status, missing, expected = loaded, loaded FROM ashare.sync_status "
        "WHERE trade_date BETWEEN %s AND %s",
        FIRST,
        LAST,
    )
    assert [row[:3] for row in recorded] == [("success", 0, True)] * 10
    assert number(fact(progress, "Rows")) >= sum(row[3] for row in recorded)
    assert page.evaluate("window.survivor") == "the same document"
    assert int(asked(page.url)["task"]) > 0


def test_what_is_complete_is_not_started_again_unless_all_is_asked_for(visit: Visit) -> None:
    page = visit(f"{ALONE}?from={FIRST}&to={LAST}")
    expect(fact(page.get_by_test_id("preview"), "Complete already")).to_have_text("10")
    expect(page.get_by_test_id("start-reason")).to_have_text("Every date of this range is complete.")
    expect(page.get_by_test_id("start-button")).to_be_disabled()
    page.get_by_label("All dates again").check()
    expect(fact(page.get_by_test_id("preview"), "Runs")).to_have_text("10, 10 of them without a request")
    expect(page.get_by_test_id("start-button")).to_be_enabled()
    wait_for_query(page, reprocess="all")


def test_dates_are_read_again_and_compared_and_what_had_changed_is_shown(visit: Visit, query: Query) -> None:
    first, changed, last = SESSIONS[1:4]
    codes = query(
        "SELECT code FROM ashare.daily_bar JOIN ashare.security USING (code) "
        "WHERE trade_date = %s AND is_trading AND kind = 'stock' ORDER BY 1 LIMIT 3",
        changed,
    )
    # As if Baostock had corrected these bars since they were loaded.
    query(
        "UPDATE ashare.daily_bar SET amount = amount + 1 WHERE trade_date = %s AND code = ANY (%s)",
        changed,
        [code for (code,) in codes],
    )
    page = visit(f"{ALONE}?from={first}&to={last}")
    expect(page.get_by_test_id("start-button")).to_be_disabled()
    page.get_by_label("Read again and compare").check()
    wait_for_query(page, reprocess="verify")
    preview = page.get_by_test_id("preview")
    expect(fact(preview, "To read again")).to_have_text("3")
    expect(fact(preview, "Requests, of those left")).to_have_text(re.compile("^12 of "))
    expect(preview).to_contain_text("Indices are not compared")
    expect(page.get_by_test_id("command")).to_have_text(
        f"airflow dags backfill -s {first} -e {last} --reset-dagruns --conf '{{\"verify\": true}}' ashare_daily"
    )
    page.get_by_test_id("start-button").click()
    progress = page.get_by_test_id("progress")
    expect(progress.get_by_role("status")).to_have_text("Completed: 3 of 3 dates", timeout=120_000)
    comparison = page.get_by_test_id("comparison")
    expect(comparison).to_contain_text(re.compile(r"^3 of 15,\d{3} bars had changed, on 1 of 3 dates\."))
    expect(comparison.get_by_role("listitem")).to_have_text(re.compile(rf"{changed}\s+3 changed"))

    chinese = visit(f"{ALONE}?{urlsplit(page.url).query}", language="zh-CN")
    expect(chinese.get_by_label("重读并比对")).to_be_checked()
    expect(fact(chinese.get_by_test_id("preview"), "待重读")).to_have_text("3")
    found = re.compile(r"^已比对 3 个交易日的 15,\d{3} 根日线，其中 3 根有变化，涉及 1 个交易日。")
    expect(chinese.get_by_test_id("comparison")).to_contain_text(found)

    comparison.get_by_role("link").click()
    wait_for_query(page, view="day", date=changed)
    ready(page)
    stocks = page.get_by_test_id("comparisons").locator("tbody tr", has_text="Stock").first
    assert number(stocks.locator("td").nth(1)) > 5000
    expect(stocks.locator("td").nth(2)).to_have_text("3")
    expect(page.get_by_test_id("revisions").locator("tbody tr")).to_have_count(3)
    query("DELETE FROM ashare.bar_revision WHERE trade_date = %s", changed)


def test_weekly_lists_are_synced_from_the_page_and_their_card_shows_them(visit: Visit) -> None:
    page = visit(f"{ALONE}?from={FIRST}&to={LAST}")
    card = page.get_by_test_id("weekly-card")
    expect(card.locator("tbody tr")).to_contain_text(["Members of indices", "Industries", "Names"])
    page.get_by_label("Read again and compare").check()
    page.get_by_role("radio", name="Weekly lists").check()
    wait_for_query(page, what="weekly_lists")
    expect(page.get_by_label("Read again and compare")).to_have_count(0)  # lists are not compared
    expect(page.get_by_label("Missing and failed only")).to_be_checked()
    expect(fact(page.get_by_test_id("preview"), "Weeks, by their Mondays")).to_have_text("2")
    expect(page.get_by_test_id("command")).to_have_text(re.compile("ashare_reference$"))
    page.get_by_test_id("start-button").click()
    progress = page.get_by_test_id("progress")
    expect(progress.get_by_role("status")).to_have_text("Completed: 2 of 2 weeks", timeout=120_000)
    expect(card.locator("tbody tr").first).to_contain_text("2025-09-08")
    expect(page.get_by_test_id("start-reason")).to_have_text("Every week of this range is complete.")


def test_a_user_who_may_only_read_sees_why_the_button_is_off(visit: Visit) -> None:
    page = visit(f"{ALONE}?from={FIRST}&to={LAST}&reprocess=all", user="reader")
    expect(page.get_by_test_id("start-reason")).to_contain_text("You may look, and not start")
    expect(page.get_by_test_id("start-button")).to_be_disabled()
    expect(fact(page.get_by_test_id("preview"), "Complete already")).to_have_text("10")
    assert listed(page, "success") >= 10


# ---------------------------------------------------------------------- filters


def test_filters_are_in_the_address_and_outlive_a_reload(visit: Visit) -> None:
    page = visit(f"{ALONE}?start_date={FIRST}&end_date=2025-09-30")
    page.get_by_test_id("card-pending").click()
    wait_for_query(page, status="pending", page=None)
    pending = listed(page, "pending")
    expect(rows(page)).to_have_count(pending)
    assert not set(SESSIONS) & set(dates_of(page))
    assert set(rows(page).locator("td:nth-child(2) .status > :last-child").all_inner_texts()) == {"Missing"}

    page.get_by_test_id("card-success").click()
    wait_for_query(page, status="success")
    page.get_by_test_id("list").get_by_label("To").fill("2025-09-05")
    wait_for_query(page, end_date="2025-09-05", start_date=FIRST, status="success")
    expect(rows(page)).to_have_count(5)
    page.reload()
    ready(page)
    assert dates_of(page) == SESSIONS[:5][::-1]
    expect(page.get_by_test_id("card-success")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("list").get_by_label("To")).to_have_value("2025-09-05")

    page.get_by_test_id("card-success").click()
    wait_for_query(page, status=None)
    page.get_by_role("button", name="Clear dates").click()
    wait_for_query(page, start_date=None, end_date=None)


def test_the_page_of_the_list_is_in_the_address_too(visit: Visit) -> None:
    page = visit(f"{ALONE}?end_date=2026-10-31")
    expect(rows(page)).to_have_count(50)
    newest = dates_of(page)
    page.get_by_role("button", name="Older").click()
    wait_for_query(page, page="2", end_date="2026-10-31")
    until(lambda: dates_of(page), lambda shown: shown != newest)
    second = dates_of(page)
    assert max(second) < min(newest)
    page.reload()
    ready(page)
    assert dates_of(page) == second
    # Another filter begins at its first page.
    page.get_by_test_id("card-pending").click()
    wait_for_query(page, page=None, status="pending")


def test_back_returns_from_a_day_to_the_list_as_it_was(visit: Visit) -> None:
    page = visit(f"{ALONE}?status=success&start_date={FIRST}&end_date={LAST}")
    page.get_by_test_id(f"row-{HURT}").locator("td").nth(1).click()
    wait_for_query(page, view="day", date=HURT)
    ready(page)
    page.get_by_role("link", name=re.compile("Overview")).click()
    wait_for_query(page, view=None, status="success", start_date=FIRST)
    ready(page)
    page.go_back()
    wait_for_query(page, view="day", date=HURT)
    page.go_back()
    wait_for_query(page, view=None, status="success", start_date=FIRST)
    expect(rows(page)).to_have_count(10)


# ---------------------------------------------------------------------- the heat map


def test_a_drag_over_days_chooses_them_and_keys_do_as_well(visit: Visit) -> None:
    page = visit(f"{ALONE}?{YEARS}")
    heat = page.get_by_test_id("heatmap")
    heat.scroll_into_view_if_needed()
    page.mouse.move(*pixel(page, "2025-09-02"))
    page.mouse.down()
    page.mouse.move(*pixel(page, "2025-09-05"), steps=4)
    page.mouse.move(*pixel(page, "2025-09-11"), steps=4)
    page.mouse.up()
    wait_for_query(page, **{"from": "2025-09-02", "to": "2025-09-11"})
    panel = page.get_by_test_id("start-panel")
    expect(panel.get_by_label("First date")).to_have_value("2025-09-02")
    expect(panel.get_by_label("Last date")).to_have_value("2025-09-11")
    expect(fact(panel, "Weekdays")).to_have_text("8")

    # Backwards as well.
    page.mouse.move(*pixel(page, "2025-09-09"))
    page.mouse.down()
    page.mouse.move(*pixel(page, "2025-09-08"), steps=3)
    page.mouse.up()
    wait_for_query(page, **{"from": "2025-09-08", "to": "2025-09-09"})

    heat.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    wait_for_query(page, **{"from": "2025-09-09", "to": "2025-09-17"})
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    wait_for_query(page, view="day", date=HURT)
    ready(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(f"^{HURT} Wednesday"))
