"""Price limits: the view against recorded markets, and each dated rule against a bar that only it explains."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from tests.conftest import Database, Databases, needs_shared_data
from tests.integration.recorded_bars import HS300, JULY_2015, JUNE_1993, MARKET, ODD_ROWS, load_recorded

FREE = (None, None)
CENT = Decimal("0.01")

RULES = [
    # code, trade date, ipo_date, ST, preclose, limits, rule
    ("sh.600001", "1996-12-13", "1993-01-04", False, "10.00", FREE, "main_sh_free"),
    ("sh.600001", "1996-12-16", "1993-01-04", False, "10.05", ("11.06", "9.05"), "main_sh_before_st"),
    ("sh.600001", "1998-04-21", "1993-01-04", True, "10.00", ("11.00", "9.00"), "main_sh_before_st"),
    ("sh.600001", "1998-04-22", "1993-01-04", False, "10.00", ("11.00", "9.00"), "main_sh"),
    ("sh.600001", "1998-04-22", "1993-01-04", True, "10.00", ("10.50", "9.50"), "main_sh_st_5"),
    ("sh.600001", "2026-07-03", "1993-01-04", True, "10.00", ("10.50", "9.50"), "main_sh_st_5"),
    ("sh.600001", "2026-07-06", "1993-01-04", True, "10.00", ("11.00", "9.00"), "main_sh_st_10"),
    ("sz.000001", "1996-12-13", "1993-01-04", False, "10.00", FREE, "main_sz_free"),
    ("sz.000001", "1996-12-16", "1993-01-04", None, "10.00", ("11.00", "9.00"), "main_sz_before_st"),
    ("sz.002001", "1998-04-22", "1993-01-04", False, "10.00", ("11.00", "9.00"), "main_sz"),
    ("sz.002001", "2026-07-03", "1993-01-04", True, "10.00", ("10.50", "9.50"), "main_sz_st_5"),
    ("sz.002001", "2026-07-06", "1993-01-04", True, "10.00", ("11.00", "9.00"), "main_sz_st_10"),
    ("sz.300001", "2020-08-21", "2009-10-30", False, "10.00", ("11.00", "9.00"), "chinext_10"),
    ("sz.300001", "2020-08-21", "2009-10-30", True, "10.00", ("10.50", "9.50"), "chinext_st_5"),
    ("sz.300001", "2020-08-24", "2009-10-30", True, "10.00", ("12.00", "8.00"), "chinext_20"),
    ("sh.688001", "2019-07-29", "2019-07-22", False, "10.00", ("12.00", "8.00"), "star_20"),
    ("sh.688001", "2026-07-06", "2019-07-22", True, "10.00", ("12.00", "8.00"), "star_20"),
    # The first sessions since listing.
    ("sh.600002", "2013-12-12", "2013-12-12", False, "10.00", FREE, "main_sh_listing_free"),
    ("sh.600002", "2013-12-13", "2013-12-13", False, "10.03", ("14.44", "6.42"), "main_sh_listing_44"),
    ("sh.600002", "2023-04-07", "2023-04-07", False, "10.00", ("14.40", "6.40"), "main_sh_listing_44"),
    ("sh.600002", "2023-04-10", "2023-04-07", False, "10.00", ("11.00", "9.00"), "main_sh"),
    ("sh.600002", "2023-04-14", "2023-04-10", False, "10.00", FREE, "main_sh_listing_5"),
    ("sh.600002", "2023-04-17", "2023-04-10", False, "10.00", ("11.00", "9.00"), "main_sh"),
    ("sz.000002", "2014-06-12", "2014-06-12", False, "10.00", FREE, "main_sz_listing_free"),
    ("sz.000002", "2014-06-13", "2014-06-13", False, "10.00", ("14.40", "6.40"), "main_sz_listing_44"),
    ("sz.000002", "2023-04-14", "2023-04-10", False, "10.00", FREE, "main_sz_listing_5"),
    ("sz.300002", "2014-06-12", "2014-06-12", False, "10.00", FREE, "chinext_listing_free"),
    ("sz.300002", "2014-06-13", "2014-06-13", False, "10.00", ("14.40", "6.40"), "chinext_listing_44"),
    ("sz.300002", "2020-08-24", "2020-08-21", False, "10.00", ("12.00", "8.00"), "chinext_20"),
    ("sz.300002", "2020-08-28", "2020-08-24", False, "10.00", FREE, "chinext_listing_5"),
    ("sh.688002", "2019-07-26", "2019-07-22", False, "10.00", FREE, "star_listing_5"),
    # The calendar has a week of holidays in between; and it does not reach back to the listing of 2011.
    ("sh.688002", "2020-10-14", "2020-09-28", False, "10.00", ("12.00", "8.00"), "star_20"),
    ("sh.688002", "2020-10-09", "2020-09-28", False, "10.00", FREE, "star_listing_5"),
    ("sz.300002", "2011-03-01", "2011-03-01", False, "10.00", FREE, "chinext_listing_free"),
    ("sz.300002", "2011-03-02", "2011-03-01", False, "10.00", ("11.00", "9.00"), "chinext_10"),
    # Without what a rule needs.
    ("sh.600001", "2024-01-02", None, None, "10.00", ("11.00", "9.00"), "main_sh"),
    ("sh.600001", "2024-01-02", "1993-01-04", False, None, FREE, "main_sh"),
    ("sh.600001", "2024-01-02", "1993-01-04", False, "0", FREE, "main_sh"),
    ("bj.830001", "2024-01-02", "1993-01-04", False, "10.00", FREE, None),
    # Half a cent is rounded up, and a limit is at least one tick from preclose.
    ("sh.600001", "2024-01-02", "1993-01-04", False, "9.55", ("10.51", "8.60"), "main_sh"),
    ("sh.600001", "2024-01-02", "1993-01-04", True, "0.09", ("0.10", "0.08"), "main_sh_st_5"),
    ("sh.600001", "2024-01-02", "1993-01-04", False, "0.01", ("0.02", "0.01"), "main_sh"),
]


def put(
    database: Database, code: str, day: str, preclose: str | None, prices: str, *, st: bool | None = False,
    trading: bool = True,
) -> None:  # fmt: skip
    """A bar; ``prices`` are open, high, low and close."""
    database.do(
        "INSERT INTO ashare.daily_bar (trade_date, code, preclose, open, high, low, close, is_st, is_trading) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        day, code, preclose, *prices.split(), st, trading,
    )  # fmt: skip


def put_calendar(database: Database) -> None:
    """Every weekday from 2012 to 2026 is a session, but for the first week of October."""
    database.do(
        "INSERT INTO ashare.trade_calendar SELECT at::date, extract(isodow FROM at) < 6 "
        "AND NOT (extract(month FROM at) = 10 AND extract(day FROM at) < 9) "
        "FROM generate_series(date '2012-01-01', '2026-12-31', interval '1 day') AS at"
    )


def limits(database: Database, columns: str = "limit_up, limit_down, rule") -> list[tuple[Any, ...]]:
    return database.rows(f"SELECT {columns} FROM ashare.daily_limit ORDER BY trade_date, code")


@pytest.mark.parametrize(("code", "day", "ipo", "st", "preclose", "expected", "rule"), RULES)
def test_a_rule_applies_from_its_first_to_its_last_day(
    database: Database,
    code: str,
    day: str,
    ipo: str | None,
    st: bool | None,
    preclose: str | None,
    expected: tuple[str | None, str | None],
    rule: str | None,
) -> None:
    put_calendar(database)
    database.do("INSERT INTO ashare.security (code, kind, ipo_date) VALUES (%s, 'stock', %s)", code, ipo)
    put(database, code, day, preclose, "10 10 10 10", st=st)
    up, down = (None if price is None else Decimal(price) for price in expected)
    assert limits(database) == [(up, down, rule)]


@pytest.mark.parametrize(
    ("code", "day", "before", "rule"),
    [
        ("sh.600003", "2024-03-01", False, "main_sh_delisting_start"),
        ("sz.000003", "2024-03-01", False, "main_sz_delisting_start"),
        ("sz.300003", "2024-03-01", False, "chinext_delisting_start"),
        ("sh.688003", "2024-03-01", False, "star_delisting_start"),
        ("sh.600003", "2024-03-01", True, "main_sh"),  # it traded the day before
        ("sh.600003", "2024-03-01", None, "main_sh"),  # there is no bar before
        ("sh.600003", "2020-12-30", False, "main_sh"),  # before the rule
    ],
)
def test_the_first_day_of_a_delisting_period_has_no_limit(
    database: Database, code: str, day: str, before: bool | None, rule: str
) -> None:
    put_calendar(database)
    first = date.fromisoformat(day)
    database.do(
        "INSERT INTO ashare.security (code, kind, ipo_date, out_date) VALUES (%s, 'stock', '2010-01-04', %s)",
        code,
        first + timedelta(days=21),
    )
    if before is not None:
        put(database, code, str(first - timedelta(days=1)), "10", "10 10 10 10", trading=before)
    put(database, code, day, "10.00", "4 5 3 4")
    (*_, (up, _, found)) = limits(database)
    assert (found, up is None) == (rule, rule != "main_sh")


def test_a_stock_that_resumes_in_other_weeks_before_its_end_keeps_its_limits(database: Database) -> None:
    put_calendar(database)
    database.do("INSERT INTO ashare.security (code, kind, out_date) VALUES ('sh.600003', 'stock', '2024-03-22')")
    put(database, "sh.600003", "2024-02-01", "10", "10 10 10 10", trading=False)
    put(database, "sh.600003", "2024-02-22", "10", "10 10 10 10")  # 21 sessions before
    put(database, "sh.600003", "2024-03-01", "10", "10 10 10 10", trading=False)
    put(database, "sh.600003", "2024-03-04", "10", "10 10 10 10")  # 14 sessions before
    assert [rule for *_, rule in limits(database)] == ["main_sh"] * 4


def test_each_rule_has_a_bar_here(database: Database) -> None:
    here = {rule for *_, rule in RULES}
    assert database.rows(
        "SELECT rule FROM ashare.price_limit_rule WHERE NOT is_delisting_start AND rule <> ALL (%s)", [*here - {None}]
    ) == []  # fmt: skip


def test_every_day_has_one_usual_rule_for_each_board_and_flag(database: Database) -> None:
    assert database.rows(
        """SELECT p.code_prefix, p.first_day, st.flag, at::date, count(r.rule)
           FROM (SELECT code_prefix, min(first_day) AS first_day FROM ashare.price_limit_rule GROUP BY 1) AS p
           CROSS JOIN generate_series(p.first_day, date '2026-12-31', interval '1 day') AS at
           CROSS JOIN (VALUES (true), (false)) AS st (flag)
           LEFT JOIN ashare.price_limit_rule r ON r.code_prefix = p.code_prefix AND r.listing_sessions IS NULL
            AND NOT r.is_delisting_start AND (r.is_st IS NULL OR r.is_st = st.flag)
            AND at BETWEEN r.first_day AND coalesce(r.last_day, 'infinity')
           GROUP BY 1, 2, 3, 4 HAVING count(r.rule) <> 1"""
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("prices", "trading", "expected"),
    [
        # is_limit_up, is_limit_down, is_one_price, can_buy, can_sell, is_outside
        ("10.5 10.9 10.1 10.6", True, (False, False, False, True, True, False)),
        ("10.5 11.0 10.1 11.0", True, (True, False, False, False, True, False)),
        ("11.0 11.0 11.0 11.0", True, (True, False, True, False, True, False)),
        ("9.5 9.9 9.0 9.0", True, (False, True, False, True, False, False)),
        ("9.0 9.0 9.0 9.0", True, (False, True, True, True, False, False)),
        ("11.0 11.0 10.5 10.9", True, (False, False, False, True, True, False)),  # it fell from the limit
        ("10.0 10.0 10.0 10.0", True, (False, False, False, True, True, False)),  # one price, and no limit
        ("10.5 11.2 10.5 11.0", True, (False, False, False, True, True, True)),
        ("9.5 9.9 8.9 9.0", True, (False, False, False, True, True, True)),
        ("11.0 11.0 11.0 11.0", False, (False, False, False, False, False, False)),
    ],
)
def test_what_can_be_traded_at_the_close(
    database: Database, prices: str, trading: bool, expected: tuple[bool, ...]
) -> None:
    database.do("INSERT INTO ashare.security (code, kind) VALUES ('sh.600001', 'stock'), ('sh.000001', 'index')")
    put(database, "sh.600001", "2024-01-02", "10.00", prices, trading=trading)
    put(database, "sh.000001", "2024-01-02", "10.00", prices)  # an index has no limits, and no row
    flags = "is_limit_up, is_limit_down, is_one_price, can_buy, can_sell, is_outside"
    assert limits(database, flags) == [expected]


@pytest.fixture(scope="module")
def markets(databases: Databases) -> Iterator[Database]:
    """All recorded bars; read only."""
    with databases.copied("migrated") as made:
        load_recorded(made, [MARKET, HS300, JULY_2015, JUNE_1993, ODD_ROWS])
        yield made


@needs_shared_data
def test_recorded_bars_are_within_their_limits(markets: Database) -> None:
    """113,964 bars of 2026, 43,200 of 2024, 8,400 of 2015: outside is one first day after a resumption, in 2013."""
    assert markets.rows(
        """SELECT trade_date::text, code, rule FROM ashare.daily_limit
           WHERE is_outside AND NOT (trade_date >= '2026-03-02' AND rule IN ('main_sh_st_5', 'main_sz_st_5'))"""
    ) == [("2013-04-26", "sz.000672", "main_sz")]
    ((bars, up, down, one_price),) = markets.rows(
        "SELECT count(*), count(*) FILTER (WHERE is_limit_up), count(*) FILTER (WHERE is_limit_down), "
        "count(*) FILTER (WHERE is_one_price) FROM ashare.daily_limit WHERE trade_date < '2016-01-01'"
    )
    assert (bars, up > 1300, down > 1900, one_price > 300) == (8695, True, True, True)


@needs_shared_data
def test_the_recorded_special_treatment_is_of_a_later_day(markets: Database) -> None:
    """The recorded flags of March 2026 are those of a list of 30 April: the bars outside of 5 % are within 10 %."""
    rows = markets.rows(
        """SELECT b.preclose, b.high, b.low FROM ashare.daily_limit l JOIN ashare.daily_bar b USING (trade_date, code)
           WHERE l.is_outside AND l.trade_date >= '2026-03-02'"""
    )
    assert len(rows) == 283
    for preclose, high, low in rows:
        assert high <= (preclose * Decimal("1.1")).quantize(CENT, ROUND_HALF_UP)
        assert low >= (preclose * Decimal("0.9")).quantize(CENT, ROUND_HALF_UP)


@needs_shared_data
def test_recorded_bars_without_a_limit_are_listings_and_first_days_of_a_delisting_period(markets: Database) -> None:
    found = markets.rows(
        """SELECT rule, count(*), count(DISTINCT code) FROM ashare.daily_limit
           WHERE trade_date >= '2026-03-02' AND limit_up IS NULL GROUP BY rule ORDER BY rule"""
    )
    assert found == [
        ("chinext_delisting_start", 2, 2),
        ("chinext_listing_5", 10, 2),
        ("main_sz_listing_5", 1, 1),
        ("star_listing_5", 6, 2),
    ]
    outside = markets.rows(
        """SELECT trade_date::text, code FROM ashare.daily_limit JOIN ashare.daily_bar b USING (trade_date, code)
           WHERE rule = 'chinext_delisting_start' AND b.low < round(b.preclose * 0.8, 2) ORDER BY trade_date"""
    )
    assert outside == [("2026-03-20", "sz.300391"), ("2026-03-31", "sz.300344")]
