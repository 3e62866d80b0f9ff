"""Bars as frames and Arrow tables: each value is the table's, and a wrong question is answered in a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from ashare.connection import POSTGRES_VARIABLE
from ashare.dates import beijing_now
from ashare.errors import InvalidInput, StoreUnavailable
from ashare.read import load_bars, load_bars_arrow, load_limits, universe
from ashare.read_columns import ADJUSTED, FIELDS, KEY, LIMITS
from ashare.store import Store, arrow
from ashare.store.read_connection import read_transaction
from ashare_emulator.generated import GeneratedMarket
from ashare_local import PROJECT
from ashare_local.ports import free_port
from tests.conftest import Database, MakeRun
from tests.integration.trade_date import DAY, complete

pytestmark = pytest.mark.filterwarnings("ignore::ashare.read.IncompleteBars")
"""The market ends in 2025. See test_incomplete.py."""

NEXT = "2025-10-10"
COLUMNS = [*KEY, *FIELDS]


def conninfo(database: Database) -> str:
    return f"host={database.server.socket_dir} user=postgres dbname={database.name}"


@pytest.fixture
def loaded(make_run: MakeRun, database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Two trade dates, a stock that went ex between them, and the connection set as `make up` does."""
    assert {complete(make_run(day)) for day in (DAY, NEXT)} == {"success"}
    database.do("DELETE FROM ashare.adjust_factor WHERE code = %s", STOCK)
    database.do("UPDATE ashare.daily_bar SET is_st = NULL WHERE code = 'sh.000001'")
    database.do("INSERT INTO ashare.factor_history (code) VALUES (%s)", STOCK)
    database.do("INSERT INTO ashare.adjust_factor VALUES (%s, '2025-10-10', 0.8, 1.234567)", STOCK)
    monkeypatch.setenv(POSTGRES_VARIABLE, database.server.connection_json(database.name))
    return database


@pytest.fixture(scope="module")
def some_codes(market: GeneratedMarket) -> list[str]:
    return [security.code for security in market.securities() if security.code.startswith("sh.60")][:3]


STOCK = "sh.600000"
TEXT = "object" if pd.__version__ < "3" else "str"
"""How pandas calls a column of texts."""


def as_stored(value: object) -> object:
    """A value as the table has it: a float's digits are the number's."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def test_every_value_is_the_tables(loaded: Database) -> None:
    table = load_bars_arrow()
    rows = loaded.rows(f"SELECT {', '.join(COLUMNS)} FROM ashare.daily_bar ORDER BY code, trade_date")
    assert len(rows) > 600
    assert any(row[COLUMNS.index("volume")] is None for row in rows), "a suspended one"
    assert any(row[COLUMNS.index("is_st")] is None for row in rows), "an index"
    assert [tuple(as_stored(row[name]) for name in COLUMNS) for row in table.to_pylist()] == rows
    assert table.schema.field("code").type == pa.string()
    assert {str(table.schema.field(name).type) for name in ("trade_date", "volume", "is_st", "close")} == {
        *("date32[day]", "int64", "bool", "double")
    }


@pytest.mark.parametrize("adjust", ["qfq", "hfq"])
def test_adjusted_bars_are_the_views(loaded: Database, adjust: Any) -> None:
    names = [*KEY, *FIELDS, *ADJUSTED]
    table = load_bars_arrow(adjust=adjust)
    assert table.column_names == names
    rows = loaded.rows(f"SELECT {', '.join(names)} FROM ashare.daily_bar_{adjust} ORDER BY code, trade_date")
    expected = [tuple(float(value) if isinstance(value, Decimal) else value for value in row) for row in rows]
    found = [tuple(row.values()) for row in table.to_pylist()]
    assert found == [tuple(map(_as_float, names, row)) for row in expected]
    bars = load_bars(STOCK, adjust=adjust, fields=["close", "factor", "adjusted_volume", "volume"])
    raw = load_bars(STOCK, fields="close")
    assert bars["close"].tolist() == pytest.approx((raw["close"] * bars["factor"]).tolist(), abs=1e-4)
    ratio = bars["factor"].iloc[1] / bars["factor"].iloc[0]
    assert ratio == pytest.approx(1.234567)


def _as_float(name: str, value: Any) -> Any:
    """``adjusted_volume`` is a float whatever the view makes of it."""
    return float(value) if name in ADJUSTED and value is not None else value


def test_limits_are_the_views(loaded: Database) -> None:
    frame = load_limits()
    names = [*KEY, *LIMITS]
    rows = loaded.rows(f"SELECT {', '.join(names)} FROM ashare.daily_limit ORDER BY code, trade_date")
    assert len(rows) > 500
    assert list(frame.columns) == names
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "trade_date": "datetime64[ns]",
        **dict.fromkeys(("code", "rule"), TEXT),
        **dict.fromkeys(("limit_up", "limit_down"), "float64"),
        **{name: "bool" for name, kind in LIMITS.items() if kind == "bool"},
    }
    found = frame.assign(trade_date=frame["trade_date"].dt.date).itertuples(index=False, name=None)
    assert [tuple(None if pd.isna(value) else as_stored(value) for value in row) for row in found] == rows
    one = load_limits(STOCK, DAY, DAY)
    assert one["code"].tolist() == [STOCK]
    assert load_limits("sh.000001").empty  # an index has none
    with pytest.raises(InvalidInput, match="lacks its exchange"):
        load_limits("600000")


def test_a_frame_has_the_types_it_promises_whatever_is_missing(loaded: Database) -> None:
    both, index = load_bars(start=DAY, end=date(2025, 10, 10)), load_bars("sh.000001")
    none = load_bars(start="2025-09-01", end="2025-09-02")
    assert len(none) == 0 < len(index) < len(both)
    for frame in (both, index, none):
        assert list(frame.columns) == COLUMNS
        types = {name: str(kind) for name, kind in frame.dtypes.items()}
        assert types.pop("trade_date") == "datetime64[ns]"
        assert (types.pop("code"), types.pop("is_trading"), types.pop("is_st")) == (TEXT, "bool", "boolean")
        assert set(types.values()) == {"float64"}
    assert both.equals(both.sort_values(["code", "trade_date"]).reset_index(drop=True))
    assert both["volume"].isna().any() and index["is_st"].isna().all()
    assert not both[~both["is_trading"]].empty
    wide = both.pivot(index="trade_date", columns="code", values="close")
    assert wide.shape == (2, both["code"].nunique())


def test_what_is_asked_for_is_what_comes(loaded: Database, some_codes: list[str]) -> None:
    bars = load_bars([*some_codes, some_codes[0]], DAY, datetime(2025, 10, 9, 15), fields=["close", "code", "volume"])
    assert list(bars.columns) == ["trade_date", "code", "close", "volume"]
    assert bars["code"].tolist() == sorted(some_codes)
    assert set(bars["trade_date"]) == {pd.Timestamp(DAY)}
    by_series = load_bars(pd.Series(some_codes, dtype="category"), pd.Timestamp(NEXT), fields="close")
    assert by_series["trade_date"].unique().tolist() == [pd.Timestamp(NEXT)]
    assert len(load_bars(STOCK, "1980-01-01", "2099-12-31")) == 2  # a part of the range is one that can be


def test_polars_reads_arrow_without_a_copy(loaded: Database) -> None:
    table = load_bars_arrow(fields=["close", "amount"])
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    assert frame["code"].to_list() == table["code"].to_pylist()
    for name in ("close", "amount"):
        (chunk,) = table[name].chunks
        assert frame[name].to_arrow().buffers()[1].address == chunk.buffers()[1].address, name


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["600000"], "'600000' lacks its exchange: write sh.600000 (Shanghai) or sz.600000 (Shenzhen)"),
        (["600000.SH"], "'600000.SH' is not a code: write the exchange, a dot and six digits"),
        ([[]], "No code is given: name at least one, for example sh.600000, or None for all."),
        (["sh.999998"], "Not known: sh.999998; ashare.security lists every security"),
        ([[f"sh.99999{n}" for n in range(7)]], "sh.999994 and 2 more; ashare.security"),
        ([None, "2025/10/09"], "'2025/10/09' is not a trade date: write it as YYYY-MM-DD"),
        ([None, 20251009], "'20251009' is not a trade date"),
        (
            [None, "2025-10-10", "2025-10-09"],
            "The end date 2025-10-09 is before the start date 2025-10-10: swap them.",
        ),
        ([None, "2999-01-01"], "Trade date 2999-01-01 is in the future"),
        ([None, None, "1990-12-18"], "The end date 1990-12-18 is before the start date 1990-12-19"),
        ([None, "1980-01-01", "1981-01-01"], "Trade date 1981-01-01 is before 1990-12-19"),
        ([None, None, None, "forward"], "There is no adjustment 'forward': write None for prices as traded, 'qfq'"),
        ([None, None, None, ["qfq"]], "There is no adjustment ['qfq']"),
        (
            [None, None, None, None, ["close", "vwap"]],
            "There is no field 'vwap': choose among trade_date, code, open,",
        ),
        ([None, None, None, None, "factor"], "Only adjusted bars have the field factor: add adjust='qfq' or adjust="),
    ],
)
def test_a_wrong_question_is_one_sentence(loaded: Database, arguments: list[Any], sentence: str) -> None:
    with pytest.raises(InvalidInput) as told:
        load_bars(*arguments)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


# ---------------------------------------------------------------------- the point-in-time list


def test_the_universe_is_who_was_listed_that_day(loaded: Database) -> None:
    day = "2025-10-12"  # a Sunday
    ours = universe(day)
    expected = loaded.rows("SELECT code FROM ashare.expected_security(%s, '{stock}', '{}') ORDER BY code", day)
    assert ours["code"].tolist() == [code for (code,) in expected]
    assert {name: str(kind) for name, kind in ours.dtypes.items()} == {
        **dict.fromkeys(("code", "name", "kind"), TEXT),
        **dict.fromkeys(("ipo_date", "out_date"), "datetime64[ns]"),
    }
    gone, new = ours["code"].iloc[:2]
    loaded.do("UPDATE ashare.security SET out_date = '2025-10-12' WHERE code = %s", gone)
    loaded.do("UPDATE ashare.security SET ipo_date = '2025-10-13' WHERE code = %s", new)
    assert set(ours["code"]) - set(universe(day)["code"]) == {gone, new}
    assert gone in set(universe("2025-10-11")["code"])
    assert new in set(universe("2025-10-13")["code"])


def test_the_universe_of_other_kinds(loaded: Database) -> None:
    kinds = universe(DAY, ["stock", "index", "etf"])["kind"].value_counts()
    assert set(kinds.index) == {"stock", "index", "etf"}
    assert len(universe(DAY, "index")) == kinds["index"]
    old = universe("2005-12-31", "index")
    assert {"sh.000001", "sh.000300"} <= set(old["code"])
    assert old["ipo_date"].max() <= pd.Timestamp("2005-12-31")
    with pytest.raises(InvalidInput, match="There is no kind 'bond': choose among stock, index, etf"):
        universe(DAY, ["stock", "bond"])
    with pytest.raises(InvalidInput, match="No kind is given: choose among"):
        universe(DAY, [])


def test_a_day_that_the_list_cannot_know_of_is_refused(loaded: Database) -> None:
    loaded.do("UPDATE ashare.security SET updated_at = '2025-10-31 18:00+08'")
    assert len(universe("2025-10-31")) > 250
    with pytest.raises(
        InvalidInput, match="was last read on 2025-10-31, so who was listed on 2025-11-03 is not known"
    ):
        universe("2025-11-03")
    loaded.do("DELETE FROM ashare.security")
    with pytest.raises(InvalidInput, match="The list of securities has not been read yet: run ashare_daily"):
        universe("2025-10-31")
    with pytest.raises(InvalidInput, match="is in the future"):
        universe(beijing_now().date() + timedelta(days=1))


# ---------------------------------------------------------------------- the connection


def test_airflow_is_not_needed_nor_imported(loaded: Database) -> None:
    code = (
        "import sys; from ashare.read import load_bars, universe\n"
        f"sys.stdout.write(f\"{{len(load_bars('{STOCK}'))}} {{'airflow' in sys.modules}}\")"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "2 False"


def test_an_open_connection_is_left_as_it_was(loaded: Database, some_codes: list[str]) -> None:
    with loaded.connect() as connection:
        connection.execute("SET datestyle = 'German'; SET timezone = 'America/New_York'; SET client_encoding = 'GBK'")
        connection.execute("CREATE TEMPORARY TABLE mine (n integer)")
        assert len(load_bars(some_codes, connection=connection)) == 2 * len(some_codes)
        assert universe(DAY, connection=connection).equals(universe(DAY))
        shown = connection.execute("SELECT current_setting('datestyle'), current_setting('timezone')").fetchone()
        assert shown == ("German, DMY", "America/New_York")
        connection.execute("INSERT INTO mine VALUES (1)")  # in the transaction that was open
        connection.rollback()
    with loaded.connect() as connection:
        connection.autocommit = True
        assert len(load_bars(some_codes, connection=connection)) == 2 * len(some_codes)
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_an_open_transaction_sees_what_it_has_not_committed(loaded: Database) -> None:
    with loaded.connect() as connection:
        connection.execute("UPDATE ashare.daily_bar SET close = 8.25 WHERE code = %s", (STOCK,))
        assert set(load_bars(STOCK, fields="close", connection=connection)["close"]) == {8.25}
        connection.rollback()
    assert 8.25 not in set(load_bars(STOCK, fields="close", connection=conninfo(loaded))["close"])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_read_ends_at_once_and_leaves_the_connection_usable(
    database: Database, error: type[BaseException]
) -> None:
    many = sql.SQL("SELECT n, n FROM generate_series(1, 20000000) n")
    with database.connect() as connection:
        connection.execute("CREATE TEMPORARY TABLE mine AS SELECT 1 AS n")
        with pytest.raises(error), read_transaction(connection), arrow.copied(connection, many) as texts:
            arrow.parsed(next(texts), arrow.schema({"n": "int64", "m": "int64"}))
            raise error
        assert connection.execute("SELECT n FROM mine").fetchall() == [(1,)], "in the transaction that was open"


def test_a_libpq_string_goes_before_the_environment(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, "postgresql://nobody@nowhere.invalid/none")
    assert len(load_bars(STOCK, connection=conninfo(loaded))) == 2


def test_an_engine_is_no_connection() -> None:
    with pytest.raises(InvalidInput, match="object is no connection: give libpq's string or URI"):
        load_bars("sh.600000", connection=object())  # type: ignore[arg-type]


def test_no_connection_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(POSTGRES_VARIABLE, raising=False)
    with pytest.raises(InvalidInput, match=r"No database is named: set AIRFLOW_CONN_ASHARE_POSTGRES \(`\. \.airflow"):
        load_bars("sh.600000")


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://ashare:hidden@word@db.example/ashare",
        "postgresql://ashare:hidden/word@db.example/ashare",
        "postgresql://ashare:hidden%word@db.example/ashare",
        "hidden word",
    ],
)
def test_a_connection_that_is_none_is_refused_without_its_password(given: str) -> None:
    with pytest.raises(InvalidInput, match="The connection is not well-formed: write postgresql://user") as told:
        load_bars("sh.600000", connection=given)
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize("form", ["uri", "json"])
def test_a_database_that_is_away_is_one_sentence_without_its_password(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    port = free_port()
    fields = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "login": "me", "password": "hidden"}
    uri = f"postgres://me:hidden@127.0.0.1:{port}/ashare"
    monkeypatch.setenv(POSTGRES_VARIABLE, uri if form == "uri" else json.dumps(fields))
    with pytest.raises(StoreUnavailable, match=r"The database cannot be reached .*Connection refused") as told:
        universe(DAY)
    assert "hidden" not in str(told.value)


def test_a_database_without_the_schema_and_a_user_without_the_right(bare_database: Database) -> None:
    with pytest.raises(InvalidInput, match=rf"The database {bare_database.name} lacks what is read \(relation"):
        load_bars(connection=conninfo(bare_database))
    with Store(bare_database.connect) as store:
        store.migrate()
    role = f"reader_{os.getpid()}"
    bare_database.do(f"CREATE ROLE {role} LOGIN")
    try:
        stranger = conninfo(bare_database).replace("user=postgres", f"user={role}")
        with pytest.raises(InvalidInput, match=f"The database user {role} may not read the schema ashare"):
            load_bars(connection=stranger)
    finally:
        bare_database.do(f"DROP ROLE {role}")
