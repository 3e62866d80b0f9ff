"""
### Daily bars of the China A-share market, one trade date a run

A run's partition key is its trade date. It waits until the date's bars are out, plans what is not in the database
yet, fetches that from Baostock, loads it into `ashare.daily_bar`, and records in `ashare.sync_status` how complete
the date is, counted from the rows that are there.

**A run is red.** Read `reason` in `ashare.sync_status` for its date, or the log of `record_status`: it says what is
missing and why. Mend the cause, then clear the run, or
`airflow dags backfill -s DATE -e DATE --rerun-failed-tasks ashare_daily`. Whatever is loaded stays, and is not asked
for again.

**Past dates.** `airflow dags backfill -s 2025-10-01 -e 2025-10-09 ashare_daily`, or the Backfill button.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert
from airflow.sdk.exceptions import AirflowSkipException

from ashare.settings import POOL
from ashare_airflow.defaults import BATCH, DAILY_ASSETS, DAILY_PARAMS, DEADLINE, DEFAULT_ARGS, START_DATE, rescheduled
from ashare_airflow.schedule.deadline import TradeDateDeadline
from ashare_airflow.schedule.priority import TODAY_FIRST
from ashare_airflow.schedule.sensor import TradingDaySensor
from ashare_airflow.schedule.timetable import TradeDateTimetable


@task(pool=POOL)
def plan_batches() -> list[dict[str, Any]]:
    """Take the securities listed that day, subtract what is loaded, write the rest as batches to `sync_batch`.

    **Red:** the list of securities could not be read from Baostock. Clear it. No batches: nothing is left to do.
    """
    from ashare import sync
    from ashare_airflow.context import run_of

    with run_of(get_current_context()) as run, rescheduled():
        return [{"batch_no": batch.batch_no, "label": batch.label} for batch in sync.plan_batches(run)]


@task(pool=POOL, **BATCH)
def fetch_and_copy(batch: dict[str, Any]) -> dict[str, int]:
    """Fetch a batch from Baostock, check every row, COPY and merge: a whole market at once, codes page by page.

    **Red:** the log's last line says why; `sync_batch.error` too. Clear it: what is loaded is not fetched again.
    Waiting (up for reschedule): today's bars are not all out. From 20:00 on, a missing bar is believed absent, if
    others of its kind are there and at most ASHARE_MAX_ABSENT are missing. At 23:00 the task gives up.
    """
    from ashare import sync
    from ashare_airflow.context import run_of
    from ashare_airflow.report.run_metrics import row_counts

    with run_of(get_current_context()) as run, rescheduled():
        return row_counts(sync.fetch_and_copy(run, batch["batch_no"]))


@task(pool=POOL)
def sync_adjust_factors() -> None:
    """Load the adjust factors of the stocks that go ex on the trade date.

    **Red:** Baostock could not be asked. Clear it. Today's factors may be an hour late: the task waits until 19:00.
    """
    from ashare import sync
    from ashare_airflow.context import run_of

    with run_of(get_current_context()) as run, rescheduled():
        sync.sync_adjust_factors(run)


@task(trigger_rule="all_done", outlets=DAILY_ASSETS)
def record_status() -> None:
    """Count the rows in the tables, write `sync_status`; skipped on a closed day.

    **Red:** the trade date is not complete. The log's last line says what is missing and why: look at the tasks
    before this one, mend the cause, clear the run.
    """
    from ashare import sync
    from ashare_airflow.context import run_of
    from ashare_airflow.report.asset_events import describe_rows
    from ashare_airflow.report.run_report import end_reported

    with run_of(context := get_current_context()) as run, end_reported(run):
        status = sync.record_status(run)
        describe_rows(context, run.store.coverage.held(run.day, run.asked))
    if status == "skipped":
        raise AirflowSkipException(f"{run.day} is not a trading day.")  # skipped: no asset event


@dag(
    schedule=TradeDateTimetable(),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=8,
    deadline=DeadlineAlert(
        TradeDateDeadline(DEADLINE), DEADLINE, AsyncCallback("ashare_airflow.report.alerts.late"), name="complete"
    ),
    params=DAILY_PARAMS,
    tags=["ashare", "baostock"],
    doc_md=__doc__,
    default_args={**DEFAULT_ARGS, "weight_rule": TODAY_FIRST},
)
def ashare_daily() -> None:
    waited = TradingDaySensor(
        task_id="wait_for_trading_day",
        doc_md="Waits until the trade date's bars are out, holding no worker; a closed day is skipped. **Red:** the "
        "calendar does not cover the date, Baostock is out of reach, or not enough was published by 23:00.",
    )
    planned = plan_batches()
    waited >> planned >> sync_adjust_factors() >> (recorded := record_status())
    # Airflow does not make a mapped task's docstring its doc_md.
    fetch_and_copy.override(doc_md=fetch_and_copy.function.__doc__).expand(batch=planned) >> recorded


ashare_daily()
