"""
### After a trading week

One run a week, when every session of the week is complete. Its partition key is the week's Monday (`2025-09-29`).
A holiday is not waited for; a week without a session has no run.

**If no run comes:** a date of the week is not complete. The page names it; run it again with
`airflow dags backfill -s DATE -e DATE --rerun-failed-tasks ashare_daily`.
"""

from __future__ import annotations

from airflow.sdk import Asset, PartitionedAssetTimetable, RollupMapper, StartOfWeekMapper, dag, task

from ashare_airflow.schedule.trading_week import TradingWeekWindow

EACH_TRADING_WEEK = PartitionedAssetTimetable(
    assets=Asset("ashare_daily_bar"),
    default_partition_mapper=RollupMapper(
        upstream_mapper=StartOfWeekMapper(
            timezone="Asia/Shanghai", input_format="%Y-%m-%d", output_format="%Y-%m-%d"
        ),
        window=TradingWeekWindow(),
    ),
)


@dag(schedule=EACH_TRADING_WEEK, catchup=False, doc_md=__doc__, tags=["ashare", "example"])
def after_a_trading_week() -> None:
    @task
    def growth_of_the_week(dag_run=None) -> float:  # type: ignore[no-untyped-def]
        """The mean return of the CSI 300's members over the week, percent."""
        from datetime import date, timedelta

        from ashare.read import load_bars

        monday = date.fromisoformat(dag_run.partition_key)
        bars = load_bars(
            start=monday, end=monday + timedelta(days=6), index="sh.000300", fields="pct_chg", incomplete="raise"
        )
        growth = (1 + bars["pct_chg"].fillna(0) / 100).groupby(bars["code"]).prod() - 1
        return float(growth.mean() * 100)

    growth_of_the_week()


after_a_trading_week()
