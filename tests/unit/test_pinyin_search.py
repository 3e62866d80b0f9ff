"""What a search finds, and in which order."""

from __future__ import annotations

import pytest

from ashare.store.page_rows import ListedSecurity
from ashare_airflow.page.security_search import MOST, find_securities

STOCKS = {
    "sh.600000": "浦发银行",
    "sh.600001": "邯郸钢铁",
    "sh.600016": "民生银行",
    "sh.601398": "工商银行",
    "sh.601577": "长沙银行",
    "sh.601963": "重庆银行",
    "sz.000001": "平安银行",
    "sz.000002": "万  科Ａ",
    "sz.000100": "TCL科技",
    "sz.002736": "国信证券",
    "sz.300104": "乐视网",
    "sz.300059": "东方财富",
    "sh.600654": "*ST中安",
}
INDICES = {"sh.000001": "上证综合指数", "sh.000300": "沪深300", "sh.000134": "上证银行指数"}
ETFS = {"sh.510300": "沪深300ETF", "sh.512800": "银行ETF"}
FORMER = {"sz.000001": ("深发展A", "S深发展A"), "sh.600001": ("XD邯郸钢",)}
SECURITIES = [
    ListedSecurity(code, name, kind, code == "sh.600001", FORMER.get(code, ()))
    for kind, names in (("etf", ETFS), ("index", INDICES), ("stock", STOCKS))
    for code, name in names.items()
]


def found(typed: str) -> list[str]:
    return [security.code for security in find_securities(SECURITIES, typed)]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        *((spelling, "sh.600000") for spelling in ("600000", "sh600000", "SH600000", "600000.SH", "sh.600000")),
        *(
            (typed, "sz.000002")
            for typed in ("万科A", "万科Ａ", "万科a", "万  科Ａ", "万 科", "wkA", "wanke", "ｗｋａ")
        ),
        *(
            (typed, "sh.600000")
            for typed in ("浦发", "pfyh", "PFYH", "pufa", "pufay", "pufayinhang", "pfyinh", "puf")
        ),
        # Of a character with several readings, each is found.
        *((typed, "sh.601577") for typed in ("csyh", "zsyh", "changsha", "zhangsha")),
        *((typed, "sh.601963") for typed in ("cqyh", "zqyh", "chongqing", "zhongqing")),
        *((typed, "sz.300104") for typed in ("lsw", "ysw", "leshi", "yueshi")),
        ("pfyx", "sh.600000"),
        ("tclkj", "sz.000100"),
        ("tclkeji", "sz.000100"),
        ("hs300", "sh.000300"),
        ("*st", "sh.600654"),
        ("st中安", "sh.600654"),
        ("stza", "sh.600654"),
    ],
)
def test_the_first_that_is_found(typed: str, first: str) -> None:
    assert found(typed)[0] == first


def test_codes_come_first_then_the_beginnings_of_names_then_pinyin_then_parts() -> None:
    assert found("000001") == ["sz.000001", "sh.000001"]
    assert found("sh.000001") == ["sh.000001"]
    assert found("6000") == ["sh.600000", "sh.600016", "sh.600001"]  # the delisted one is last
    assert found("300") == ["sz.300059", "sz.300104", "sh.000300", "sh.510300"]
    assert found("银行") == [
        *("sh.512800",),  # its name begins so
        *("sh.600000", "sh.600016", "sh.601398", "sh.601577", "sh.601963", "sz.000001", "sh.000134"),
    ]
    assert found("yh")[0] == "sh.512800"
    assert found("沪深300") == ["sh.000300", "sh.510300"]


def test_a_former_name_is_found_and_said() -> None:
    (security,) = find_securities(SECURITIES, "深发展")
    assert security == ("sz.000001", "平安银行", "stock", "深发展A")
    assert find_securities(SECURITIES, "sfz")[0].former_name == "深发展A"
    (security,) = find_securities(SECURITIES, "邯郸钢")
    assert security.former_name is None  # the name of today is as good


@pytest.mark.parametrize("typed", ["", "  ", "\0", "%", "_", "\\", "龘龘", "zzzz", "60000000", "sz600000", "'"])
def test_nothing_is_found(typed: str) -> None:
    assert find_securities(SECURITIES, typed) == []


def test_no_more_than_twenty_are_found_and_a_name_may_be_missing() -> None:
    many = [ListedSecurity(f"sh.6{n:05}", None if n % 2 else "平安", "stock", False, ()) for n in range(100)]
    assert [security.code for security in find_securities(many, "6")] == [f"sh.6{n:05}" for n in range(MOST)]
    assert len(find_securities(many, "pa")) == MOST


def test_a_text_with_many_ways_to_read_it_takes_no_longer() -> None:
    many = [ListedSecurity("sh.600000", "啊" * 40, "stock", False, ())]
    assert find_securities(many, "a" * 39 + "b") == []
    assert len(find_securities(many, "a" * 40)) == 1
