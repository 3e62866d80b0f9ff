"""Weekly and monthly bars: the views against recorded days, computed in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import Database, Databases, needs_shared_data
from tests.integration.recorded_bars import HS300, load_recorded
from tests.integration.test_adjusted_prices import HS300 as SAME_FILE
from tests.integration.test_adjusted_prices import by_code, implied_factors, load_factors
from tests.integration.test_adjusted_prices import recorded as recorded_days

VIEWS = {"week": "weekly_bar", "month": "monthly_bar"}


@pytest.fixture(scope="module")
def hs300(databases: Databases) -> Iterator[Database]:
    """300 stocks over seven months, with the factors that their prices imply; read only."""
    with databases.copied("migrated") as made:
        load_recorded(made, [HS300])
        for number, (_, bars) in enumerate(by_code(recorded_days(SAME_FILE)).items()):
            load_factors(made, implied_factors(bars, Decimal(1 + number % 3)))
        made.do("ANALYZE ashare.adjust_factor")
        yield made


def start_of(unit: str, day: date) -> date:
    return day - timedelta(days=day.weekday()) if unit == "week" else day.replace(day=1)


def over(days: list[tuple[Any, ...]], first: int) -> list[Any]:
    """Open, high, low, close and preclose of some days, whose five prices begin at a place of their rows."""
    traded, close = [row for row in days if row[10]], days[-1][first + 3]
    return [
        traded[0][first] if traded else close,
        max((row[first + 1] for row in traded), default=close),
        min((row[first + 2] for row in traded), default=close),
        close,
        days[0][first + 4],
    ]


@needs_shared_data
@pytest.mark.parametrize("unit", VIEWS)
def test_a_period_is_what_its_days_are(hs300: Database, unit: str) -> None:
    days: dict[tuple[date, str], list[tuple[Any, ...]]] = defaultdict(list)
    for row in hs300.rows(
        """SELECT b.trade_date, b.code, b.open, b.high, b.low, b.close, b.preclose, b.volume, b.amount, b.turn,
                  b.is_trading,
                  h.open, h.high, h.low, h.close, h.preclose, q.open, q.high, q.low, q.close, q.preclose
           FROM ashare.daily_bar b JOIN ashare.daily_bar_hfq h USING (trade_date, code)
           JOIN ashare.daily_bar_qfq q USING (trade_date, code) ORDER BY b.code, b.trade_date"""
    ):
        days[start_of(unit, row[0]), row[1]].append(row)
    found = {
        row[:2]: row[2:]
        for row in hs300.rows(
            f"""SELECT {unit}, code, open, high, low, close, preclose, volume, amount, turn, bars, trading_days,
                       pct_chg, hfq_open, hfq_high, hfq_low, hfq_close, hfq_preclose,
                       qfq_open, qfq_high, qfq_low, qfq_close, qfq_preclose
                FROM ashare.{VIEWS[unit]}"""
        )
    }
    assert found.keys() == days.keys()
    suspended = across = 0
    for key, rows in days.items():
        traded = [row for row in rows if row[10]]
        suspended += not traded

        sums = [sum(row[n] for row in traded) for n in (7, 8, 9)]
        assert [*found[key][:5]] == over(rows, 2), key
        assert [*found[key][5:8]] == sums, key
        assert [*found[key][8:10]] == [len(rows), len(traded)], key
        assert [*found[key][11:16]] == over(rows, 11), key
        assert all(
            abs(a - b) <= Decimal("0.00000001") for a, b in zip(found[key][16:], over(rows, 16), strict=True)
        ), key
        growth = Decimal(1)
        for row in rows:
            growth *= row[5] / row[6]
        assert abs(found[key][10] - (growth - 1) * 100) <= Decimal("0.0000006"), key
        # The true return, across an ex-date, too, where close / preclose is not.
        assert abs((found[key][14] / found[key][15] - 1) * 100 - found[key][10]) < Decimal("0.001"), key
        across += abs(rows[-1][5] / rows[0][6] - growth) > Decimal("0.001")
    assert (suspended > 0 or unit == "month", across > 100) == (True, True)


def put(database: Database, day: str, close: int, preclose: int, *, trading: bool = True) -> None:
    database.do(
        "INSERT INTO ashare.daily_bar "
        "(trade_date, code, open, high, low, close, preclose, volume, amount, is_trading) "
        "VALUES (%s, 'sh.600001', %s, %s, %s, %s, %s, 100, 1000, %s)",
        day, *[close] * 4, preclose, trading,
    )  # fmt: skip


def count(database: Database, *days: str) -> None:
    for day in days:
        database.do(
            "INSERT INTO ashare.counted_partition (dataset, partition, expected, rows, missing, is_closed) "
            "VALUES ('stock_bar', %s, 1, 1, 0, false)", day,
        )  # fmt: skip


def put_calendar(database: Database, last: str) -> None:
    database.do(
        "INSERT INTO ashare.trade_calendar SELECT at::date, extract(isodow FROM at) < 6 AND at <> date '2025-12-26' "
        "FROM generate_series(date '2025-12-01', %s::date, interval '1 day') AS at", last,
    )  # fmt: skip


def test_a_week_of_suspended_days_has_one_price_and_no_volume(database: Database) -> None:
    put_calendar(database, "2025-12-31")
    put(database, "2025-12-01", 11, 10, trading=True)
    put(database, "2025-12-08", 11, 11, trading=False)
    put(database, "2025-12-09", 5, 5, trading=False)  # it goes ex while it is suspended
    columns = (
        "week::text, open, high, low, close, preclose, volume, amount, turn, pct_chg, bars, trading_days, sessions"
    )
    rows = database.rows(f"SELECT {columns} FROM ashare.weekly_bar ORDER BY week")
    assert rows == [
        ("2025-12-01", 11, 11, 11, 11, 10, 100, 1000, 0, 10, 1, 1, 5),
        ("2025-12-08", 5, 5, 5, 5, 11, 0, 0, 0, 0, 2, 0, 5),
    ]


def test_a_period_is_finished_when_its_last_session_was_counted(database: Database) -> None:
    put_calendar(database, "2025-12-31")
    for day in ("2025-12-19", "2025-12-22", "2025-12-25", "2025-12-31"):
        put(database, day, 10, 10)

    def weeks() -> list[tuple[Any, ...]]:
        return database.rows("SELECT last_date::text, is_finished FROM ashare.weekly_bar ORDER BY week")

    last = ["2025-12-19", "2025-12-25", "2025-12-31"]  # the Friday of Christmas is closed here
    assert weeks() == list(zip(last, [False, False, False], strict=True))
    count(database, "2025-12-19", "2025-12-22")
    assert weeks() == list(zip(last, [True, False, False], strict=True))
    count(database, "2025-12-25")
    assert weeks() == list(zip(last, [True, True, False], strict=True))
    # The calendar ends on a Wednesday: whether Thursday is a session is not known, but the month is over.
    count(database, "2025-12-31")
    assert weeks() == list(zip(last, [True, True, False], strict=True))
    assert database.rows("SELECT last_date::text, is_finished FROM ashare.monthly_bar") == [("2025-12-31", True)]


@needs_shared_data
@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("code = 'sh.600000'", "(code = 'sh.600000'::text)"),
        ("week = '2024-07-15'", "(trade_date = d.day)"),
        ("last_date BETWEEN '2024-12-13' AND '2024-12-20'", "(trade_date = d.day)"),
    ],
)
def test_a_condition_on_code_or_time_chooses_the_bars(hs300: Database, condition: str, index: str) -> None:
    """It reaches the table's index. (In so small a table the planner may read all rows: that is forbidden here.)"""
    with hs300.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        rows = connection.execute(f"EXPLAIN SELECT * FROM ashare.weekly_bar WHERE {condition}".encode()).fetchall()
    assert f"Index Cond: {index}" in "\n".join(line for (line,) in rows)
