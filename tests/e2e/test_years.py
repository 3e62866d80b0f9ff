"""The DAG ashare_history through a real scheduler: its plan in the log, its batches, what it refuses."""

from __future__ import annotations

from datetime import date
from typing import Any

from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS
from ashare_emulator.server import Emulator
from tests.e2e.conftest import Api, Query
from tests.waiting import until

RUNS = "/api/v2/dags/ashare_history/dagRuns"
CODES = ["sh.600000", "sh.600519", "sz.000001"]  # of dates that no other test runs


def run(api: Api, **conf: Any) -> dict[str, Any]:
    """Trigger a run, and wait for its end."""
    started = api("POST", RUNS, {"logical_date": None, "conf": conf})
    path = f"{RUNS}/{started['dag_run_id']}"
    return until(lambda: (now := api("GET", path))["state"] in ("success", "failed") and now)  # type: ignore[no-any-return]


def log_of_plan(api: Api, ended: dict[str, Any]) -> str:
    """The log of the run's task plan_batches, as the UI gets it."""
    return str(api("GET", f"{RUNS}/{ended['dag_run_id']}/taskInstances/plan_batches/logs/1"))


def test_a_history_arrives_and_its_log_says_what_it_takes(
    api: Api, query: Query, source: Emulator, big_market: GeneratedMarket
) -> None:
    asked = source.count("query_history_k_data_plus")
    ended = run(api, start_date="2025-09-22", end_date="2025-09-26", codes=CODES, batch_size=1)
    assert ended["state"] == "success", ended
    plan = "2025-09-22 to 2025-09-26: 3 of 3 securities lack bars or adjust factors. By code"
    assert plan in log_of_plan(api, ended)
    at = [COLUMNS.index(name) for name in ("date", "code", "close")]
    sent = [
        tuple(row[n] for n in at)
        for code in CODES
        for row in big_market.bars_of(code, date(2025, 9, 22), date(2025, 9, 26))
    ]
    found = query(
        "SELECT trade_date::text, code, close::text FROM ashare.daily_bar "
        "WHERE code = ANY (%s) AND trade_date BETWEEN '2025-09-22' AND '2025-09-26'",
        CODES,
    )
    assert sorted(found) == sorted(sent)
    assert source.count("query_history_k_data_plus") == asked + 3
    assert source.overlaps() == []
    tasks = api("GET", f"{RUNS}/{ended['dag_run_id']}/taskInstances")["task_instances"]
    labels = sorted(task["rendered_map_index"] for task in tasks if task["task_id"] == "fetch_and_copy")
    assert labels == [
        "stocks 1-1, sh.600000 to sh.600000",
        "stocks 2-2, sh.600519 to sh.600519",
        "stocks 3-3, sz.000001 to sz.000001",
    ]


def test_the_same_again_asks_for_nothing(api: Api, source: Emulator) -> None:
    asked = source.count()
    ended = run(api, start_date="2025-09-22", end_date="2025-09-26", codes=CODES)
    assert ended["state"] == "success"
    assert "nothing is asked of Baostock" in log_of_plan(api, ended)
    assert source.count() == asked


def test_a_date_that_cannot_be_fails_at_once(api: Api, source: Emulator) -> None:
    asked = source.count()
    assert run(api, start_date="2025-09-22", end_date="2999-01-01")["state"] == "failed"
    assert run(api, start_date="2025-09-22", end_date="2025-09-26", codes=["sh.609999"])["state"] == "failed"
    assert source.count() == asked
