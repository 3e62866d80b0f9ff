"""The search of the page and its codes, over a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from ashare.datasets import NAMES
from ashare.status import StatusReader, status_reader
from ashare.store import Store
from ashare.store.weekly_lists import WeeklyList
from ashare_airflow.page import readings
from tests.conftest import Database

SECURITIES = [
    ("sh.600000", "浦发银行", "stock", None),
    ("sz.000001", "平安银行", "stock", None),
    ("sh.000001", "上证综合指数", "index", None),
    ("sh.600001", "邯郸钢铁", "stock", date(2009, 12, 29)),
    ("sh.510300", "沪深300ETF", "etf", None),
    ("sh.110059", "浦发转债", "bond", None),
    ("sh.600002", None, "stock", None),
]
LISTS = {
    date(2012, 7, 30): [("sz.000001", "深发展A"), ("sh.600000", "浦发银行")],
    date(2012, 8, 6): [("sz.000001", "平安银行"), ("sh.600000", "浦发银行")],
}


@pytest.fixture
def reader(database: Database) -> Iterator[StatusReader]:
    for security in SECURITIES:
        database.do("INSERT INTO ashare.security (code, name, kind, out_date) VALUES (%s, %s, %s, %s)", *security)
    with Store(database.connect) as store:
        for monday, rows in LISTS.items():
            store.weekly_lists.save([WeeklyList(NAMES, monday, monday, rows)], "weekly")
        with status_reader(store) as opened:
            yield opened


def test_securities_are_found_by_code_name_pinyin_and_former_name(reader: StatusReader) -> None:
    def found(typed: str) -> list[tuple[str, str | None]]:
        return [(each.code, each.former_name) for each in readings.securities(reader, typed)]

    for typed in ("600000", "sh600000", "600000.SH", "浦发", "pfyh", "pufa"):
        assert found(typed) == [("sh.600000", None)], typed
    assert found("sz.000001") == found("平安") == [("sz.000001", None)]
    assert found("深发展") == found("sfz") == [("sz.000001", "深发展A")]
    assert found("000001") == [("sz.000001", None), ("sh.000001", None)]
    assert [code for code, _ in found("6000")] == ["sh.600000", "sh.600002", "sh.600001"]
    assert found("%") == found("  ") == found("\0") == found("转债") == []


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *((text, "sh.600000") for text in ("600000", "sh600000", "SH600000", "600000.SH", "sh.600000")),
        ("000001", "sz.000001"),  # the stock, and not the index
        ("sh000001", "sh.000001"),
        ("510300", "sh.510300"),
        ("110059", "sh.110059"),
        ("sh.609999", "sh.609999"),  # a code: whether it is in the list is asked elsewhere
        ("609999", None),
        ("60000", None),
        ("浦发银行", None),
        ("", None),
    ],
)
def test_the_code_that_a_person_means(reader: StatusReader, written: str, code: str | None) -> None:
    assert readings.meant_code(reader, written) == code
