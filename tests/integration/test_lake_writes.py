"""The lake is patched to what a new export would write, and its manifest is true at each moment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ashare.connection import POSTGRES_VARIABLE
from ashare.export import Summary, changes, export, snapshot
from ashare.lake.layout import file_of, file_of_year, year_of
from ashare.read import load_bars
from ashare_local import PROJECT
from tests.conftest import Database, Databases
from tests.integration.test_lake_reads import OTHERS, STOCKS, UNLISTED, fill
from tests.records import record

CODES = [*STOCKS, *OTHERS, UNLISTED]
YEARS = (2024, 2025)
Content = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def filled(databases: Databases) -> Iterator[Database]:
    with databases.copied("migrated") as database:
        fill(database)
        database.close()  # a database that is copied has no session
        yield database


@pytest.fixture
def market(filled: Database, databases: Databases) -> Iterator[Database]:
    """Sixteen weeks of two years; each test has them for itself."""
    with databases.copied(filled.name) as database:
        yield database


def conninfo(database: Database) -> str:
    return f"host={database.server.socket_dir} user=postgres dbname={database.name}"


def write(database: Database, directory: Path, **options: Any) -> Summary:
    return export(directory, incomplete="ignore", connection=conninfo(database), **options)


def manifest_of(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    return found


def lasting(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What two exports of the same data have in common: sizes differ, as a patched file is compressed less."""
    files = {name: entry["rows"] for name, entry in manifest["files"].items()}
    return {**manifest, "files": files, "generation": None, "written_at": None}


def bars_of(directory: Path, year: int) -> pa.Table:
    file = directory / file_of_year(year)
    return pq.ParquetFile(file).read() if file.exists() else pa.table({})


def held(directory: Path) -> dict[str, dict[str, Any]]:
    """The rows of each trade date in the files, by dataset."""
    kinds = {row["code"]: row["kind"] for row in pq.read_table(directory / "security.parquet").to_pylist()}
    found: dict[str, dict[str, Any]] = {}
    for year in YEARS:
        for row in bars_of(directory, year).to_pylist():
            dataset = f"{kinds.get(row['code'], 'stock')}_bar"
            found.setdefault(dataset, {}).setdefault(str(row["trade_date"]), []).append(row)
    return found


def assert_true(directory: Path, *states: Content) -> None:
    """Each partition that the manifest names is in the files, with as many rows, as it was in one of the states."""
    manifest = manifest_of(directory)
    for name, entry in manifest["files"].items():
        file = directory / name
        assert (pq.read_metadata(file).num_rows, file.stat().st_size) == (entry["rows"], entry["bytes"]), name
    found = held(directory)
    for dataset, days in manifest["datasets"].items():
        if not dataset.endswith("_bar"):
            assert not days or file_of(dataset) in manifest["files"]
            continue
        for day, entry in days.items():
            rows = found.get(dataset, {}).get(day, [])
            assert len(rows) == entry["rows"], (dataset, day)
            assert not rows or any(state.get(dataset, {}).get(day) == rows for state in states), (dataset, day)


def assert_like_new(database: Database, directory: Path, fresh: Path) -> None:
    """The lake has what an export into an empty directory writes."""
    write(database, fresh)
    for file in sorted(fresh.rglob("*.parquet")):
        name = str(file.relative_to(fresh))
        one, other = (pq.ParquetFile(base / name).read().replace_schema_metadata() for base in (directory, fresh))
        assert one.equals(other), name
    assert lasting(manifest_of(directory)) == lasting(manifest_of(fresh))
    files = {str(file.relative_to(directory)) for file in directory.rglob("*.parquet")}
    assert files == {str(file.relative_to(fresh)) for file in fresh.rglob("*.parquet")}


# ---------------------------------------------------------------------- any change

CHANGES = (
    "UPDATE ashare.daily_bar SET close = close + 0.01 WHERE trade_date = %(day)s AND code = ANY (%(codes)s)",
    "DELETE FROM ashare.daily_bar WHERE trade_date = %(day)s AND code = ANY (%(codes)s)",
    "DELETE FROM ashare.daily_bar WHERE trade_date = %(day)s",
    """INSERT INTO ashare.daily_bar (trade_date, code, preclose, close, is_trading)
    SELECT %(day)s, code, 10, 11, true FROM unnest(%(codes)s::text[]) AS code ON CONFLICT DO NOTHING""",
    "UPDATE ashare.daily_bar SET is_trading = NOT is_trading WHERE trade_date = %(day)s AND code = ANY (%(codes)s)",
    """INSERT INTO ashare.adjust_factor SELECT code, %(day)s, 1, 1.5 FROM unnest(%(codes)s::text[]) AS code
    ON CONFLICT DO NOTHING""",
    "UPDATE ashare.adjust_factor SET back_factor = back_factor + 0.1 WHERE code = ANY (%(codes)s)",
    "DELETE FROM ashare.adjust_factor WHERE code = ANY (%(codes)s)",
    "INSERT INTO ashare.factor_history (code) SELECT unnest(%(codes)s::text[]) ON CONFLICT DO NOTHING",
    "UPDATE ashare.security SET ipo_date = %(day)s WHERE code = ANY (%(codes)s)",
    "UPDATE ashare.security SET out_date = %(day)s + 20 WHERE code = ANY (%(codes)s)",
    "UPDATE ashare.security SET out_date = %(day)s + 40 WHERE code = ANY (%(codes)s)",
    "UPDATE ashare.security SET ipo_date = '2001-01-04', out_date = NULL WHERE code = ANY (%(codes)s)",
    "UPDATE ashare.security SET kind = 'etf' WHERE code = (%(codes)s::text[])[1]",
    "DELETE FROM ashare.security WHERE code = (%(codes)s::text[])[1]",
    "UPDATE ashare.trade_calendar SET is_trading_day = NOT is_trading_day WHERE calendar_date = %(day)s",
    "UPDATE ashare.security_name SET name = name || '!' WHERE code = ANY (%(codes)s)",
    "UPDATE ashare.price_limit_rule SET up_pct = up_pct + 1 WHERE rule = 'main'",
)


@pytest.mark.parametrize("seed", range(2))
def test_after_any_change_the_lake_is_what_a_new_export_would_be(
    market: Database, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = random.Random(seed)
    whole, patched_ = [0], [0]
    change_of = changes.change_of

    def counted(*arguments: Any) -> changes.Change:
        found = change_of(*arguments)
        (whole if found.is_whole else patched_)[0] += bool(found)
        return found

    monkeypatch.setattr(snapshot, "change_of", counted)
    write(market, tmp_path / "lake")
    days = [row[0] for row in market.rows("SELECT DISTINCT trade_date FROM ashare.daily_bar ORDER BY 1")]
    applied: list[object] = []
    for number in range(12):
        for change in chosen.sample(CHANGES[:-1] if number else CHANGES, chosen.choice([1, 1, 2, 4])):
            values = {"day": chosen.choice(days), "codes": chosen.sample(CODES, chosen.choice([1, 3]))}
            with market.connect() as connection:
                applied.append((number, change, values, connection.execute(change.encode(), values).rowcount))
        write(market, tmp_path / "lake")
        try:
            assert_like_new(market, tmp_path / "lake", tmp_path / f"fresh{number}")
        except AssertionError:
            print(*applied, sep="\n")  # noqa: T201
            raise
        assert_true(tmp_path / "lake", held(tmp_path / f"fresh{number}"))
        assert not write(market, tmp_path / "lake").is_new
    assert patched_[0] > 6
    assert whole[0] >= 4  # both years of the first export, and others


def test_a_new_date_reads_that_date_alone(market: Database, tmp_path: Path) -> None:
    """The rows of other dates are taken from the file: an edit that no trigger sees stays unseen."""
    last = market.rows("SELECT max(trade_date) FROM ashare.daily_bar")[0][0]
    rows = market.rows("SELECT count(*) FROM ashare.daily_bar WHERE trade_date = %s", last)[0][0]
    market.do("CREATE TABLE public.later AS SELECT * FROM ashare.daily_bar WHERE trade_date = %s", last)
    market.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s", last)
    write(market, tmp_path / "lake")
    before = bars_of(tmp_path / "lake", 2025)
    with market.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("UPDATE ashare.daily_bar SET turn = 99")
    market.do("INSERT INTO ashare.daily_bar SELECT * FROM public.later")
    done = write(market, tmp_path / "lake")
    assert [file for file in done.written if year_of(file)] == [file_of_year(2025)]
    after = bars_of(tmp_path / "lake", 2025)
    is_new = pc.equal(after["trade_date"], last)
    assert after.filter(pc.invert(is_new)).equals(before)
    assert pc.sum(is_new).as_py() == rows
    assert manifest_of(tmp_path / "lake")["last"] == str(last)


# ---------------------------------------------------------------------- kills

KILLED = """
import os, signal, sys
from ashare import command
from ashare.lake.storage import Storage

when, count, replace = int(sys.argv[1]), 0, Storage.replace

def dies(self, file, local):
    global count
    count += 1
    if count == when:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(self, file, local)

Storage.replace = dies
sys.exit(command.main(["export", "--incomplete", "ignore", *sys.argv[2:]]))
"""


def test_a_killed_export_leaves_a_true_manifest(market: Database, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    write(market, lake)
    states = [held(lake)]
    env = {**os.environ, POSTGRES_VARIABLE: market.server.connection_json(market.name)}
    day = "2025-01-15"
    when, returncode = 0, -signal.SIGKILL
    while returncode == -signal.SIGKILL:
        when += 1
        assert when < 20
        # Rows of both years, and at times factors, from which prices of later dates follow.
        market.do("UPDATE ashare.daily_bar SET close = close + 1 WHERE trade_date IN (%s, '2024-12-10')", day)
        if when > 2:
            market.do("UPDATE ashare.adjust_factor SET back_factor = back_factor + 0.25")
        record(market, "2025-02-20", "success", reason=f"attempt {when}")
        write(market, tmp_path / f"fresh{when}")
        states.append(held(tmp_path / f"fresh{when}"))
        command = [sys.executable, "-c", KILLED, str(when), str(lake)]
        done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False, timeout=120)
        returncode = done.returncode
        assert_true(lake, *states)
        listed = manifest_of(lake)["datasets"]["stock_bar"]
        assert when > 2 or "2024-11-29" in listed, "what does not change stays"
    assert returncode == 0, done.stderr
    assert when > 6  # two years, factors, steps, the status, and a manifest before and after
    assert_like_new(market, lake, tmp_path / "fresh")
    assert_true(lake, states[-1])


def test_a_manifest_that_speaks_of_other_files_is_not_believed(market: Database, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    write(market, lake)
    states = held(lake)
    other = tmp_path / "other"
    market.do("DELETE FROM ashare.daily_bar WHERE trade_date = '2025-01-15'")
    write(market, other)
    (other / "manifest.json").replace(lake / "manifest.json")
    market.do("UPDATE ashare.daily_bar SET close = close + 1 WHERE trade_date = '2024-12-10'")
    write(market, lake)
    assert_true(lake, states, held(lake))
    assert_like_new(market, lake, tmp_path / "fresh")
    for text in ("", "{}", '{"format": 2}', "[]"):
        (lake / "manifest.json").write_text(text)
        write(market, lake)
        assert lasting(manifest_of(lake)) == lasting(manifest_of(tmp_path / "fresh"))


# ---------------------------------------------------------------------- beside a backfill


def test_readers_and_exports_beside_a_backfill_see_whole_dates(market: Database, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    days = [
        row[0] for row in market.rows("SELECT DISTINCT trade_date FROM ashare.daily_bar ORDER BY 1 DESC LIMIT 12")
    ]
    market.do("CREATE TABLE public.later AS SELECT * FROM ashare.daily_bar WHERE trade_date = ANY (%s)", days)
    market.do("DELETE FROM ashare.daily_bar WHERE trade_date = ANY (%s)", days)
    write(market, lake)
    counts = dict(market.rows("SELECT trade_date, count(*) FROM public.later GROUP BY 1"))
    is_over = threading.Event()
    seen: set[frozenset[str]] = set()
    failed: list[BaseException] = []

    def read() -> None:
        try:
            while not is_over.is_set():
                bars = load_bars(start=min(days), fields="close", source=lake, incomplete="ignore")
                found = bars.groupby(bars["trade_date"].dt.date).size().to_dict()
                assert found == {day: counts[day] for day in found}
                seen.add(frozenset(map(str, found)))
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for day in sorted(days):
            market.do("INSERT INTO ashare.daily_bar SELECT * FROM public.later WHERE trade_date = %s", day)
            write(market, lake)
            assert_true(lake, held(lake))
    finally:
        is_over.set()
        reader.join()
    assert not failed, failed
    assert len(seen) > 2
    assert_like_new(market, lake, tmp_path / "fresh")
