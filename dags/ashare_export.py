"""
### The lake: the bars as Parquet files

A run brings the lake up to date with the database: only what has changed is read and written, and `manifest.json`
says which partitions of which datasets the files hold. It runs after each complete trade date, after each week of
lists and after each history. The DAG is off until `ASHARE_LAKE` names a directory or an fsspec URL
(`s3://bucket/lake`). With `ASHARE_LAKE_QLIB`, a directory, Qlib's own files are written, too.

**A run is red.** The last line of the log of `export_lake` says why: the lake cannot be written, or it is of another
database. Mend that and clear the run, or wait for the next one, which brings everything. The files that are there are
whole, and what the manifest says of them is true.

**By hand:** `ashare export DIR`, the same with options.
"""

from __future__ import annotations

from airflow.sdk import FixedKeyMapper, PartitionedAssetTimetable, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException

from ashare_airflow.defaults import DEFAULT_ARGS, EXPORTED_ASSETS, LAKE, SETTINGS


@task(multiple_outputs=False, outlets=[LAKE])
def export_lake() -> dict[str, int]:
    """Patch or write the files whose rows have changed, then the manifest; skipped if nothing is new.

    **Red:** the lake cannot be written, or holds another database's bars: the log's last line says which. Clear it.
    """
    from ashare.export import NothingToExport
    from ashare_airflow.lake_export import export_lake

    try:
        done = export_lake(get_current_context())
    except NothingToExport as nothing:  # a week of lists may come before the first trade date
        raise AirflowSkipException(str(nothing)) from None
    if not done.is_new:
        raise AirflowSkipException(f"Nothing is new: the lake goes to {done.last}.")  # skipped: no asset event
    return {"bars": done.bars, "written": len(done.written), "removed": len(done.removed)}


@dag(
    # One key for all: events that come while a run waits for the one before are one run.
    schedule=PartitionedAssetTimetable(assets=EXPORTED_ASSETS, default_partition_mapper=FixedKeyMapper("lake"))
    if SETTINGS.lake
    else None,
    catchup=False,
    max_active_runs=1,
    tags=["ashare"],
    doc_md=__doc__,
    default_args=DEFAULT_ARGS,
)
def ashare_export() -> None:
    export_lake()


ashare_export()
