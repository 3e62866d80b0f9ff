"""The code of docs/recipes.md and README.md runs as it stands, and its results are those of the database.

docs/recipes.zh.md has the same code (test_translations.py). Its block for Qlib is run by tests/qlib.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ashare.command import main
from ashare.connection import POSTGRES_VARIABLE
from ashare.datasets import INDUSTRIES
from ashare.dates import mondays
from ashare.export import export
from ashare.store import Store
from ashare.store.weekly_lists import WeeklyList
from ashare_emulator.generated import GeneratedMarket
from ashare_local import PROJECT
from tests.conftest import Database, Databases
from tests.docs.markdown import code_blocks
from tests.qlib import generated_export

START, END = date(2024, 12, 2), date(2025, 2, 28)
RECIPES = (PROJECT / "docs" / "recipes.md").read_text(encoding="utf-8")
EXPORT = "ashare export bars --qlib qlib_data\n"
ATTACH = "ashare lake attach bars.duckdb --lake bars\n"

pytestmark = [
    # The market is loaded without runs, so no date counts as complete.
    pytest.mark.filterwarnings("ignore::ashare.read.IncompleteBars"),
    pytest.mark.filterwarnings("ignore::ashare.read.IncompleteLists"),
]


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    return GeneratedMarket(start=START, end=END, stocks=300, etfs=0)


@pytest.fixture(scope="module")
def loaded(databases: Databases, market: GeneratedMarket) -> Iterator[Database]:
    with databases.copied("template1") as made:
        generated_export.load(made.connect, market, START)
        with Store(made.connect) as store:
            for week in mondays(START, END):
                rows = [(row[4], row[1], row[3] or None) for row in market.industry_rows(week)]
                store.weekly_lists.save([WeeklyList(INDUSTRIES, week, week, rows)], "test")
        yield made


@pytest.fixture(scope="module")
def folder(loaded: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the lake, as the page's command makes it."""
    made = tmp_path_factory.mktemp("recipes")
    conninfo = f"host={loaded.server.socket_dir} user=postgres dbname={loaded.name}"
    export(made / "bars", incomplete="ignore", connection=conninfo)
    return made


@pytest.fixture
def results(folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the Python code of a section of the page leaves, run in the lake's folder."""
    monkeypatch.chdir(folder)
    (section,) = [part for part in RECIPES.split("\n## ")[1:] if part.startswith(f"{request.param}\n")]
    names: dict[str, Any] = {}
    for block in code_blocks(section):
        if block.language == "console":
            assert block.text == ATTACH
            assert main(shlex.split(ATTACH)[1:]) == 0
        else:
            exec(block.text, names)
    return names


def section(title: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("results", [title], indirect=True)


def test_every_section_with_code_is_run_by_a_test() -> None:
    titles = re.findall(r"^## (.+)$", RECIPES, re.MULTILINE)
    run = Path(__file__).read_text(encoding="utf-8")
    assert [title for title in titles if f'@section("{title}")' not in run] == ["A backtest in Qlib"]
    assert code_blocks(RECIPES.split("\n## ")[0])[0].text == EXPORT


@section("A panel in pandas")
def test_the_panels_momentum_is_that_of_the_databases_adjusted_prices(
    results: dict[str, Any], loaded: Database
) -> None:
    momentum = results["momentum"]
    last, before = momentum.index[-1], momentum.index[-21]
    expected = dict(
        loaded.rows(
            "SELECT code, b.close / a.close - 1 FROM ashare.daily_bar_hfq a JOIN ashare.daily_bar_hfq b USING (code) "
            "JOIN ashare.security USING (code) WHERE kind = 'stock' AND a.trade_date = %s AND b.trade_date = %s "
            "AND a.is_trading AND b.is_trading AND ipo_date <= '2025-01-02'",
            before.date(),
            last.date(),
        )
    )
    found = momentum.loc[last].dropna()
    assert set(found.index) == set(expected)
    assert len(expected) > 250
    assert found.to_dict() == pytest.approx({code: float(value) for code, value in expected.items()})
    assert results["rank"].loc[last].idxmax() == max(expected, key=lambda code: expected[code])
    assert momentum.shape[1] > len(found), "a suspended stock has no momentum"


@section("A filter in polars")
def test_the_volatility_is_that_of_the_databases_bars(results: dict[str, Any], loaded: Database) -> None:
    found = dict(results["volatility"].select("code", "volatility").rows())
    expected = dict(
        loaded.rows(
            "SELECT code, stddev_samp(ln(close / preclose)) FROM ashare.daily_bar_hfq "
            "WHERE is_trading AND trade_date >= '2025-01-02' GROUP BY code HAVING count(*) >= 20"
        )
    )
    assert len(found) > 250
    assert found == pytest.approx({code: float(value) for code, value in expected.items()})
    assert results["volatility"]["volatility"].is_sorted(descending=True)


@section("SQL in DuckDB")
def test_the_turnover_of_industries_is_that_of_the_database(results: dict[str, Any], loaded: Database) -> None:
    expected = loaded.rows(
        "SELECT industry, count(DISTINCT b.code), sum(amount) / 1e8 FROM ashare.daily_bar b JOIN ashare.industry i "
        "ON i.code = b.code AND daterange(i.start_date, i.end_date) @> trade_date "
        "WHERE trade_date BETWEEN '2025-02-03' AND '2025-02-28' AND is_trading GROUP BY industry ORDER BY 3 DESC"
    )
    found = results["turnover"]
    assert len(expected) > 10
    assert found["industry"].fillna("").tolist() == [row[0] or "" for row in expected]
    assert found["stocks"].tolist() == [row[1] for row in expected]
    assert found["amount_100m"].tolist() == pytest.approx([float(row[2]) for row in expected])


@section("What could be bought")
def test_what_is_bought_was_to_be_had(results: dict[str, Any], loaded: Database) -> None:
    def pairs(table: Any) -> set[tuple[str, str]]:
        days, codes = np.nonzero(table.to_numpy())
        return {(f"{table.index[day]:%Y-%m-%d}", table.columns[code]) for day, code in zip(days, codes, strict=True)}

    rows = loaded.rows(
        "SELECT trade_date::text, code, can_buy FROM ashare.daily_limit WHERE trade_date >= '2025-01-02'"
    )
    can_buy = {(day, code) for day, code, possible in rows if possible}
    wanted, bought = pairs(results["wanted"]), pairs(results["bought"])
    assert len(wanted) > 250
    assert bought == wanted & can_buy
    assert bought < wanted, "at least one of them closed at its limit up, or was suspended"


@section("The members of an index at a date")
def test_the_members_and_their_mean_are_those_of_the_days(
    results: dict[str, Any], loaded: Database, market: GeneratedMarket
) -> None:
    assert sorted(results["csi300"]) == sorted(market.members("sh.000300", date(2025, 1, 6)))
    means = loaded.rows(
        "SELECT trade_date::text, avg(pct_chg) FROM ashare.daily_bar b JOIN ashare.index_member m ON m.code = b.code "
        "AND index_code = 'sh.000300' AND daterange(m.start_date, m.end_date) @> trade_date "
        "WHERE trade_date >= '2025-01-06' GROUP BY trade_date ORDER BY trade_date"
    )
    change = results["change"]
    assert [f"{day:%Y-%m-%d}" for day in change.index] == [day for day, _ in means]
    assert change.mean(axis="columns").tolist() == pytest.approx([float(mean) for _, mean in means])
    assert len(results["joined"]) > 0
    joined = results["joined"].iloc[0]
    assert change.loc[: joined["start_date"], joined["code"]].iloc[:-1].isna().all(), "not a member yet"


# ---------------------------------------------------------------------- README.md


def test_the_readmes_lines_read_the_database(
    loaded: Database, monkeypatch: pytest.MonkeyPatch, market: GeneratedMarket
) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, loaded.server.connection_json(loaded.name))
    blocks = code_blocks((PROJECT / "README.md").read_text(encoding="utf-8"))
    (python,) = [block.text for block in blocks if block.language == "python"]
    names: dict[str, Any] = {}
    exec(python, names)
    assert {*names["listed"]} == {row[0] for row in loaded.rows(LISTED)}
    assert names["bars"]["code"].unique().tolist() == ["sh.600000"]
    assert names["close"].shape[0] == len(names["bars"]) > 30
    assert {*market.members("sh.000300", date(2025, 1, 6))} <= {*names["csi300"]["code"]}
    (query,) = [block.text for block in blocks if block.language == "sql"]
    assert len(loaded.rows(query)) > 50


LISTED = (
    "SELECT code FROM ashare.security WHERE kind = 'stock' AND ipo_date <= '2025-01-02' "
    "AND (out_date IS NULL OR out_date > '2025-01-02')"
)
