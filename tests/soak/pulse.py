"""Whether Airflow still does anything."""

from __future__ import annotations

import time
from typing import Any

import psycopg

from ashare_local import StackError
from tests.soak.world import World

LOOK_SECONDS = 5.0
STUCK_SECONDS = 300.0
"""Longer than every wait there is: for the lock (120 s), until a task's or a scheduler's loss is noticed (60 s)."""

STATES = """
SELECT r.state, t.task_id, t.state, count(*), max(coalesce(t.end_date, t.start_date))
FROM dag_run r LEFT JOIN task_instance t USING (dag_id, run_id)
WHERE r.state IN ('queued', 'running') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


class Pulse:
    """Looks at Airflow's runs every few seconds, and starts the scheduler anew when nothing has moved for minutes.

    A killed supervisor may have been just then at one of the locks that the workers of Airflow's LocalExecutor share.
    Then they all wait for ever, and only another scheduler helps; it is counted, and told at the end.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._looked = 0.0
        self._moved = time.monotonic()
        self._states: list[tuple[Any, ...]] = []
        self.rows = 0

    def active_runs(self) -> bool:
        """Whether a run is queued or running."""
        self._look()
        return bool(self._states)

    def states(self) -> str:
        """The tasks of the active runs, counted by state."""
        counted = [f"{run} runs: {task} {state} ({count})" for run, task, state, count, _ in self._states]
        return "; ".join(counted) or "no active run"

    def step(self) -> str | None:
        """Look if it is time to; what was done about an Airflow that stands still."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return None
        self._look()
        if not self._states or time.monotonic() - self._moved < STUCK_SECONDS:
            return None
        stuck = f"Airflow stood still for {STUCK_SECONDS:.0f} s, its scheduler was started anew: {self.states()}"
        self._world.restart_scheduler()
        self._moved = time.monotonic()
        return stuck

    def _look(self) -> None:
        self._looked = time.monotonic()
        try:
            states = self._world.ask_airflow(STATES)
            self.rows = int(self._world.ask("SELECT count(*) FROM ashare.daily_bar")[0][0])
        except (psycopg.Error, StackError):
            return  # crashed just now
        if states != self._states:
            self._states, self._moved = states, self._looked
