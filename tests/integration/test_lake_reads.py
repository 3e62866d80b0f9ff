"""A lake answers every reader as its database does: the same frame to the last bit, the same warnings and errors."""

from __future__ import annotations

import json
import random
import secrets
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ashare import read
from ashare.command import main
from ashare.connection import POSTGRES_VARIABLE
from ashare.dates import mondays, weekdays
from ashare.errors import AshareError, IncompleteDate, InvalidInput
from ashare.export.tables import TABLES
from ashare.lake import lake_source
from ashare.lake.storage import LakeUnavailable
from ashare.read_columns import ADJUSTED, FIELDS
from tests.conftest import SHARED_DATA, Database, Databases, at
from tests.integration.lakes import write_lake
from tests.integration.test_adjusted_prices import load, load_factors, load_lists, recorded, recorded_factors
from tests.records import record

FIRST, LAST = date(2024, 11, 25), date(2025, 3, 13)
NOW = "2025-03-13T21:00"
READERS = {
    name: getattr(read, name)
    for name in (
        "load_bars",
        "load_bars_arrow",
        "load_limits",
        "load_panel",
        "universe",
        "members",
        "industries",
        "names",
    )
}
INDICES = ("sh.000300", "sh.000905", "sh.000016", "sh.000001")
STOCKS = [f"sh.60{n:04d}" for n in range(14)] + [f"sz.30{n:04d}" for n in range(6)] + ["sh.688001", "sz.000001"]
OTHERS = {"sh.000001": "index", "sh.000300": "index", "sh.510300": "etf", "sz.159915": "etf", "sh.110001": "bond"}
UNLISTED, UNKNOWN = "sh.609999", "sh.699999"
"""A code with bars that the list of securities lacks, and one without either."""


@dataclass(frozen=True)
class Held:
    """A database, and a lake that was exported from it."""

    database: Database
    lake: Path

    @property
    def conninfo(self) -> str:
        return f"host={self.database.server.socket_dir} user=postgres dbname={self.database.name}"


def outcome(call: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[str, Any, list[str]]:
    """What a call returned or raised, and its warnings."""
    with warnings.catch_warnings(record=True) as recorded_warnings:
        warnings.simplefilter("always")
        try:
            result = "returned", call(*arguments, **options)
        except AshareError as error:
            result = "raised", (type(error), str(error))
    said = [f"{w.category.__name__}: {w.message}" for w in recorded_warnings if w.category is not ResourceWarning]
    assert all(w.filename == __file__ for w in recorded_warnings if w.category is not ResourceWarning)
    return (*result, said)


def assert_same(held: Held, name: str, *arguments: Any, **options: Any) -> Any:
    """Both sources answer alike; the answer."""
    reader = READERS[name]
    how, expected, said = outcome(reader, *arguments, connection=held.conninfo, **options)
    lake_how, found, lake_said = outcome(reader, *arguments, source=held.lake, **options)
    assert (lake_how, lake_said) == (how, said)
    if how == "raised":
        assert found == expected
    elif isinstance(expected, pa.Table):
        assert found.schema.equals(expected.schema)
        assert found.equals(expected)
        assert [column.num_chunks for column in found.columns] == [column.num_chunks for column in expected.columns]
    else:
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
        for column in expected:
            if expected[column].dtype == "float64":
                bits = [frame[column].to_numpy().view(np.int64) for frame in (found, expected)]
                missing = np.isnan(expected[column].to_numpy())
                assert ((bits[0] == bits[1]) | missing).all(), column
    return expected


# ---------------------------------------------------------------------- the data


def bars_of(random_: random.Random, code: str, days: list[date]) -> Iterator[tuple[Any, ...]]:
    """Bars with suspensions, ST, blanks, limits hit, and now and then more decimals than Baostock sends."""
    close = Decimal(random_.randrange(300, 90_000)) / 100
    for day in days:
        if random_.random() < 0.02:
            continue
        preclose, trading = close, random_.random() > 0.05
        move = random_.choice([Decimal("1.1"), Decimal("0.9"), Decimal(random_.randrange(930, 1070)) / 1000])
        close = max(round(preclose * move, random_.choice([2, 2, 2, 2, 4])), Decimal("0.01")) if trading else close
        if random_.random() < 0.01:
            close += Decimal("0.0000123")
        low, high = sorted((close, close if random_.random() < 0.2 else preclose))
        blank = random_.random() < 0.03
        yield (
            *(day, code, None if blank else low, high, low, None if blank and trading else close, preclose),
            random_.choice([None, 0, random_.randrange(1, 10**6), random_.randrange(10**7, 10**11)]),
            None if blank else Decimal(random_.randrange(10**9)) / 100,
            Decimal(random_.randrange(10**7)) / 10**6,
            round((close / preclose - 1) * 100, 6),
            *(trading, None if code.startswith("sh.51") else random_.random() < 0.2),
            *(None if blank else Decimal(random_.randrange(-(10**8), 10**8)) / 10**6 for _ in range(4)),
        )


def insert(database: Database, table: str, rows: list[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * len(rows[0]))
    with database.connect() as connection:
        connection.cursor().executemany(f"INSERT INTO ashare.{table} VALUES ({marks})", rows)


def fill(database: Database) -> None:
    """Sixteen weeks of 24 stocks, two indices and two ETFs, in two years, with all that may happen to them."""
    chosen = random.Random(20250313)
    sessions = weekdays(FIRST, LAST)
    database.do(
        "INSERT INTO ashare.trade_calendar (calendar_date, is_trading_day) "
        "SELECT day::date, extract(isodow FROM day) < 6 AND day <> ALL ('{2024-01-01,2025-01-01,2025-01-28}') "
        "FROM generate_series(date '2024-01-01', '2025-12-31', '1 day') AS day"
    )
    sessions = [day for day in sessions if str(day) not in ("2025-01-01", "2025-01-28")]
    spans: dict[str, tuple[date | None, date | None]] = dict.fromkeys((*STOCKS, *OTHERS), (date(2010, 1, 4), None))
    spans |= {"sh.600003": (date(2010, 1, 4), date(2025, 1, 20)), "sh.600004": (date(2025, 1, 6), None)}
    spans |= {"sz.300001": (date(2024, 12, 30), date(2025, 3, 3)), "sh.600005": (None, None)}
    updated = "2025-03-13 18:00+08"
    insert(
        database,
        "security (code, name, kind, ipo_date, out_date, updated_at)",
        [(code, f"N {code}", OTHERS.get(code, "stock"), *spans[code], updated) for code in spans],
    )
    database.do("UPDATE ashare.security SET gone_from = '2025-02-10' WHERE code = 'sh.600006'")
    beijing = "INSERT INTO ashare.security (code, name, kind, updated_at) VALUES ('bj.430001', 'x', 'stock', %s)"
    database.do(beijing, updated)
    rows: list[tuple[Any, ...]] = []
    for code in (*STOCKS, *OTHERS, UNLISTED):
        first, out = spans.get(code, (None, None))
        listed = [day for day in sessions if (first or day) <= day < (out or date.max)]
        rows += bars_of(chosen, code, listed)
    insert(database, f"daily_bar (trade_date, code, {', '.join(FIELDS)})", rows)
    factors = []
    for code in STOCKS[::2]:
        factor = Decimal(chosen.randrange(10**6, 9 * 10**6)) / 10**6
        for day in sorted(chosen.sample(sessions, chosen.randrange(1, 5))):
            factors.append((code, day, 1, round(factor, 6)))
            factor *= Decimal(chosen.randrange(980_000, 1_500_000)) / 10**6
    factors.append((STOCKS[1], date(2009, 6, 1), 1, Decimal("2.345678")))  # before its first bar
    factors.append((STOCKS[3], date(2025, 12, 1), 1, Decimal("1.500000")))  # after its last
    insert(database, "adjust_factor", factors)
    insert(database, "factor_history (code)", [(code,) for code in STOCKS[::4]])
    record_dates(database, sessions)
    fill_lists(database)


def record_dates(database: Database, sessions: list[date]) -> None:
    for day in sessions[:-4]:
        record(database, day, "success", kinds=["stock", "index"])
    record(database, sessions[30], "failed", missing=3, reason="3 are missing.")
    record(database, sessions[31], "failed", reason="The source was out of reach.")
    record(database, sessions[32], "syncing")
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = %s", sessions[40], STOCKS[0])
    database.do("DELETE FROM ashare.counted_partition WHERE partition = %s", sessions[45])
    record(database, sessions[-3], "success", kinds=["stock", "index", "etf"])


def fill_lists(database: Database) -> None:
    weeks = mondays(date(2024, 12, 2), date(2025, 3, 3))
    third, later = weeks[3], weeks[8]
    members: list[tuple[Any, ...]] = [("sh.000300", code, weeks[0], None) for code in STOCKS[:6]]
    members += [("sh.000300", STOCKS[7], weeks[0], third), ("sh.000300", STOCKS[7], later, None)]
    members += [("sh.000905", code, third, None) for code in (*STOCKS[8:11], UNLISTED)]
    members += [("sh.000016", "sh.600003", weeks[0], later), ("sh.000016", "bj.430001", weeks[0], None)]
    insert(database, "index_member", members)
    names = [(code, f"name of {code}", weeks[0], None) for code in STOCKS[2:]]
    insert(database, "security_name", [*names, (STOCKS[0], "*ST 甲", third, later), (STOCKS[0], "甲", later, None)])
    industries: list[tuple[Any, ...]] = [("申万一级行业", code, "银行", weeks[0], later) for code in STOCKS[:9]]
    industries += [
        ("证监会行业分类", code, None if code == STOCKS[4] else "J66", later, None) for code in STOCKS[:12]
    ]
    insert(database, "industry", industries)
    snapshots = [
        (dataset, week, 0, week)
        for dataset in ("index_member", "industry", "security_name")
        for week in weeks
        if (dataset, week) != ("industry", weeks[5])
    ]
    insert(database, "snapshot (dataset, as_of, rows, update_date)", snapshots)
    database.do("UPDATE ashare.snapshot SET rows = loaded")
    database.do("UPDATE ashare.snapshot SET rows = rows + 1 WHERE dataset = 'security_name' AND as_of = %s", weeks[6])
    database.do(
        "INSERT INTO ashare.work (dataset, partition, run_id) VALUES ('index_member', %s, 'scheduled__week')",
        weeks[-1] + timedelta(weeks=1),
    )


def fill_recorded(database: Database) -> None:
    """The CSI 300 from June to December 2024, as Baostock sent it."""
    load_lists(database)
    load(database, recorded("hs300_20240601_20241231.csv.gz"))
    load_factors(database, recorded_factors())
    for day in weekdays(date(2024, 7, 1), date(2024, 9, 30)):
        record(database, day, "success", kinds=["stock"])


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in ("incomplete", "incomplete_weeks", "read_arguments"):
            patch.setattr(f"ashare.{module}.beijing_now", at(NOW))
        yield


@pytest.fixture(scope="module")
def held(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """The generated market."""
    with databases.copied("migrated") as database:
        fill(database)
        yield Held(database, write_lake(database, tmp_path_factory.mktemp("lake") / "lake"))


# ---------------------------------------------------------------------- any question


days = st.dates(date(2024, 10, 1), date(2025, 3, 16))
starts, ends = st.one_of(st.none(), days), st.one_of(st.none(), days, st.dates(date(2023, 1, 1), date(2026, 1, 1)))
some_codes = st.lists(st.sampled_from([*STOCKS, *OTHERS, UNLISTED, UNKNOWN, "bj.430001", "600000"]), max_size=4)
codes = st.one_of(st.none(), some_codes, st.sampled_from(STOCKS))
adjusts = st.sampled_from([None, "qfq", "hfq"])
one_field = st.sampled_from([*FIELDS, *ADJUSTED, "nonsense"])
fields = st.one_of(st.none(), one_field, st.lists(st.sampled_from([*FIELDS, *ADJUSTED]), max_size=5))
indices = st.one_of(st.none(), st.sampled_from(INDICES))
incompletes = st.sampled_from(["warn", "warn", "ignore", "raise"])
kinds = st.sampled_from(["stock", "stock,index", "etf", "stock,index,etf"])
first_dates = st.sampled_from(["", "2024-12-02", "2024-01-02"])

many = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def change(kinds_: str, first_date: str) -> None:
        monkeypatch.setenv("ASHARE_KINDS", kinds_)
        monkeypatch.setenv("ASHARE_FIRST_DATE", first_date)

    return change


@many
@given(st.data())
def test_bars(held: Held, environment: Callable[[str, str], None], data: st.DataObject) -> None:
    environment(data.draw(kinds), data.draw(first_dates))
    asked = (data.draw(codes), data.draw(starts), data.draw(ends))
    options: dict[str, Any] = {"index": data.draw(indices), "incomplete": data.draw(incompletes)}
    name = data.draw(st.sampled_from(["load_bars", "load_bars_arrow", "load_limits"]))
    if name != "load_limits":
        options |= {"adjust": data.draw(adjusts), "fields": data.draw(fields)}
    assert_same(held, name, *asked, **options)


@many
@given(st.data())
def test_panels(held: Held, environment: Callable[[str, str], None], data: st.DataObject) -> None:
    environment(data.draw(kinds), data.draw(first_dates))
    options = {
        "adjust": data.draw(adjusts),
        "index": data.draw(indices),
        "codes": data.draw(codes),
        "incomplete": data.draw(incompletes),
    }
    assert_same(held, "load_panel", data.draw(one_field), data.draw(starts), data.draw(ends), **options)


@many
@given(st.data())
def test_lists(held: Held, data: st.DataObject) -> None:
    day, options = data.draw(days), {"incomplete": data.draw(incompletes)}
    name = data.draw(st.sampled_from(["universe", "members", "industries", "names"]))
    if name == "universe":
        of = data.draw(st.lists(st.sampled_from(["stock", "index", "etf"]), max_size=3))
        assert_same(held, name, day, of, index=data.draw(indices), **options)
    elif name == "members":
        assert_same(held, name, data.draw(indices), data.draw(starts), data.draw(ends), **options)
    elif name == "industries":
        assert_same(
            held, name, day, data.draw(st.sampled_from([None, "申万一级行业", "证监会行业分类", "x"])), **options
        )
    else:
        assert_same(held, name, day, **options)


def test_the_data_has_what_may_happen(held: Held) -> None:
    """The properties say something of these only if they are there."""
    bars = assert_same(held, "load_bars", adjust="qfq")
    factors = bars.groupby("code")["factor"]
    assert (factors.nunique() > 1).sum() > 5
    assert bars["trade_date"].dt.year.nunique() == 2
    assert {str(kind) for kind in bars.dtypes} >= {"boolean", "bool", "float64"}
    assert bars["is_st"].isna().any() and bars["volume"].isna().any() and (~bars["is_trading"]).any()
    limits = assert_same(held, "load_limits")
    assert limits[["is_limit_up", "is_limit_down", "is_one_price", "is_outside"]].any().all()
    assert limits["rule"].nunique() > 3 and limits["limit_up"].isna().any()
    _, _, said = outcome(read.load_bars, source=held.lake)
    assert "stocks, indices" in said[0] and "a run works on" in said[0]


def test_recorded_bars(databases: Databases, tmp_path: Path) -> None:
    if not SHARED_DATA.is_dir():
        pytest.skip("the recorded market data is not beside the project")
    with databases.copied("migrated") as database:
        fill_recorded(database)
        recorded_held = Held(database, write_lake(database, tmp_path / "lake"))
        for adjust in (None, "hfq", "qfq"):
            assert len(assert_same(recorded_held, "load_bars", adjust=adjust)) > 30_000
        panel = assert_same(recorded_held, "load_panel", "close", "2024-07-01", adjust="qfq")
        assert panel.shape == (125, 300)
        assert len(assert_same(recorded_held, "load_limits")) > 30_000


# ---------------------------------------------------------------------- which source


def test_the_source_is_what_was_named(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(POSTGRES_VARIABLE, raising=False)
    wanted = read.load_bars("sh.600000", incomplete="ignore", connection=held.conninfo)
    copies: list[Any] = [held.lake, str(held.lake), f"file://{held.lake}", held.conninfo, f"  {held.conninfo}"]
    with held.database.connect() as opened:
        for source in [*copies, opened]:
            found = read.load_bars("sh.600000", incomplete="ignore", source=source)
            pd.testing.assert_frame_equal(found, wanted, check_exact=True)
    with pytest.raises(InvalidInput, match="Both source= and connection= are given"):
        read.load_bars(source=held.lake, connection=held.conninfo)
    with pytest.raises(InvalidInput, match="No database is named"):
        read.load_bars()
    monkeypatch.setenv("ASHARE_LAKE", str(held.lake))
    pd.testing.assert_frame_equal(read.load_bars("sh.600000", incomplete="ignore"), wanted)
    with pytest.raises(InvalidInput, match="list of securities"):
        read.universe("2025-03-14")
    monkeypatch.setenv("ASHARE_LAKE", "bars")
    with pytest.raises(InvalidInput, match="ASHARE_LAKE is 'bars': it must be an absolute path, or a URL"):
        read.load_bars()
    assert len(read.load_bars("sh.600000", incomplete="ignore", connection=held.conninfo)) == len(wanted)


def test_a_lake_in_memory_is_read_by_its_url(held: Held) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(f"{held.lake}/", "/lake/", recursive=True)
    for adjust in (None, "qfq"):
        found = read.load_bars_arrow(adjust=adjust, incomplete="ignore", source="memory://lake")
        assert found.equals(read.load_bars_arrow(adjust=adjust, incomplete="ignore", connection=held.conninfo))


@pytest.fixture
def copy(held: Held, tmp_path: Path) -> Path:
    """A lake of the test's own."""
    return Path(shutil.copytree(held.lake, tmp_path / "lake"))


def change(lake: Path, **values: Any) -> dict[str, Any]:
    """Change the manifest; what it was."""
    file = lake / "manifest.json"
    content: dict[str, Any] = json.loads(file.read_text())
    file.write_text(json.dumps(content | values))
    return content


def test_a_place_that_is_no_lake_is_named_in_a_sentence(copy: Path) -> None:
    with pytest.raises(InvalidInput, match=r"There is no lake at /no/where \(it has no manifest.json\)"):
        read.load_bars(source="/no/where")
    change(copy, format=3, package="9.1.0")
    with pytest.raises(InvalidInput, match=r"is of format 3, which version 9\.1\.0"):
        read.load_bars(source=copy)
    for foreign in ("[]", "{}", "not json", '{"format": "x"}', '{"format": 2}'):
        (copy / "manifest.json").write_text(foreign)
        with pytest.raises(InvalidInput, match="is not the manifest of a lake"):
            read.load_bars(source=copy)


def test_a_file_that_is_gone_is_named_in_a_sentence(copy: Path) -> None:
    (copy / "daily_bar" / "year=2025" / "part-0.parquet").unlink()
    with pytest.raises(InvalidInput, match=r"lacks what its manifest names.*--rewrite"):
        read.load_bars(source=copy, incomplete="ignore")


def test_a_lake_that_is_behind_says_so(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(copy, written_at="2025-03-12T12:31:04Z")
    monkeypatch.setenv("ASHARE_KINDS", "stock")
    _, _, (said,) = outcome(read.load_bars, start="2025-03-11", source=copy)
    assert said == (
        f"IncompleteBars: 2 trade dates are not complete: 2025-03-12, 2025-03-13, of stocks; the lake {copy} goes to "
        "2025-03-13 and was written on 2025-03-12 20:31 (Beijing): once the database has them, bring it up to date "
        f"with the DAG ashare_export, or with: ashare export {copy}; load them with: "
        "airflow dags backfill -s 2025-03-12 -e 2025-03-13 ashare_daily"
    )
    change(copy, options="--kinds stock")
    how, (_, said), _ = outcome(read.load_bars, start="2025-03-11", source=copy, incomplete="raise")
    assert how == "raised" and f"or with: ashare export {copy} --kinds stock; load" in said


def test_a_lake_whose_export_was_stopped_says_so(copy: Path) -> None:
    """Which dates it lacks, only the next export knows: the bars of a whole year may be among them."""
    content = json.loads((copy / "manifest.json").read_text())
    del content["files"]["daily_bar/year=2024/part-0.parquet"]
    datasets = {
        name: {day: e for day, e in days.items() if day > "2025"} for name, days in content["datasets"].items()
    }
    change(copy, is_being_written=True, files=content["files"], datasets=datasets, written_at="2025-03-13T12:31:04Z")
    sentence = (
        f"The export of the lake {copy} was stopped on 2025-03-13 20:31 (Beijing) while it replaced files, so bars "
        f"may be missing: run the DAG ashare_export, or ashare export {copy}"
    )
    for reader, arguments in ((read.load_bars, ("sh.600000",)), (read.load_panel, ("close",))):
        _, frame, (said,) = outcome(reader, *arguments, end="2025-01-03", source=copy)
        assert said == f"IncompleteBars: {sentence}" and len(frame)
        how, (error, said), _ = outcome(reader, *arguments, end="2025-01-03", source=copy, incomplete="raise")
        assert (how, error, said) == ("raised", IncompleteDate, sentence)
    _, _, (said,) = outcome(read.load_bars, "sh.600000", "2024-12-30", "2024-12-31", source=copy)
    assert said.startswith("IncompleteBars: 2 trade dates are not complete") and said.endswith(f". {sentence}")


def test_a_lake_of_a_selection_says_what_it_holds(copy: Path) -> None:
    change(copy, options="--kinds stock --start 2024-12-01")
    _, _, (said,) = outcome(read.load_bars, start="2024-11-11", end="2024-11-12", source=copy)
    assert f"; the lake {copy} holds only --kinds stock --start 2024-12-01; load them with: " in said
    only = (
        f"IncompleteBars: The lake {copy} holds only --kinds stock --start 2024-12-01, so bars of the database may "
        "be missing"
    )
    asked = {"end": "2025-01-03", "source": copy}
    assert outcome(read.load_bars, "sh.600000", **asked)[2] == [only], "earlier ones"
    assert outcome(read.load_bars, "sh.600000", "2024-12-02", **asked)[2] == []
    assert outcome(read.load_bars, "sh.000001", "2024-12-02", **asked)[2] == [only], "an index"
    assert outcome(read.load_bars, "sh.000001", "2024-12-02", incomplete="ignore", **asked)[2] == []


def test_a_lake_that_is_written_meanwhile_is_read_again(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = read.load_bars("sh.600000", incomplete="ignore", source=copy)
    rows, calls = lake_source.LakeSource.rows, []

    def rows_while_written(self: lake_source.LakeSource, *arguments: Any, **options: Any) -> pa.Table:
        calls.append(json.loads(self.manifest.text)["generation"])
        found = rows(self, *arguments, **options)
        if len(calls) < 3:
            change(copy, generation=f"g{len(calls)}")
            raise FileNotFoundError("replaced under the reader")
        return found

    monkeypatch.setattr(lake_source.LakeSource, "rows", rows_while_written)
    monkeypatch.setattr(lake_source, "PAUSE_SECONDS", 0.01)
    pd.testing.assert_frame_equal(read.load_bars("sh.600000", incomplete="ignore", source=copy), wanted)
    assert calls[1:] == ["g1", "g2"]
    monkeypatch.setattr(
        lake_source.LakeSource, "rows", lambda self, *a, **k: change(copy, generation=secrets.token_hex(8))
    )
    with pytest.raises(LakeUnavailable, match="was written 5 times while it was read"):
        read.load_bars("sh.600000", incomplete="ignore", source=copy)


# ---------------------------------------------------------------------- polars and DuckDB


def assert_close(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """The same rows; numbers may differ in the last bits."""
    ordered = found.sort_values(["code", "trade_date"]).reset_index(drop=True)[list(expected.columns)]
    for name in expected.columns:
        one, other = ordered[name], expected[name]
        if other.dtype == "float64":
            np.testing.assert_allclose(one.astype("float64"), other, rtol=1e-12, atol=1.1e-8, equal_nan=True)
        elif name == "trade_date":
            assert (pd.to_datetime(one) == other).all()
        else:
            texts = [[None if pd.isna(value) else value for value in each] for each in (one, other)]
            assert texts[0] == texts[1]


@pytest.mark.parametrize("adjust", [None, "hfq", "qfq"])
def test_a_scan_is_the_bars(held: Held, adjust: Any) -> None:
    import polars as pl

    frame = read.scan_bars(adjust, held.lake)
    wanted = read.load_bars(adjust=adjust, incomplete="ignore", source=held.lake)
    assert frame.collect_schema().names() == list(wanted.columns)
    assert_close(frame.collect().to_pandas(), wanted)
    one = frame.filter(pl.col("code") == "sh.600002", pl.col("trade_date") >= date(2025, 1, 2)).select("close")
    assert "SELECTION" in one.explain() or "FILTER" not in one.explain(), "the filter is in the scan"
    assert len(one.collect()) == (wanted[wanted["code"] == "sh.600002"]["trade_date"] >= "2025-01-02").sum()


def test_a_scan_of_what_is_no_lake_is_refused(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="scan_bars reads a lake: set ASHARE_LAKE"):
        read.scan_bars()
    with pytest.raises(InvalidInput, match="and not the database"):
        read.scan_bars(source=held.conninfo)
    with pytest.raises(InvalidInput, match="There is no lake at"):
        read.scan_bars(source="/no/where")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(InvalidInput, match="needs polars, which is not installed: pip install polars"):
        read.scan_bars(source=held.lake)


def test_the_views_for_duckdb_are_the_databases(
    held: Held, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import duckdb

    file = tmp_path / "lake.duckdb"
    for _ in range(2):  # a second time replaces the views
        assert main(["lake", "attach", str(file), "--lake", str(held.lake)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{file}: {4 + len(TABLES)} views of the lake {held.lake}."
    monkeypatch.setenv("ASHARE_LAKE", str(held.lake))
    assert main(["lake", "attach"]) == 0
    printed = capsys.readouterr().out
    with duckdb.connect(str(file)) as written, duckdb.connect() as piped:
        piped.execute(printed)
        for connection in (written, piped):
            views: tuple[tuple[str, read.Adjust | None], ...]
            views = (("daily_bar", None), ("daily_bar_hfq", "hfq"), ("daily_bar_qfq", "qfq"))
            for view, adjust in views:
                wanted = read.load_bars(adjust=adjust, incomplete="ignore", source=held.lake)
                assert_close(connection.sql(f"SELECT * FROM {view}").df(), wanted)
            wanted = read.load_limits(incomplete="ignore", source=held.lake)
            assert_close(connection.sql("SELECT * FROM daily_limit").df(), wanted)
            names = {name for (name,) in connection.sql("SHOW TABLES").fetchall()}
            assert names >= {"security", "trade_calendar", "index_member", "adjust_factor", "sync_status"}
            (rows,) = connection.sql("SELECT count(*) FROM security").fetchone() or (0,)
            assert rows == held.database.rows("SELECT count(*) FROM ashare.security")[0][0]


def test_views_that_cannot_be_written_are_refused(
    held: Held, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["lake", "attach"]) == 2
    assert capsys.readouterr().err == "No lake is named: set ASHARE_LAKE, or give --lake DIR.\n"
    (tmp_path / "text").write_text("not DuckDB's" * 1000)
    assert main(["lake", "attach", str(tmp_path / "text"), "--lake", str(held.lake)]) == 2
    assert "cannot be written" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert main(["lake", "attach", str(tmp_path / "a"), "--lake", str(held.lake)]) == 2
    assert "pip install duckdb" in capsys.readouterr().err
