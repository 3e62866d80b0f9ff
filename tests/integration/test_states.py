"""The two statements that know which dates are complete agree, whatever is recorded."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import pytest

from tests.conftest import Database
from tests.records import record

DATASETS = ["stock_bar", "index_bar", "adjust_factor"]
WITH_ETFS = ["stock_bar", "index_bar", "etf_bar", "adjust_factor"]


@pytest.mark.parametrize("datasets", [DATASETS, WITH_ETFS, ["stock_bar"], ["etf_bar", "adjust_factor"]])
def test_what_is_complete_is_the_same_in_both(database: Database, datasets: list[str]) -> None:
    first = date(2025, 12, 20)  # ETFs begin on 5 January: before it they are not expected
    kinds = (("stock",), ("stock", "index"), ("stock", "index", "etf"), ("etf",))
    cases = list(product(("success", "failed", "syncing", "skipped"), kinds, (None, 3)))
    for n, (status, of_kinds, missing) in enumerate(cases):
        day = first + timedelta(days=n)
        database.do("INSERT INTO ashare.trade_calendar VALUES (%s, %s)", day, status != "skipped")
        # Syncing with figures: what was complete stays complete while a run works on it.
        record(database, day, "success" if status == "syncing" else status, kinds=of_kinds, missing=missing, loaded=2)
        if status == "syncing":
            database.do("INSERT INTO ashare.work (dataset, partition, run_id) VALUES ('stock_bar', %s, 'r')", day)
        if n % 5 == 0:
            database.do("UPDATE ashare.row_count SET rows = rows - 1 WHERE partition = %s", day)
        if n % 7 == 0:  # a change that is not folded yet
            database.do(
                "INSERT INTO ashare.row_count_change (dataset, partitions, changes) "
                "VALUES (%s, ARRAY[%s::date], '{-1}')",
                f"{of_kinds[0]}_bar",
                day,
            )
    fast = database.rows(
        "SELECT trade_date FROM ashare.complete_dates(%s, '-infinity', 'infinity') ORDER BY 1", datasets
    )
    state = "SELECT trade_date FROM ashare.trade_date_state(%s, '-infinity', 'infinity', NULL, NULL, '{}') "
    assert fast == database.rows(state + "WHERE coverage = 'complete' ORDER BY 1", datasets)
    assert 0 < len(fast) < len(cases)
