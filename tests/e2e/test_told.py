"""What the outside is told by a real Airflow: alerts by Apprise to a web server, metrics by StatsD.

The last test finds what the first have made.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from datetime import datetime
from datetime import time as datetime_time
from urllib.parse import quote

from ashare.dates import SHANGHAI, beijing_now
from ashare_emulator.faults import fault
from ashare_emulator.server import Emulator
from ashare_local.stack import Stack
from tests.e2e.conftest import Api, Cli, Query
from tests.e2e.test_backfill import MARKET
from tests.listener import Listener
from tests.waiting import until

WEEK = ("-s", "2025-10-24", "-e", "2025-10-27")
DAYS = ("2025-10-24", "2025-10-27")


def test_a_broken_backfill_is_told_once_and_once_that_it_is_mended(
    backfill: Cli, query: Query, source: Emulator, listener: Listener, stack: Stack
) -> None:
    title, end = "A-share sync: the backfill 2025-10-24 to 2025-10-27 {}".format, "is complete"
    source.add_fault(fault(MARKET, "error", times=0, code="10001006", message="no permission"))
    done = backfill(*WEEK, "ashare_daily")
    source.clear_faults()
    assert done.code == 1, done.out + done.err
    (message,) = listener.of(title("has dates that are not complete"))
    # Date, what is missing, why, and the link.
    assert any(message["message"].startswith(f"{day}: ") for day in DAYS)
    assert "10001006" in message["message"]
    assert message["message"].splitlines()[-1].startswith(f"{stack.url}/dags/ashare_daily/runs/backfill__")

    again = backfill(*WEEK, "--rerun-failed-tasks", "ashare_daily")
    assert again.code == 0, again.out + again.err
    listener.of(title(end))
    assert [len(listener.of(title(what))) for what in ("has dates that are not complete", end)] == [1, 1]
    assert not [message for message in listener.messages if any(f": {day} " in message["title"] for day in DAYS)]
    assert query("SELECT count(*) FROM ashare.alert WHERE resolved_at IS NULL AND subject ~ '^backfill'") == [(0,)]


def test_a_date_that_is_not_complete_at_its_deadline_is_told(
    api: Api, stack: Stack, listener: Listener, query: Query
) -> None:
    """Today's run, held back by a paused DAG; its deadline is then put into the past, as if it had come."""
    while (now := beijing_now()).time() >= datetime_time(23, 58):
        time.sleep(1)  # today's deadline is 23:59
    day = now.date()
    deadline = datetime(day.year, day.month, day.day, 23, 59, tzinfo=SHANGHAI)
    api("PATCH", "/api/v2/dags/ashare_daily", {"is_paused": True})
    # Of a day that is known to be closed, nobody is told.
    known = query("DELETE FROM ashare.trade_calendar WHERE calendar_date = %s RETURNING is_trading_day", day)
    try:
        run = api("POST", "/api/v2/dags/ashare_daily/dagRuns", {"logical_date": None, "partition_key": str(day)})
        past = api("POST", "/api/v2/dags/ashare_daily/dagRuns", {"logical_date": None, "partition_key": "2025-10-31"})
        by_hand = api("PATCH", f"/api/v2/dags/ashare_daily/dagRuns/{quote(past['dag_run_id'])}", {"state": "failed"})
        assert by_hand["state"] == "failed"
        with stack.postgres.connect("airflow") as database:
            found = database.execute(
                "SELECT r.run_id, d.deadline_time FROM deadline d JOIN dag_run r ON r.id = d.dagrun_id"
            ).fetchall()
            assert found == [(run["dag_run_id"], deadline)]  # and none for a date of the past
            ((missed,),) = database.execute("UPDATE deadline SET deadline_time = now() RETURNING deadline_time")
        (message,) = listener.of(f"A-share sync: {day} is still not complete")
        at = f"{missed.astimezone(SHANGHAI):%H:%M}"
        assert message["message"].startswith(f"At {at}, Beijing time: nothing is recorded of it.")
        assert f"/dags/ashare_daily/runs/{run['dag_run_id'].split('__')[0]}" in message["message"]
        assert not [said for said in listener.messages if "2025-10-31" in said["title"]]  # who did that knows
        for made in (run, past):
            with stack.postgres.connect("airflow") as database:
                database.execute("DELETE FROM dag_run WHERE run_id = %s", (made["dag_run_id"],))
    finally:
        for (is_open,) in known:
            query("INSERT INTO ashare.trade_calendar (calendar_date, is_trading_day) VALUES (%s, %s)", day, is_open)
        api("PATCH", "/api/v2/dags/ashare_daily", {"is_paused": False})


def test_metrics_say_rows_requests_lag_and_seconds(metrics: socket.socket) -> None:
    received: list[str] = []

    def names() -> set[str]:
        with suppress(BlockingIOError):
            while True:
                received.extend(metrics.recv(65535).decode().splitlines())
        return {line.partition(":")[0] for line in received}

    steps = ("wait_for_trading_day", "plan_batches", "fetch_and_copy", "sync_adjust_factors", "record_status")
    wanted = {f"airflow.ashare.seconds.{step}" for step in (*steps, "source")}
    wanted |= {f"airflow.ashare.rows.{name}" for name in ("new", "changed", "unchanged")}
    wanted |= {f"airflow.ashare.{name}" for name in ("requests", "bars", "missing", "rejected", "revised", "lag")}
    until(names, lambda found: wanted <= found)
    values = {line for line in received if line.startswith("airflow.ashare.bars:")}
    assert any(float(value.partition(":")[2].partition("|")[0]) > 5000 for value in values), values
    assert {line.rpartition("|")[2] for line in values} == {"g"}
