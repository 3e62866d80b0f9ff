"""The lake follows the database: a complete trade date starts ``ashare_export``, by the event of its asset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ashare.read import load_bars
from ashare_local.stack import Stack
from tests.e2e.conftest import Api, Cli, Query
from tests.waiting import until

DAY = "2025-10-21"


@pytest.fixture
def is_active(api: Api) -> Iterator[None]:
    """The DAG is not paused during the test."""
    api("PATCH", "/api/v2/dags/ashare_export", {"is_paused": False})
    yield
    api("PATCH", "/api/v2/dags/ashare_export", {"is_paused": True})


@pytest.mark.usefixtures("is_active")
def test_a_complete_date_is_in_the_lake_by_itself(
    stack: Stack, backfill: Cli, query: Query, api: Api, lake: Path
) -> None:
    done = backfill("-s", DAY, "-e", DAY, "ashare_daily")
    assert done.code == 0, done.out + done.err

    def held() -> bool:
        file = lake / "manifest.json"
        datasets = json.loads(file.read_text())["datasets"] if file.exists() else {}
        return DAY in datasets.get("stock_bar", {})

    until(held, seconds=120)
    bars = load_bars(start=DAY, end=DAY, source=lake, incomplete="ignore")
    with stack.ashare_connection() as connection:
        expected = load_bars(start=DAY, end=DAY, connection=connection, incomplete="ignore")
    assert len(bars) > 5_000
    pd.testing.assert_frame_equal(bars, expected, check_exact=True)

    def exported() -> list[dict[str, object]]:
        found: list[dict[str, object]] = api("GET", "/api/v2/assets/events?source_dag_id=ashare_export")[
            "asset_events"
        ]
        return found

    (event, *_) = until(exported, seconds=60)
    assert event["name"] == "ashare_lake"
    runs = api("GET", "/api/v2/dags/ashare_export/dagRuns")["dag_runs"]
    assert {run["state"] for run in runs} <= {"success", "running", "queued"}
    assert {run["partition_key"] for run in runs} == {"lake"}
