"""The work of the DAG ``ashare_export``: brings the lake of ``ASHARE_LAKE`` up to date with the database."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ashare.errors import InvalidInput
from ashare.export import Summary, export
from ashare.export.qlib import write_qlib
from ashare.settings import LAKE_VARIABLE, Settings
from ashare_airflow.connections import AirflowConnections
from ashare_airflow.defaults import LAKE
from ashare_airflow.report.reliable import failure_logged

if TYPE_CHECKING:
    from airflow.sdk import Context

DAG_ID = "ashare_export"

log = logging.getLogger(__name__)


def export_lake(context: Context) -> Summary:
    """Export, write Qlib's files if asked for, describe the asset's event, and send that an earlier trouble is over.

    :raises InvalidInput: no lake is named, or the lake is of another database or selection.
    :raises TransientError: the lake cannot be written, another export writes, or the database cannot be reached.
    """
    settings, airflow = Settings(), AirflowConnections()
    if settings.lake is None:
        raise InvalidInput(
            f"{LAKE_VARIABLE} names no lake: set it to a directory or to a URL such as s3://bucket/lake, for all of "
            "Airflow's processes, and restart them."
        )
    with airflow.store() as store:
        store.migrate()
    # What is not complete is told by the runs of its dates, and by the manifest.
    done = export(settings.lake, incomplete="ignore", connection=airflow.conninfo(), say=log.info)
    if settings.lake_qlib:
        instruments = write_qlib(settings.lake, Path(settings.lake_qlib).expanduser())
        log.info("%s: %s", settings.lake_qlib, f"{instruments} instruments" if instruments else "up to date")
    context["outlet_events"][LAKE].extra = {"last": str(done.last), "bars": done.bars, "written": len(done.written)}
    with failure_logged("The message that a trouble is over"), airflow.store() as store:
        airflow.alerts(store).recovered(DAG_ID)
    return done
