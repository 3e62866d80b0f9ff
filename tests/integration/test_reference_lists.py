"""Members of indices, industries and names as of a day: whose spans cover it, and which weeks lack."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pytest

from ashare.connection import POSTGRES_VARIABLE
from ashare.datasets import WEEKLY_DATASETS
from ashare.dates import weekdays
from ashare.errors import IncompleteDate, InvalidInput
from ashare.read import (
    IncompleteBars,
    IncompleteLists,
    industries,
    load_bars,
    load_bars_arrow,
    members,
    names,
    universe,
)
from tests.conftest import Database, at
from tests.integration.lakes import lake_agrees  # noqa: F401
from tests.records import record

CSI300, CSI500, SSE50 = "sh.000300", "sh.000905", "sh.000016"
MONDAYS = [date(2025, 2, 3) + timedelta(weeks=week) for week in range(6)]
"""3 February to 10 March."""
SESSIONS = weekdays(date(2025, 2, 24), date(2025, 3, 13))
STOCKS = ["sh.600000", "sh.600001", "sz.000001", "sz.300001"]
MEMBERS = [
    (CSI300, "sh.600000", "2025-02-03", None),
    (CSI300, "sh.600001", "2025-02-03", "2025-03-03"),
    (CSI300, "sh.600001", "2025-03-10", None),
    (CSI300, "sz.000001", "2025-03-03", None),
    (CSI500, "sz.300001", "2025-02-17", None),
]
INDUSTRIES = [
    ("申万一级行业", "sh.600000", "银行", "2025-02-03", "2025-03-03"),
    ("申万一级行业", "sh.600001", None, "2025-02-03", "2025-03-03"),
    ("证监会行业分类", "sh.600000", "J66货币金融服务", "2025-03-03", None),
    ("证监会行业分类", "sh.600001", None, "2025-03-03", None),
    ("证监会行业分类", "sz.000001", "J66货币金融服务", "2025-03-03", None),
]
NAMES = [
    ("sh.600000", "浦发银行", "2025-02-03", None),
    ("sh.600001", "邯郸钢铁", "2025-02-03", "2025-02-24"),
    ("sh.600001", "*ST邯钢", "2025-02-24", None),
    ("sz.000001", "平安银行", "2025-02-03", None),
]
TEXT = "object" if pd.__version__ < "3" else "str"
REFERENCE = "airflow dags backfill -s {} -e {}{} ashare_reference"


def insert(database: Database, table: str, rows: list[tuple[Any, ...]]) -> None:
    marks = ", ".join(["%s"] * len(rows[0]))
    with database.connect() as connection:
        connection.cursor().executemany(f"INSERT INTO ashare.{table} VALUES ({marks})", rows)


pytestmark = pytest.mark.usefixtures("lake_agrees")


@pytest.fixture
def loaded(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Six weeks of all lists and three of bars, seen on Thursday, 13 March 2025."""
    database.do(
        "INSERT INTO ashare.trade_calendar (calendar_date, is_trading_day) "
        "SELECT day::date, extract(isodow FROM day) < 6 "
        "FROM generate_series(date '2024-01-01', '2025-12-31', '1 day') AS day"
    )
    database.do(
        "INSERT INTO ashare.security (code, name, kind, ipo_date, updated_at) "
        "SELECT code, 'of today', 'stock', '2000-01-04', '2025-03-13 18:00+08' FROM unnest(%s::text[]) AS code",
        STOCKS,
    )
    database.do(
        "INSERT INTO ashare.daily_bar (trade_date, code, close, is_trading) "
        "SELECT day, code, 9.87, true FROM unnest(%s::date[]) AS day, unnest(%s::text[]) AS code",
        *(SESSIONS, STOCKS),
    )
    for day in SESSIONS:
        record(database, day, "success", kinds=["stock"], expected=len(STOCKS))
    insert(database, "index_member", MEMBERS)
    insert(database, "industry", INDUSTRIES)
    insert(database, "security_name", NAMES)
    snapshot = "INSERT INTO ashare.snapshot (dataset, as_of, rows, update_date) "
    snapshot += "SELECT dataset, monday, 0, monday FROM unnest(%s::text[]) AS dataset, unnest(%s::date[]) AS monday"
    database.do(snapshot, list(WEEKLY_DATASETS), MONDAYS)
    database.do("UPDATE ashare.snapshot SET rows = loaded")
    monkeypatch.setenv(POSTGRES_VARIABLE, database.server.connection_json(database.name))
    monkeypatch.setenv("ASHARE_KINDS", "stock")
    set_clock(monkeypatch, "2025-03-13T20:00")
    return database


def set_clock(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    for module in ("incomplete", "incomplete_weeks", "read_arguments"):
        monkeypatch.setattr(f"ashare.{module}.beijing_now", at(text))


@contextmanager
def silence() -> Iterator[None]:
    """A block without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# ---------------------------------------------------------------------- what comes


def test_the_members_of_a_day_are_those_whose_span_covers_it(loaded: Database) -> None:
    with silence():
        found = {
            day: universe(day, index=CSI300)["code"].tolist()
            for day in ("2025-02-03", "2025-03-02", "2025-03-03", "2025-03-07", "2025-03-09", "2025-03-10")
        }
        assert universe("2025-02-17", index=CSI500)["code"].tolist() == ["sz.300001"]
        assert universe("2025-03-10", "index", index=CSI300).empty
    old, between, new = (
        ["sh.600000", "sh.600001"],
        ["sh.600000", "sz.000001"],
        ["sh.600000", "sh.600001", "sz.000001"],
    )
    assert list(found.values()) == [old, old, between, between, between, new]
    whole = universe("2025-03-10")
    of_index = universe("2025-03-10", index=CSI300)
    assert of_index.dtypes.equals(whole.dtypes)
    assert of_index.equals(whole[whole["code"].isin(new)].reset_index(drop=True))


def test_a_member_that_is_delisted_is_not_in_the_universe(loaded: Database) -> None:
    loaded.do("UPDATE ashare.security SET out_date = '2025-03-12' WHERE code = 'sh.600000'")
    assert "sh.600000" in universe("2025-03-11", index=CSI300)["code"].tolist()
    assert "sh.600000" not in universe("2025-03-12", index=CSI300)["code"].tolist()


def test_members_are_the_spans_that_overlap_a_range(loaded: Database) -> None:
    with silence():
        everything = members(CSI300)
        week = members(CSI300, "2025-03-04", date(2025, 3, 7))
    assert {name: str(kind) for name, kind in everything.dtypes.items()} == {
        **dict.fromkeys(("index_code", "code"), TEXT),
        **dict.fromkeys(("start_date", "end_date"), "datetime64[ns]"),
    }
    rows = [tuple(None if pd.isna(value) else str(value)[:10] for value in row) for row in everything.to_numpy()]
    assert rows == [row for row in MEMBERS if row[0] == CSI300]
    assert week["code"].tolist() == ["sh.600000", "sz.000001"]
    assert members(CSI300, "2025-02-28", "2025-02-28")["code"].tolist() == ["sh.600000", "sh.600001"]
    assert members(CSI300, "2025-03-02", "2025-03-03")["code"].tolist() == ["sh.600000", "sh.600001", "sz.000001"]


@pytest.mark.parametrize("adjust", [None, "qfq", "hfq"])
def test_bars_of_an_index_are_those_of_its_members(loaded: Database, adjust: Any) -> None:
    loaded.do("INSERT INTO ashare.adjust_factor VALUES ('sh.600000', '2025-03-04', 0.8, 1.25)")
    for day in SESSIONS:
        record(loaded, day, "success", kinds=["stock"], expected=len(STOCKS))
    with silence():
        bars = load_bars(index=CSI300, adjust=adjust)
        whole = load_bars(adjust=adjust)
        some = load_bars(["sh.600001", "sz.300001"], "2025-02-28", "2025-03-11", adjust, "close", index=CSI300)
    kept = [
        any(
            index == CSI300 and code == of and start <= day and (end is None or day < end)
            for index, of, start, end in MEMBERS
        )
        for code, day in zip(whole["code"], whole["trade_date"].dt.strftime("%Y-%m-%d"), strict=True)
    ]
    assert bars.equals(whole[kept].reset_index(drop=True))
    assert 0 < len(bars) < len(whole)
    assert some["trade_date"].dt.strftime("%m-%d").tolist() == ["02-28", "03-10", "03-11"]
    assert set(some["code"]) == {"sh.600001"}


def test_codes_have_one_type_wherever_they_come_from(loaded: Database) -> None:
    bars = pl.from_arrow(load_bars_arrow(index=CSI300))
    assert isinstance(bars, pl.DataFrame)
    joined = bars.join(pl.from_pandas(industries("2025-03-10")), on="code")
    assert joined["industry"].unique().to_list() != []
    assert len(joined) == len(bars)


def test_industries_are_those_of_the_day_and_its_classification(loaded: Database) -> None:
    with silence():
        old, new = industries("2025-03-02"), industries("2025-03-03")
    assert {name: str(kind) for name, kind in old.dtypes.items()} == dict.fromkeys(
        ("code", "industry", "classification"), TEXT
    )
    assert list(old.itertuples(index=False, name=None)) == [
        ("sh.600000", "银行", "申万一级行业"),
        ("sh.600001", None, "申万一级行业"),
    ]
    assert new["industry"].tolist() == ["J66货币金融服务", None, "J66货币金融服务"]
    assert industries("2025-03-03", "证监会行业分类").equals(new)
    with pytest.raises(
        InvalidInput, match="The industries of 2025-03-03 are not by '申万一级行业': choose 证监会行业分类"
    ):
        industries("2025-03-03", "申万一级行业")
    loaded.do("UPDATE ashare.security SET out_date = '2025-03-04' WHERE code = 'sz.000001'")
    assert industries("2025-03-04")["code"].tolist() == ["sh.600000", "sh.600001"]


def test_names_are_those_of_the_day(loaded: Database) -> None:
    with silence():
        found = [names(day).set_index("code")["name"].to_dict() for day in ("2025-02-23", "2025-02-24")]
    assert [day["sh.600001"] for day in found] == ["邯郸钢铁", "*ST邯钢"]
    assert found[0].keys() == {"sh.600000", "sh.600001", "sz.000001"}
    assert universe("2025-02-24")["name"].unique().tolist() == ["of today"]
    loaded.do("UPDATE ashare.security SET out_date = '2025-02-24' WHERE code = 'sh.600001'")
    assert names("2025-02-24")["code"].tolist() == ["sh.600000", "sz.000001"]


# ---------------------------------------------------------------------- wrong questions

READS: dict[str, Callable[..., Any]] = {
    "universe": lambda day, **options: universe(day, index=CSI300, **options),
    "members": lambda day, **options: members(CSI300, day, day, **options),
    "bars": lambda day, **options: load_bars(start=day, end=day, index=CSI300, **options),
    "industries": industries,
    "names": names,
}


def of(reader: str) -> str:
    return {"industries": "industry", "names": "security_name"}.get(reader, "index_member")


@pytest.mark.parametrize("reader", READS)
def test_a_day_before_the_first_list_is_refused(loaded: Database, reader: str) -> None:
    plural = WEEKLY_DATASETS[of(reader)].plural
    with pytest.raises(InvalidInput) as told:
        READS[reader]("2025-01-31", incomplete="ignore")
    assert str(told.value) == (
        f"{plural.capitalize()} are loaded from 2025-02-03 on, so those of 2025-01-31 are not known: choose a day "
        f"from then on, or load earlier weeks with: {REFERENCE.format('2025-01-27', '2025-01-27', '')}"
    )
    with pytest.raises(
        InvalidInput, match=r"ashare_history --conf '\{\"start_date\": \"2015-01-05\", \"end_date\": "
    ):
        READS[reader]("2015-01-07")
    with pytest.raises(
        InvalidInput, match=rf"Baostock has no {plural} before 20\d\d-01-0\d: choose a day from then on"
    ):
        READS[reader]("2004-06-01")
    loaded.do("DELETE FROM ashare.snapshot")
    with pytest.raises(InvalidInput) as told:
        READS[reader]("2025-03-12")
    assert str(told.value) == (
        f"No {plural} are loaded: load those of 2025-03-12 with: {REFERENCE.format('2025-03-10', '2025-03-10', '')}"
    )


def test_an_index_whose_list_begins_later(loaded: Database) -> None:
    with pytest.raises(InvalidInput, match=r"Baostock has members of sh\.000905 from 2025-02-17 on: choose a day"):
        universe("2025-02-10", index=CSI500)
    with silence():
        assert members(CSI500)["code"].tolist() == ["sz.300001"]


@pytest.mark.parametrize("index", ["sh.000001", "000300", "csi300", [CSI300]])
def test_an_unknown_index_is_one_sentence(loaded: Database, index: Any) -> None:
    sentence = f"Baostock has no members of {index!r}: choose among sh.000300 (CSI 300), sh.000016 (SSE 50), "
    sentence += "sh.000905 (CSI 500)."
    reads: list[Callable[[], Any]] = [
        lambda: members(index),
        lambda: universe("2025-03-10", index=index),
        lambda: load_bars(index=index),
    ]
    for read in reads:
        with pytest.raises(InvalidInput) as told:
            read()
        assert str(told.value) == sentence


def test_the_other_arguments_are_checked_as_those_of_bars(loaded: Database) -> None:
    with pytest.raises(InvalidInput, match="The end date 2025-03-03 is before the start date 2025-03-04: swap them"):
        members(CSI300, "2025-03-04", "2025-03-03")
    with pytest.raises(InvalidInput, match="'2025/03/04' is not a trade date"):
        names("2025/03/04")
    with pytest.raises(InvalidInput, match="There is no incomplete='never'"):
        industries("2025-03-04", incomplete="never")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="was last read on 2025-03-13, so who was listed on 2025-03-14"):
        names("2025-03-14")


# ---------------------------------------------------------------------- weeks that are not complete


def warned(read: Callable[[], Any]) -> list[str]:
    """The sentences of the warnings about lists; each names the line that called the reader."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IncompleteLists)
        warnings.simplefilter("ignore", IncompleteBars)
        read()
    assert {warning.filename for warning in caught} <= {__file__}
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("reader", READS)
def test_a_list_that_is_too_old_is_said(loaded: Database, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plural = WEEKLY_DATASETS[of(reader)].plural
    loaded.do("DELETE FROM ashare.snapshot WHERE as_of > '2025-02-17'")
    read = READS[reader]
    assert warned(lambda: read("2025-03-03")) == [], "14 days old"
    sentence = f"2 weeks of {plural} are not complete: 2025-02-24, 2025-03-03; load them with: "
    sentence += REFERENCE.format("2025-02-24", "2025-03-03", "")
    assert warned(lambda: read("2025-03-04")) == [sentence]
    assert warned(lambda: read("2025-03-04", incomplete="ignore")) == []
    with pytest.raises(IncompleteDate) as told:
        read("2025-03-04", incomplete="raise")
    assert str(told.value) == sentence


def test_a_week_that_is_lost_within_a_range_is_said(loaded: Database) -> None:
    loaded.do("DELETE FROM ashare.snapshot WHERE as_of IN ('2025-02-10', '2025-02-24')")
    sentence = "1 week of members of indices is not complete: {}; load it with: " + REFERENCE.format("{}", "{}", "")
    early, late = (sentence.format(*[day] * 3) for day in ("2025-02-10", "2025-02-24"))
    assert warned(lambda: members(CSI300, "2025-02-12", "2025-02-18")) == [early], "in force on the first day"
    assert warned(lambda: members(CSI300, "2025-02-17", "2025-03-05")) == [late]
    assert warned(lambda: load_bars(start="2025-02-26", end="2025-03-05", index=CSI300)) == [late]
    assert warned(lambda: members(CSI300, "2025-03-03")) == []
    assert warned(lambda: universe("2025-02-26", index=CSI300)) == []
    assert warned(lambda: universe("2025-02-26")) == []


def test_rows_that_are_gone_are_said(loaded: Database) -> None:
    loaded.do("DELETE FROM ashare.index_member WHERE start_date = '2025-03-10'")
    (sentence,) = warned(lambda: members(CSI300))
    assert sentence.startswith("1 week of members of indices is not complete: 2025-03-10; load it with: ")
    assert sentence.endswith(REFERENCE.format("2025-03-10", "2025-03-10", " --rerun-failed-tasks"))
    assert warned(lambda: members(CSI300, end="2025-03-09")) == []
    assert warned(lambda: names("2025-03-10")) == []


def test_weeks_that_are_not_out_yet_do_not_count(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, "2025-03-17T09:00")  # a Monday
    assert warned(lambda: members(CSI300, "2025-03-03", "2025-12-31")) == []
    set_clock(monkeypatch, "2025-03-31T09:00")
    (sentence,) = warned(lambda: members(CSI300, "2025-03-03"))
    assert sentence.startswith("2 weeks of members of indices are not complete: 2025-03-17, 2025-03-24; load them")
