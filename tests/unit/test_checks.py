from __future__ import annotations

from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashare import checks
from ashare.checks import COPY_ORDER, check_bars
from ashare.source import Table
from ashare.source.calls import BAR_FIELDS

DAY = date(2026, 3, 2)
FIELDS = BAR_FIELDS.split(",")
GOOD = dict(
    zip(
        FIELDS,
        "2026-03-02,sh.600000,9.69,9.77,9.58,9.68,9.72,73404604,710795803.74,3,0.2204,1,-0.4115,5.9,0.4,1.7,-9.0,0".split(
            ","
        ),
        strict=True,
    )
)
SUSPENDED = GOOD | {
    **dict.fromkeys(("open", "high", "low", "close", "preclose"), "18.16"),
    **dict.fromkeys(("volume", "amount", "turn", "pctChg"), ""),
    "tradestatus": "0",
}


def table(*bars: dict[str, str], fields: list[str] = FIELDS) -> Table:
    return Table(fields, [[bar[name] for name in fields] for bar in bars])


def test_a_good_row_becomes_a_copy_line_by_column_name_not_position() -> None:
    expected = (
        "2026-03-02 sh.600000 9.69 9.77 9.58 9.68 9.72 73404604 710795803.74 0.2204 -0.4115 1 0 5.9 0.4 1.7 -9.0"
    ).replace(" ", "\t") + "\n"
    for fields in (FIELDS, FIELDS[::-1]):
        checked = check_bars(table(GOOD, fields=fields), None, DAY, DAY, day=DAY)
        assert checked.lines == [expected]
        assert not checked.rejects


@pytest.mark.parametrize("nothing", ["", "0"])
def test_a_suspended_row_is_kept_with_blanks_as_null(nothing: str) -> None:
    bar = SUSPENDED | {"volume": nothing, "amount": nothing, "pctChg": nothing}
    (line,) = check_bars(table(bar), None, DAY, DAY, day=DAY).lines
    values = dict(zip(COPY_ORDER, line.rstrip("\n").split("\t"), strict=True))
    assert values["turn"] == "\\N"
    assert values["volume"] == (nothing or "\\N")
    assert values["tradestatus"] == "0"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"date": "2026-03-03"}, "the date is not in what was asked for"),
        ({"date": "yesterday"}, "the date is not in what was asked for"),
        ({"code": "600000"}, "the code is not what was asked for"),
        ({"adjustflag": "2"}, "the prices are adjusted"),
        ({"close": "n/a"}, "close is not a number"),
        ({"close": "nan"}, "close is not a number"),
        ({"amount": "inf"}, "amount is not a number"),
        ({"volume": "1.5"}, "volume is not a whole number of shares"),
        ({"volume": "-100"}, "volume is not a whole number of shares"),
        ({"amount": "-1"}, "amount is negative"),
        ({"open": ""}, "a price is missing"),
        ({"low": "9.70"}, "open or close lies outside low to high"),
        ({"high": "9.60"}, "open or close lies outside low to high"),
        ({"open": "0", "low": "0"}, "a price is 0"),
        ({"tradestatus": "2"}, "tradestatus is neither 0 nor 1"),
        ({"isST": "x"}, "isST is neither 0 nor 1"),
        ({"tradestatus": "0"}, "suspended, but the prices are not all the last close"),
    ],
)
def test_a_row_that_breaks_a_rule_is_set_aside_and_the_others_go_on(change: dict[str, str], rule: str) -> None:
    other = GOOD | {"code": "sh.600004"}
    checked = check_bars(table(GOOD | change, other), None, DAY, DAY, day=DAY)
    assert len(checked.lines) == 1
    assert "sh.600004" in checked.lines[0]
    (reject,) = checked.rejects
    assert rule in reject.rule
    assert reject.raw == GOOD | change
    assert reject.trade_date == DAY


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "-", "--", "None", "1.2.3", " ", "9" * 30, "1\0"])
@pytest.mark.parametrize("name", ["peTTM", "pbMRQ", "psTTM", "pcfNcfTTM"])
def test_a_valuation_that_is_no_number_is_left_blank_and_the_row_is_kept(name: str, text: str) -> None:
    checked = check_bars(table(GOOD | {name: text}), None, DAY, DAY, day=DAY)
    blank = check_bars(table(GOOD | {name: ""}), None, DAY, DAY, day=DAY)
    assert checked.rejects == []
    assert checked.lines == blank.lines
    assert [(found.trade_date, found.code, found.raw) for found in checked.blanked] == [
        (DAY, GOOD["code"], {name: text})
    ]
    assert blank.blanked == []


def test_turnover_on_a_suspended_day_is_set_aside() -> None:
    (reject,) = check_bars(table(SUSPENDED | {"volume": "100"}), None, DAY, DAY, day=DAY).rejects
    assert reject.rule == "suspended, but there is turnover"


@pytest.mark.parametrize(
    "stale",
    [
        {"low": "18.10"},
        {"open": "18.00", "high": "18.30"},
        {"volume": "1118342", "amount": "0.0000", "turn": "0.299700"},
    ],
)
def test_what_baostock_leaves_of_an_earlier_day_in_a_suspended_row_is_loaded_as_sent(stale: dict[str, str]) -> None:
    (line,) = check_bars(table(SUSPENDED | stale), None, DAY, DAY, day=DAY).lines
    values = dict(zip(COPY_ORDER, line.rstrip("\n").split("\t"), strict=True))
    assert {name: values[name] for name in stale} == stale
    assert values["tradestatus"] == "0"


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"close": "18.20"}, "suspended, but the prices are not all the last close"),
        ({"preclose": "18.20"}, "suspended, but the prices are not all the last close"),
        ({"low": "0"}, "suspended, but the prices are not all the last close"),
        ({"volume": "100", "amount": "1816"}, "suspended, but there is turnover"),
        ({"turn": "0.1"}, "suspended, but there is turnover"),
    ],
)
def test_a_suspended_row_with_another_close_or_with_turnover_is_set_aside(wrong: dict[str, str], rule: str) -> None:
    (reject,) = check_bars(table(SUSPENDED | wrong), None, DAY, DAY, day=DAY).rejects
    assert reject.rule == rule


def test_a_row_that_lacks_what_every_day_of_trading_has_counts_as_suspended() -> None:
    says_trading = SUSPENDED | {"tradestatus": "1"}
    for kind, expected in (("stock", "0"), ("etf", "0"), ("index", "1")):
        (line,) = check_bars(table(says_trading), None, DAY, DAY, day=DAY, kind=kind).lines
        assert line.split("\t")[COPY_ORDER.index("tradestatus")] == expected
    (line,) = check_bars(table(says_trading | {"high": "18.20"}), None, DAY, DAY, day=DAY).lines
    assert line.split("\t")[COPY_ORDER.index("tradestatus")] == "1"


def test_of_two_rows_for_one_bar_that_differ_neither_is_believed() -> None:
    checked = check_bars(table(GOOD, GOOD | {"close": "9.70"}), None, DAY, DAY, day=DAY)
    assert checked.lines == []
    assert len(checked.rejects) == 2


def test_the_same_row_twice_is_loaded_once() -> None:
    checked = check_bars(table(GOOD, GOOD), None, DAY, DAY, day=DAY)
    assert len(checked.lines) == 1
    assert checked.rejects == []


def test_a_row_of_another_security_is_set_aside() -> None:
    (reject,) = check_bars(table(GOOD), "sh.600004", DAY, DAY, day=DAY).rejects
    assert "the code is not what was asked for (sh.600004)" in reject.rule


def test_an_index_without_a_trade_status_counts_as_trading() -> None:
    index = GOOD | {"code": "sh.000001", "tradestatus": "", "isST": "", "turn": ""}
    (line,) = check_bars(table(index), "sh.000001", DAY, DAY, day=DAY).lines
    values = dict(zip(COPY_ORDER, line.rstrip("\n").split("\t"), strict=True))
    assert values["tradestatus"] == "1"
    assert values["isST"] == "\\N"


@given(
    st.lists(st.sampled_from(FIELDS), min_size=1, unique=True),
    st.text(alphabet="0123456789.-eE\t\\N\n x", max_size=8),
)
def test_no_value_can_break_out_of_its_copy_column(names: list[str], value: str) -> None:
    checked = check_bars(table(GOOD | dict.fromkeys(names, value)), None, DAY, DAY, day=DAY)
    for line in checked.lines:
        assert line.count("\t") == len(COPY_ORDER) - 1
        assert line.count("\n") == 1
        assert "\\" not in line.replace("\\N", "")
    assert len(checked.lines) + len(checked.rejects) == 1


def test_a_bar_of_a_day_without_a_session_is_none_where_the_sessions_are_known() -> None:
    saturday = GOOD | {"date": "2026-03-07"}
    week = (date(2026, 3, 2), date(2026, 3, 8))
    checked = check_bars(table(GOOD, saturday), "sh.600000", *week, day=DAY, sessions={"2026-03-02", "2026-03-03"})
    assert len(checked.lines) == 1
    assert [(reject.raw["date"], reject.rule) for reject in checked.rejects] == [
        ("2026-03-07", "the day is not a trading day, by Baostock's calendar")
    ]
    assert len(check_bars(table(GOOD, saturday), "sh.600000", *week, day=DAY).lines) == 2


NEARLY = st.sampled_from(
    [
        *"0 1 3 -1 0.00 9.6 9.60 9.70 9.99 09.65 10.01 1e3 1.2.3 -0.5 +9.6 .5 5. 999999999999999999999 ٣".split(),
        *("sz.000001", "bj.430047"),
        *("2026-03-02", "2026-02-30", "2026-3-2", "", " 9.6", "9.60\n", "9.6\t9.7"),
    ]
)


@given(
    bars=st.lists(st.tuples(st.sampled_from((*FIELDS, *checks.PRICES)), NEARLY), max_size=4).map(dict),
    code=st.sampled_from([None, GOOD["code"]]),
)
def test_the_short_way_through_the_rules_finds_what_the_long_one_finds(
    bars: dict[str, str], code: str | None
) -> None:
    changed, other = GOOD | bars, GOOD | {"code": "sz.000001"}
    for rows in ([changed], [changed, GOOD], [changed, changed], [other, changed]):
        for kind in ("stock", "etf"):
            short = check_bars(table(*rows), code, DAY, DAY, day=DAY, kind=kind, sessions={str(DAY)})
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(checks, "_zero_price", lambda _: None)
                long = check_bars(table(*rows), code, DAY, DAY, day=DAY, kind=kind, sessions={str(DAY)})
            assert short == long


def test_the_short_way_compares_prices_as_numbers_whatever_their_form() -> None:
    texts = ("0.00", "9.58", "9.6", "9.60", "09.59", "10.00")
    prices = [dict(zip(("open", "high", "low", "close"), some, strict=True)) for some in product(texts, repeat=4)]
    others = [{"isST": "1"}, {"isST": "2"}, {"tradestatus": "0"}, {"tradestatus": "3"}, {"adjustflag": "1"}]
    rows = [GOOD | some | {"code": f"sh.{600000 + n}"} for n, some in enumerate((*prices, *others))]
    short = check_bars(table(*rows), None, DAY, DAY, day=DAY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "_zero_price", lambda _: None)
        long = check_bars(table(*rows), None, DAY, DAY, day=DAY)
    assert short == long
    assert len(short.lines) > 100
    assert len(short.rejects) > 1000


# Python itself reads the last two from 3.11 on.
@pytest.mark.parametrize("text", ["2026-02-30", "20260227", "2026-W09-5"])
def test_a_day_that_no_calendar_has_is_set_aside_within_a_range_too(text: str) -> None:
    checked = check_bars(table(GOOD | {"date": text}), None, date(2026, 2, 1), DAY, day=DAY)
    assert not checked.lines
    assert "the date is not in what was asked for" in checked.rejects[0].rule
    assert checked.rejects[0].trade_date == DAY
