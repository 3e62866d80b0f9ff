"""Aliases for the class names that version 1.2.0 wrote into Airflow's database, for DAGs, runs and deadlines.

A scheduler that reads an unknown name exits, which stops everybody's DAGs. A run keeps the DAG version that it ran
with, so a former name stays in the database as long as its runs. No new row gets a former name.
"""

from __future__ import annotations

import sys
from typing import TypeVar

from ashare_airflow.report import alerts
from ashare_airflow.schedule.deadline import TradeDateDeadline
from ashare_airflow.schedule.priority import TradeDatePriority
from ashare_airflow.schedule.timetable import TradeDateTimetable

Kind = TypeVar("Kind", bound=type)


def _formerly_in(module: str, kind: Kind) -> Kind:
    """A subclass that Airflow finds by the former name: the former module, and the class's own name."""
    return type(kind)(kind.__name__, (kind,), {"__module__": module})


TIMETABLE = _formerly_in("trade_date_timetable", TradeDateTimetable)
PRIORITY = _formerly_in("trade_date_priority", TradeDatePriority)
DEADLINE = _formerly_in("trade_date_deadline", TradeDateDeadline)

# For a deadline that version 1.2.0 set, the triggerer imports `ashare_alerts.late`.
sys.modules.setdefault("ashare_alerts", alerts)
