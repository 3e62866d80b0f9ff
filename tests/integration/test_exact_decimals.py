"""Adjusted columns computed from floats are PostgreSQL's numbers, to the last bit."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv

from ashare.lake import exact_decimals
from ashare_local.postgres import EmbeddedPostgres

BY_SQL = """
    SELECT round(price * back, 8), f.factor, round(price * f.factor, 8), round(volume / back, 4),
           CASE WHEN f.factor <> 0 THEN round(volume / f.factor, 4) END
    FROM given CROSS JOIN LATERAL (SELECT round(back / newest, 12) AS factor OFFSET 0) AS f ORDER BY n
"""
"""The expressions of the views daily_bar_hfq and daily_bar_qfq."""
NAMES = ("hfq price", "qfq factor", "qfq price", "hfq volume", "qfq volume")


@pytest.fixture(scope="module")
def connection(postgres: EmbeddedPostgres) -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect("postgres") as opened:
        yield opened


def by_sql(connection: psycopg.Connection, columns: list[list[str]]) -> list[np.ndarray]:
    """The columns of ``BY_SQL`` as floats, each the nearest to the number."""
    connection.execute("DROP TABLE IF EXISTS given")
    connection.execute(
        "CREATE TEMP TABLE given (n integer, price numeric, volume bigint, back numeric, newest numeric)"
    )
    text = io.BytesIO()
    table = pa.table([pa.array(range(len(columns[0]))), *map(pa.array, columns)], names=list("abcde"))
    csv.write_csv(table, text, csv.WriteOptions(include_header=False, quoting_style="none"))
    with connection.cursor() as cursor:
        with cursor.copy("COPY given FROM STDIN (FORMAT csv)") as copy:
            copy.write(text.getvalue())
        with cursor.copy(f"COPY ({BY_SQL}) TO STDOUT (FORMAT csv)") as copy:
            read = b"".join(bytes(row) for row in copy)
    found = csv.read_csv(
        pa.BufferReader(read),
        csv.ReadOptions(column_names=list("abcde")),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys("abcde", pa.float64()), null_values=[""]),
    )
    return [column.to_numpy() for column in found.columns]


def by_floats(columns: list[list[str]]) -> list[np.ndarray]:
    price, volume, back, newest = (np.array(column, dtype=np.float64) for column in columns)
    factor = exact_decimals.forward_factors(back, newest)
    qfq_volume = np.full(len(price), np.nan)
    has_factor = factor != 0
    qfq_volume[has_factor] = exact_decimals.forward_volumes(volume[has_factor], factor[has_factor])
    return [
        exact_decimals.back_prices(price, back),
        factor,
        exact_decimals.forward_prices(price, factor),
        exact_decimals.back_volumes(volume, back),
        qfq_volume,
    ]


def assert_equal(connection: psycopg.Connection, columns: list[list[str]]) -> None:
    expected, found = by_sql(connection, columns), by_floats(columns)
    for name, numbers, floats in zip(NAMES, expected, found, strict=True):
        same = numbers.view(np.int64) == floats.view(np.int64)
        differ = [
            (tuple(column[row] for column in columns), numbers[row], floats[row])
            for row in np.flatnonzero(~(same | (np.isnan(numbers) & np.isnan(floats))))[:5]
        ]
        assert differ == [], name


def texts(values: np.ndarray, decimals: int) -> list[str]:
    """Integers as decimal numbers, trailing zeros included, as Baostock sends them."""
    if not decimals:
        return [str(value) for value in values.tolist()]
    return [f"{value // 10**decimals}.{value % 10**decimals:0{decimals}d}" for value in values.tolist()]


@pytest.mark.parametrize("most_back", [3 * 10**6, 2 * 10**8, 5 * 10**9])
def test_random_bars(connection: psycopg.Connection, most_back: int) -> None:
    random = np.random.default_rng(most_back)
    rows = 200_000
    # Logarithmic, so that each number of digits is as likely as any other.
    price = np.exp(random.uniform(np.log(100), np.log(5 * 10**7), rows)).astype(np.int64)
    volume = np.exp(random.uniform(0, np.log(5 * 10**10), rows)).astype(np.int64) * random.integers(0, 20, rows)
    back = np.exp(random.uniform(np.log(3 * 10**5), np.log(most_back), rows)).astype(np.int64)
    newest = (back * random.uniform(0.3, 50, rows)).astype(np.int64).clip(10**5, most_back)
    assert_equal(connection, [texts(price, 4), texts(volume, 0), texts(back, 6), texts(newest, 6)])


def test_halves_go_away_from_zero_and_quotients_are_rounded_twice(connection: psycopg.Connection) -> None:
    """Products that end in 5 after the eighth decimal, and quotients within a hair of a half."""
    random = np.random.default_rng(2)
    rows = 60_000
    # 10 decimals that end in 50: price x factor / 100 is a half.
    back = random.integers(10**5, 10**7, rows) * 10 + 5
    price = random.integers(10, 10**5, rows) * 10
    # volume / back = k + 0.00005 - a hair: back divides 20,000 x volume almost.
    wanted = random.integers(1, 10**9, rows) * 2 + 1
    volume = (back * wanted + random.integers(-3, 4, rows)) // (20_000 * 10**6)
    few = random.integers(5, 60, rows) * 10**5
    half_volume = random.integers(1, 4000, rows)
    newest = random.choice([2, 4, 5, 8, 16, 64, 128, 3, 7, 96, 4000, 1001], rows) * 10**5
    assert_equal(connection, [texts(price, 4), texts(volume, 0), texts(back, 6), texts(newest, 6)])
    assert_equal(connection, [texts(price, 4), texts(half_volume, 0), texts(few, 6), texts(newest, 6)])
    assert_equal(connection, [texts(price, 4), texts(half_volume * 10**5, 0), texts(newest, 6), texts(few, 6)])


numbers = st.decimals(min_value=Decimal("0.00001"), max_value=Decimal(10**6), places=5).map(str)
odd_prices = st.one_of(numbers, st.decimals(min_value=-5, max_value=10**9, places=7).map(str), st.just("0"))
factors = st.decimals(min_value=Decimal("0.5"), max_value=Decimal(4000), places=6).map(str)
"""The quotient of two is below 9,007: float64 has not the digits of a larger one with 12 decimals."""


@settings(max_examples=150)
@given(
    st.lists(st.tuples(odd_prices, st.integers(-(10**6), 2**53).map(str), factors, factors), min_size=1, max_size=80)
)
def test_odd_rows_are_computed_one_by_one(
    connection: psycopg.Connection, rows: list[tuple[str, str, str, str]]
) -> None:
    """More decimals, negative, zero, or too large for int64: rare, and as exact."""
    assert_equal(connection, [list(column) for column in zip(*rows, strict=True)])


def test_a_missing_value_stays_missing() -> None:
    prices, factors = np.array([np.nan, 10.0, np.nan]), np.array([1.5, 1.5, 2.0])
    for adjusted in (exact_decimals.back_prices, exact_decimals.forward_prices, exact_decimals.back_volumes):
        assert np.isnan(adjusted(prices, factors)).tolist() == [True, False, True]
