"""The processes of a stack by name, and how long each may take to end."""

from __future__ import annotations

from ashare_local.processes import GracePeriod

SCHEDULER, API_SERVER, DAG_PROCESSOR, TRIGGERER = "scheduler", "api-server", "dag-processor", "triggerer"
EMULATOR, PREPARE = "emulator", "prepare"

# The triggerer's child waits for triggers to clean up, also when there are none.
GRACE_PERIODS = {TRIGGERER: GracePeriod(leader=1, members=1)}
SHORT_GRACE_PERIODS = dict.fromkeys(
    (SCHEDULER, API_SERVER, DAG_PROCESSOR, TRIGGERER), GracePeriod(leader=1, members=1)
)
"""For a stack whose Airflow is thrown away: nobody will ask how its last tasks ended."""
