"""Generated bars never get among others: what `make demo` does with a database of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from ashare.connection import POSTGRES_VARIABLE
from ashare.store import Store
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS
from ashare_local import PROJECT, StackError
from ashare_local.demo_market import DEMO_FROM
from ashare_local.other_bars import refuse_other_bars
from ashare_local.ports import free_port
from tests.conftest import Database

DAYS = ("2026-04-27", "2026-05-06")
PLACES = [COLUMNS.index(name) for name in ("date", "code", "close", "volume")]


@pytest.fixture(scope="module")
def demo_market() -> GeneratedMarket:
    return GeneratedMarket(start=DEMO_FROM)


@pytest.fixture
def own_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database of one's own, with the tables in it and no bars."""
    Store(database.connect).migrate()
    monkeypatch.setenv(POSTGRES_VARIABLE, database.server.connection_json(database.name))
    monkeypatch.delenv("AIRFLOW_CONN_BAOSTOCK", raising=False)
    return database


def load(database: Database, market: GeneratedMarket, *, but: int = 0) -> None:
    """The market's bars, with others of the newest of them from the ``but``-th on."""
    names = "trade_date, code, close, volume, is_trading"
    with (
        database.connect() as connection,
        connection.cursor() as cursor,
        cursor.copy(f"COPY ashare.daily_bar ({names}) FROM STDIN") as copy,
    ):
        for day in DAYS:
            for n, row in enumerate(market.bars_on(date.fromisoformat(day), "stock")):
                on, code, close, volume = (row[place] for place in PLACES)
                copy.write_row((on, code, float(close) + (n >= but), volume or None, True))


def test_a_demo_goes_on_in_a_database_that_is_empty_or_holds_its_own_bars(
    database: Database, own_database: Database, demo_market: GeneratedMarket
) -> None:
    refuse_other_bars(DEMO_FROM)
    load(own_database, demo_market, but=10_000)
    refuse_other_bars(DEMO_FROM)


def test_a_database_without_the_tables_is_an_empty_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, database.server.connection_json(database.name))
    refuse_other_bars(DEMO_FROM)


@pytest.mark.parametrize("module", ["ashare_local.demo", "ashare_local.up"])
def test_a_demo_on_a_database_with_other_bars_is_refused_at_once(
    own_database: Database, demo_market: GeneratedMarket, tmp_path: Path, module: str
) -> None:
    load(own_database, demo_market)
    held = own_database.rows("SELECT count(*), sum(close) FROM ashare.daily_bar")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=PROJECT,
        env={**os.environ, "ASHARE_STATE_DIR": str(tmp_path / "state"), "DEMO": "1", "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert time.monotonic() - began < 30
    assert done.returncode == 1
    assert f"holds other bars than the demo's (up to {DAYS[-1]})" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "state").exists(), "nothing was started"
    assert own_database.rows("SELECT count(*), sum(close) FROM ashare.daily_bar") == held


def test_real_bars_of_few_stocks_are_other_bars(own_database: Database) -> None:
    one = "INSERT INTO ashare.daily_bar (trade_date, code, close, is_trading) VALUES ('2027-03-01', %s, 9, true)"
    own_database.do(one, "sh.600000")
    with pytest.raises(StackError, match="holds other bars"):
        refuse_other_bars(DEMO_FROM)


def test_with_a_source_of_ones_own_the_bars_are_its_business(
    own_database: Database, demo_market: GeneratedMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(own_database, demo_market)
    monkeypatch.setenv("AIRFLOW_CONN_BAOSTOCK", "baostock://anonymous:123456@somewhere:10030")
    refuse_other_bars(DEMO_FROM)
