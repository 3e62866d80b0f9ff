"""The names of a stack's processes, and their grace periods."""

from __future__ import annotations

from ashare_local.processes import GracePeriod

SCHEDULER, API_SERVER, DAG_PROCESSOR, TRIGGERER = "scheduler", "api-server", "dag-processor", "triggerer"
EMULATOR, PREPARE = "emulator", "prepare"

# A short period: the triggerer's child waits for triggers to clean up even if there are none.
GRACE_PERIODS = {TRIGGERER: GracePeriod(leader=1, members=1)}
SHORT_GRACE_PERIODS = dict.fromkeys(
    (SCHEDULER, API_SERVER, DAG_PROCESSOR, TRIGGERER), GracePeriod(leader=1, members=1)
)
"""For a stack whose Airflow is discarded: the final states of its tasks do not matter."""
