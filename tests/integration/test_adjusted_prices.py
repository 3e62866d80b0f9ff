"""Adjusted prices: the views against recorded bars and factors, and against the formula in Python."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from ashare.status import status_reader
from ashare.store import Store
from ashare.store.cross_check import DAYS_MOVE
from ashare.store.queries import queries
from tests.conftest import SHARED_DATA, Database, Databases, needs_shared_data
from tests.records import record

VIEWS = ("daily_bar_hfq", "daily_bar_qfq")
PRICES = ("open", "high", "low", "close", "preclose")
COLUMNS = ("trade_date", "code", *PRICES, "volume", "amount", "turn", "pct_chg", "is_trading")

HS300 = "hs300_20240601_20241231.csv.gz"
MARKET = "market_20260302_20260331.csv.gz"
PUDONG = "sh.600000"
EX_DAY = date(2024, 7, 18)

PCT_CHG = Decimal("0.00005")
"""Half of the last decimal that Baostock gives it with, in percent."""
FACTOR = Decimal("0.0001")
"""What the six decimals of two factors, both at least 1, may make of a return across an ex-date, in percent."""
PRICE = Decimal("0.00001")
"""The same of the eight decimals of two prices of at least 0.1 CNY."""

Bar = Mapping[str, Any]


def recorded(file: str) -> list[dict[str, Any]]:
    """Rows with the table's names; a blank is ``None``."""
    with gzip.open(SHARED_DATA / file, "rt", encoding="utf-8") as lines:
        return [
            {
                **{name: row[name] or None for name in ("code", *PRICES, "volume", "amount", "turn")},
                "trade_date": date.fromisoformat(row["date"]),
                "pct_chg": row["pctChg"] or None,
                "is_trading": row["tradestatus"] == "1",
            }
            for row in csv.DictReader(lines)
        ]


def load(database: Database, bars: Iterable[Bar]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    with database.connect() as connection, connection.cursor() as cursor:
        with cursor.copy(sql.SQL("COPY ashare.daily_bar ({}) FROM STDIN").format(names)) as copy:
            for bar in bars:
                copy.write_row([bar[name] for name in COLUMNS])
        cursor.execute("ANALYZE ashare.daily_bar")


def load_factors(database: Database, factors: Iterable[tuple[str, date, object]]) -> None:
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO ashare.adjust_factor VALUES (%s, %s, 1, %s)", list(factors))


def load_lists(database: Database) -> None:
    """The recorded securities and calendar."""
    with database.connect() as connection, connection.cursor() as cursor:
        with (SHARED_DATA / "stock_basic_20260430.csv").open(encoding="utf-8") as lines:
            rows = [
                (row["code"], row["code_name"], "stock" if row["type"] == "1" else "other", row["ipoDate"] or None)
                for row in csv.DictReader(lines)
            ]
        cursor.executemany("INSERT INTO ashare.security (code, name, kind, ipo_date) VALUES (%s, %s, %s, %s)", rows)
        with (SHARED_DATA / "trade_dates_20160810_20260821.csv").open(encoding="utf-8") as lines:
            days = [(row["calendar_date"], row["is_trading_day"] == "1") for row in csv.DictReader(lines)]
        cursor.executemany("INSERT INTO ashare.trade_calendar VALUES (%s, %s)", days)


def implied_factors(bars: Sequence[Bar], base: Decimal) -> list[tuple[str, date, Decimal]]:
    """A stock's factors as its prices imply them, ``base`` before its first bar; six decimals, as Baostock's."""
    found, exact = [], base
    for before, bar in pairwise(bars):
        last, reference = Decimal(before["close"]), Decimal(bar["preclose"])
        if last != reference:
            exact = exact * last / reference
            found.append((bar["code"], bar["trade_date"], rounded(exact, 6)))
    return found


def by_code(bars: Iterable[Bar]) -> dict[str, list[Bar]]:
    found: dict[str, list[Bar]] = defaultdict(list)
    for bar in sorted(bars, key=lambda bar: (bar["code"], bar["trade_date"])):
        found[bar["code"]].append(bar)
    return found


def rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def recorded_factors(since: str = "1990-01-01") -> list[tuple[str, date, Decimal]]:
    with (SHARED_DATA / "adjust_factor_sh600000.csv").open(encoding="utf-8") as lines:
        return [
            (row["code"], date.fromisoformat(row["dividOperateDate"]), Decimal(row["backAdjustFactor"]))
            for row in csv.DictReader(lines)
            if row["dividOperateDate"] >= since
        ]


@pytest.fixture
def empty(database: Database) -> Database:
    """The schema, and nothing in it."""
    with Store(database.connect) as store:
        store.migrate()
    return database


@pytest.fixture(scope="module")
def hs300(databases: Databases) -> Iterator[Database]:
    """300 recorded stocks over seven months, with the factors that their prices imply; read only."""
    with databases.copied("migrated") as database:
        bars = recorded(HS300)
        load(database, bars)
        for number, (code, of_code) in enumerate(by_code(bars).items()):
            factors = recorded_factors() if code == PUDONG else implied_factors(of_code, Decimal(1 + number % 3))
            load_factors(database, factors)
            if number % 3 == 0:
                database.do("INSERT INTO ashare.factor_history (code) VALUES (%s)", code)
        yield database


def factors_of(database: Database, view: str, code: str) -> dict[date, Decimal]:
    return dict(database.rows(f"SELECT trade_date, factor FROM ashare.{view} WHERE code = %s", code))


# ---------------------------------------------------------------------- recorded data


@needs_shared_data
@pytest.mark.parametrize("view", VIEWS)
def test_returns_of_adjusted_closes_are_pct_chg_on_every_day(hs300: Database, view: str) -> None:
    ex_days = set(hs300.rows("SELECT code, ex_date FROM ashare.adjust_factor"))
    bars = by_code(
        dict(zip(("code", "trade_date", "close", "preclose", "pct_chg"), row, strict=True))
        for row in hs300.rows(f"SELECT code, trade_date, close, preclose, pct_chg FROM ashare.{view}")
    )
    compared = across = 0
    for before, bar in (pair for of_code in bars.values() for pair in pairwise(of_code)):
        is_ex = (bar["code"], bar["trade_date"]) in ex_days
        allowed = PCT_CHG + PRICE + (FACTOR if is_ex else 0)
        assert abs(bar["preclose"] / before["close"] - 1) * 100 <= allowed - PCT_CHG, bar
        if bar["pct_chg"] is not None:
            assert abs((bar["close"] / before["close"] - 1) * 100 - bar["pct_chg"]) <= allowed, bar
            assert abs((bar["close"] / bar["preclose"] - 1) * 100 - bar["pct_chg"]) <= PCT_CHG + PRICE, bar
            compared, across = compared + 1, across + is_ex
    assert (compared > 42_000, across > 320) == (True, True), (compared, across)


@needs_shared_data
def test_the_recorded_factors_of_a_stock(hs300: Database) -> None:
    back = factors_of(hs300, "daily_bar_hfq", PUDONG)
    forward = factors_of(hs300, "daily_bar_qfq", PUDONG)
    assert {str(factor) for day, factor in back.items() if day < EX_DAY} == {"11.949786"}
    assert {str(factor) for day, factor in back.items() if day >= EX_DAY} == {"12.388310"}
    assert {rounded(factor, 6) for day, factor in forward.items() if day < EX_DAY} == {Decimal("0.893976")}
    assert {rounded(factor, 6) for day, factor in forward.items() if day >= EX_DAY} == {Decimal("0.926782")}
    ((close, preclose, volume, adjusted, amount),) = hs300.rows(
        """SELECT close, preclose, volume, adjusted_volume, amount FROM ashare.daily_bar_hfq
           WHERE code = %s AND trade_date = %s""",
        PUDONG,
        EX_DAY,
    )
    assert (close, preclose) == (Decimal("8.77") * Decimal("12.38831"), Decimal("8.72") * Decimal("12.38831"))
    average = amount / volume
    assert abs(amount / adjusted / (average * Decimal("12.38831")) - 1) < Decimal("1e-9")


@needs_shared_data
def test_before_the_first_known_ex_date(empty: Database) -> None:
    load(empty, [bar for bar in recorded(HS300) if bar["code"] == PUDONG])
    load_factors(empty, recorded_factors(since=str(EX_DAY)))
    latest = Decimal("13.367013")

    def factors() -> tuple[set[Decimal], set[Decimal]]:
        return tuple(  # type: ignore[return-value]
            {factor for day, factor in factors_of(empty, view, PUDONG).items() if day < EX_DAY} for view in VIEWS
        )

    # What Baostock's table has as the factor before it.
    assert factors() == ({Decimal("11.949786")}, {rounded(Decimal("11.949786") / latest, 12)})
    empty.do("INSERT INTO ashare.factor_history (code) VALUES (%s)", PUDONG)
    assert factors() == ({Decimal(1)}, {rounded(1 / latest, 12)})
    empty.do("DELETE FROM ashare.factor_history")
    empty.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s", EX_DAY)
    assert factors() == ({Decimal("12.388310")}, {rounded(Decimal("12.388310") / latest, 12)})


@needs_shared_data
@pytest.mark.parametrize("view", VIEWS)
def test_no_bar_is_lost_or_doubled(hs300: Database, view: str) -> None:
    unchanged = (
        "trade_date, code, volume, amount, turn, pct_chg, is_trading, is_st, pe_ttm, pb_mrq, ps_ttm, pcf_ncf_ttm"
    )
    seen, kept = (f"SELECT {unchanged} FROM ashare.{table}" for table in (view, "daily_bar"))
    assert hs300.rows(f"SELECT count(*) FROM ashare.{view}") == [(43_200,)]
    assert hs300.rows(f"({seen} EXCEPT ALL {kept}) UNION ALL ({kept} EXCEPT ALL {seen})") == []


@needs_shared_data
@pytest.mark.parametrize(("adjust", "table"), [("none", "daily_bar"), ("hfq", VIEWS[0]), ("qfq", VIEWS[1])])
def test_the_page_shows_what_the_views_say(hs300: Database, adjust: str, table: str) -> None:
    with Store(hs300.connect) as store, status_reader(store) as reader:
        shown, _ = reader.bars(PUDONG, adjust)
    assert shown == hs300.rows(
        f"""SELECT trade_date, round(open, 4)::float8, round(close, 4)::float8, round(low, 4)::float8,
                   round(high, 4)::float8, volume, is_trading
            FROM ashare.{table} WHERE code = %s ORDER BY trade_date""",
        PUDONG,
    )


# ---------------------------------------------------------------------- the formula


def bar_of(code: str, day: date, close: str, preclose: str | None = None, **columns: Any) -> dict[str, Any]:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    pct_chg = rounded((Decimal(close) / Decimal(preclose or close) - 1) * 100, 4)
    row = {"trade_date": day, "code": code, **prices, "preclose": preclose or close, "pct_chg": pct_chg}
    return row | {"volume": 1000, "amount": "1234.5", "turn": "0.1", "is_trading": True} | columns


def test_what_has_no_factors_is_as_traded(empty: Database) -> None:
    day = date(2026, 3, 2)
    codes = {"sh.600001": "stock", "sh.000001": "index", "sh.510300": "etf", "sz.399999": None}
    load(empty, [bar_of(code, day, "1234.5678", "1230.1234") for code in codes])
    for code, kind in codes.items():
        if kind:
            empty.do("INSERT INTO ashare.security (code, kind) VALUES (%s, %s)", code, kind)
    load_factors(empty, [("sh.600000", day, 2)])
    raw = "SELECT code, open, high, low, close, preclose, volume, pct_chg"
    as_traded = empty.rows(f"{raw}, 1::numeric, volume FROM ashare.daily_bar ORDER BY code")
    for view in VIEWS:
        assert empty.rows(f"{raw}, factor, adjusted_volume FROM ashare.{view} ORDER BY code") == as_traded


@pytest.mark.parametrize("view", VIEWS)
def test_returns_at_the_lowest_prices(empty: Database, view: str) -> None:
    """A stock whose price was multiplied by 200 since: 0.05 CNY, forward adjusted."""
    start, walk = date(2000, 1, 3), ["10.00", "10.01", "9.99", "10.00", "10.01", "10.02"]
    days = [start + timedelta(days=n) for n in range(len(walk))]
    closes = list(zip(days, walk, strict=True))
    load(empty, [bar_of("sz.000001", days[0], walk[0])])
    load(empty, [bar_of("sz.000001", day, close, before) for (_, before), (day, close) in pairwise(closes)])
    load_factors(empty, [("sz.000001", date(2026, 1, 5), "200")])
    empty.do("INSERT INTO ashare.factor_history (code) VALUES ('sz.000001')")
    rows = empty.rows(f"SELECT close, pct_chg FROM ashare.{view} ORDER BY trade_date")
    assert rows[0][0] == (Decimal("0.05") if view == "daily_bar_qfq" else Decimal(10))
    for (before, _), (close, pct_chg) in pairwise(rows):
        assert abs((close / before - 1) * 100 - pct_chg) <= PCT_CHG + 2 * PRICE


@dataclass(frozen=True)
class Small:
    """Bars and factors of a few stocks, with holes."""

    closes: dict[tuple[str, date], tuple[Decimal, Decimal, int | None]] = field(default_factory=dict)
    factors: dict[tuple[str, date], Decimal] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()

    def back_factor(self, code: str, day: date) -> Decimal:
        known = sorted((ex_date, factor) for (of, ex_date), factor in self.factors.items() if of == code)
        past = [factor for ex_date, factor in known if ex_date <= day]
        if past or not known:
            return past[-1] if past else Decimal(1)
        if code in self.whole:
            return Decimal(1)
        first, factor = known[0]
        last = max((day for of, day in self.closes if of == code and day < first), default=None)
        if (code, first) not in self.closes or last is None:
            return factor
        return rounded(factor * self.closes[code, first][1] / self.closes[code, last][0], 6)

    def first_ex_date(self, code: str) -> date:
        return min((day for of, day in self.factors if of == code), default=date.min)

    def latest(self, code: str) -> Decimal:
        known = [(day, factor) for (of, day), factor in self.factors.items() if of == code]
        return max(known)[1] if known else Decimal(1)


def small_markets() -> st.SearchStrategy[Small]:
    keys = st.tuples(
        st.sampled_from(["sh.600000", "sh.600001", "sz.000001"]),
        st.integers(0, 9).map(lambda n: date(2026, 3, 2) + timedelta(days=n)),
    )
    prices = st.decimals("0.01", "2000", places=2)
    volumes = st.none() | st.integers(0, 10**10)
    return st.builds(
        Small,
        closes=st.dictionaries(keys, st.tuples(prices, prices, volumes), min_size=1, max_size=20),
        factors=st.dictionaries(keys, st.decimals("0.1", "300", places=6), max_size=12),
        whole=st.frozensets(st.sampled_from(["sh.600000", "sz.000001"])),
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(small=small_markets())
def test_the_views_are_the_formula(empty: Database, small: Small) -> None:
    empty.do("TRUNCATE ashare.daily_bar, ashare.adjust_factor, ashare.factor_history")
    load(
        empty,
        [
            bar_of(code, day, str(close), str(preclose), volume=volume)
            for (code, day), (close, preclose, volume) in small.closes.items()
        ],
    )
    load_factors(empty, [(code, day, factor) for (code, day), factor in small.factors.items()])
    for code in small.whole:
        empty.do("INSERT INTO ashare.factor_history (code) VALUES (%s)", code)
    for view in VIEWS:
        rows = empty.rows(f"SELECT code, trade_date, close, preclose, adjusted_volume, factor FROM ashare.{view}")
        assert sorted((code, day) for code, day, *_ in rows) == sorted(small.closes)
        for code, day, *found, factor in rows:
            expected = small.back_factor(code, day)
            if view == "daily_bar_qfq":
                expected = rounded(expected / small.latest(code), 12)
            # Before the first ex-date a quotient that ends in a 5 may be rounded either way.
            allowed = Decimal("1e-5" if day < small.first_ex_date(code) else "1e-12")
            assert abs(factor - expected) <= allowed, (view, code, day)
            close, preclose, volume = small.closes[code, day]
            adjusted_volume = None if volume is None else rounded(volume / factor, 4)
            assert found == [rounded(close * factor, 8), rounded(preclose * factor, 8), adjusted_volume]


# ---------------------------------------------------------------------- prices against factors


Mismatch = tuple[str, date, str]


@pytest.fixture(scope="module")
def recorded_market(databases: Databases) -> Iterator[Database]:
    """March 2026, the whole market as recorded, with the factors that its prices imply; to be copied."""
    with databases.copied("migrated") as database:
        bars = recorded(MARKET)
        load(database, bars)
        load_lists(database)
        for of_code in by_code(bars).values():
            if factors := implied_factors(of_code, Decimal(2)):
                load_factors(database, factors)
        database.close()  # nobody may use what is copied
        yield database


@pytest.fixture
def market(databases: Databases, recorded_market: Database) -> Iterator[Database]:
    """A copy of it for one test."""
    with databases.copied(recorded_market.name) as made:
        yield made


def mismatches(database: Database, since: str = "2026-03-01", until: str = "2026-03-31") -> list[Mismatch]:
    return database.rows(
        "SELECT code, trade_date, problem FROM ashare.factor_mismatch(%s::date, %s::date)", since, until
    )


def cross_checked(database: Database) -> set[Mismatch]:
    """What the cross-check of each date finds."""
    found = set()
    sessions = [day for (day,) in database.rows("SELECT DISTINCT trade_date FROM ashare.daily_bar ORDER BY 1")]
    with database.connect() as connection:
        for before, day in pairwise(sessions):
            values = {"day": day, "before": before, "kind": "stock", "dataset": "stock_bar", "days_move": DAYS_MOVE}
            cursor = connection.execute(queries("cross_check")["figures"], values)
            names = [column.name for column in cursor.description or ()]
            figures = dict(zip(names, cursor.fetchone() or (), strict=True))
            found |= {(code, day, "moved without a factor") for code in figures["moved_without_factor"]}
            found |= {(code, day, "factor without a move") for code in figures["factor_without_move"]}
    return found


@needs_shared_data
def test_what_is_amiss_between_prices_and_factors_is_found_and_nothing_else(market: Database) -> None:
    assert market.rows("SELECT count(*) FROM ashare.adjust_factor") == [(14,)]
    assert mismatches(market) == []

    # The first came back from a suspension a third lower; the last goes ex on a Sunday, which no bar can contradict.
    market.do("DELETE FROM ashare.adjust_factor WHERE code IN ('sz.000908', 'sz.300803')")
    load_factors(market, [("sh.600000", date(2026, 3, 12), 3), ("sh.600004", date(2026, 3, 15), 4)])
    expected = [
        ("sz.300803", date(2026, 3, 6), "moved without a factor"),
        ("sz.000908", date(2026, 3, 11), "moved without a factor"),
        ("sh.600000", date(2026, 3, 12), "factor without a move"),
    ]
    assert mismatches(market) == expected
    assert cross_checked(market) == set(expected)
    assert mismatches(market, "2026-03-07", "2026-03-11") == expected[1:2]
    figures = "SELECT preclose, last_close, back_factor FROM ashare.factor_mismatch('2026-03-11', '2026-03-12')"
    assert market.rows(figures) == [(Decimal("4.36"), Decimal("6.37"), None), (Decimal("10.07"), Decimal("10.07"), 3)]


@needs_shared_data
def test_a_hole_is_not_taken_for_an_ex_day(market: Database) -> None:
    market.do("DELETE FROM ashare.daily_bar WHERE trade_date = '2026-03-10' AND code LIKE 'sz.%%'")
    market.do("DELETE FROM ashare.daily_bar WHERE trade_date IN ('2026-03-17', '2026-03-18')")
    assert mismatches(market) == [
        ("sz.000788", date(2026, 3, 10), "factor without a bar"),
        ("sz.002128", date(2026, 3, 10), "factor without a bar"),
        ("sz.300957", date(2026, 3, 10), "factor without a bar"),
    ]
    market.do("UPDATE ashare.security SET out_date = '2026-03-10' WHERE code = 'sz.000788'")
    market.do("DELETE FROM ashare.daily_bar WHERE trade_date = '2026-03-11' AND code = 'sz.002128'")
    market.do("DELETE FROM ashare.daily_bar WHERE trade_date = '2026-03-09' AND code = 'sz.300957'")
    assert mismatches(market) == []


@needs_shared_data
def test_only_stocks_are_judged(market: Database) -> None:
    days = (date(2026, 3, 2), date(2026, 3, 3))
    for code, kind in {"sh.510050": "etf", "sh.000016": "index", "bj.430047": "stock", "sh.689999": "stock"}.items():
        load(market, [bar_of(code, days[0], "2.00"), bar_of(code, days[1], "1.00", "1.50")])
        market.do("INSERT INTO ashare.security (code, kind) VALUES (%s, %s)", code, kind)
    assert mismatches(market) == [("sh.689999", days[1], "moved without a factor")]


# ---------------------------------------------------------------------- views of old


@needs_shared_data
def test_stocks_under_the_names_of_old(market: Database) -> None:
    load(market, [bar_of("sh.000001", date(2026, 3, 2), "3300.1234")])
    load(market, [bar_of("sz.000001", date(2026, 4, 1), "11.00", "10.00")])
    market.do("INSERT INTO ashare.security (code, name, kind) VALUES ('sh.000001', '上证指数', 'index')")
    market.do("UPDATE ashare.daily_bar SET high = 11.5, low = 9.25 WHERE trade_date = '2026-04-01'")
    columns = market.rows(
        """SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
           WHERE attrelid = 'ashare.daily_stock_data'::regclass AND attnum > 0"""
    )
    assert (
        columns[0][0].split()
        == (
            "stock_code stock_name trade_date open_price close_price high_price low_price volume amount change_pct "
            "change_amount turnover_rate amplitude"
        ).split()
    )
    assert market.rows(
        """SELECT stock_name, close_price, change_pct, change_amount, amplitude FROM ashare.daily_stock_data
           WHERE stock_code = '000001' ORDER BY trade_date DESC LIMIT 1"""
    ) == [("平安银行", Decimal(11), Decimal(10), Decimal(1), Decimal("22.5"))]
    assert market.rows("SELECT count(*) FROM ashare.daily_stock_data WHERE stock_code = '000001'") == [(23,)]
    ((stocks,),) = market.rows("SELECT count(*) FROM ashare.daily_stock_data WHERE trade_date = '2026-03-02'")
    assert stocks == 5190
    top = market.rows(
        """SELECT stock_code, stock_name, turnover_rate FROM ashare.daily_stock_data
           WHERE trade_date = (SELECT max(trade_date) FROM ashare.daily_stock_data WHERE trade_date < '2026-04-01')
           AND turnover_rate IS NOT NULL ORDER BY change_pct DESC LIMIT 10"""
    )
    assert len({code for code, *_ in top}) == 10
    assert all(len(code) == 6 and name for code, name, _ in top)


def test_dates_under_the_names_of_old(empty: Database) -> None:
    times = {"started_at": "2026-03-02 18:05+8"}
    record(empty, "2026-03-02", "failed", expected=5200, loaded=5198, missing=2, reason="2 lack.", **times)
    empty.do("UPDATE ashare.work SET ended_at = '2026-03-02 18:06+8'")
    record(empty, "2026-03-03", "syncing")
    assert empty.rows(
        """SELECT sync_date::text, status, total_records, success_count, failed_count, end_time - start_time, remarks
           FROM ashare.daily_sync_status ORDER BY sync_date"""
    ) == [
        ("2026-03-02", "failed", 5200, 5198, 2, timedelta(minutes=1), "2 lack."),
        ("2026-03-03", "syncing", 0, 0, 0, None, None),
    ]
