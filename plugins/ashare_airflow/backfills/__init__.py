"""Airflow's backfills of this package's DAGs: request, start, progress and cancel, for page and command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DAG_ID = "ashare_daily"
"""The DAG whose runs are trade dates."""
REFERENCE_DAG_ID = "ashare_reference"
"""The DAG whose runs are weeks."""
HISTORY_DAG_ID = "ashare_history"
"""The DAG whose runs are ranges, and are triggered."""

PARTITIONS = {DAG_ID: "trade dates", REFERENCE_DAG_ID: "weeks"}
"""What the runs of each DAG that can be backfilled are."""


def verifies(conf: Mapping[str, Any] | None) -> bool:
    """Whether runs with these params read complete dates again and compare."""
    return bool(conf and conf.get("verify"))
