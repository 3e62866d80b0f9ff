"""Priority of tasks that wait for the pool: the newest trade date's tasks go before those of a backfill."""

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
    """The run of the newest date whose bars should be out goes first, then manual runs, then runs of earlier dates.

    Within a run Airflow's own rule ``downstream`` holds: the task with the most downstream tasks goes first.
    """

    def get_weight(self, ti: TaskInstance) -> int:
        from ashare.datasets import newest_published

        weight = get_airflow_priority_weight_strategies()["downstream"]().get_weight(ti)
        # While Airflow creates a task instance, the run's id is all that the instance has of its run.
        found = _backfilled(ti.run_id or "")
        if found is None:
            return weight + BY_HAND
        return weight + (NEWEST if found[1] >= str(newest_published(beijing_now())) else 0)


TODAY_FIRST = "ashare_airflow.schedule.priority.TradeDatePriority"
"""The strategy's import path: Airflow 3.3 loses a strategy object of a mapped task."""
