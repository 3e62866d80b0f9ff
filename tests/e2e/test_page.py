"""The status page in a real browser, over a real run: these tests build on each other, in the order they stand."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    FrameLocator,
    Locator,
    Page,
    Request,
    Response,
    StorageState,
    WebError,
    expect,
)
from psycopg.types.json import Jsonb
from pypinyin import Style
from pypinyin import pinyin as pinyin_of

from ashare.dates import beijing_now
from ashare_emulator.faults import fault
from ashare_emulator.server import Emulator
from ashare_local.stack import Stack
from tests.e2e.conftest import Query, sign_in
from tests.waiting import until

FIRST, LAST = "2025-09-01", "2025-09-12"
SESSIONS = [str(date(2025, 9, 1) + timedelta(days=n)) for n in range(12) if n % 7 < 5]
HURT = "2025-09-10"
"""A date that the tests make incomplete."""
REASON = "2 of 5203 securities have no bar: the source sent 网络接收错误 (10002007), see the log."
BATCH_ERROR = "10002007 (网络接收错误) at page 3 of 6."

ALONE = "/ashare/"
NAV_PAGE = "/plugin/ashare"
DAG_TAB = "/dags/ashare_daily/plugin/ashare-status"
DAY = f"?view=day&date={HURT}"

expect.set_options(timeout=15_000)  # a busy machine, and no wait where nothing is wrong

hosts: set[str] = set()
"""Of all requests of all browser contexts of this file."""
complaints: list[str] = []
"""Of the browser about the page: files that are not there, errors in scripts, what its security policy forbade."""

Visit = Callable[..., Page]
View = Page | FrameLocator


@pytest.fixture(scope="module")
def signed_in(browser: Browser, stack: Stack) -> dict[str, StorageState]:
    """What a browser keeps of a sign-in, by user."""
    kept = {}
    for user in ("admin", "reader"):
        context = sign_in(browser, stack, "Asia/Shanghai", user).context
        kept[user] = context.storage_state()
        context.close()
    return kept


@pytest.fixture
def visit(browser: Browser, stack: Stack, signed_in: dict[str, StorageState]) -> Iterator[Visit]:
    """Open an address in a context of its own, New York's to prove that the page shows Beijing's time."""
    opened = []

    def go(path: str = ALONE, user: str = "admin", *, theme: str = "", language: str = "", **options: Any) -> Page:
        options = {"viewport": {"width": 1280, "height": 900}, "timezone_id": "America/New_York"} | options
        context = browser.new_context(storage_state=signed_in[user], **options)
        opened.append(context)
        watch(context)
        for name, value in (("theme", theme), ("i18nextLng", language)):
            if value:
                context.add_init_script(f"localStorage.setItem('{name}', '{value}')")
        page = context.new_page()
        page.goto(stack.url + path)
        ready(page if path.startswith(ALONE) else inner(page))
        return page

    yield go
    for context in opened:
        context.close()


def watch(context: BrowserContext) -> None:
    """Keep what the tests at the end of this file ask for."""

    def ask(request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            hosts.add(urlsplit(request.url).netloc)

    def answer(response: Response) -> None:
        if "/ashare/static/" in response.url and response.status >= 400:
            complaints.append(f"HTTP {response.status}: {response.url}")

    def fail(event: WebError) -> None:
        if "/ashare/static/" in (event.error.stack or ""):
            complaints.append(f"{event.error.message}: {event.error.stack}")

    def say(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            complaints.append(message.text)

    context.on("request", ask)
    context.on("response", answer)
    context.on("weberror", fail)
    context.on("console", say)


def inner(page: Page) -> FrameLocator:
    """The page inside Airflow's UI."""
    return page.frame_locator("iframe")


def ready(view: View) -> None:
    view.locator("html[data-ready=true]").wait_for(state="attached")


def asked(url: str) -> dict[str, str]:
    """The query of an address, or of its hash."""
    parts = urlsplit(url)
    return {name: values[-1] for name, values in parse_qs(parts.query or parts.fragment).items()}


def wait_for_query(page: Page, /, **wanted: str | None) -> None:
    # Not `until`: what `page.url` says is renewed only while Playwright itself is waiting.
    page.wait_for_url(
        lambda url: all(asked(url).get(name) == value for name, value in wanted.items()),
        wait_until="commit",
        timeout=10_000,
    )


def fact(view: View | Locator, name: str) -> Locator:
    """The value beside a name."""
    return view.locator(f'dt:text-is("{name}") + dd')


def coverage(page: Page) -> dict[str, str]:
    """What the heat map shows of each day."""
    shown: dict[str, str] = page.get_by_test_id("heatmap").evaluate(
        "({ chart }) => Object.fromEntries(chart.getOption().series.filter(({ type }) => type === 'heatmap')"
        ".flatMap(({ data }) => data).map(({ day }) => day))"
    )
    return shown


def pixel(page: Page, day: str) -> tuple[float, float]:
    """Where a day is in the window."""
    x, y = page.get_by_test_id("heatmap").evaluate(
        """({ chart }, day) => {
            const years = chart.getOption().calendar.map(({ range }) => range[0].slice(0, 4));
            const calendarIndex = years.indexOf(day.slice(0, 4));
            const [x, y] = chart.convertToPixel({ calendarIndex }, day);
            const box = chart.getDom().getBoundingClientRect();
            return [box.left + x, box.top + y];
        }""",
        day,
    )
    return x, y


def rows(view: View) -> Locator:
    return view.get_by_test_id("list").locator("tbody tr")


def dates_of(view: View) -> list[str]:
    return [text[:10] for text in rows(view).locator("th").all_inner_texts()]


def number(locator: Locator) -> int:
    return int(locator.inner_text().replace(",", ""))


def listed(view: View, status: str) -> int:
    """The figure on a card."""
    return number(view.get_by_test_id(f"card-{status}").locator("b"))


# ---------------------------------------------------------------------- a sync


@pytest.fixture
def slow_source(source: Emulator) -> Iterator[None]:
    """A second for each market: a sync that lasts long enough to be watched."""
    source.add_fault(fault("query_daily_history_k_AStock", "delay", times=0, seconds=1))
    yield
    source.clear_faults()


@pytest.mark.usefixtures("slow_source")
def test_two_weeks_are_synced_from_the_page_and_watched_without_a_reload(visit: Visit, query: Query) -> None:
    page = visit(f"{ALONE}?years=2&start_date={FIRST}&end_date={LAST}")
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
    page = visit(f"{ALONE}?years=2&what=history&from={TORN[0]}&to={TORN[1]}")
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
        expect(page.get_by_test_id("headline")).to_have_text(f"{open_before - 2} dates are missing or failed")
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
    panel.get_by_label("First date").fill("2024-13")
    panel.get_by_label("First date").blur()
    expect(panel.get_by_text("Write the date as YYYY-MM-DD.")).to_be_visible()


def test_the_years_of_a_history_end_yesterday_and_its_datasets_are_bars_or_lists(visit: Visit) -> None:
    page = visit(f"{ALONE}?what=history")
    panel = page.get_by_test_id("start-panel")
    yesterday = beijing_now().date() - timedelta(days=1)
    panel.get_by_role("button", name="Last 3 years").click()
    wait_for_query(page, to=str(yesterday))
    assert (yesterday - date.fromisoformat(asked(page.url)["from"])).days in (1094, 1095, 1096)
    panel.get_by_label("Industries").check()
    wait_for_query(page, datasets="industry")
    expect(panel.get_by_label("Stock bars")).not_to_be_checked()
    expect(fact(page.get_by_test_id("preview"), "Weeks, by their Mondays")).to_have_text(re.compile("15[67]"))
    panel.get_by_label("Industries").uncheck()
    expect(page.get_by_test_id("start-reason")).to_have_text("Choose a dataset.")
    panel.get_by_label("Index bars").check()
    expect(page.get_by_test_id("command")).to_contain_text('"datasets": ["index_bar"]')


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
    page = visit()
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


# ---------------------------------------------------------------------- a day and a stock


@pytest.fixture(scope="module")
def missing(query: Query, stack: Stack) -> Iterator[list[str]]:
    """Two stocks that ``HURT`` misses, the first with an ex-date; the date has failed, and has a revision."""
    codes = [
        code
        for (code,) in query(
            "SELECT b.code FROM ashare.daily_bar b JOIN ashare.security s USING (code) "
            "WHERE b.trade_date = %s AND s.kind = 'stock' AND b.is_trading ORDER BY "
            "(SELECT max(back_factor) FROM ashare.adjust_factor f WHERE f.code = b.code) DESC NULLS LAST, 1 LIMIT 2",
            HURT,
        )
    ]
    tables = {
        "daily_bar": "trade_date = %s AND code = ANY (%s)",
        "counted_partition": "partition = %s OR dataset = ANY (%s)",
        "batch": "trade_date = %s OR label = ANY (%s)",
    }
    kept = {name: query(f"SELECT * FROM ashare.{name} WHERE {where}", HURT, codes) for name, where in tables.items()}
    query("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = ANY (%s)", HURT, codes)
    query(
        "UPDATE ashare.counted_partition SET rows = rows - 2, missing = 2, problem = %s "
        "WHERE partition = %s AND dataset = 'stock_bar'",
        REASON,
        HURT,
    )
    query(
        "UPDATE ashare.batch SET status = 'failed', error = %s WHERE trade_date = %s AND kind = 'stock'",
        BATCH_ERROR,
        HURT,
    )
    query(
        "INSERT INTO ashare.bar_revision (trade_date, code, old, new) VALUES (%s, 'sh.600000', %s, %s)",
        HURT,
        Jsonb({"close": "10.2500", "volume": 1000, "turn": None}),
        Jsonb({"close": "10.2700", "volume": 1000, "turn": "0.5"}),
    )
    yield codes
    query("DELETE FROM ashare.bar_revision WHERE trade_date = %s", HURT)
    for name, where in tables.items():
        query(f"DELETE FROM ashare.{name} WHERE {where}", HURT, codes)
        for row in kept[name]:
            query(f"INSERT INTO ashare.{name} VALUES ({', '.join(['%s'] * len(row))})", *row)


def run_path(query: Query) -> str:
    ((run_id,),) = query("SELECT run_id FROM ashare.sync_status WHERE trade_date = %s", HURT)
    return f"/dags/ashare_daily/runs/{quote(run_id, safe='')}"


def test_a_day_tells_what_is_missing_what_was_revised_and_exactly_why(
    visit: Visit, stack: Stack, query: Query, missing: list[str]
) -> None:
    page = visit(ALONE + DAY)
    expect(page.get_by_test_id("day-verdict")).to_contain_text("Failed")
    assert page.get_by_test_id("day-reason").inner_text() == REASON
    expect(fact(page, "Missing")).to_have_text("2")

    absent = page.get_by_test_id("missing").locator("tbody tr")
    expect(absent).to_have_count(2)
    assert absent.locator("th").all_inner_texts() == sorted(missing)
    for reason in absent.locator("td:last-child").all_inner_texts():
        assert reason == BATCH_ERROR

    revised = page.get_by_test_id("revisions").locator("tbody tr")
    expect(revised).to_contain_text("sh.600000")
    expect(revised).to_contain_text("close 10.2500 → 10.2700")
    expect(revised).to_contain_text("turn blank → 0.5")
    expect(revised).not_to_contain_text("volume")

    batches = query(
        "SELECT label FROM ashare.sync_batch WHERE trade_date = %s AND status <> 'superseded' ORDER BY batch_no", HURT
    )
    shown = page.get_by_test_id("batches").locator("tbody tr")
    assert shown.locator("th").all_inner_texts() == [label for (label,) in batches]
    expect(shown.filter(has_text=BATCH_ERROR).first).to_contain_text("Failed")

    link = page.get_by_role("link", name="Airflow run")
    assert link.evaluate("({ href }) => href") == stack.url + run_path(query)
    logs = page.get_by_test_id("batches").get_by_role("link", name="Task log").first
    assert logs.evaluate("({ href }) => href").startswith(f"{stack.url}{run_path(query)}/tasks/")
    page.get_by_role("link", name=re.compile("Previous session")).click()
    wait_for_query(page, date="2025-09-09")


def test_a_red_date_is_accepted_with_a_reason_and_taken_back_on_its_page(visit: Visit, missing: list[str]) -> None:
    expect(visit(ALONE + DAY, "reader").get_by_test_id("day-verdict")).to_contain_text("Failed")
    page = visit(ALONE + DAY)
    place = page.get_by_test_id("acceptance")
    place.get_by_role("button", name="Accept as it is").click()
    accept = place.get_by_role("button", name="Accept", exact=True)
    expect(accept).to_be_disabled()
    place.get_by_label("Reason").fill("lost at the source")
    accept.click()
    expect(page.get_by_test_id("day-verdict")).to_contain_text("Accepted as it is")
    expect(page.get_by_test_id("day-reason")).to_contain_text("accepted by admin on")
    expect(page.get_by_test_id("day-reason")).to_contain_text(f": lost at the source; {REASON.rstrip('.')}")
    expect(fact(page, "Missing")).to_have_text("2")
    place.get_by_role("button", name="Undo the acceptance").click()
    expect(page.get_by_test_id("day-verdict")).to_contain_text("Failed")
    expect(page.get_by_test_id("day-reason")).to_have_text(f"{REASON.rstrip('.')}.")
    assert visit(ALONE + DAY, "reader").get_by_test_id("acceptance").count() == 0


@pytest.mark.parametrize("address", [f"{NAV_PAGE}/ashare/{DAY}", f"{DAG_TAB}#{DAY[1:]}"], ids=["nav", "tab"])
def test_a_link_to_airflow_leads_the_window_and_not_the_frame(
    visit: Visit, query: Query, missing: list[str], address: str
) -> None:
    page = visit(address)
    page.evaluate("window.survivor = 'the same document'")
    expect(inner(page).get_by_test_id("day-reason")).to_have_text(REASON)
    inner(page).get_by_role("link", name="Airflow run").click()
    page.wait_for_url(lambda url: urlsplit(url).path.startswith(run_path(query)))
    expect(page.locator("iframe")).to_have_count(0)
    expect(page.get_by_text(HURT).first).to_be_visible()


def test_a_stock_is_found_charted_and_adjusted_and_its_holes_show(visit: Visit, missing: list[str]) -> None:
    page = visit()
    search = page.get_by_test_id("stock-search")
    search.fill(missing[0][3:])
    expect(page.get_by_role("option").first).to_contain_text(missing[0])
    search.press("Enter")
    wait_for_query(page, view="stock", code=missing[0])
    ready(page)

    def drawn() -> dict[str, list[float]]:
        """Open, close, low and high by date, as the chart has them."""
        found: dict[str, list[float]] = page.get_by_test_id("stock-chart").evaluate(
            """(box) => {
                const option = echarts.getInstanceByDom(box.firstElementChild).getOption();
                return Object.fromEntries(option.xAxis[0].data.map((date, i) => [date, option.series[0].data[i]]));
            }"""
        )
        return found

    raw = drawn()
    assert set(SESSIONS) - set(raw) == {HURT}
    page.get_by_test_id("adjust-hfq").click()
    wait_for_query(page, adjust="hfq")
    adjusted = until(drawn, lambda found: found[LAST] != raw[LAST])
    assert adjusted[LAST][1] > raw[LAST][1]
    expect(page.get_by_test_id("adjust-hfq")).to_have_attribute("aria-pressed", "true")
    page.reload()
    ready(page)
    assert drawn() == adjusted

    hole = page.get_by_test_id("holes").locator("tr", has_text=HURT)
    expect(hole).to_contain_text("date failed")
    hole.get_by_role("link").first.click()
    wait_for_query(page, view="day", date=HURT)


def test_a_stock_is_found_by_the_initials_of_its_name_in_the_chinese_page(visit: Visit, query: Query) -> None:
    ((code, name),) = query(
        "SELECT code, name FROM ashare.security WHERE kind = 'stock' AND name ~ '^[^A-Za-z*]+$' ORDER BY code LIMIT 1"
    )
    initials = "".join(pinyin_of(name, style=Style.FIRST_LETTER, strict=False)[at][0] for at in range(len(name)))
    page = visit(language="zh-CN")
    search = page.get_by_test_id("stock-search")
    expect(search).to_have_attribute("placeholder", "查找证券：代码、名称或拼音")
    search.fill(initials)
    option = page.get_by_role("option", name=code)
    expect(option).to_contain_text(f"{name} 股票")
    search.fill(f"{code[3:]}.{code[:2].upper()}")
    expect(page.get_by_role("option")).to_have_count(1)
    search.press("Enter")
    wait_for_query(page, view="stock", code=code)
    ready(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"{code} {name}")

    # A link may have the code as people write it.
    page.goto(f"{page.url.partition('?')[0]}?view=stock&code={code[:2]}{code[3:]}")
    ready(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"{code} {name}")


def test_a_former_name_finds_a_stock_and_is_said(visit: Visit, query: Query) -> None:
    (stock,) = query(
        "SELECT code, name FROM ashare.security WHERE kind = 'stock' AND out_date IS NULL ORDER BY code LIMIT 1"
    )
    code, name = stock
    span = (code, "深发展A", "2005-01-03", "2005-01-10")
    query("INSERT INTO ashare.security_name (code, name, start_date, end_date) VALUES (%s, %s, %s, %s)", *span)
    try:
        page = visit()
        page.get_by_test_id("stock-search").fill("sfza")
        expect(page.get_by_role("option")).to_have_text([re.compile(rf"{code} {name}\s+Stock, formerly 深发展A")])
    finally:
        query("DELETE FROM ashare.security_name WHERE code = %s AND name = %s", *span[:2])


# ---------------------------------------------------------------------- the datasets


def cells(page: Page, dataset: str) -> list[str]:
    return page.get_by_test_id(f"dataset-{dataset}").locator("th, td").all_inner_texts()


def test_the_data_page_says_what_is_kept_dataset_by_dataset(visit: Visit, query: Query) -> None:
    page = visit()
    page.get_by_test_id("to-data").click()
    wait_for_query(page, view="data")
    ready(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Data")
    expect(page.get_by_test_id("to-data")).to_have_attribute("aria-current", "page")
    expect(page.get_by_test_id("data-empty")).to_have_count(0)

    ((loaded, first, last),) = query(
        "SELECT count(*), min(trade_date)::text, max(trade_date)::text FROM ashare.daily_bar JOIN ashare.security "
        "USING (code) WHERE kind = 'stock'"
    )
    name, completeness, partitions, rows_shown, start, end, size, table, run = cells(page, "stock_bar")
    assert name == "Daily bars of stocks"
    (complete, expected) = map(int, re.findall(r"\d+", partitions.replace(",", "")))
    counted = "SELECT count(*) FROM ashare.coverage WHERE dataset = 'stock_bar' AND is_complete"
    assert (complete,) == query(counted)[0]
    assert expected > complete > 0
    assert f"{1000 * complete // expected / 10:g} %" in completeness
    assert (rows_shown, start, end) == (f"{loaded:,}", first, last)
    assert re.fullmatch(r"[\d.,]+ [KMG]B", size)
    assert table.split() == ["daily_bar", *"shared with: Daily bars of indices, Daily bars of ETFs".split()]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", run)

    weeks = cells(page, "security_name")
    assert weeks[0] == "Names"
    assert weeks[2].startswith("2 of ")
    assert weeks[4:6] == ["2025-09-01", "2025-09-08"]
    ((days,),) = query("SELECT count(*) FROM ashare.trade_calendar")
    assert cells(page, "trade_calendar")[3] == f"{days:,}"
    link = page.get_by_test_id("dataset-industry").get_by_role("link", name=re.compile("Industries: Airflow run"))
    assert "/dags/ashare_reference/runs/" in link.evaluate("({ href }) => href")


def test_the_data_page_in_chinese_and_on_a_phone(visit: Visit) -> None:
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = visit(f"{ALONE}?view=data", language="zh-CN", **phone)
    expect(page.get_by_role("heading", level=1)).to_have_text("数据")
    expect(page.get_by_test_id("to-data")).to_have_text("数据")
    heads = ["数据集", "完整度", "完整 / 应有", "行数", "起始", "截止", "占用空间", "表", "最近运行"]
    expect(page.get_by_test_id("datasets").locator("thead th")).to_have_text(heads)
    expect(page.get_by_test_id("dataset-stock_bar").locator("th")).to_have_text("股票日线")
    expect(page.get_by_test_id("dataset-stock_bar")).to_contain_text("个交易日")
    # The table scrolls in its own region, and the page does not.
    wide, room = page.get_by_test_id("datasets").evaluate("(box) => [box.scrollWidth, box.clientWidth]")
    assert wide > room
    assert room < 390


def test_an_empty_database_is_said_to_be_empty(visit: Visit) -> None:
    page = visit(f"{ALONE}?view=data")
    row: dict[str, Any] = {
        **dict.fromkeys(("completeness", "first", "last", "last_run", "read_at")),
        **dict.fromkeys(("complete", "expected", "rows"), 0),
        "dataset": "stock_bar",
        "partition": "trade_date",
        "is_kept": True,
        "table": "daily_bar",
        "bytes": 24576,
        "shared_with": [],
    }
    data = {"is_empty": True, "bytes": 24576, "datasets": [row]}
    page.route("**/sync-status/datasets", lambda route: route.fulfill(json={"status": "success", "data": data}))
    look_again(page)
    expect(page.get_by_test_id("data-empty")).to_contain_text("Nothing loaded yet")
    assert cells(page, "stock_bar") == [
        "Daily bars of stocks",
        "",
        "0 of 0 trade dates",
        "0",
        "",
        "",
        "24 KB",
        "daily_bar",
        "",
    ]


# ---------------------------------------------------------------------- inside Airflow


@pytest.mark.parametrize("address", [NAV_PAGE, DAG_TAB], ids=["nav", "tab"])
def test_inside_airflow_the_address_bar_follows_and_a_reload_leads_back(visit: Visit, address: str) -> None:
    page = visit(address)
    expect(inner(page).get_by_test_id("headline")).to_be_visible()
    inner(page).get_by_test_id("list").get_by_label("To").fill(LAST)
    inner(page).get_by_test_id("card-success").click()
    wait_for_query(page, status="success", end_date=LAST)
    assert urlsplit(page.url).path.startswith(address)
    page.reload()
    ready(inner(page))
    wait_for_query(page, status="success", end_date=LAST)
    expect(inner(page).get_by_test_id("card-success")).to_have_attribute("aria-pressed", "true")
    assert dates_of(inner(page))[0] <= LAST

    inner(page).get_by_test_id(f"row-{LAST}").get_by_role("link").first.click()
    wait_for_query(page, view="day", date=LAST)
    page.reload()
    ready(inner(page))
    expect(inner(page).get_by_role("heading", level=1)).to_contain_text(LAST)


@pytest.mark.parametrize("address", [NAV_PAGE, DAG_TAB], ids=["nav", "tab"])
def test_theme_and_language_of_airflow_are_followed_live(visit: Visit, address: str) -> None:
    page = visit(address)
    root = inner(page).locator("html")
    ground = "(body) => getComputedStyle(body).backgroundColor"
    expect(root).to_have_attribute("data-theme", "light")
    light = inner(page).locator("body").evaluate(ground)
    root.evaluate("(root) => { root.survivor = true; }")

    page.get_by_role("button", name="User").click()
    page.get_by_role("menuitem", name="Appearance").click()
    page.get_by_role("menuitemradio", name="Dark Mode").click()
    expect(root).to_have_attribute("data-theme", "dark")
    assert inner(page).locator("body").evaluate(ground) != light

    page.keyboard.press("Escape")
    page.get_by_role("button", name="User").click()
    page.get_by_role("menuitem", name="Select Language").click()
    page.get_by_role("dialog").get_by_role("combobox").fill("简体")
    page.keyboard.press("Enter")
    expect(root).to_have_attribute("lang", "zh-CN")
    expect(inner(page).get_by_test_id("start-button")).to_have_text("开始同步")
    assert root.evaluate("(root) => root.survivor")


def test_what_airflow_was_set_to_before_is_followed_from_the_start(visit: Visit) -> None:
    page = visit(NAV_PAGE, theme="dark", language="zh-CN")
    expect(inner(page).locator("html")).to_have_attribute("data-theme", "dark")
    expect(inner(page).get_by_test_id("card-success")).to_contain_text("成功")


# ---------------------------------------------------------------------- trouble


def look_again(page: Page) -> None:
    """As when the browser is back on the network: the page asks at once."""
    page.evaluate("dispatchEvent(new Event('online'))")


LOST = "The database refuses: connection is lost."


@pytest.mark.parametrize(("kind", "words"), [("stale", "The server does not answer."), ("database", LOST)])
def test_what_is_shown_while_nothing_new_comes_is_said_to_be_old(visit: Visit, kind: str, words: str) -> None:
    page = visit(f"{ALONE}?start_date={FIRST}&end_date={LAST}")
    if kind == "stale":
        page.route("**/ashare/api/**", lambda route: route.abort())
    else:
        body = {"status": "error", "message": LOST, "detail": LOST}
        page.route("**/ashare/api/**", lambda route: route.fulfill(status=503, json=body))
    look_again(page)
    banner = page.get_by_test_id(f"banner-{kind}")
    expect(banner).to_contain_text(words)
    expect(banner).to_contain_text(re.compile(r"as of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d Beijing time"))
    expect(page.get_by_test_id("as-of")).to_be_visible()
    expect(page.locator("main")).to_have_class("stale")
    assert dates_of(page) == SESSIONS[::-1]
    assert coverage(page)[FIRST] == "complete"
    page.unroute("**/ashare/api/**")
    look_again(page)
    expect(banner).to_have_count(0)
    expect(page.get_by_test_id("as-of")).to_have_count(0)
    expect(page.locator("main")).not_to_have_class("stale")


def test_a_page_that_never_had_data_says_so(visit: Visit) -> None:
    page = visit()
    body = {"status": "error", "message": LOST, "detail": LOST}
    page.route("**/ashare/api/**", lambda route: route.fulfill(status=503, json=body))
    page.reload()
    ready(page)
    expect(page.get_by_test_id("banner-database")).to_have_text(re.compile(re.escape(LOST)))
    expect(page.get_by_test_id("headline")).to_have_count(0)
    expect(page.get_by_test_id("as-of")).to_have_count(0)


def test_who_is_signed_out_is_led_to_the_sign_in(visit: Visit, stack: Stack) -> None:
    page = visit()
    page.context.clear_cookies()
    look_again(page)
    banner = page.get_by_test_id("banner-signed-out")
    expect(banner).to_contain_text("You are signed out.")
    expect(page.locator("main")).to_have_class("stale")
    banner.get_by_role("link").click()
    page.wait_for_url(lambda url: "login" in url)


# ---------------------------------------------------------------------- for everybody


LATIN_WORDS = re.compile(r"(?:\b[A-Za-z]{2,}[a-z]*\b[ ,]+){2,}[a-z]{2,}")
"""Three words in a row: a sentence, or a part of one."""


def english_in(page: Page) -> list[str]:
    """The English sentences of a page's visible text. Codes, commands and identifiers are no sentences."""
    text: str = page.evaluate(
        """() => {
            const copy = document.getElementById('app').cloneNode(true);
            copy.querySelectorAll('.code, pre.command, [hidden]').forEach((each) => each.remove());
            const labels = [...document.querySelectorAll('#app [aria-label], #app [title], #app [placeholder]')]
                .flatMap((each) => ['aria-label', 'title', 'placeholder'].map((name) => each.getAttribute(name)));
            return [copy.innerText ?? copy.textContent, ...labels.filter(Boolean)].join('\\n');
        }"""
    )
    return LATIN_WORDS.findall(text)


@pytest.mark.parametrize(
    "view", ["", DAY, "?view=stock&code={code}", "?view=data", "?what=history&from=2024-01-02&to=2024-12-31"]
)
def test_who_reads_chinese_alone_meets_no_english_sentence(visit: Visit, missing: list[str], view: str) -> None:
    page = visit(ALONE + view.format(code=missing[0]), language="zh-CN")
    if not view or view.startswith("?what"):
        expect(page.get_by_test_id("preview")).to_be_attached()
        page.wait_for_load_state("networkidle")
    until(lambda: english_in(page), [].__eq__, 10)
    if not view:
        page.get_by_test_id("list").get_by_label("截止").fill("2025-09-07")
        page.get_by_label("起始日期").fill("1980-01-01")
        page.get_by_label("截止日期").fill("2025-09-07")
        expect(page.get_by_test_id("banner-error")).to_contain_text("1990-12-19")
        assert english_in(page) == []


def test_the_navigation_names_the_page_in_the_language_of_the_viewer(visit: Visit) -> None:
    page = visit("/dags/ashare_daily", language="zh-CN")
    expect(page.get_by_role("link", name="A股同步")).to_be_visible()
    expect(page.get_by_text("同步状态", exact=True)).to_be_visible()
    page = visit("/dags/ashare_daily", language="en")
    expect(page.get_by_role("link", name="A-share", exact=True)).to_be_visible()
    expect(page.get_by_text("Sync status", exact=True)).to_be_visible()


def test_the_records_lie_below_the_numbers(visit: Visit) -> None:
    page = visit()
    numbers, records = (page.locator(part).bounding_box() for part in (".cards-area", ".list-area"))
    assert numbers
    assert records
    assert 0 < records["y"] - (numbers["y"] + numbers["height"]) < 20
    assert records["x"] == numbers["x"]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_date_fields_and_the_command_fit_a_phone(visit: Visit, language: str) -> None:
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = visit(f"{ALONE}?from={FIRST}&to={LAST}", language=language, **phone)
    for pair in (("#from", "#to"), ("#list-from", "#list-to")):
        first, last = (page.locator(f".date-field:has({field})").bounding_box() for field in pair)
        assert first
        assert last
        assert first["x"] + first["width"] <= last["x"]
        assert last["x"] + last["width"] <= 390
    assert [page.locator(field).input_value() for field in ("#from", "#to")] == [FIRST, LAST]
    command = page.get_by_test_id("command")
    expect(command).to_contain_text("ashare_daily")
    assert command.evaluate(
        "(pre) => pre.scrollHeight <= pre.clientHeight + 2 && pre.scrollWidth <= pre.clientWidth + 1"
    )


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit: Visit, missing: list[str], theme: str, language: str) -> None:
    page = visit(f"{ALONE}?from={FIRST}&to={LAST}", theme=theme, language=language, bypass_csp=True)
    found = {"overview": violations(page)}
    for view in (DAY, f"?view=stock&code={missing[0]}", "?view=data"):
        page.goto(page.url.partition("?")[0] + view)
        ready(page)
        found[view] = violations(page)
    assert not any(found.values()), found


def violations(page: Page) -> list[str]:
    return [
        f"{each['id']} ({each['impact']}): {[node['html'] for node in each['nodes'][:3]]}"
        for each in Axe().run(page).response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("view", ["", DAY, "?view=stock&code={code}", "?view=data"])
def test_nothing_is_wider_than_a_phone(visit: Visit, missing: list[str], view: str) -> None:
    phone: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    page = visit(ALONE + view.format(code=missing[0]), **phone)
    widths = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
    assert max(widths) == 390, widths


SCREENSHOTS = os.environ.get("ASHARE_SCREENSHOTS")


@pytest.mark.skipif(not SCREENSHOTS, reason="ASHARE_SCREENSHOTS names no directory")
def test_screenshots(visit: Visit, missing: list[str]) -> None:
    directory = Path(SCREENSHOTS or "")
    directory.mkdir(parents=True, exist_ok=True)
    chosen = f"{NAV_PAGE}/ashare/?from={FIRST}&to={LAST}"
    stock = f"{NAV_PAGE}/ashare/?view=stock&code={missing[0]}"
    for name, address in [
        *((f"page-{language}-{theme}", chosen) for language in ("en", "zh") for theme in ("light", "dark")),
        ("day-en-light", f"{NAV_PAGE}/ashare/{DAY}"),
        ("stock-zh-dark", stock),
    ]:
        _, language, theme = name.split("-")
        look: dict[str, Any] = {"viewport": {"width": 1280, "height": 1200}, "timezone_id": "Asia/Shanghai"}
        page = visit(address, theme=theme, language={"zh": "zh-CN"}.get(language, language), **look)
        expect(inner(page).locator("html")).to_have_attribute("data-theme", theme)
        page.screenshot(path=directory / f"{name}.png")
        page.context.close()


def test_nothing_was_asked_of_another_host(stack: Stack) -> None:
    assert hosts == {urlsplit(stack.url).netloc}


def test_the_browser_complained_of_nothing() -> None:
    assert complaints == []
