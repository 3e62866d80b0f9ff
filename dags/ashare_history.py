"""
### Many years of daily bars, some securities at a time

For the first load, and for every longer range: a request brings up to eight years of one security. A range of a few
dates is read date by date, where that ends sooner. All that were listed in the range are loaded, delisted ones too,
with the adjust factors of the stocks from their first on. Afterwards every trade date of the range is recorded in
`ashare.sync_status`, as if `ashare_daily` had run for it.

**Start it** with **Trigger**, or `airflow dags trigger ashare_history --conf '{"years": 10}'`. The plan (requests,
time, days of quota) is in the log of `plan_batches`. One run at a time.

**A run is red.** The last line of the log of `record_status` says which batches or dates are not complete and why.
Trigger it again: what is loaded stays, and is not asked for again. A run that has used up the day's requests goes on
by itself at midnight, Beijing time.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, get_current_context, task

from ashare.settings import POOL
from ashare_airflow.defaults import BATCH, DEFAULT_ARGS, HISTORY, HISTORY_PARAMS, rescheduled


@task(pool=POOL)
def plan_batches() -> list[dict[str, Any]]:
    """Find what the securities of the range lack, and write it as batches of codes to `batch`.

    **Red:** a param is wrong, or the calendar or the list of securities could not be read. No batches: nothing is
    lacking.
    """
    from ashare.sync import history
    from ashare_airflow.context import history_of

    with history_of(get_current_context()) as run, rescheduled():
        return [{"batch_no": batch.batch_no, "label": batch.label} for batch in history.plan_batches(run)]


@task(pool=POOL, **BATCH, max_active_tis_per_dag=2)
def fetch_and_copy(batch: dict[str, Any]) -> dict[str, int]:
    """Fetch what a batch's securities lack, check every row, COPY and merge: a page of one security at a time.

    **Red:** the log's last line says why; `history_batch.error` too. Clear it: what is loaded is not fetched again.
    Waiting (up for reschedule): the day's requests are used up, or a ban lasts; it goes on by itself.
    """
    from ashare.sync import history
    from ashare_airflow.context import history_of
    from ashare_airflow.report.run_metrics import row_counts

    with history_of(get_current_context()) as run, rescheduled():
        return row_counts(history.fetch_and_copy(run, batch["batch_no"]))


@task(trigger_rule="all_done", outlets=[HISTORY])
def record_status() -> None:
    """Count the rows of every trade date of the range and write `sync_status`.

    **Red:** something of the range is not complete. The log's last line says what and why: mend that, trigger again.
    """
    from ashare.sync import history
    from ashare_airflow.context import history_of
    from ashare_airflow.report.run_report import end_reported

    with history_of(context := get_current_context()) as run, end_reported(run):
        history.record_status(run)
        context["outlet_events"][HISTORY].add_partitions(str(run.end))


@dag(
    schedule=None,
    max_active_runs=1,
    params=HISTORY_PARAMS,
    tags=["ashare", "baostock"],
    doc_md=__doc__,
    # Lower priority than the daily DAG's tasks in the pool.
    default_args={**DEFAULT_ARGS, "priority_weight": 1, "weight_rule": "absolute"},
)
def ashare_history() -> None:
    planned = plan_batches()
    # Airflow does not make a mapped task's docstring its doc_md.
    fetch_and_copy.override(doc_md=fetch_and_copy.function.__doc__).expand(batch=planned) >> record_status()


ashare_history()
