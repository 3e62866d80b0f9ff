"""Qlib, unchanged, works on the files of ``ashare export --qlib``: its LightGBM workflow, and a recipe's backtest."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ashare_emulator.generated import GeneratedMarket
from ashare_local import PROJECT
from tests.conftest import Database, Databases
from tests.docs.markdown import code_blocks
from tests.qlib import generated_export

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("ASHARE_TEST_QLIB"), reason="`make test-qlib` runs it, with Qlib in .venv-qlib"
    ),
    pytest.mark.timeout(1200),
]

QLIB = PROJECT / ".venv-qlib" / "bin"
START, END = date(2023, 1, 2), date(2024, 12, 31)
TRAIN, VALID, TEST = ("2023-04-03", "2023-12-29"), ("2024-01-02", "2024-05-31"), ("2024-06-03", "2024-12-31")

TOPK = 50


def workflow(provider_uri: Path) -> dict[str, Any]:
    """The settings of Qlib's example for LightGBM and Alpha158, with this market's path and dates.

    Qlib's package lacks its examples, so these are written here: the same classes, CSI 300, the index as
    benchmark.
    """
    handler = {
        "start_time": str(START),
        "end_time": str(END),
        "fit_start_time": TRAIN[0],
        "fit_end_time": TRAIN[1],
        "instruments": "csi300",
    }
    backtest = {
        "start_time": TEST[0],
        "end_time": TEST[1],
        "account": 100_000_000,
        "benchmark": "SH000300",
        "exchange_kwargs": {
            "limit_threshold": 0.095,
            "deal_price": "close",
            "open_cost": 0.0005,
            "close_cost": 0.0015,
            "min_cost": 5,
        },
    }
    placeholders = {"model": "<MODEL>", "dataset": "<DATASET>"}
    strategy = {"signal": "<PRED>", "topk": TOPK, "n_drop": 5}
    analysis = {"strategy": of("contrib.strategy", "TopkDropoutStrategy", **strategy), "backtest": backtest}
    return {
        "qlib_init": {"provider_uri": str(provider_uri), "region": "cn"},
        "task": {
            "model": of("contrib.model.gbdt", "LGBModel", loss="mse", num_leaves=64, num_threads=2),
            "dataset": of(
                "data.dataset",
                "DatasetH",
                handler=of("contrib.data.handler", "Alpha158", **handler),
                segments={"train": TRAIN, "valid": VALID, "test": TEST},
            ),
            "record": [
                of("workflow.record_temp", "SignalRecord", **placeholders),
                of("workflow.record_temp", "SigAnaRecord", ana_long_short=False, ann_scaler=252),
                of("workflow.record_temp", "PortAnaRecord", config=analysis),
            ],
        },
    }


def of(module: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"class": name, "module_path": f"qlib.{module}", "kwargs": arguments}


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    """1,200 stocks over two years: enough for three indices of full size."""
    return GeneratedMarket(start=START, end=END, stocks=1200, etfs=0)


@pytest.fixture(scope="module")
def loaded(databases: Databases, market: GeneratedMarket) -> Iterator[Database]:
    with databases.copied("template1") as made:
        generated_export.load(made.connect, market, START)
        yield made


@pytest.fixture(scope="module")
def provider_uri(loaded: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    conninfo = f"host={loaded.server.socket_dir} user=postgres dbname={loaded.name}"
    return generated_export.write(tmp_path_factory.mktemp("export"), conninfo)


def qlib(directory: Path, *command: object) -> str:
    """Run a program of .venv-qlib in a directory; return its output."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(QLIB / str(command[0])), *map(str, command[1:])],
        cwd=directory,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_qlibs_workflow_ends_with_a_report_up_to_the_last_day(
    provider_uri: Path, market: GeneratedMarket, tmp_path: Path
) -> None:
    (tmp_path / "workflow.yaml").write_text(json.dumps(workflow(provider_uri)))  # JSON is YAML
    qlib(tmp_path, "qrun", "workflow.yaml")
    report = json.loads(qlib(tmp_path, "python", PROJECT / "tests" / "qlib" / "report.py", "mlruns"))

    sessions = [str(day) for day, is_open in market.trade_dates(date.fromisoformat(TEST[0]), END) if is_open]
    assert report["days"] == sessions
    index = {row[0]: float(row[12]) / 100 for row in market.bars_of("sh.000300", START, END)}
    assert report["bench"] == pytest.approx([index[day] for day in sessions], abs=1e-6)
    for name in ("account", "return", "turnover", "cost"):
        assert all(map(math.isfinite, report[name])), name
    assert max(report["turnover"]) > 0.5, "the first day buys"
    assert sum(turnover > 0 for turnover in report["turnover"]) > 100
    assert len(report["analysis"]) == 10
    assert all(map(math.isfinite, report["analysis"].values()))
    assert sum(map(math.isfinite, report["ic"])) > 130


def test_qlibs_exchange_knows_the_limits_of_each_board(provider_uri: Path, loaded: Database, tmp_path: Path) -> None:
    script = PROJECT / "tests" / "qlib" / "limits.py"
    found = json.loads(qlib(tmp_path, "python", script, provider_uri, START, END).splitlines()[-1])
    at_limit = {"limit_buy": "close >= limit_up", "limit_sell": "close <= limit_down"}
    for name, condition in at_limit.items():
        rows = loaded.rows(
            "SELECT upper(replace(code, '.', '')), trade_date::text "
            "FROM ashare.daily_limit JOIN ashare.daily_bar USING (code, trade_date) "
            f"WHERE is_trading AND {condition} AND trade_date BETWEEN %s AND %s "
            "AND upper(replace(code, '.', '')) = ANY (%s) ORDER BY 1, 2",
            *(START, END, found["listed"]),
        )
        assert len(rows) > 20, name
        assert found[name] == [list(row) for row in rows], name


SHOW = """
import json
bought = {f"{day:%Y-%m-%d}": sorted(held.get_stock_list()) for day, held in positions.items()}
print(json.dumps({"days": [f"{day:%Y-%m-%d}" for day in report.index], "bench": report["bench"].tolist(),
                  "return": report["return"].tolist(), "turnover": report["turnover"].tolist(), "held": bought}))
"""


def test_the_recipe_of_a_backtest_holds_members_that_could_be_bought(
    provider_uri: Path, loaded: Database, market: GeneratedMarket
) -> None:
    recipes = (PROJECT / "docs" / "recipes.md").read_text(encoding="utf-8")
    (code,) = [block.text for block in code_blocks(recipes) if "import qlib" in block.text]
    report = json.loads(qlib(provider_uri.parent, "python", "-c", code + SHOW).splitlines()[-1])

    days, held = report["days"], report["held"]
    assert days == [str(day) for day, is_open in market.trade_dates(date(2024, 7, 1), END) if is_open]
    index = {row[0]: float(row[12]) / 100 for row in market.bars_of("sh.000300", START, END)}
    assert report["bench"] == pytest.approx([index[day] for day in days], abs=1e-6)
    assert all(map(math.isfinite, report["return"]))
    assert sum(turnover > 0 for turnover in report["turnover"]) > 100
    can_buy = {
        (day, code.replace(".", "").upper())
        for day, code in loaded.rows(
            "SELECT trade_date::text, code FROM ashare.daily_limit WHERE can_buy AND trade_date >= '2024-07-01'"
        )
    }
    bought = {(day, code) for before, day in itertools.pairwise(days) for code in {*held[day]} - {*held[before]}}
    assert len(bought) > 200
    assert bought <= can_buy
