"""The generated market obeys the rules of the real one, and is the same everywhere."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import subprocess
import sys
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from ashare_emulator import names, trading_days
from ashare_emulator.faults import KINDS, Fault, fault, parse_fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.index_members import FULL_SIZES, members_expected, rebalance_on_or_before
from ashare_emulator.industries import CSRC, CSRC_FROM, SHENWAN, TABLE
from ashare_emulator.market import COLUMNS, Row
from ashare_emulator.reference_loads import FIRST_LOADS, INDUSTRIES, newest_load

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
FIRST, LAST = date(2024, 1, 1), date(2026, 12, 31)


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    return GeneratedMarket(start=FIRST, end=LAST, stocks=120, seed=3)


@pytest.fixture(scope="module")
def whole_market() -> GeneratedMarket:
    return GeneratedMarket()


def column(row: Row, name: str) -> Decimal:
    return Decimal(row[COLUMNS.index(name)])


def text(row: Row, name: str) -> str:
    return row[COLUMNS.index(name)]


def stocks(market: GeneratedMarket) -> list[str]:
    return [security.code for security in market.securities() if security.type == "1"]


def digest(market: GeneratedMarket) -> str:
    seen = hashlib.sha256()
    for security in market.securities():
        seen.update(repr(security).encode())
    for day in (date(2024, 3, 4), date(2025, 6, 12), date(2026, 3, 2)):
        seen.update(repr((market.bars_on(day, "stock"), market.bars_on(day, "etf"))).encode())
        seen.update(repr((market.listed_on(day), market.factors_on(day))).encode())
        seen.update(repr([market.members(index, day) for index in FULL_SIZES]).encode())
        seen.update(repr(market.industry_rows(day)).encode())
    return seen.hexdigest()


# -- calendar


def test_calendar_is_that_of_exchange_calendars() -> None:
    import exchange_calendars

    until = trading_days.last_published_day()
    known = exchange_calendars.get_calendar("XSHG", start="1990-12-19", end=until.isoformat())
    assert [day.date() for day in known.sessions] == trading_days.sessions(trading_days.FIRST_DAY, until)


def test_calendar_is_that_of_baostock() -> None:
    path = SHARED / "trade_dates_20160810_20260821.csv"
    if not path.exists():
        pytest.skip("the recorded calendar is not here")
    with path.open(newline="", encoding="utf-8") as file:
        recorded = [
            (date.fromisoformat(row["calendar_date"]), row["is_trading_day"] == "1") for row in csv.DictReader(file)
        ]
    assert GeneratedMarket(stocks=1).trade_dates(recorded[0][0], recorded[-1][0]) == recorded


# Chinese New Year's days as astronomers have them.
NEW_YEARS = ("2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23", "2035-02-08", "2045-02-17")


def test_the_calendar_goes_on_beyond_the_published_holidays_by_the_rule() -> None:
    for text in NEW_YEARS:
        new_year = date.fromisoformat(text)
        closed = [new_year + timedelta(days=n) for n in range(6)]
        assert not trading_days.sessions(closed[0], closed[-1]), text
    for year in range(trading_days.last_published_day().year + 1, trading_days.LAST_DAY.year + 1):
        days = trading_days.sessions(date(year, 1, 1), date(year, 12, 31))
        assert 241 <= len(days) <= 251, year
        assert not {date(year, 1, 1), date(year, 5, 1), date(year, 10, 1)} & set(days)
        assert max(after - before for before, after in itertools.pairwise(days)) < timedelta(days=14), year
    with pytest.raises(ValueError, match="known from"):
        trading_days.is_session(trading_days.LAST_DAY + timedelta(days=1))


def test_a_later_end_changes_nothing_of_the_years_before_it() -> None:
    until = trading_days.last_published_day()
    short = GeneratedMarket(start=date(2025, 11, 3), stocks=120)
    longer = GeneratedMarket(start=date(2025, 11, 3), end=date(2028, 12, 31), stocks=120)
    assert short.end == until
    assert short.securities() == longer.securities()
    for day in trading_days.sessions(date(2025, 11, 3), until):
        for kind in ("stock", "etf"):
            assert short.bars_on(day, kind) == longer.bars_on(day, kind)
        assert (short.listed_on(day), short.factors_on(day)) == (longer.listed_on(day), longer.factors_on(day))
        assert short.industry_rows(day) == longer.industry_rows(day)
        for index in FULL_SIZES:
            assert short.member_rows(index, day) == longer.member_rows(index, day)
    assert len(longer.bars_on(date(2028, 12, 29), "stock")) > 100
    assert any(longer.factors_on(day) for day in trading_days.sessions(date(2028, 6, 1), date(2028, 6, 30)))


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (date(2101, 1, 1), None, 20),
        (date(2027, 1, 2), date(2027, 1, 3), 20),
        (date(1990, 1, 1), None, 20),
        (date(2026, 10, 1), date(2026, 10, 5), 20),
        (FIRST, LAST, 0),
    ],
)
def test_impossible_parameters(start: date, end: date | None, count: int) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        GeneratedMarket(start=start, end=end, stocks=count)


# -- who is listed


def test_size_of_the_whole_market(whole_market: GeneratedMarket) -> None:
    day = date(2026, 3, 2)
    listed = whole_market.listed_on(day)
    assert 6700 <= len(listed) <= 7200
    assert len({code for code, _, _ in listed}) == len(listed)
    assert 5050 <= len(whole_market.bars_on(day, "stock")) <= 5250
    assert len(whole_market.bars_on(day, "etf")) > 300
    assert [code for code, _, _ in listed if code.startswith("bj.")] == list(names.BEIJING)
    assert set(names.INDICES) <= {code for code, _, _ in listed}
    prefixes = {code[:6] for code in stocks(whole_market)}
    assert prefixes == set(names.STOCK_PREFIXES)
    labels = [name for _, _, name in listed]
    assert any(label.startswith("ST") for label in labels)
    assert any(label.startswith("*ST") for label in labels)
    assert any(" " in label for label in labels)


def test_days_are_lively(whole_market: GeneratedMarket) -> None:
    sessions = trading_days.sessions(date(2025, 1, 1), date(2025, 12, 31))
    suspended = [
        sum(text(row, "tradestatus") == "0" for row in whole_market.bars_on(day, "stock")) for day in sessions[::10]
    ]
    assert 3 <= sum(suspended) / len(suspended) <= 30
    events = [len(whole_market.factors_on(day)) for day in sessions]
    assert sum(events) > 3000
    assert sum(count > 0 for count in events) > 0.8 * len(sessions)
    ipo_dates = {security.ipo_date for security in whole_market.securities() if security.type == "1"}
    for n in range(0, len(sessions) - 10, 10):
        assert ipo_dates & set(sessions[n : n + 10]), sessions[n]


def test_bars_from_listing_to_delisting(market: GeneratedMarket) -> None:
    inside = outside = delisted = 0
    for security in market.securities():
        if security.type != "1":
            continue
        days = [date.fromisoformat(row[0]) for row in market.bars_of(security.code, date(1990, 1, 1), LAST)]
        until = (security.out_date or LAST + timedelta(days=1)) - timedelta(days=1)
        assert days == trading_days.sessions(max(security.ipo_date, FIRST), until)
        inside += security.ipo_date > FIRST
        delisted += security.out_date is not None and security.out_date > FIRST
        outside += security.out_date is not None and security.out_date <= FIRST
        assert security.status == ("0" if security.out_date else "1")
    assert inside
    assert delisted
    assert outside


def test_every_stock_listed_has_a_bar_with_the_same_status(market: GeneratedMarket) -> None:
    for day in trading_days.sessions(date(2025, 5, 1), date(2025, 6, 30)):
        bars = {row[1]: text(row, "tradestatus") for kind in ("stock", "etf") for row in market.bars_on(day, kind)}
        listed = {code: status for code, status, _ in market.listed_on(day)}
        assert {code: listed.get(code) for code in bars} == bars
        without = set(listed) - set(bars)
        assert {code[:6] for code in without if not code.startswith("bj.")} <= {"sh.000", "sz.399"}


# -- bars


def test_by_day_and_by_security_are_the_same_bars(market: GeneratedMarket) -> None:
    day = date(2025, 6, 12)
    for row in [*market.bars_on(day, "stock"), *market.bars_on(day, "etf")]:
        assert market.bars_of(row[1], day, day) == [row]
    codes = [row[1] for row in market.bars_on(day, "stock")]
    assert codes == sorted(codes)


def test_prices(market: GeneratedMarket) -> None:
    for code in [*stocks(market), "sh.000001", "sz.399006"]:
        for row in market.bars_of(code, date(2025, 10, 1), date(2026, 7, 31)):
            open_, high, low, close = (column(row, name) for name in ("open", "high", "low", "close"))
            preclose = column(row, "preclose")
            assert 0 < low <= open_ <= high
            assert low <= close <= high
            if text(row, "tradestatus") == "0":
                assert open_ == high == low == close == preclose
                continue
            change = (close / preclose - 1) * 100
            assert abs(column(row, "pctChg") - change) <= Decimal("0.00006")
            assert column(row, "volume") > 0
            if not code.startswith(("sh.000", "sz.399")):
                mean = column(row, "amount") / column(row, "volume")
                assert low - Decimal("0.0001") <= mean <= high + Decimal("0.0001")


def test_price_limits(market: GeneratedMarket) -> None:
    listed = {security.code: security.ipo_date for security in market.securities()}
    for day in trading_days.sessions(date(2025, 6, 1), date(2025, 7, 31)):
        for row in market.bars_on(day, "stock"):
            code = row[1]
            if (day - listed[code]).days < 20:
                continue
            wide = code.startswith(("sh.688", "sz.30"))
            limit = Decimal("0.20") if wide else Decimal("0.05") if text(row, "isST") == "1" else Decimal("0.10")
            preclose = column(row, "preclose")
            top = (preclose * (1 + limit)).quantize(Decimal("0.01"), ROUND_HALF_UP)
            bottom = (preclose * (1 - limit)).quantize(Decimal("0.01"), ROUND_HALF_UP)
            assert bottom <= column(row, "low")
            assert column(row, "high") <= top


def test_format(market: GeneratedMarket) -> None:
    decimals = dict.fromkeys(("open", "high", "low", "close", "preclose", "amount"), 4)
    decimals |= dict.fromkeys(("turn", "pctChg", "peTTM", "pbMRQ", "psTTM", "pcfNcfTTM"), 6)
    for row in market.bars_on(date(2026, 3, 2), "stock"):
        assert len(row) == len(COLUMNS)
        assert text(row, "adjustflag") == "3"
        if text(row, "tradestatus") == "1":
            assert text(row, "volume").isdigit()
            assert all(len(text(row, name).partition(".")[2]) == places for name, places in decimals.items())
            assert text(row, "pctChg") != "-0.000000"


def test_suspended_rows_before_and_after_november_2021() -> None:
    market = GeneratedMarket(start=date(2021, 6, 1), end=date(2022, 6, 30), stocks=300, etfs=0, indices=0)
    seen = set()
    for day in trading_days.sessions(date(2021, 6, 1), date(2022, 6, 30)):
        if date(2021, 10, 26) < day < date(2021, 11, 24):
            continue
        for row in market.bars_on(day, "stock"):
            if text(row, "tradestatus") == "0":
                written = tuple(text(row, name) for name in ("volume", "amount", "pctChg", "turn"))
                seen.add((day >= date(2021, 11, 24), written))
    assert seen == {(False, ("0", "0.0000", "0.000000", "")), (True, ("", "", "", ""))}


# -- ex-dates


def test_preclose_is_the_previous_close_except_on_ex_dates(market: GeneratedMarket) -> None:
    ex_dates = 0
    for code in stocks(market):
        factors = {factor.ex_date: factor for factor in market.factors_of(code, date(1990, 1, 1), LAST)}
        rows = market.bars_of(code, FIRST, LAST)
        earlier = [factor for day, factor in factors.items() if day < FIRST]
        back = Decimal(earlier[-1].back) if earlier else Decimal(1)
        for before, row in itertools.pairwise(rows):
            factor = factors.get(date.fromisoformat(row[0]))
            close, preclose = column(before, "close"), column(row, "preclose")
            if factor is None:
                assert preclose == close
                continue
            ex_dates += 1
            assert preclose < close
            assert text(row, "tradestatus") == "1"
            new = Decimal(factor.back)
            assert abs(new - back * close / preclose) <= Decimal("0.0000011")
            # The adjusted return is the return that pctChg states.
            adjusted = (column(row, "close") * new / (close * back) - 1) * 100
            assert abs(adjusted - column(row, "pctChg")) < Decimal("0.0003")
            back = new
    assert ex_dates > 100


def test_fore_factors_are_rebased_to_the_newest_event(market: GeneratedMarket) -> None:
    checked = 0
    for code in stocks(market):
        factors = market.factors_of(code, date(1990, 1, 1), LAST)
        if len(factors) < 3:
            continue
        checked += 1
        assert factors[-1].fore == "1.000000"
        for factor in factors:
            assert abs(Decimal(factor.fore) - Decimal(factor.back) / Decimal(factors[-1].back)) <= Decimal("0.000001")
        then = market.factors_of(code, date(1990, 1, 1), LAST, as_of=factors[1].ex_date)
        assert [factor.ex_date for factor in then] == [factor.ex_date for factor in factors[:2]]
        assert then[-1].fore == "1.000000"
        on_day = [factor for factor in market.factors_on(factors[1].ex_date) if factor.code == code]
        assert on_day == then[-1:]
    assert checked > 50


# -- names


def test_about_one_stock_in_a_hundred_is_renamed_in_a_year(whole_market: GeneratedMarket) -> None:
    first, last = (
        {code: name for code, _, name in whole_market.listed_on(day) if code.startswith(("sh.6", "sz.00", "sz.30"))}
        for day in (date(2024, 1, 2), date(2025, 12, 31))
    )
    both = [code for code in first if code in last and "ST" not in first[code] + last[code]]
    renamed = [code for code in both if first[code] != last[code]]
    assert 0.015 < len(renamed) / len(both) < 0.025
    named = {security.code: security.name for security in whole_market.securities()}
    at_end = {code: name for code, _, name in whole_market.listed_on(date(2026, 12, 31))}
    assert at_end == {code: named.get(code, "") for code in at_end}


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("last", [date(2025, 10, 31), date(2026, 12, 31)])
def test_in_a_market_of_300_stocks_one_becomes_special_and_one_recovers(seed: int, last: date) -> None:
    market = GeneratedMarket(start=date(2025, 9, 1), end=last, stocks=300, seed=seed, etfs=0, indices=0)
    sessions = trading_days.sessions(date(2025, 9, 1), last)
    starred: dict[str, set[tuple[bool, str]]] = {}
    for day in sessions:
        is_st = {row[1]: text(row, "isST") for row in market.bars_on(day, "stock")}
        for code, _, name in market.listed_on(day):
            if code in is_st:
                starred.setdefault(code, set()).add((name.startswith("*ST"), is_st[code]))
    before, after = (
        {code: name.startswith("*ST") for code, _, name in market.listed_on(day)}
        for day in (sessions[0], sessions[-1])
    )
    changing = [code for code, seen in starred.items() if {is_starred for is_starred, _ in seen} == {True, False}]
    assert all(starred[code] == {(True, "1"), (False, "0")} for code in changing)
    assert any(not before.get(code, False) for code in changing)
    assert any(not after.get(code, False) for code in changing)


# -- index members


CSI300, SSE50, CSI500 = FULL_SIZES


@pytest.mark.parametrize(
    ("day", "effective"),
    [
        (date(2025, 6, 15), date(2024, 12, 16)),
        (date(2025, 6, 16), date(2025, 6, 16)),
        (date(2025, 12, 31), date(2025, 12, 15)),
        (date(2021, 6, 30), date(2021, 6, 15)),  # Monday the 14th is a holiday
        (date(2024, 6, 17), date(2024, 6, 17)),
        (date(2026, 1, 1), date(2025, 12, 15)),
    ],
)
def test_rebalances(day: date, effective: date) -> None:
    assert rebalance_on_or_before(day) == effective


def test_loads_are_on_mondays_that_are_sessions() -> None:
    for subject, first in FIRST_LOADS.items():
        loads = {newest_load(subject, first + timedelta(days=n)) for n in range(-3, 8000)} - {None}
        assert loads == {day for day in trading_days.sessions(first, max(filter(None, loads))) if day.weekday() == 0}


def test_recorded_loads_are_such_mondays() -> None:
    if not (SHARED / "real_reference").exists():
        pytest.skip("the recorded loads are not here")
    subjects = {"hs300": CSI300, "sz50": SSE50, "zz500": CSI500, "stock": INDUSTRIES}
    for path in (SHARED / "real_reference").glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        load = date.fromisoformat(rows[0]["updateDate"])
        subject = subjects[path.name.partition("_")[0]]
        assert newest_load(subject, load) == load
        if subject != INDUSTRIES:
            assert len(rows) == FULL_SIZES[subject]


def test_members_of_the_whole_market(whole_market: GeneratedMarket) -> None:
    """On every session: full sizes, disjoint, of Shanghai, listed, not ST, and changed for a reason alone."""
    sessions = trading_days.sessions(date(2024, 5, 1), date(2025, 7, 31))
    before: dict[str, set[str]] = {}
    gone_before: set[str] = set()
    replaced = 0
    for day in sessions:
        named = {code: name for code, _, name in whole_market.listed_on(day)}
        members = {index: whole_market.members(index, day) for index in FULL_SIZES}
        assert [len(codes) for codes in members.values()] == [300, 50, 500]
        assert all(codes == sorted(set(codes)) for codes in members.values())
        assert not set(members[CSI300]) & set(members[CSI500])
        assert {code[:2] for code in members[SSE50]} == {"sh"}
        assert set(members[SSE50]) <= set(members[CSI300])
        assert not [code for codes in members.values() for code in codes if "ST" in named[code]]
        gone = {code for codes in before.values() for code in codes if "ST" in named.get(code, "ST")}
        for index, codes in members.items():
            changed = set(codes) ^ before.get(index, set(codes))
            if rebalance_on_or_before(day) == day:
                assert 0.02 < len(changed) / 2 / len(codes) < 0.15, (index, day)
            elif changed:
                assert gone - gone_before, day
                replaced += 1
        before, gone_before = {index: set(codes) for index, codes in members.items()}, gone
    assert replaced > 0


def test_members_of_small_markets(market: GeneratedMarket) -> None:
    for count, seed in itertools.product((1, 2, 10, 40, 300, 1000), (1, 2)):
        small = GeneratedMarket(date(2025, 6, 2), date(2025, 6, 30), count, seed, etfs=0, indices=0)
        listed = {row[1] for row in small.bars_on(date(2025, 6, 16), "stock")}
        members = {index: small.members(index, date(2025, 6, 16)) for index in FULL_SIZES}
        assert {code for codes in members.values() for code in codes} <= listed
        assert not set(members[CSI300]) & set(members[CSI500])
        for index, codes in members.items():
            assert len(codes) <= members_expected(index, len(listed))
            if count >= 40:
                assert len(codes) == members_expected(index, len(listed))
    assert [members_expected(index, 899) for index in FULL_SIZES] == [224, 37, 374]
    assert [members_expected(index, 900) for index in FULL_SIZES] == [300, 50, 500]
    assert [members_expected(index, 0) for index in FULL_SIZES] == [0, 0, 0]
    assert market.members("sh.000001", date(2025, 6, 16)) == []


# -- industries


def test_industries_of_the_whole_market(whole_market: GeneratedMarket) -> None:
    stock = {security.code: security for security in whole_market.securities() if security.type == "1"}
    found: dict[str, list[str]] = {}
    for load in (date(2023, 6, 26), CSRC_FROM, date(2024, 7, 1), date(2026, 6, 29)):
        rows = whole_market.industry_rows(load + timedelta(days=2))
        assert {row[0] for row in rows} == {load.isoformat()}
        assert [row[1] for row in rows] == sorted(code for code, one in stock.items() if one.ipo_date <= load)
        assert {row[4] for row in rows} == {SHENWAN if load < CSRC_FROM else CSRC}
        assert {row[3] for row in rows} == {""} | {entry[int(load < CSRC_FROM)] for entry in TABLE}
        delisted = {code for code, one in stock.items() if one.out_date and one.out_date <= load}
        blank = {row[1] for row in rows if not row[3]}
        assert delisted <= blank
        assert 0 < len(blank - delisted) < 0.1 * len(rows)
        for row in rows:
            if row[3]:
                found.setdefault(row[1], []).append(row[3])
    shenwan_of = {(csrc, shenwan) for csrc, shenwan, _ in TABLE}
    whole = [industries for industries in found.values() if len(industries) == 4]
    # A stock has the same industry in both classifications, unless it changed in the one week between the loads.
    assert sum((industries[1], industries[0]) not in shenwan_of for industries in whole) <= 5
    assert 0.012 < sum(industries[2] != industries[3] for industries in whole) / len(whole) < 0.026


def test_the_industries_are_those_of_the_recorded_loads() -> None:
    path = SHARED / "real_reference" / "stock_industry_20230320.csv"
    if not path.exists():
        pytest.skip("the recorded industries are not here")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["industry"] for row in rows} - {""} == {shenwan for _, shenwan, _ in TABLE}
    assert {row["industryClassification"] for row in rows} == {SHENWAN}
    recorded = (SHARED / "wire" / "query_stock_industry" / "response.bin").read_text(encoding="utf-8")
    _, _, _, industry, classification = json.loads(recorded.split("\1")[8])["record"][0]
    assert industry in {csrc for csrc, _, _ in TABLE}
    assert classification == CSRC


# -- the same everywhere


def test_the_same_in_another_process() -> None:
    script = (
        "from datetime import date\n"
        "from ashare_emulator.generated import GeneratedMarket\n"
        "from tests.unit.test_emulator_market import digest\n"
        "import sys; sys.stdout.write(digest(GeneratedMarket(stocks=200, seed=9)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "include"), "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == digest(GeneratedMarket(stocks=200, seed=9))
    assert done.stdout != digest(GeneratedMarket(stocks=200, seed=10))


def test_thirty_five_years() -> None:
    market = GeneratedMarket(start=date(1991, 1, 1), stocks=40)
    rows = market.bars_of("sh.600000", date(1990, 1, 1), LAST)
    assert rows[0][0] == "1991-01-02"
    assert len(rows) == len(trading_days.sessions(date(1991, 1, 1), LAST))
    assert all(Decimal("0.3") < column(row, "close") < 2000 for row in rows)


def test_indices_begin_on_days_of_their_own() -> None:
    market = GeneratedMarket(start=date(1999, 1, 1), end=date(2005, 12, 31), stocks=10)
    firsts = {
        code: market.bars_of(code, date(1990, 1, 1), LAST)[0] for code in ("sh.000001", "sh.000300", "sz.399330")
    }
    assert {code: row[0] for code, row in firsts.items()} == {
        "sh.000001": "2000-01-04",  # listed in 1991
        "sh.000300": "2005-01-04",  # listed in April 2005
        "sz.399330": "2003-01-02",
    }
    assert {row[6] for row in firsts.values()} == {"0.0000"}
    listed = {security.code: security.ipo_date for security in market.securities()}
    assert str(listed["sh.000001"]) < "2000-01-04"
    assert str(listed["sh.000300"]) > "2005-01-04"


# -- faults


def test_faults_from_the_command_line() -> None:
    found = parse_fault("method=query_daily_history_k_AStock,kind=error,code=10001011,times=2,after=1")
    assert found == Fault("query_daily_history_k_AStock", "error", 2, 1, {"code": "10001011"})
    assert [found.strikes("query_daily_history_k_AStock") for _ in range(5)] == [False, True, True, False, False]
    assert not found.strikes("login")
    always = fault("*", "empty", times=0)
    assert all(always.strikes("query_all_stock") for _ in range(5))


@pytest.mark.parametrize(
    "wrong",
    [
        "error",
        "kind=error",
        "method=login,kind=explode",
        "method=login,kind=error,colour=red",
        "method=login,kind=error,times=x",
        "method=login,kind=refuse",
        "method=login,kind=delay,seconds=soon",
    ],
)
def test_wrong_faults_are_said_in_a_sentence(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        parse_fault(wrong)


def test_every_kind_can_be_written() -> None:
    for kind in KINDS:
        method = "connect" if kind == "refuse" else "login"
        assert parse_fault(f"method={method},kind={kind}").kind == kind
