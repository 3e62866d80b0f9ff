"""A day, a security and the datasets on the status page, over what the page's syncs have loaded."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import (
    Page,
    expect,
)
from pypinyin import Style
from pypinyin import pinyin as pinyin_of

from ashare_local.stack import Stack
from tests.e2e.conftest import Query
from tests.e2e.page import (
    ALONE,
    BATCH_ERROR,
    DAG_TAB,
    DAY,
    HURT,
    LAST,
    NAV_PAGE,
    REASON,
    SESSIONS,
    Visit,
    fact,
    inner,
    look_again,
    ready,
    wait_for_query,
)
from tests.waiting import until


def run_path(query: Query) -> str:
    ((run_id,),) = query("SELECT run_id FROM ashare.sync_status WHERE trade_date = %s", HURT)
    return f"/dags/ashare_daily/runs/{quote(run_id, safe='')}"


def test_a_day_tells_what_is_missing_what_was_revised_and_exactly_why(
    visit: Visit, stack: Stack, query: Query, missing: list[str]
) -> None:
    page = visit(ALONE + DAY)
    expect(page.get_by_test_id("day-verdict")).to_contain_text("Partial")
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
    ((run_id,),) = query("SELECT run_id FROM ashare.sync_batch WHERE trade_date = %s ORDER BY batch_no LIMIT 1", HURT)
    of_batch = f"{stack.url}/dags/ashare_daily/runs/{quote(run_id, safe='')}/tasks/"
    assert logs.evaluate("({ href }) => href").startswith(of_batch)
    page.get_by_role("link", name=re.compile("Previous session")).click()
    wait_for_query(page, date="2025-09-09")


def test_a_red_date_is_accepted_with_a_reason_and_taken_back_on_its_page(visit: Visit, missing: list[str]) -> None:
    expect(visit(ALONE + DAY, "reader").get_by_test_id("day-verdict")).to_contain_text("Partial")
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
    expect(page.get_by_test_id("day-verdict")).to_contain_text("Partial")
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
    lists = query("SELECT as_of::text FROM ashare.snapshot WHERE dataset = 'security_name' ORDER BY 1")
    assert weeks[2].startswith(f"{len(lists)} of ")
    assert weeks[4:6] == [lists[0][0], lists[-1][0]]
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
