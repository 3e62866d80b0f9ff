"""Whole texts that people meet, as the code composes them, and their Chinese: ``refusals_in_chinese.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from ashare.cost import Cost, suggest_history_of_weeks
from ashare.dates import SHANGHAI, parse_trade_date, parse_trade_date_range, parse_week
from ashare.errors import AshareError
from ashare.messages import in_chinese
from ashare.params import check_names
from ashare.settings import Settings
from ashare.source.replies import Table, check_reply, refusal
from ashare.store.request_ledger import SourceLimit

CHINESE: dict[str, str] = json.loads(Path(__file__).with_name("refusals_in_chinese.json").read_text("utf-8"))
"""English text -> Chinese text: refusals and notes of the page, errors of database and source, alerts."""

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 2, 18, 30, tzinfo=SHANGHAI)
MONDAYS = [date(2025, 1, 6) + timedelta(weeks=week) for week in range(30)]

NAMES = {
    *("API", "Airflow", "A", "share", "sync", "Baostock", "DAG", "JSON", "URL"),
    *("ashare", "ashare_daily", "ashare_export", "ashare_history", "ashare_postgres", "ashare_reference"),
    *("batch_size", "close", "code", "days", "etf", "index", "kinds", "reprocess", "start_date", "stock"),
    *("query_all_stock", "query_stock_basic", "login", "plan_batches", "fetch_and_copy", "en"),
}
"""Products, DAGs, tasks, calls, columns, params and values: these have no Chinese name."""
GIVEN = {"admin", "nowhere", "example", "source", "in", "manual__"}
"""Users, hosts and sessions of the table."""


def limit(used: int = 0, *, is_banned: bool = False) -> SourceLimit:
    return SourceLimit(used, AT, AT, 2, AT + timedelta(hours=5), is_banned)


def history_suggestion() -> str:
    one_by_one, together = (Cost(*cost).describe(39_000, 39_000) for cost in ((740, 3600), (50_000, 9000)))
    return (
        f"120 dates one by one take {one_by_one}; a stock at a time, they would take {together}: "
        "airflow dags trigger ashare_history"
    )


COMPOSED: list[Callable[[], object]] = [
    lambda: parse_trade_date("yesterday"),
    lambda: parse_trade_date("1980-01-01", today=DAY),
    lambda: parse_trade_date("2026-03-03", today=DAY),
    lambda: parse_trade_date_range("2025-03-03", "2025-03-02"),
    lambda: parse_trade_date_range("2025-01-01", "2025-12-31", most_days=90),
    lambda: parse_week("2025-03-04"),
    lambda: Settings(max_absent=-1),
    lambda: Settings(request_budget=0),
    lambda: Settings(idle_timeout=0),
    lambda: Settings(deadline="9 pm"),
    lambda: Settings(kinds="stock,bond"),
    lambda: Settings(lake="bars"),
    lambda: Settings(language="fr"),
    lambda: check_names(["kinda", "x"], ["kinds", "batch_size"], "ashare_daily"),
    lambda: limit(is_banned=True).check(1, 100),
    lambda: limit().check(200, 100, 50),
    lambda: limit(90).check(20, 100),
    lambda: refusal("query_stock_basic", "10001001", "用户未登录"),
    lambda: refusal("query_stock_basic", "10004009", "参数错误"),
    lambda: Table(["a"], []).require(["code", "close"], "query_all_stock"),
    lambda: check_reply("query_all_stock", [], f"{'0' * 21}0\1x\1login\1"),
    history_suggestion,
    lambda: suggest_history_of_weeks(MONDAYS, ["index_member"]),
]


def english_words(text: str) -> set[str]:
    """The words outside of commands, of brackets with others' words, of quotes, addresses, variables and codes."""
    for of_others in (
        r"`[^`]*`",
        r"airflow dags trigger .*",
        r"https?://\S+",
        r"'[^']*'",
        r"\b(?:ASHARE|AIRFLOW_CONN)_\w+",
        r"\bs[hz]\.\d+",
    ):
        text = re.sub(of_others, " ", text)
    while (shorter := re.sub(r"（[^（）]*）|\([^()]*\)", " ", text)) != text:
        text = shorter
    return set(re.findall(r"[A-Za-z_]+", text))


@pytest.mark.parametrize("english", CHINESE)
def test_a_text_is_put_into_chinese(english: str) -> None:
    assert in_chinese(english) == CHINESE[english]


@pytest.mark.parametrize("english", CHINESE)
def test_no_english_word_is_left(english: str) -> None:
    assert english_words(CHINESE[english]) <= NAMES | GIVEN


@pytest.mark.parametrize("compose", COMPOSED)
def test_the_table_has_what_the_code_composes(compose: Callable[[], object]) -> None:
    try:
        text = str(compose())
    except AshareError as error:
        text = str(error)
    assert text in CHINESE


def test_an_english_word_would_be_found() -> None:
    assert english_words("回补 12 已启动 now（of others）：`airflow dags list`") == {"now"}
