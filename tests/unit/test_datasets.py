"""The registry of datasets is right of Baostock's client, and all that repeats a part of it says the same."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import baostock
import pytest

from ashare.datasets import (
    ADJUST_FACTORS,
    BAR_COLUMNS,
    BARS_APPEAR,
    BARS_ARE_FINAL,
    DATASETS,
    INDEX_MEMBERS,
    INDUSTRY_CALL,
    KINDS,
    LISTS_APPEAR,
    MARKET_DAY_FROM,
    MEMBER_LISTS,
    OF_INDUSTRY_CALL,
    REFERENCE_TABLES,
    WEEKLY_DATASETS,
    bars_of,
)
from ashare.export.qlib import FILE_OF_KIND
from ashare.read_columns import FIELDS
from ashare.source import Session, SourceConfig
from ashare.source.calls import BAR_FIELDS
from ashare.store import cross_check
from ashare.store.migrate import MIGRATIONS, migration_files
from ashare.sync.securities import KIND_OF_TYPE
from ashare_airflow.defaults import DAILY_PARAMS, HISTORY_PARAMS
from ashare_emulator.__main__ import BARS_OUT, FACTORS_OUT, REFERENCE_OUT
from ashare_emulator.answers import Answers, Published
from ashare_emulator.index_members import FULL_SIZES
from ashare_emulator.market import COLUMNS, ETF, Row, Security
from ashare_emulator.protocol import CALLS, Request
from ashare_emulator.reference_loads import FIRST_LOADS, INDUSTRIES

PROJECT = Path(__file__).parents[2]
DOCUMENT = {file.stem: file.read_text(encoding="utf-8") for file in (PROJECT / "docs").glob("*.md")}
PAGE = (PROJECT / "plugins" / "ashare_airflow" / "page" / "static" / "text.js").read_text(encoding="utf-8")
DAILY_DAG = (PROJECT / "dags" / "ashare_daily.py").read_text(encoding="utf-8")
FUNCTION = re.compile(r"FUNCTION ashare\.listed_security\(.*?\$\$\n(.*?)\$\$;", re.DOTALL)
QUERIES = MIGRATIONS.parent / "queries"
REFERENCE_CALLS = {"login", "logout", "query_trade_dates", "query_all_stock", "query_stock_basic"}
WEEKLY_CALLS = {INDUSTRY_CALL, *(each.function for each in MEMBER_LISTS.values())}
MARKET_CALLS = {dataset.market_call.function for dataset in DATASETS.values() if dataset.market_call}
CODE_CALLS = {dataset.code_call for dataset in DATASETS.values()}
ETFS_FROM = bars_of("etf").first_date or date.max


def sole(pattern: str, text: str) -> str:
    """The one match of a pattern in a text whose lines may be wrapped anywhere."""
    found = set(re.findall(pattern, " ".join(text.split())))
    assert len(found) == 1, (pattern, found)
    return str(found.pop())


# ---------------------------------------------------------------------- the registry itself


def test_a_kind_has_one_dataset_under_its_name() -> None:
    assert KINDS == ("stock", "index", "etf")
    assert [bars_of(kind).kind for kind in KINDS] == list(KINDS)
    assert {name: dataset.name for name, dataset in DATASETS.items()} == {name: name for name in DATASETS}
    assert [dataset.name for dataset in DATASETS.values() if dataset.kind is None] == [ADJUST_FACTORS.name]


def test_one_call_by_code_serves_all_kinds() -> None:
    # Session.bars() is given a code, and not its kind.
    assert len({bars_of(kind).code_call for kind in KINDS}) == 1


def test_every_dataset_appears_before_it_is_final() -> None:
    assert all(dataset.published < dataset.final for dataset in DATASETS.values())
    assert {(bars_of(kind).published, bars_of(kind).final) for kind in KINDS} == {(BARS_APPEAR, BARS_ARE_FINAL)}


def test_no_whole_market_call_begins_before_its_dataset() -> None:
    for dataset in DATASETS.values():
        if dataset.market_call:
            assert not dataset.begins_after(dataset.market_call.first_date), dataset.name


def test_a_dataset_begins_on_its_first_day() -> None:
    assert bars_of("etf").begins_after(ETFS_FROM - timedelta(days=1))
    assert not bars_of("etf").begins_after(ETFS_FROM)
    assert not bars_of("stock").begins_after(date.min)


# ---------------------------------------------------------------------- Baostock: the client and the emulator


@pytest.mark.parametrize("call", sorted(MARKET_CALLS | CODE_CALLS | WEEKLY_CALLS))
def test_the_client_has_every_call(call: str) -> None:
    assert callable(getattr(baostock, call))


def test_a_kind_without_a_whole_market_call_is_refused_before_anything_is_sent() -> None:
    session = Session(SourceConfig(), MagicMock())
    with pytest.raises(ValueError, match="no whole-market call for indices"):
        session.market_day(date(2026, 3, 2), "index")
    assert session.requests == 0


def test_the_emulator_serves_exactly_these_calls() -> None:
    served = {call.method: call for call in CALLS.values() if call.method not in REFERENCE_CALLS}
    assert set(served) == MARKET_CALLS | CODE_CALLS | WEEKLY_CALLS
    by_date = {method for method, call in served.items() if call.parameters == ("date",)}
    assert by_date == MARKET_CALLS | WEEKLY_CALLS - {INDUSTRY_CALL}


def test_the_emulator_publishes_at_the_same_times() -> None:
    assert {BARS_OUT} == {bars_of(kind).published for kind in KINDS}
    assert ADJUST_FACTORS.published == FACTORS_OUT


class EndlessMarket:
    """A market with a bar of one ETF, of one stock and an ex-date on every day since the year 1."""

    def securities(self) -> list[Security]:
        return [Security("sh.510050", "ETF", date(2005, 2, 23), None, ETF, "1")]

    def bars_on(self, day: date, _kind: str) -> list[Row]:
        return [[str(day), *COLUMNS[1:]]]

    def bars_of(self, _code: str, start: date, end: date) -> list[Row]:
        return [[str(day), *COLUMNS[1:]] for day in (start, end) if start <= end]

    def factors_on(self, _day: date) -> list[Any]:
        return [MagicMock(ex_date=_day)]


def emulated(method: str, *params: str) -> int:
    """How many rows the emulator has for a call."""
    call = next(call for call in CALLS.values() if call.method == method)
    today = date(2030, 1, 1)
    market: Any = EndlessMarket()
    published = Published(today, today, today, today)
    return len(Answers(market).answer(Request(call, "user", 1, 2000, params), published).rows)


@pytest.mark.parametrize("dataset", [d for d in DATASETS.values() if d.market_call], ids=lambda dataset: dataset.name)
def test_the_emulators_whole_market_calls_begin_on_the_same_days(dataset: Any) -> None:
    call = dataset.market_call
    assert emulated(call.function, str(call.first_date)) == 1
    if dataset.first_date:
        assert emulated(call.function, str(dataset.first_date)) == 1
        assert emulated(call.function, str(dataset.first_date - timedelta(days=1))) == 0


def test_the_emulators_bars_of_an_etf_by_code_begin_on_the_same_day() -> None:
    def rows(start: date, end: date) -> int:
        return emulated(bars_of("etf").code_call, "sh.510050", "date", str(start), str(end), "d", "3")

    before = ETFS_FROM - timedelta(days=1)
    assert rows(before, before) == 0
    assert rows(before, ETFS_FROM) > 0


def test_baostocks_types_of_securities_name_every_kind() -> None:
    assert set(KINDS) < set(KIND_OF_TYPE.values())


# ---------------------------------------------------------------------- SQL


def test_listed_security_in_sql_has_the_first_day_of_etfs() -> None:
    migrations = "".join(file.read_text(encoding="utf-8") for file in sorted(MIGRATIONS.glob("*.sql")))
    newest = FUNCTION.findall(migrations)[-1]
    assert set(re.findall(r"date '([^']+)'", newest)) == {str(ETFS_FROM)}
    assert {"".join(found) for found in re.findall(r"s\.kind = '(\w+)'|'(\w+)' = ANY", newest)} == set(KINDS)


def test_the_cross_checks_are_of_the_kinds_with_a_whole_market_call() -> None:
    assert cross_check.KINDS == tuple(MARKET_DAY_FROM) == tuple(kind for kind in KINDS if bars_of(kind).checks)


@pytest.mark.parametrize("kind", cross_check.KINDS)
def test_the_cross_checks_of_a_kind_are_its_rules(kind: str) -> None:
    figures = dict.fromkeys(
        (
            *("rows", "expected", "rows_before", "expected_before", "pairs", "moved_over_gap", "ex_dates", "pct"),
            *("volume", "volume_before", "limited"),
        ),
        1,
    )
    row = {**figures, **{name: [] for name in cross_check.CODES}, "before_is_complete": True}
    connection = MagicMock()
    connection.execute.return_value.fetchone.return_value = (date(2026, 3, 2), date(2026, 3, 4))
    connection.cursor.return_value.__enter__.return_value.fetchone.return_value = row
    tolerance = cross_check.Tolerance(15, 100, factors_in=True)
    found = cross_check.cross_check(connection, date(2026, 3, 3), kind, tolerance)
    assert sorted(check.rule for check in found) == sorted(bars_of(kind).checks)


def values(text: str) -> tuple[str, ...]:
    """The texts of a list in SQL."""
    return tuple(re.findall(r"'(\w+)'", text))


@pytest.mark.parametrize(
    ("table", "column", "allowed"),
    [
        ("security", "kind", set(KIND_OF_TYPE.values())),
        ("sync_batch", "kind", (*KINDS, "factor")),
        ("history_batch", "kind", KINDS),
        ("cross_check", "kind", cross_check.KINDS),
    ],
)
def test_a_column_takes_what_the_registry_names(table: str, column: str, allowed: Collection[str]) -> None:
    migrations = "".join(file.read_text(encoding="utf-8") for file in migration_files())
    columns = migrations.split(f"CREATE TABLE ashare.{table} (")[1].split("\n);")[0]
    (check,) = re.findall(rf"^    {column} .* CHECK \({column} IN \((.*?)\)\)", columns, re.MULTILINE)
    assert sorted(values(check)) == sorted(allowed)


def test_the_table_of_cross_checks_takes_every_rule_of_the_registry() -> None:
    migrations = "".join(file.read_text(encoding="utf-8") for file in migration_files())
    newest = re.findall(r"CHECK \(rule IN \((.*?)\)\)", migrations)[-1]
    assert sorted(values(newest)) == sorted({rule for dataset in DATASETS.values() for rule in dataset.checks})


def test_a_list_of_kinds_in_sql_is_that_of_the_registry() -> None:
    lists = {
        f"{file.name}: {found}": values(found)
        for file in sorted(QUERIES.glob("*.sql"))
        for found in re.findall(r"\bkind IN \((.*?)\)", file.read_text(encoding="utf-8"))
    }
    assert lists
    assert lists == dict.fromkeys(lists, KINDS)


# ---------------------------------------------------------------------- what is written and read elsewhere


def test_qlib_has_a_list_of_instruments_for_every_kind() -> None:
    assert tuple(FILE_OF_KIND) == KINDS


def test_readers_have_a_type_for_every_column_of_bars() -> None:
    assert set(FIELDS) == set(BAR_COLUMNS.values())


# ---------------------------------------------------------------------- the page, the DAGs, the documents


def test_the_page_has_a_name_for_every_kind() -> None:
    names = sole(r"kinds: \{ (.*?) \},", PAGE)
    assert set(re.findall(r"(\w+): \[", names)) == {*KINDS, "factor"}


def test_the_page_has_a_name_for_every_dataset() -> None:
    names = sole(r" datasets: \{ (.*?) \},", PAGE) + sole(r"weeklyLists: \{ (.*?) \},", PAGE)
    assert set(re.findall(r"(\w+): \[", names)) == {*DATASETS, *WEEKLY_DATASETS, *REFERENCE_TABLES}


@pytest.mark.parametrize("params", [DAILY_PARAMS, HISTORY_PARAMS], ids=["daily", "history"])
def test_the_dags_param_allows_every_kind(params: dict[str, Any]) -> None:
    assert params["kinds"].schema["items"]["enum"] == list(KINDS)


def test_the_documents_name_the_kinds() -> None:
    listed = ", ".join(f"`{kind}`" for kind in KINDS)
    for name in ("backfill", "history"):
        assert sole(r"\| `kinds` \| [^|]+ \| ([^|]+) \|", DOCUMENT[name]) == listed
    assert f"of {listed};" in sole(r"\| `ASHARE_KINDS` \| [^|]+ \| ([^|]+) \|", DOCUMENT["settings"])


@pytest.mark.parametrize(
    ("text", "pattern", "value"),
    [
        (DOCUMENT["how-a-date-gets-complete"], r"the bars \(from (\d+:\d+) on\)", f"{BARS_APPEAR:%H:%M}"),
        (DOCUMENT["how-a-date-gets-complete"], r"ETFs from (\d+-\d+-\d+) on", f"{ETFS_FROM}"),
        (
            DOCUMENT["how-a-date-gets-complete"],
            r"everything before (\d{4}) one request per security",
            f"{MARKET_DAY_FROM['stock']:%Y}",
        ),
        (DAILY_DAG, r"From (\d+:\d+) on, a missing bar is believed", f"{BARS_ARE_FINAL:%H:%M}"),
        (DAILY_DAG, r"factors .* the task waits until (\d+:\d+)", f"{ADJUST_FACTORS.final:%H:%M}"),
        (DOCUMENT["reliability"], r"After (\d+:\d+) an absence is believed", f"{BARS_ARE_FINAL:%H:%M}"),
    ],
)
def test_the_documents_name_the_same_days_and_times(text: str, pattern: str, value: str) -> None:
    assert sole(pattern, text) == value


def test_the_schema_knows_the_datasets_of_the_registry() -> None:
    migration = (MIGRATIONS / "0013_coverage.sql").read_text(encoding="utf-8")
    begin = dict(re.findall(r"WHEN '(\w+)' THEN date '([\d-]+)' ELSE date '-infinity'", migration))
    assert begin == {name: f"{dataset.first_date}" for name, dataset in DATASETS.items() if dataset.first_date}
    lists = set(re.findall(r"'\{(\w+_bar,[\w,]+)\}'", migration))
    bars = [dataset.name for dataset in DATASETS.values() if dataset.kind]
    assert lists == {",".join([*bars, ADJUST_FACTORS.name])}
    counts = (MIGRATIONS / "0012_row_counts.sql").read_text(encoding="utf-8")
    of_bars = re.search(r"dataset IN \(([^)]*)\) THEN 'daily_bar'", counts)
    assert of_bars is not None
    assert of_bars[1].replace("'", "").split(", ") == [*bars, "bond_bar", "other_bar"]


def test_the_columns_of_bars_are_those_of_the_table_and_of_what_is_asked_for() -> None:
    tables = (MIGRATIONS / "0001_tables.sql").read_text(encoding="utf-8")
    columns = re.findall(r"^    (\w+) +\w", tables.split("CREATE TABLE ashare.daily_bar (")[1].split(");")[0], re.M)
    for file in sorted(MIGRATIONS.glob("*.sql")):
        columns[-1:-1] = re.findall(
            r"ALTER TABLE ashare\.daily_bar ADD COLUMN (\w+)", file.read_text(encoding="utf-8")
        )
    assert ["trade_date", "code", *BAR_COLUMNS.values(), "loaded_at"] == [
        name for name in columns if name != "PRIMARY"
    ]
    assert {"date", "code", "adjustflag", *BAR_COLUMNS} == set(BAR_FIELDS.split(","))


# ---------------------------------------------------------------------- weekly lists


def test_a_weekly_dataset_stands_under_its_name_and_begins_on_a_monday() -> None:
    assert {name: dataset.name for name, dataset in WEEKLY_DATASETS.items()} == {
        name: name for name in WEEKLY_DATASETS
    }
    assert not set(WEEKLY_DATASETS) & set(DATASETS)
    firsts = {
        *(each.first_week for each in WEEKLY_DATASETS.values()),
        *(each.first_week for each in MEMBER_LISTS.values()),
    }
    assert all(day.weekday() == 0 for day in firsts)
    assert INDEX_MEMBERS.first_week == min(each.first_week for each in MEMBER_LISTS.values())
    assert set(OF_INDUSTRY_CALL) == set(WEEKLY_DATASETS) - {INDEX_MEMBERS.name}


def test_the_emulators_lists_begin_in_the_same_weeks_and_are_out_before_the_run() -> None:
    firsts = {code: each.first_week for code, each in MEMBER_LISTS.items()}
    (industries,) = {WEEKLY_DATASETS[name].first_week for name in OF_INDUSTRY_CALL}
    assert firsts | {INDUSTRIES: industries} == FIRST_LOADS
    assert {code: each.members for code, each in MEMBER_LISTS.items()} == FULL_SIZES
    assert REFERENCE_OUT < LISTS_APPEAR


def test_the_schema_knows_the_weekly_datasets() -> None:
    text = (MIGRATIONS / "0016_reference.sql").read_text(encoding="utf-8")
    for name, dataset in WEEKLY_DATASETS.items():
        assert f"WHEN '{name}' THEN date '{dataset.first_week}'" in text
        columns = re.search(rf"CREATE TABLE ashare\.{name} \((.*?)\n\);", text, re.DOTALL)
        assert columns and re.findall(r"^    (\w+) ", columns[1], re.MULTILINE)[: len(dataset.columns)] == list(
            dataset.columns
        )
        assert f"PRIMARY KEY ({', '.join(dataset.key)}, start_date)" in columns[1]
    assert sole(r"SELECT dataset IN \(([^)]*)\)", text) == ", ".join(f"'{name}'" for name in WEEKLY_DATASETS)


@pytest.mark.parametrize("name", WEEKLY_DATASETS)
def test_the_document_and_the_dag_name_every_weekly_dataset(name: str) -> None:
    reference = (PROJECT / "dags" / "ashare_reference.py").read_text(encoding="utf-8")
    assert f"`{name}`" in DOCUMENT["weekly-lists"]
    assert f"`ashare.{name}`" in reference


def test_the_document_names_the_indices() -> None:
    for each in MEMBER_LISTS.values():
        assert each.name in DOCUMENT["weekly-lists"]
        assert each.code in DOCUMENT["weekly-lists"]
