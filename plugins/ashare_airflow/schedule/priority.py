"""Which trade date's tasks go first where many wait for the pool: the newest one's, before those of a backfill."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow.task.priority_strategy import PriorityWeightStrategy, get_airflow_priority_weight_strategies

from ashare.dates import beijing_now

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

NEWEST, BY_HAND = 2000, 1000

_backfilled = re.compile(r"(?:backfill|scheduled)__.*__(\d{4}-\d{2}-\d{2})__").match


class TradeDatePriority(PriorityWeightStrategy):
    """The run of the newest date whose bars should be out goes first, then runs by hand, then those of earlier dates.

    Inside a run, as Airflow's own rule ``downstream`` has it: the task that most others wait for.
    """

    def get_weight(self, ti: TaskInstance) -> int:
        from ashare.steps.run import newest_published

        weight = get_airflow_priority_weight_strategies()["downstream"]().get_weight(ti)
        # An instance that is just being made knows of its run the id, and nothing else.
        found = _backfilled(ti.run_id or "")
        if found is None:
            return weight + BY_HAND
        return weight + (NEWEST if found[1] >= str(newest_published(beijing_now())) else 0)


TODAY_FIRST = "ashare_airflow.schedule.priority.TradeDatePriority"
"""The strategy by its name: Airflow 3.3 loses one that is given as an object to a mapped task."""
