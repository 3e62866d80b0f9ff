"""Whole texts, as they are recorded and shown, in Chinese."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from ashare.cost import Cost
from ashare.messages import in_chinese
from ashare.sync.plan import code_batches
from ashare.sync.reference import closed_reason
from ashare.texts import joined, named, one_sentence

TABLE = Path(__file__).with_name("recorded_in_chinese.txt")
"""Reasons of trade dates and weeks, errors and labels of batches, plans of histories: English, below it Chinese."""
RECORDED = [pair.splitlines() for pair in TABLE.read_text("utf-8").strip().split("\n\n")]

MAY_STAY = re.compile(
    r"airflow dags [^）]*|ASHARE_[A-Z_]+|ashare\.\w+|s[hz]\.\d{6}|scheduled__\S+|Baostock|Airflow|ETF|plan_batches"
    r"|words of others"
    # params, their values and columns, as a person writes them
    r"|datasets|kinds|codes|open|index_member|security_name|\w+_bar|adjust_factor|\b(?:stock|index|etf|bond|industry)\b"
)
"""Names and commands, and words that come from a server."""


@pytest.mark.parametrize(("english", "chinese"), RECORDED)
def test_a_recorded_text_is_all_in_chinese(english: str, chinese: str) -> None:
    assert in_chinese(english) == chinese
    assert re.findall(r"[A-Za-z]+", MAY_STAY.sub("", chinese)) == []
    assert not re.search(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]| [，。；：、（）]", chinese)


def test_what_the_code_composes_is_read_back() -> None:
    assert in_chinese(closed_reason(date(2026, 3, 7))) == "根据 Baostock 交易日历，2026-03-07 为非交易日（周末）。"
    assert (
        in_chinese(Cost(60_000, 43_200.0).describe(100, 40_000)) == "约 60000 次请求、12.0 小时，占用 3 天的请求额度"
    )
    labels = [batch.label for batch in code_batches("index", ["sh.000001", "sh.000002", "sh.000003"], 2)]
    assert [in_chinese(label) for label in labels] == ["指数第 1–2 只", "指数第 3–3 只"]
    codes = [f"sh.60000{number}" for number in range(7)]
    lacking = f"7 of 9 stocks have no bar: {named(codes)}"
    assert in_chinese(one_sentence([lacking, None, "the adjust factors of the date are not in."])) == (
        f"9 只股票中有 7 只缺少日线：{', '.join(codes[:5])} 及另外 2 项；当日复权因子尚未入库。"
    )


def test_the_table_has_many_texts() -> None:
    assert len(RECORDED) >= 40


def test_a_text_that_was_cut_is_read_as_far_as_it_is_there() -> None:
    problems = [f"stocks {first}-{first + 199}: it was not begun" for first in range(1, 4_000, 200)]
    chinese = in_chinese(joined(problems, most=200))
    assert chinese.startswith("股票第 1–200 只：尚未开始；股票第 201–400 只：尚未开始；")
    assert re.search(r"；另有 \d+ 项$", chinese)
