"""The status page inside Airflow, in trouble, in both languages, on a phone and for assistive technology."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import (
    Page,
    expect,
)

from ashare_local.stack import Stack
from tests.e2e.page import (
    ALONE,
    DAG_TAB,
    DAY,
    FIRST,
    LAST,
    LOST,
    NAV_PAGE,
    SESSIONS,
    YEARS,
    Visit,
    complaints,
    coverage,
    dates_of,
    hosts,
    inner,
    look_again,
    ready,
    wait_for_query,
)
from tests.waiting import until

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


@pytest.mark.parametrize(("kind", "words"), [("stale", "The server does not answer."), ("database", LOST)])
def test_what_is_shown_while_nothing_new_comes_is_said_to_be_old(visit: Visit, kind: str, words: str) -> None:
    page = visit(f"{ALONE}?{YEARS}&start_date={FIRST}&end_date={LAST}")
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
    chinese = visit(DAG_TAB, language="zh-CN")
    expect(chinese.get_by_role("link", name="A股同步")).to_be_visible()
    expect(chinese.get_by_role("link", name="同步状态")).to_be_visible()
    english = visit(DAG_TAB, language="en")
    expect(english.get_by_role("link", name="A-share", exact=True)).to_be_visible()
    expect(english.get_by_role("link", name="Sync status")).to_be_visible()


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
def test_axe_finds_nothing(visit: Visit, missing: list[str], theme: str, language: str) -> None:
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
