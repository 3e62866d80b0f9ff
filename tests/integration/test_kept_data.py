"""What is kept, dataset by dataset: each figure against a count of the rows themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from ashare.datasets import (
    DATASETS,
    INDEX_MEMBERS,
    INDUSTRIES,
    NAMES,
    REFERENCE_TABLES,
    WEEKLY_DATASETS,
    WeeklyDataset,
)
from ashare.kept_data import KeptDataset, kept_data
from ashare.settings import Settings
from ashare.status import StatusReader, status_reader
from ashare.store import Store
from ashare.store.kept_rows import Extent
from ashare.store.weekly_lists import WeeklyList
from ashare.sync.accept import accept
from ashare_airflow.page import readings
from ashare_airflow.page.models.kept_datasets import KeptDatasets
from tests.conftest import Database, MakeRun, at
from tests.integration.trade_date import DAY, complete

NEXT, LATER, DUE = "2025-10-10", "2025-10-14", "2025-10-15"
MONDAYS = [date(2025, 9, 15) + timedelta(weeks=n) for n in range(3)]

Kept = Callable[..., dict[str, KeptDataset]]


@pytest.fixture
def kept(database: Database) -> Kept:
    """What is kept, as seen on 2025-10-15 after its run has given up: four sessions are due since ``DAY``."""

    @contextmanager
    def opened(**settings: Any) -> Iterator[StatusReader]:
        with (
            Store(database.connect) as store,
            status_reader(store, now=at(f"{DUE}T23:30"), settings=Settings(**settings)) as reader,
        ):
            yield reader

    def read(**settings: Any) -> dict[str, KeptDataset]:
        reading: AbstractContextManager[StatusReader] = opened(**settings)
        with reading as reader:
            return {each.dataset: each for each in kept_data(reader)}

    return read


def counted(database: Database, kind: str) -> Extent:
    rows = database.rows(
        "SELECT count(*), min(trade_date), max(trade_date) FROM ashare.daily_bar JOIN ashare.security USING (code) "
        "WHERE kind = %s",
        kind,
    )
    return Extent(*rows[0])


def partitions(of: KeptDataset) -> tuple[int | None, int | None, float | None]:
    return of.complete, of.expected, of.completeness


def test_nothing_is_kept_of_an_empty_database(make_run: MakeRun, kept: Kept, database: Database) -> None:
    make_run(DAY)
    found = kept()
    assert list(found) == [*DATASETS, *WEEKLY_DATASETS, *REFERENCE_TABLES]
    assert {(each.complete, each.completeness) for each in found.values() if each.partition} == {(0, None)}
    assert {each.extent for each in found.values()} == {Extent(0, None, None)}
    assert {each.last_run for each in found.values()} == {each.read_at for each in found.values()} == {None}
    with Store(database.connect) as store, status_reader(store) as reader:
        seen = KeptDatasets.model_validate(readings.kept_datasets(reader))
    assert seen.is_empty
    assert seen.bytes > 0


def test_bars_and_factors_are_counted_by_trade_date(make_run: MakeRun, kept: Kept, database: Database) -> None:
    for day in (DAY, NEXT, LATER):
        complete(make_run(day, run_id=f"run of {day}"))
    found = kept()
    for kind, name in (("stock", "stock_bar"), ("index", "index_bar")):
        assert found[name].extent == counted(database, kind), name
        assert found[name].extent.rows > 0
        # 2025-10-13 and the due date are missing.
        assert partitions(found[name]) == (3, 5, 60.0), name
    factors = database.rows("SELECT count(*), min(ex_date), max(ex_date) FROM ashare.adjust_factor")[0]
    assert found["adjust_factor"].extent == Extent(*factors)
    assert partitions(found["adjust_factor"]) == (3, 5, 60.0)
    etfs = found["etf_bar"]
    assert (etfs.is_kept, etfs.expected, etfs.completeness) == ("etf" in Settings().kinds, None, None)

    run = found["stock_bar"].last_run
    assert run is not None
    assert (run.run_id, run.is_history) == (f"run of {LATER}", False)
    ((counted_at,),) = database.rows(
        "SELECT max(greatest(c.counted_at, w.ended_at)) FROM ashare.counted_partition c "
        "LEFT JOIN ashare.work w USING (dataset, partition) WHERE c.dataset = 'stock_bar'"
    )
    assert run.at == counted_at


def test_tables_that_datasets_share_say_so_and_have_their_size(
    make_run: MakeRun, kept: Kept, database: Database
) -> None:
    complete(make_run(DAY))
    found = kept()
    bars = ["stock_bar", "index_bar", "etf_bar"]
    for name in bars:
        assert found[name].shared_with == [other for other in bars if other != name]
    assert found["adjust_factor"].shared_with == []
    for each in found.values():
        size = database.rows("SELECT pg_total_relation_size(%s)", f"ashare.{each.table.name}")[0][0]
        assert each.table.size == size > 0, each.dataset
    with Store(database.connect) as store, status_reader(store) as reader:
        seen = readings.kept_datasets(reader)
    assert not seen["is_empty"]
    assert seen["bytes"] == sum(each.table.size for each in found.values()) - 2 * found["stock_bar"].table.size


def test_a_table_of_partitions_is_as_large_as_these(database: Database, kept: Kept) -> None:
    database.do("ALTER TABLE ashare.adjust_factor RENAME TO former_adjust_factor")
    database.do("CREATE TABLE ashare.adjust_factor (ex_date date) PARTITION BY RANGE (ex_date)")
    whole = "FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
    database.do(f"CREATE TABLE ashare.factor_part PARTITION OF ashare.adjust_factor {whole}")
    days = "generate_series(date '2001-01-01', '2020-01-01', '1 day') AS day"
    database.do(f"INSERT INTO ashare.adjust_factor SELECT day FROM {days}")
    size = database.rows("SELECT pg_total_relation_size('ashare.factor_part')")[0][0]
    assert kept()["adjust_factor"].table == ("adjust_factor", size)
    assert size > 100_000


def test_a_date_that_lost_bars_is_open_and_one_that_is_accepted_is_not(
    make_run: MakeRun, kept: Kept, database: Database
) -> None:
    for day in (DAY, NEXT):
        complete(make_run(day))
    assert partitions(kept()["stock_bar"]) == (2, 5, 40.0)
    database.do(
        "DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = (SELECT min(code) FROM ashare.security "
        "WHERE kind = 'stock' AND code IN (SELECT code FROM ashare.daily_bar WHERE trade_date = %s))",
        NEXT,
        NEXT,
    )
    found = kept()
    assert partitions(found["stock_bar"]) == (1, 5, 20.0)
    assert partitions(found["index_bar"]) == (2, 5, 40.0)
    assert found["stock_bar"].extent == counted(database, "stock")
    database.do(
        "UPDATE ashare.counted_partition SET rows = rows - 1, missing = 1, problem = '1 bar is missing.' "
        "WHERE partition = %s AND dataset = 'stock_bar'",
        NEXT,
    )
    assert partitions(kept()["stock_bar"]) == (1, 5, 20.0)
    with Store(database.connect) as store:
        accept(store, date.fromisoformat(NEXT), "as it is", "tester")
    assert partitions(kept()["stock_bar"]) == (2, 5, 40.0)


def test_bars_of_kinds_that_are_not_asked_for_are_counted_and_not_expected(
    make_run: MakeRun, kept: Kept, database: Database
) -> None:
    complete(make_run(DAY))
    found = kept(kinds=("stock",))
    indices = found["index_bar"]
    assert (indices.is_kept, indices.complete, indices.expected, indices.completeness) == (False, 1, None, None)
    assert indices.extent == counted(database, "index")


def test_since_a_first_date_every_session_is_expected(make_run: MakeRun, kept: Kept) -> None:
    complete(make_run(DAY))
    found = kept(first_date=date(2025, 9, 25))
    sessions = ["2025-09-25", "2025-09-26", "2025-09-29", "2025-09-30", DAY, NEXT, "2025-10-13", LATER, DUE]
    assert partitions(found["stock_bar"]) == (1, len(sessions), 11.1)


def test_weekly_lists_and_reference_data(make_run: MakeRun, kept: Kept, database: Database) -> None:
    complete(make_run(DAY))
    lists: dict[WeeklyDataset, list[tuple[str | None, ...]]] = {
        INDEX_MEMBERS: [("sh.000300", "sh.600000"), ("sh.000300", "sh.600001")],
        INDUSTRIES: [("csrc", "sh.600000", "J66")],
        NAMES: [("sh.600000", "one"), ("sh.600001", "two")],
    }
    with Store(database.connect) as store:
        for dataset, rows in lists.items():
            for monday in MONDAYS[::2]:  # the one between is missing
                store.weekly_lists.save([WeeklyList(dataset, monday, monday, rows)], "weekly")
    found = kept()
    first, _, last = MONDAYS
    for dataset, rows in lists.items():
        # Of 2025-10-06, a holiday, and of 2025-10-13 there is no list, either.
        assert partitions(found[dataset.name]) == (2, 5, 40.0), dataset.name
        assert found[dataset.name].extent == Extent(len(rows), first, last)
        run = found[dataset.name].last_run
        assert run is not None
        assert (run.run_id, run.is_history) == ("weekly", False)
    database.do("DELETE FROM ashare.security_name WHERE code = 'sh.600001'")
    assert partitions(kept()["security_name"]) == (0, 5, 0.0)

    calendar, securities = found["trade_calendar"], found["security"]
    days = database.rows("SELECT count(*), min(calendar_date), max(calendar_date) FROM ashare.trade_calendar")[0]
    assert calendar.extent == Extent(*days)
    assert securities.extent == Extent(database.rows("SELECT count(*) FROM ashare.security")[0][0], None, None)
    for each in (calendar, securities):
        assert (each.partition, each.complete, each.expected, each.completeness, each.last_run) == (None,) * 5
        assert each.read_at is not None


def test_a_history_is_the_last_run_and_a_restored_row_has_none(
    make_run: MakeRun, kept: Kept, database: Database
) -> None:
    complete(make_run(DAY, run_id="manual__1"))
    database.do(
        "INSERT INTO ashare.history_run (run_id, first_date, last_date, plan, ended_at) "
        "VALUES ('manual__1', '2025-10-09', '2025-10-09', 'x', now())"
    )
    run = kept()["stock_bar"].last_run
    assert run is not None
    assert run.is_history
    database.do("UPDATE ashare.counted_partition SET run_id = ''")
    database.do("DELETE FROM ashare.work")
    assert kept()["stock_bar"].last_run is None
