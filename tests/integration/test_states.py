"""The statements that know which dates are complete agree, whatever is recorded, and so since when a database is."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import pytest

from ashare.store import Store
from ashare.store.coverage import complete_since
from ashare.store.rows import Fact
from tests.conftest import Database
from tests.records import record

DATASETS = ["stock_bar", "index_bar", "adjust_factor"]
WITH_ETFS = ["stock_bar", "index_bar", "etf_bar", "adjust_factor"]
FIGURES = "trade_date, expected, loaded, suspended, rejected"


@pytest.mark.parametrize("datasets", [DATASETS, WITH_ETFS, ["stock_bar"], ["etf_bar", "adjust_factor"]])
def test_what_is_complete_is_the_same_in_both(database: Database, datasets: list[str]) -> None:
    # ETFs begin on 5 January: before it they are not expected, and have no figures.
    first = date(2025, 12, 20)
    kinds = (("stock",), ("stock", "index"), ("stock", "index", "etf"), ("etf",))
    cases = list(product(("success", "failed", "syncing", "skipped"), kinds, (None, 3)))
    for n, (status, of_kinds, missing) in enumerate(cases):
        day = first + timedelta(days=n)
        database.do("INSERT INTO ashare.trade_calendar VALUES (%s, %s)", day, status != "skipped")
        # Syncing with figures: what was complete stays complete while a run works on it.
        if of_kinds == ("etf",) and day < date(2026, 1, 5):
            continue
        loaded = 0 if status == "skipped" and missing is None else 2
        of_record = "success" if status == "syncing" else status
        record(database, day, of_record, kinds=of_kinds, missing=missing, loaded=loaded)
        if status == "syncing":
            database.do("INSERT INTO ashare.work (dataset, partition, run_id) VALUES ('stock_bar', %s, 'r')", day)
        if n % 5 == 0:
            database.do(
                "INSERT INTO ashare.row_count_change (dataset, partitions, changes) "
                "SELECT dataset, ARRAY[partition], '{-1}' FROM ashare.loaded_rows(%s, %s)",
                day,
                day,
            )
    database.do("SELECT ashare.fold_row_count_changes()")
    for n in range(0, len(cases), 7):  # changes that are not folded yet
        database.do(
            "INSERT INTO ashare.row_count_change (dataset, partitions, changes) VALUES (%s, ARRAY[%s::date], '{-1}')",
            f"{cases[n][1][0]}_bar",
            first + timedelta(days=n),
        )
    closed = "SELECT trade_date FROM ashare.counted_dates(%s, '-infinity', 'infinity') WHERE is_closed ORDER BY 1"
    worked_on, *others = database.rows(closed, datasets)
    database.do(
        "INSERT INTO ashare.work (dataset, partition, run_id, started_at) VALUES ('stock_bar', %s, 'r', now())",
        worked_on[0],
    )
    assert database.rows(closed, datasets) == others
    fast = database.rows(
        f"SELECT {FIGURES} FROM ashare.counted_dates(%s, '-infinity', 'infinity') WHERE is_complete ORDER BY 1",
        datasets,
    )
    state = f"SELECT {FIGURES} FROM ashare.trade_date_state(%s, '-infinity', 'infinity', NULL, NULL, '{{}}') "
    assert fast == database.rows(state + "WHERE coverage = 'complete' ORDER BY 1", datasets)
    assert 0 < len(fast) < len(cases)
    slow = [row[:1] for row in database.rows(state + "WHERE coverage = 'closed' ORDER BY 1", datasets)]
    assert others
    assert set(others) <= set(slow)


def test_what_was_not_asked_for_counts_only_where_nothing_else_was_counted(database: Database) -> None:
    alone, beside = date(2026, 3, 2), date(2026, 3, 3)
    facts = [Fact("etf_bar", alone), Fact("stock_bar", beside), Fact("etf_bar", beside)]
    with Store(database.connect) as store:
        store.coverage.record(facts, "r", asked=["stock_bar"])
        store.coverage.record([Fact("etf_bar", beside)], "r", asked=["stock_bar"])
    assert database.rows("SELECT partition, dataset, is_asked FROM ashare.counted_partition ORDER BY 1, 2 DESC") == [
        (alone, "etf_bar", True),
        (beside, "stock_bar", True),
        (beside, "etf_bar", False),
    ]


@pytest.mark.parametrize(
    ("complete", "newest", "since"),
    [
        ([range(3, 23)], 30, 3),
        ([range(3, 23)], 900, 3),  # enough of them, however long ago
        ([range(3, 22)], 900, None),
        ([range(3, 5), range(200, 260)], 300, 200),
        ([range(3, 5), range(60, 85), range(400, 401)], 900, 60),
        ([range(3, 5), range(110, 130), range(140, 150)], 900, 110),
        ([range(50, 51)], 60, 50),
        ([range(50, 51)], 40, None),
        ([], 40, None),
    ],
)
def test_since_when_shows_in_the_first_days(
    database: Database, complete: list[range], newest: int, since: int | None
) -> None:
    first = date(2020, 1, 1)
    with database.connect() as connection:
        connection.execute(
            "INSERT INTO ashare.trade_calendar SELECT day, true FROM generate_series(%s::date, %s, '1 day') AS day",
            (first, first + timedelta(days=1000)),
        )
        connection.execute(
            "INSERT INTO ashare.counted_partition (dataset, partition, rows, missing, counted_at) "
            "SELECT 'stock_bar', unnest(%s::date[]), 0, 0, now()",
            ([first + timedelta(days=n) for days in complete for n in days],),
        )
        found = complete_since(connection, ["stock_bar"], first + timedelta(days=newest))
    assert found == (None if since is None else first + timedelta(days=since))
