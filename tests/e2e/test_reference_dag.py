"""Weekly lists in a real Airflow: backfilled from the command line, with events of their assets."""

from __future__ import annotations

from datetime import date

from ashare.datasets import WEEKLY_DATASETS
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from tests.e2e.conftest import Api, Cli, Query

WEEKS = ("-s", "2025-09-22", "-e", "2025-10-07")
MONDAYS = ["2025-09-22", "2025-09-29", "2025-10-06"]
LAST_LOADED = date(2025, 9, 29)
"""2025-10-06 is a holiday."""


def test_weeks_are_backfilled_and_the_second_time_nothing_is_asked(
    backfill: Cli, query: Query, api: Api, source: Emulator, big_market: GeneratedMarket
) -> None:
    done = backfill(*WEEKS, "ashare_reference")
    assert done.code == 0, done.out + done.err
    assert "3 weeks: 3 success." in done.out
    members = {
        (index, code)
        for index in ("sh.000300", "sh.000016", "sh.000905")
        for code in big_market.members(index, LAST_LOADED)
    }
    held = (
        "SELECT index_code, code FROM ashare.index_member "
        "WHERE start_date <= %s AND (end_date IS NULL OR end_date > %s)"
    )
    assert set(query(held, LAST_LOADED, LAST_LOADED)) == members
    loaded = "SELECT DISTINCT as_of::text FROM ashare.snapshot WHERE as_of BETWEEN %s AND %s ORDER BY 1"
    assert query(loaded, MONDAYS[0], MONDAYS[-1]) == [(day,) for day in MONDAYS]

    events = api("GET", "/api/v2/assets/events?source_dag_id=ashare_reference&limit=100")["asset_events"]
    found = {
        (event["name"], event["partition_key"]): event["extra"]
        for event in events
        if event["partition_key"] in MONDAYS
    }
    for name in WEEKLY_DATASETS:
        for monday in MONDAYS:
            rows = query("SELECT loaded FROM ashare.coverage WHERE dataset = %s AND partition = %s", name, monday)
            extra = found[f"ashare_{name}", monday]
            assert (extra["rows"], extra["missing"]) == (rows[0][0], 0)

    sent = len(source.requests)
    again = backfill(*WEEKS, "ashare_reference")
    assert again.code == 0
    assert "all 3 dates have a run already" in again.out
    assert len(source.requests) == sent


def test_a_range_without_a_monday_has_no_run(backfill: Cli) -> None:
    done = backfill("-s", "2025-09-23", "-e", "2025-09-26", "ashare_reference")
    assert done.code == 0
    assert "No run of ashare_reference falls into this range (no Monday?): nothing to do." in done.out
