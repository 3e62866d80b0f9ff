"""What the tests of a trade date share: its tasks in the DAG's order, its status, and its bars against the market."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ashare.sync import (
    Run,
    fetch_and_copy,
    plan_batches,
    record_status,
    sync_adjust_factors,
    wait_for_trading_day,
)
from ashare_emulator.market import COLUMNS
from tests.conftest import Database

DAY = "2025-10-09"
MARKET = "query_daily_history_k_AStock"
BY_CODE = "query_history_k_data_plus"

# daily_bar's columns as Baostock writes them.
AS_SENT = """
    SELECT trade_date::text, code, open, high, low, close, preclose, volume, amount, turn,
           is_trading::int, pct_chg, pe_ttm, pb_mrq, ps_ttm, pcf_ncf_ttm, is_st::int
    FROM ashare.daily_bar WHERE trade_date = %s AND code = ANY (%s) ORDER BY code
"""
SENT = [name for name in COLUMNS if name != "adjustflag"]


def complete(run: Run) -> str:
    """Do what the DAG's tasks do."""
    if wait_for_trading_day(run).is_session:
        for batch in plan_batches(run):
            fetch_and_copy(run, batch.batch_no)
        sync_adjust_factors(run)
    return record_status(run)


def assert_table_equals(database: Database, rows: Sequence[Sequence[str]], day: str) -> None:
    """Every value in the table is the number that was sent; a blank is NULL."""
    at_column = [COLUMNS.index(name) for name in SENT]
    expected = sorted(tuple(row[i] for i in at_column) for row in rows)
    found = database.rows(AS_SENT, day, [row[COLUMNS.index("code")] for row in rows])
    assert len(found) == len(expected)
    for sent, kept in zip(sorted(expected, key=lambda row: row[1]), found, strict=True):
        assert kept[:2] == sent[:2]
        for name, text, value in zip(SENT[2:], sent[2:], kept[2:], strict=True):
            if name == "tradestatus" and not text:
                continue  # an index has none
            assert value == (Decimal(text) if text else None), (kept[1], name)


def status(database: Database, day: str = DAY) -> tuple[Any, ...]:
    (row,) = database.rows(
        "SELECT status, expected, loaded, missing, reason FROM ashare.sync_status WHERE trade_date = %s", day
    )
    return row
