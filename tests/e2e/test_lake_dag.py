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

DAY = "2025-10-28"
"""A date that other tests run, too: no date of the market is left for this test alone."""


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
    done = backfill("-s", DAY, "-e", DAY, "--reset-dagruns", "ashare_daily")
    assert done.code == 0, done.out + done.err

    # This stack's scheduler makes no runs of its own. What is to become a run waits in Airflow's table.
    pending = "SELECT partition_key FROM asset_partition_dag_run WHERE target_dag_id = 'ashare_export'"
    with stack.postgres.connect("airflow") as connection:
        assert set(connection.execute(pending).fetchall()) == {("lake",)}
    run = api("POST", "/api/v2/dags/ashare_export/dagRuns", {"logical_date": None, "partition_key": "lake"})

    def ended() -> str:
        state: str = api("GET", f"/api/v2/dags/ashare_export/dagRuns/{run['dag_run_id']}")["state"]
        return state if state in ("success", "failed") else ""

    assert until(ended) == "success"
    assert DAY in json.loads((lake / "manifest.json").read_text())["datasets"]["stock_bar"]
    bars = load_bars(start=DAY, end=DAY, source=lake, incomplete="ignore")
    with stack.ashare_connection() as connection:
        expected = load_bars(start=DAY, end=DAY, connection=connection, incomplete="ignore")
    assert len(bars) > 5_000
    pd.testing.assert_frame_equal(bars, expected, check_exact=True)

    events = api("GET", "/api/v2/assets/events?source_dag_id=ashare_export")["asset_events"]
    assert {event["name"] for event in events} == {"ashare_lake"}
    assert events[-1]["extra"]["last"] >= DAY
