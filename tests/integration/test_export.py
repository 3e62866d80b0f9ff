"""The Parquet export: it reads back equal, and only what has changed in the database is written anew, and whole."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ashare.connection import POSTGRES_VARIABLE
from ashare.errors import InvalidInput
from ashare.export import Selection, Summary, export, parquet_files, tables
from ashare.export.qlib import _future
from ashare.lake import layout
from ashare.lake.storage import Storage
from ashare.read_columns import FIELDS, KEY
from ashare.store import Store
from ashare_emulator.generated import GeneratedMarket
from ashare_local import PROJECT
from tests.conftest import Database, MakeRun
from tests.integration.trade_date import complete
from tests.records import record

pytestmark = pytest.mark.filterwarnings("ignore::ashare.read.IncompleteBars")
"""The market ends in 2025. See test_incomplete.py."""

DAYS = ("2024-12-30", "2024-12-31", "2025-01-02", "2025-01-03")
LAST = "2025-01-06"
"""The indices have a bar of it: a request for one brings all up to the market's last day."""
LISTS = ("index_member", "industry", "security_name", "snapshot")
SMALL = {
    f"{name}.parquet"
    for name in ("adjust_factor", "factor_step", "security", "trade_calendar", "sync_status", *LISTS)
}
OLD, NEW = (f"daily_bar/year={year}/part-0.parquet" for year in (2024, 2025))
COLUMNS = [*KEY, *FIELDS]

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    """60 stocks over the end of a year."""
    return GeneratedMarket(start=date(2024, 12, 27), end=date(2025, 1, 6), stocks=60)


@pytest.fixture
def loaded(make_run: MakeRun, database: Database) -> Database:
    """Two trade dates of each year; a stock whose factor changed in the first year."""
    assert {complete(make_run(day)) for day in DAYS} == {"success"}
    stock = a_stock(database)
    database.do("DELETE FROM ashare.adjust_factor WHERE code = %s", stock)
    database.do(
        "UPDATE ashare.daily_bar SET volume = NULL, is_trading = false WHERE code = %s AND trade_date = %s",
        stock,
        DAYS[2],
    )
    database.do("INSERT INTO ashare.factor_history (code) VALUES (%s)", stock)
    database.do("INSERT INTO ashare.adjust_factor VALUES (%s, '2024-12-31', 0.8, 1.25)", stock)
    return database


def a_stock(database: Database) -> str:
    return str(database.rows("SELECT min(code) FROM ashare.security WHERE kind = 'stock' AND out_date IS NULL")[0][0])


@pytest.fixture
def run(loaded: Database, tmp_path: Path) -> Iterator[Callable[..., Summary]]:
    """Export into the test's directory."""

    def run(selection: Selection | None = None, **options: Any) -> Summary:
        connection = f"host={loaded.server.socket_dir} user=postgres dbname={loaded.name}"
        return export(tmp_path / "bars", selection, connection=connection, **options)

    yield run
    assert not (tmp_path / "bars" / parquet_files.WRITING).exists()


@pytest.fixture
def cli(database: Database) -> Cli:
    """``ashare export``, or other code that exports."""

    def cli(*arguments: object, code: str | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        what = ["-c", code] if code else ["-m", "ashare", "export"]
        env = {**os.environ, POSTGRES_VARIABLE: database.server.connection_json(database.name)}
        command = [sys.executable, *what, *map(str, arguments)]
        return subprocess.run(
            command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=60, check=False, **options
        )

    return cli


def add_lists(database: Database) -> None:
    """Weekly lists of three Mondays: two stocks, one of which is a member from the second on, then the other."""
    database.do(
        "WITH s AS (SELECT (array_agg(code ORDER BY code))[:2] AS codes FROM ashare.security WHERE kind = 'stock') "
        "INSERT INTO ashare.index_member SELECT index_code, codes[n], start_date, end_date FROM s, (VALUES "
        "('sh.000300', 1, date '2024-12-23', date '2024-12-30'), ('sh.000300', 1, '2025-01-06', NULL), "
        "('sh.000300', 2, '2024-12-30', '2025-01-06'), ('sh.000905', 1, '2024-12-28', '2025-01-02'), "
        "('sh.000905', 2, '2024-12-23', '2024-12-30'), ('sh.000905', 2, '2024-12-31', NULL)"
        ") AS span (index_code, n, start_date, end_date)"
    )
    database.do(
        "INSERT INTO ashare.industry "
        "SELECT '证监会行业分类', code, CASE WHEN n > 1 THEN 'J66货币金融服务' END, '2024-12-23', NULL "
        "FROM (SELECT code, row_number() OVER (ORDER BY code) AS n FROM ashare.security WHERE kind = 'stock') AS s "
        "WHERE n <= 2"
    )
    database.do(
        "INSERT INTO ashare.security_name SELECT code, '*ST', '2024-12-23', '2024-12-30' FROM ashare.security"
    )
    database.do(
        "INSERT INTO ashare.snapshot (dataset, as_of, rows, update_date) "
        "SELECT dataset, monday, 1, monday FROM unnest('{index_member,industry,security_name}'::text[]) AS dataset, "
        "unnest('{2024-12-23,2024-12-30,2025-01-06}'::date[]) AS monday"
    )


def expected(database: Database, where: str = "true") -> list[tuple[Any, ...]]:
    columns = ", ".join(f"b.{name}" for name in COLUMNS)
    return database.rows(
        f"SELECT {columns}, l.limit_up, l.limit_down, l.rule, f.factor FROM ashare.daily_bar b "
        "JOIN ashare.daily_bar_hfq f USING (trade_date, code) "
        "LEFT JOIN ashare.daily_limit l USING (trade_date, code) "
        f"WHERE {where} ORDER BY extract(year FROM b.trade_date), b.code, b.trade_date"
    )


def same(found: list[tuple[Any, ...]], rows: list[tuple[Any, ...]]) -> bool:
    """Whether each float's digits are the number's; of a factor, that it is the nearest float."""
    stored = [
        (*(Decimal(repr(value)) if isinstance(value, float) else value for value in row[:-1]), row[-1])
        for row in found
    ]
    return stored == [(*row[:-1], None if row[-1] is None else float(row[-1])) for row in rows]


def contents(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Each Parquet file's bytes, and when it was put there."""
    found = sorted(directory.rglob("*.parquet"))
    return {str(file.relative_to(directory)): (file.read_bytes(), file.stat().st_mtime_ns) for file in found}


# ---------------------------------------------------------------------- what is in it


def test_it_reads_back_equal_by_whatever_reads_it(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    done = cli(tmp_path / "bars")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{OLD}: " in done.stdout and " of 2024 to 2025 in " in done.stdout.splitlines()[-1]
    rows = expected(loaded)
    assert {row[-1] for row in rows} >= {Decimal(1), Decimal("1.25")}
    assert any(row[COLUMNS.index("volume")] is None for row in rows)
    names = [*COLUMNS, "limit_up", "limit_down", "limit_rule", "hfq_factor"]
    bars = tmp_path / "bars" / "daily_bar"

    table = pq.read_table(bars)
    assert same([tuple(row[name] for name in names) for row in table.to_pylist()], rows)

    scanned = pl.scan_parquet(bars, hive_partitioning=True)
    assert same(scanned.select(names).collect().rows(), rows)
    assert set(scanned.filter(year=2024).collect()["trade_date"]) == {date(2024, 12, 30), date(2024, 12, 31)}

    query = f"SELECT {', '.join(names)} FROM read_parquet('{bars}/*/*.parquet', hive_partitioning = true)"
    found = duckdb.sql(f"{query} ORDER BY year, code, trade_date").fetchall()
    assert same(found, rows)


def test_codes_have_one_type_in_all_files(loaded: Database, run: Callable[..., Summary], tmp_path: Path) -> None:
    run()
    files = sorted((tmp_path / "bars").rglob("*.parquet"))
    with_codes = [file for file in files if "code" in pq.read_schema(file).names]
    assert len(with_codes) > 3
    assert {str(pq.read_schema(file).field("code").type) for file in with_codes} == {"string"}
    bars, securities = (
        pl.scan_parquet(file) for file in (tmp_path / "bars" / NEW, tmp_path / "bars/security.parquet")
    )
    rows = loaded.rows("SELECT count(*) FROM ashare.daily_bar WHERE trade_date >= '2025-01-01'")[0][0]
    assert len(bars.join(securities, on="code").collect()) == rows
    query = f"SELECT count(*) FROM '{tmp_path / 'bars' / NEW}' JOIN '{tmp_path}/bars/security.parquet' USING (code)"
    assert duckdb.sql(query).fetchall() == [(rows,)]
    frames = [pd.read_parquet(file) for file in (tmp_path / "bars" / NEW, tmp_path / "bars/security.parquet")]
    assert len(frames[0].merge(frames[1], on="code")) == rows


def test_the_other_tables_are_beside_it(loaded: Database, run: Callable[..., Summary], tmp_path: Path) -> None:
    record(loaded, "2025-01-02", "success", reason='two\n"lines", 两行')
    add_lists(loaded)
    assert set(run().written) == {OLD, NEW, *SMALL}
    for file in SMALL:
        table = pq.read_table(tmp_path / "bars" / file)
        assert len(table) > 0, file
        names = [f"array_to_string({name}, ',')" if name == "kinds" else name for name in table.column_names]
        rows = loaded.rows(f"SELECT {', '.join(names)} FROM ashare.{file.removesuffix('.parquet')} ORDER BY 1, 2, 3")
        found = [
            tuple(Decimal(repr(v)) if isinstance(v, float) else v for v in row.values()) for row in table.to_pylist()
        ]
        assert found == rows, file


def test_a_stocks_rows_are_found_by_the_statistics(
    loaded: Database, run: Callable[..., Summary], tmp_path: Path
) -> None:
    run()
    group = pq.read_metadata(tmp_path / "bars" / NEW).row_group(0)
    codes = sorted(row[1] for row in expected(loaded))
    statistics = group.column(1).statistics
    assert (group.column(1).path_in_schema, statistics.min, statistics.max) == ("code", codes[0], codes[-1])
    assert group.column(2).compression == "ZSTD"


def test_row_groups_are_cut_alike_whatever_the_chunks() -> None:
    lengths = [1, parquet_files.ROW_GROUP - 1, 0, 3 * parquet_files.ROW_GROUP + 5, 10]
    tables = [pa.table({"n": pa.nulls(length, pa.int8())}) for length in lengths]
    cut = [len(table) for table in parquet_files._groups(tables)]
    assert sum(cut) == sum(lengths)
    assert all(length % parquet_files.ROW_GROUP == 0 for length in cut[:-1])


# ---------------------------------------------------------------------- only what has changed


def test_a_second_run_writes_nothing_and_says_so(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    assert cli(tmp_path / "bars").returncode == 0
    before = contents(tmp_path / "bars")
    again = cli(tmp_path / "bars", "--incomplete", "ignore")
    (line,) = again.stdout.splitlines()
    assert line.startswith("Nothing is new: ") and "are up to date" in line
    assert contents(tmp_path / "bars") == before


CHANGES: dict[str, tuple[str, set[str]]] = {
    "a corrected bar": (
        "UPDATE ashare.daily_bar SET close = 9, loaded_at = now() WHERE code = %s AND trade_date = '2024-12-30'",
        {OLD},
    ),
    "a bar that is committed late, with the clock of its transaction's begin": (
        "UPDATE ashare.daily_bar SET close = 9, loaded_at = '2025-1-1' WHERE code = %s AND trade_date = '2025-01-02'",
        {NEW},
    ),
    "a bar that is gone": ("DELETE FROM ashare.daily_bar WHERE code = %s AND trade_date = '2025-01-03'", {NEW}),
    "a new ex-date": ("INSERT INTO ashare.adjust_factor VALUES (%s, '2025-01-03', 0.9, 1.5)", {NEW}),
    "a late ex-date, whose factor holds until the next": (
        "INSERT INTO ashare.adjust_factor VALUES (%s, '2024-12-30', 0.7, 1.1)",
        {OLD},
    ),
    "a corrected factor that holds on": (
        "UPDATE ashare.adjust_factor SET back_factor = 1.26 WHERE code = %s AND ex_date = '2024-12-31'",
        {OLD, NEW},
    ),
    "a corrected listing day, from which price limits are counted": (
        "UPDATE ashare.security SET ipo_date = '2024-12-30' WHERE code = %s",
        {OLD, NEW},
    ),
    "a listing day of long ago": ("UPDATE ashare.security SET ipo_date = '2001-01-04' WHERE code = %s", set()),
    "a factor that is gone": ("DELETE FROM ashare.adjust_factor WHERE code = %s", {OLD, NEW}),
    "nothing that a bar has": ("UPDATE ashare.security SET name = 'another' WHERE code = %s", set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_rewrites_only_what_it_touches(
    loaded: Database, run: Callable[..., Summary], tmp_path: Path, change: str
) -> None:
    run()
    before = contents(tmp_path / "bars")
    statement, years = CHANGES[change]
    assert loaded.do(statement, a_stock(loaded)) == 1
    done = run()
    assert set(done.written) - SMALL == years
    after = contents(tmp_path / "bars")
    assert {file for file in after if after[file] != before[file]} == set(done.written)
    found = [tuple(row.values())[:-1] for row in pq.read_table(tmp_path / "bars" / "daily_bar").to_pylist()]
    assert same(found, expected(loaded))
    assert run().written == []


def test_a_change_of_a_list_rewrites_its_file_only(
    loaded: Database, run: Callable[..., Summary], tmp_path: Path
) -> None:
    add_lists(loaded)
    run()
    loaded.do("UPDATE ashare.index_member SET end_date = '2025-01-13' WHERE end_date IS NULL")
    assert run().written == ["index_member.parquet"]
    assert run().written == []


def test_another_format_a_damaged_or_a_lost_file_is_written_anew(
    run: Callable[..., Summary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    whole = (tmp_path / "bars" / OLD).read_bytes()
    (tmp_path / "bars" / OLD).write_bytes(whole[:-20])
    (tmp_path / "bars" / "security.parquet").unlink()
    pq.write_table(pa.table({"mine": [1]}), tmp_path / "bars" / NEW)
    assert set(run().written) == {OLD, NEW, "security.parquet"}
    assert (tmp_path / "bars" / OLD).read_bytes() == whole
    assert set(run(rewrite=True).written) == {OLD, NEW, *SMALL}
    monkeypatch.setattr(layout, "FORMAT", 3)
    assert set(run().written) == {OLD, NEW, *SMALL}
    monkeypatch.setitem(tables.BARS, "hfq_factor", "float32")
    assert set(run().written) == {OLD, NEW}


def test_all_of_an_export_is_as_of_one_moment(loaded: Database, run: Callable[..., Summary], tmp_path: Path) -> None:
    stock = a_stock(loaded)

    def change(line: str) -> None:
        if OLD in line:
            loaded.do("DELETE FROM ashare.daily_bar WHERE code = %s", stock)

    before = expected(loaded)
    run(say=change)
    found = [tuple(row.values())[:-1] for row in pq.read_table(tmp_path / "bars" / "daily_bar").to_pylist()]
    assert same(found, before)
    assert set(run().written) == {OLD, NEW, "factor_step.parquet", "sync_status.parquet"}


# ---------------------------------------------------------------------- which bars


def test_a_range_and_kinds(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    chosen = ("--start", "2024-12-31", "--end", "2025-01-02", "--kinds", "index,etf")
    assert cli(tmp_path / "bars", *chosen).returncode == 0
    where = "trade_date BETWEEN '2024-12-31' AND '2025-01-02' AND code IN (SELECT code FROM ashare.security WHERE {})"
    found = [tuple(row.values())[:-1] for row in pq.read_table(tmp_path / "bars" / "daily_bar").to_pylist()]
    assert found and same(found, expected(loaded, where.format("kind = 'index'")))
    # A stock's bars and factors are not in it.
    loaded.do("UPDATE ashare.daily_bar SET loaded_at = now() WHERE code = %s", a_stock(loaded))
    loaded.do("UPDATE ashare.adjust_factor SET back_factor = 2")
    written = cli(tmp_path / "bars", *chosen).stdout
    assert "adjust_factor.parquet: " in written and "year=" not in written


def test_another_selection_is_not_mixed_in(run: Callable[..., Summary], tmp_path: Path) -> None:
    run(Selection(kinds=("stock", "index")))
    before = contents(tmp_path / "bars")
    with pytest.raises(
        InvalidInput, match=r"was exported with --kinds index,stock, and now with --start 2025-01-02: "
    ):
        run(Selection(start=date(2025, 1, 2)))
    assert contents(tmp_path / "bars") == before
    assert run(Selection(kinds=("index", "stock"))).written == []
    done = run(Selection(start=date(2025, 1, 2)), rewrite=True)
    assert (done.years, done.removed) == ([2025], [OLD])
    assert not (tmp_path / "bars" / OLD).parent.exists()


def test_another_databases_bars_are_not_mixed_in(
    loaded: Database, run: Callable[..., Summary], tmp_path: Path
) -> None:
    run()
    before = contents(tmp_path / "bars")
    # What tells it from any other: no two schemas are made in the same microsecond.
    loaded.do("UPDATE ashare.schema_migration SET applied_at = applied_at + interval '1 microsecond'")
    loaded.do("UPDATE ashare.daily_bar SET loaded_at = now()")
    with pytest.raises(InvalidInput, match=r"was exported from another database .* with --rewrite") as refused:
        run()
    assert "\n" not in str(refused.value)
    assert contents(tmp_path / "bars") == before
    assert set(run(rewrite=True).written) == {OLD, NEW, *SMALL}
    assert run().written == []


def test_nothing_to_export_touches_nothing(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    assert cli(tmp_path / "bars").returncode == 0
    before = contents(tmp_path / "bars")
    loaded.do("DELETE FROM ashare.daily_bar")
    empty = cli(tmp_path / "bars")
    assert (empty.returncode, empty.stdout) == (2, "")
    assert "has no bars to export (all dates and kinds), and nothing in" in empty.stderr
    assert contents(tmp_path / "bars") == before


# ---------------------------------------------------------------------- kills, full disks, two at once

KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from ashare import command
from ashare.export import parquet_files

def dies(tables):
    for table in tables:
        yield table.slice(0, len(table) // 2)
        os.kill(os.getpid(), signal.SIGKILL)

parquet_files._groups = dies
sys.exit(command.main(["export", *sys.argv[1:]]))
"""


def test_a_killed_export_leaves_the_old_files_whole(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    directory = tmp_path / "bars"
    assert cli(directory).returncode == 0
    before = contents(directory)
    loaded.do("UPDATE ashare.daily_bar SET close = close + 1, loaded_at = now() WHERE trade_date >= '2025-01-01'")
    killed = cli(directory, code=KILLED_IN_THE_MIDDLE)
    assert killed.returncode == -signal.SIGKILL
    assert list((directory / parquet_files.WRITING).iterdir()) != []
    assert contents(directory) | {} == before | {
        str(file.relative_to(directory)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in (directory / parquet_files.WRITING).iterdir()
    }
    assert cli(directory).returncode == 0
    assert not (directory / parquet_files.WRITING).exists()
    found = [tuple(row.values())[:-1] for row in pq.read_table(directory / "daily_bar").to_pylist()]
    assert same(found, expected(loaded))


def test_two_exports_into_one_directory_do_not_mix(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    with parquet_files.claimed(Storage(str(tmp_path / "bars"))):
        refused = cli(tmp_path / "bars")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"Another export (process {os.getpid()}) writes into {tmp_path / 'bars'}: wait until it has ended, or choose "
        "another directory.\n"
    )
    assert cli(tmp_path / "bars").returncode == 0


def test_a_full_disk_is_one_sentence(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    assert cli(tmp_path / "bars").returncode == 0
    before = contents(tmp_path / "bars")
    full = cli(
        tmp_path / "bars",
        "--rewrite",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
    )
    assert full.returncode == 1
    assert "cannot be written (File too large): make room" in full.stderr
    assert len(full.stderr.splitlines()) == 1
    assert {name: found[0] for name, found in before.items()} == {
        name: found[0]
        for name, found in contents(tmp_path / "bars").items()
        if not name.startswith(parquet_files.WRITING)
    }


def test_a_disk_that_fills_up_in_the_middle_of_a_year_ends_the_export_at_once(
    loaded: Database, cli: Cli, tmp_path: Path
) -> None:
    loaded.do(
        "INSERT INTO ashare.daily_bar (trade_date, code, close, amount, is_trading) "
        "SELECT '2024-01-01'::date + day, 'sh.6' || lpad(n::text, 5, '0'), n, n * day, true "
        "FROM generate_series(0, 299) day, generate_series(80000, 80999) n"
    )
    full = cli(tmp_path / "bars", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    assert full.returncode == 1
    assert "cannot be written (File too large): make room" in full.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["file"], 2, "is not a directory: choose another place."),
        (["file/below"], 2, "is not a directory: choose another place."),
        (
            ["/proc/none/bars"],
            1,
            "/proc/none/bars cannot be written (No such file or directory): make room, or grant",
        ),
        (["bars", "--start", "2024-13-01"], 2, "'2024-13-01' is not a trade date: write it as YYYY-MM-DD"),
        (
            ["bars", "--start", "2025-01-02", "--end", "2025-01-01"],
            2,
            "is before the start date 2025-01-02: swap them.",
        ),
        (["bars", "--start", "2999-01-01"], 2, "Trade date 2999-01-01 is in the future"),
        (["bars", "--kinds", "stock,bond"], 2, "There is no kind 'bond': choose among stock, index, etf."),
        (["bars", "--kinds", ""], 2, "There is no kind '': choose among stock, index, etf."),
        (["bars", "--incomplete", "error"], 2, "invalid choice: 'error'"),
        (["bars", "--years", "3"], 2, "unrecognized arguments: --years 3"),
        ([], 2, "the following arguments are required: DIR"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    cli: Cli, database: Database, tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    with Store(database.connect) as store:
        store.migrate()
    (tmp_path / "file").write_text("")
    if arguments:
        arguments[0] = str(tmp_path / arguments[0])
    done = cli(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_database_that_is_away_is_a_matter_of_time(cli: Cli, tmp_path: Path) -> None:
    code = f"import os; os.environ['{POSTGRES_VARIABLE}'] = 'postgresql://me:hidden@127.0.0.1:1/x'; "
    code += "import sys; from ashare.command import main; sys.exit(main(['export', *sys.argv[1:]]))"
    done = cli(tmp_path / "bars", code=code)
    assert done.returncode == 1
    assert "The database cannot be reached" in done.stderr and "hidden" not in done.stderr


# ---------------------------------------------------------------------- Qlib's own files


def test_qlibs_files_hold_the_adjusted_bars(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    done = cli(tmp_path / "bars", "--qlib", tmp_path / "qlib")
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'qlib'}: " in done.stdout and "instruments, for Qlib" in done.stdout
    qlib = tmp_path / "qlib"
    sessions = (qlib / "calendars" / "day.txt").read_text().split()
    days = loaded.rows("SELECT DISTINCT trade_date::text FROM ashare.daily_bar ORDER BY 1")
    assert sessions == [day for (day,) in days]
    stocks = dict(line.split("\t", 1) for line in (qlib / "instruments" / "all.txt").read_text().splitlines())
    bars = loaded.rows(
        "SELECT code, min(trade_date)::text, max(trade_date)::text FROM ashare.daily_bar JOIN ashare.security "
        "USING (code) WHERE kind = 'stock' GROUP BY code"
    )
    assert stocks == {code.replace(".", "").upper(): f"{first}\t{last}" for code, first, last in bars}
    assert "SH000001\t" in (qlib / "instruments" / "index.txt").read_text()

    rows = loaded.rows(
        "SELECT code, trade_date::text, is_trading, open, high, low, close, volume / factor, amount, pct_chg / 100, "
        "limit_up * factor, limit_down * factor, factor "
        "FROM ashare.daily_bar_hfq LEFT JOIN ashare.daily_limit USING (code, trade_date) ORDER BY code, trade_date"
    )
    fields = ("open", "high", "low", "close", "volume", "amount", "change", "limit_up", "limit_down", "factor")
    for code, day, is_trading, *values in rows:
        for field, value in zip(fields, values, strict=True):
            features = np.fromfile(qlib / "features" / code.replace(".", "") / f"{field}.day.bin", dtype="<f4")
            found = features[1 + sessions.index(day) - int(features[0])]
            if value is None or (not is_trading and field != "factor"):
                assert np.isnan(found), (code, day, field)
            else:
                assert found == pytest.approx(float(value), rel=1e-6), (code, day, field)
    assert any(not row[2] for row in rows)


def test_qlibs_instruments_are_the_members_of_each_session(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    add_lists(loaded)
    loaded.do("INSERT INTO ashare.index_member VALUES ('sh.000016', 'sh.699999', '2024-12-23', NULL)")
    done = cli(tmp_path / "bars", "--qlib", tmp_path / "qlib")
    assert done.returncode == 0, done.stderr
    codes = loaded.rows("SELECT code FROM ashare.security WHERE kind = 'stock' ORDER BY code LIMIT 2")
    one, other = (code.replace(".", "").upper() for (code,) in codes)
    # Spans that end before the first session are left out.
    expected = {
        "csi300": [(one, LAST, LAST), (other, "2024-12-30", "2025-01-03")],
        "csi500": [(one, "2024-12-30", "2024-12-31"), (other, "2024-12-31", LAST)],
        "sse50": [],  # its only member has no bars
    }
    for name, spans in expected.items():
        lines = (tmp_path / "qlib" / "instruments" / f"{name}.txt").read_text().splitlines()
        assert lines == ["\t".join(span) for span in spans], name
    loaded.do("DELETE FROM ashare.index_member WHERE index_code = 'sh.000905'")
    assert "instruments, for Qlib" in cli(tmp_path / "bars", "--qlib", tmp_path / "qlib").stdout
    assert (tmp_path / "qlib" / "instruments" / "csi500.txt").read_text() == ""


def test_qlibs_calendar_goes_on_after_the_last_bar(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    def calendars() -> tuple[list[str], list[str]]:
        assert cli(tmp_path / "bars", "--qlib", tmp_path / "qlib").returncode == 0
        day, future = (
            (tmp_path / "qlib" / "calendars" / f"{name}.txt").read_text().split() for name in ("day", "day_future")
        )
        assert day == [*DAYS, LAST]
        return day, future

    sessions = "SELECT calendar_date::text FROM ashare.trade_calendar WHERE is_trading_day AND calendar_date > %s"
    to_come = [day for (day,) in loaded.rows(f"{sessions} ORDER BY 1", LAST)]
    assert len(to_come) > 0
    day, future = calendars()
    assert future == [*day, *to_come]
    # Where the calendar ends with the last bar, the next weekday stands for the next session.
    loaded.do("DELETE FROM ashare.trade_calendar WHERE calendar_date > %s", LAST)
    day, future = calendars()
    assert future == [*day, "2025-01-07"]


def test_the_session_after_a_years_last_one_is_not_new_years_day() -> None:
    assert _future(date(2025, 12, 31), []) == [date(2026, 1, 2)]
    assert _future(date(2026, 12, 31), []) == [date(2027, 1, 4)]
    assert _future(date(2025, 10, 9), [(date(2025, 10, 9), True)]) == [date(2025, 10, 10)]


def test_qlibs_files_are_renewed_with_the_export(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    both = (tmp_path / "bars", "--qlib", tmp_path / "qlib")
    (tmp_path / f".qlib{parquet_files.WRITING}" / "left").mkdir(parents=True)  # by a killed one
    assert cli(*both).returncode == 0
    assert "qlib: up to date" in cli(*both).stdout
    stock = a_stock(loaded)
    loaded.do("DELETE FROM ashare.daily_bar WHERE code = %s", stock)
    assert "instruments, for Qlib" in cli(*both).stdout
    assert not (tmp_path / "qlib" / "features" / stock.replace(".", "")).exists()
    assert {path.name for path in tmp_path.iterdir()} == {"bars", "qlib"}


def test_what_is_not_an_export_for_qlib_is_left_alone(loaded: Database, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("all of it")
    refused = cli(tmp_path / "bars", "--qlib", tmp_path / "mine")
    assert refused.returncode == 2
    assert f"{tmp_path / 'mine'} holds something else than an export for Qlib" in refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis"]


# ---------------------------------------------------------------------- the examples of docs/


@pytest.fixture
def example(loaded: Database, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """The code of docs/reading.md or docs/lake.md that has a word in it, in a directory with its export."""
    text = "".join((PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("reading", "lake"))
    (command,) = re.findall(r"^ashare export (.*)$", text, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(POSTGRES_VARIABLE, loaded.server.connection_json(loaded.name))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    assert command == "bars --qlib qlib_data"
    assert cli(tmp_path / "bars").returncode == 0

    def block(language: str, word: str) -> str:
        (found,) = [code for code in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) if word in code]
        return str(found)

    return block


def test_the_notebook_example(example: Callable[[str, str], str], tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(example("python", "pivot"), names)
    assert names["close"].shape == (3, len(names["listed"]) + 1)
    assert len(names["axes"].lines) == len(names["best"]) + 1 == 6
    names["axes"].figure.savefig(tmp_path / "prices.png")


@pytest.mark.filterwarnings("ignore::ashare.read.IncompleteLists")
def test_the_example_of_lists(loaded: Database, example: Callable[[str, str], str]) -> None:
    add_lists(loaded)
    names: dict[str, Any] = {}
    exec(example("python", "members"), names)
    one, other = sorted(names["spans"]["code"])
    assert names["csi300"]["code"].tolist() == [other]
    assert names["closes"]["code"].unique().tolist() == [other]
    assert names["sectors"]["code"].tolist() == [one, other]
    assert names["then"].empty, "the only names are of the week before"


def test_the_examples_of_duckdb_and_polars(
    loaded: Database, example: Callable[[str, str], str], tmp_path: Path
) -> None:
    adjusted = loaded.rows(
        "SELECT code, trade_date, h.close, q.close FROM ashare.daily_bar_hfq h JOIN ashare.daily_bar_qfq q "
        "USING (code, trade_date) ORDER BY code, trade_date"
    )
    rows = sorted(duckdb.sql(example("sql", "read_parquet")).fetchall())
    assert [row[:2] for row in rows] == [row[:2] for row in adjusted]
    for n in (2, 3):
        assert [row[n] for row in rows] == pytest.approx([float(row[n]) for row in adjusted])

    names: dict[str, Any] = {}
    exec(example("python", "polars"), names)
    hfq = names["hfq"].sort("code", "trade_date")
    assert hfq["close"].to_list() == pytest.approx([float(row[2]) for row in adjusted])


def test_the_example_of_qlibs_loader_makes_the_frame_that_it_wants(
    loaded: Database, example: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qlib does not go with Airflow's pins; with the real one this was tried by hand."""
    for name in ("qlib", "qlib.data", "qlib.data.dataset", "qlib.data.dataset.loader"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["qlib.data.dataset.loader"].StaticDataLoader = dict  # type: ignore[attr-defined]
    names: dict[str, Any] = {}
    exec(example("python", "StaticDataLoader"), names)
    frame = names["loader"]["feature"]
    assert frame.index.names == ["datetime", "instrument"]
    assert list(frame.columns) == ["$open", "$high", "$low", "$close", "$volume", "$factor"]
    stock = a_stock(loaded)
    values = frame.loc[("2025-01-03", stock.replace(".", "").upper())]
    view = "SELECT open, high, low, close, volume / factor, factor FROM ashare.daily_bar_hfq"
    expected_values = loaded.rows(f"{view} WHERE code = %s AND trade_date = '2025-01-03'", stock)[0]
    assert values.tolist() == pytest.approx(list(map(float, expected_values)))
