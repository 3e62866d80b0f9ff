"""
### Members of indices, industries and names, one week a run

A run's partition key is a Monday, on which Baostock loads its lists: the members of CSI 300, SSE 50 and CSI 500, and
the industry and the name of every stock. The run loads what the week lacks into `ashare.index_member`,
`ashare.industry` and `ashare.security_name`, as spans. The run of the newest week also closes holes of earlier weeks.

**A run is red.** The last line of the log of `sync_week` says which list is not believed, and why. Clear the run, or
`airflow dags backfill -s MONDAY -e MONDAY --rerun-failed-tasks ashare_reference`. Whatever is loaded stays, and is
not asked for again.

**Past weeks.** `airflow dags backfill -s 2025-01-01 -e 2025-12-31 ashare_reference`, or the Backfill button. For many
years, `airflow dags trigger ashare_history --conf '{"years": 20, "datasets": ["index_member", "industry"]}'`.
"""

from __future__ import annotations

from airflow.sdk import dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from ashare.settings import POOL
from ashare_airflow.defaults import DEFAULT_ARGS, REFERENCE_PARAMS, START_DATE, WEEKLY_ASSETS, rescheduled
from ashare_airflow.schedule.timetable import WeekTimetable


@task(pool=POOL, multiple_outputs=False, outlets=WEEKLY_ASSETS)
def sync_week() -> dict[str, int]:
    """Fetch the lists that the week lacks, check each as a whole, and write them as spans.

    **Red:** a list is not believed, or Baostock could not be asked: the log's last line says why. Clear the task.
    Waiting (up for reschedule): Baostock has not loaded this week's lists. On Wednesday at 23:00 the task gives up.
    """
    from ashare.sync.weeks import sync_week
    from ashare_airflow.context import week_of
    from ashare_airflow.report.asset_events import describe_rows
    from ashare_airflow.report.run_report import week_reported

    context = get_current_context()
    with week_of(context) as run, rescheduled(), week_reported(run):
        results = sync_week(run)
    if not results:
        raise AirflowSkipException(f"Baostock has no lists of the week {run.day}.")
    return describe_rows(context, results)


@dag(
    schedule=WeekTimetable(),
    start_date=START_DATE,
    catchup=False,
    max_active_runs=4,
    params=REFERENCE_PARAMS,
    tags=["ashare", "baostock"],
    doc_md=__doc__,
    # Lower priority than the daily DAG's tasks in the pool.
    default_args={**DEFAULT_ARGS, "priority_weight": 2, "weight_rule": "absolute"},
)
def ashare_reference() -> None:
    sync_week()


ashare_reference()
