"""Triggers of alerts: a run has failed, or a trade date is not complete at its deadline.

``ashare.alerts`` writes the messages. The task that records a trade date reports its recovery.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare_airflow.backfills import verifies
from ashare_airflow.backfills.links import run_link

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from airflow.sdk.definitions.context import Context
    from sqlalchemy.orm import Session

AGAIN_SECONDS = 600
"""A backfill starts one alert process in this time. The table ``alert`` deduplicates, but each check costs one."""

_backfills: dict[int, float] = {}


def run_failed(dag_run: DagRun, session: Session, reason: str | None = None) -> None:
    """Start a process that sends the alert: a slow service must not hold up the scheduler.

    :param reason: why, if the tables record no reason; ``None``: the alert names the task that failed first.
    """
    number = dag_run.backfill_id
    if number is not None:
        now = time.monotonic()
        if now - _backfills.get(number, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return
        _backfills[number] = now
    fields = {
        "run_id": dag_run.run_id,
        "dag_id": dag_run.dag_id,
        "trade_date": _trade_date(dag_run),
        "backfill": _backfill(number, session) if number is not None else None,
        "note": reason or _task_that_failed(dag_run, session),
        "link": run_link(dag_run.dag_id, dag_run.run_id),
        "verifies": verifies(dag_run.conf),
    }
    # The process writes to this process's log. Nothing waits for it.
    command = [sys.executable, "-m", "ashare_airflow.report.failure_alert", json.dumps(fields)]
    subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


async def late(context: Context) -> None:
    """Airflow's callback for a missed deadline. The triggerer runs it."""
    from ashare.alerts import Alerts, Delivery
    from ashare.dates import SHANGHAI
    from ashare_airflow.connections import store_and_addresses

    if (found := await store_and_addresses()) is None:
        return
    given: Any = context  # Airflow 3.3 passes keys that the type Context does not have
    run, deadline = given["dag_run"], given["deadline"]["deadline_time"].astimezone(SHANGHAI).time()
    day, run_id = date.fromisoformat(run["partition_key"]), run["dag_run_id"]
    store, addresses = found
    with store:
        alerts = Alerts(store, lambda: Delivery(addresses))
        link = run_link(run["dag_id"], run_id)
        await asyncio.to_thread(alerts.late, day, deadline, run_id, link)


def _trade_date(dag_run: DagRun) -> str | None:
    """The trade date of a run of ``ashare_daily``, as its tasks read it; ``None``: another DAG, or a wrong date."""
    if dag_run.dag_id != "ashare_daily":
        return None
    from ashare.errors import InvalidInput
    from ashare_airflow.context import trade_date_of

    param = (dag_run.conf or {}).get("trade_date")
    try:
        return str(trade_date_of(dag_run.partition_key, param, dag_run.logical_date, dag_run.run_after))
    except InvalidInput:  # the wrong date is why the run failed
        return None


def _backfill(number: int, session: Session) -> tuple[int, str, str] | None:
    from airflow.models.backfill import BackfillDagRun
    from sqlalchemy import func, select

    key = BackfillDagRun.partition_key
    first, last = session.execute(
        select(func.min(key), func.max(key)).where(BackfillDagRun.backfill_id == number)
    ).one()
    return (number, first, last) if first and last else None


def _task_that_failed(dag_run: DagRun, session: Session) -> str:
    from airflow.utils.state import TaskInstanceState

    failed = dag_run.get_task_instances(state=[TaskInstanceState.FAILED], session=session)
    if not failed:
        return "The run's page says why."
    first = min(failed, key=lambda instance: (instance.end_date is None, instance.end_date))
    return f"The log of {first.task_id} says why."
