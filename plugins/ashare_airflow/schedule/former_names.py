"""The names that version 1.2.0 wrote into Airflow's database, of DAGs, runs and deadlines: they are read as today's.

A scheduler that finds a name which it does not know ends, for everybody's DAGs. Runs keep the version of the DAG that
they ran with, so a name is there for as long as its runs are. Nothing is written under it again.
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
    """A class as Airflow finds it by its former name: that of its module, and its own."""
    return type(kind)(kind.__name__, (kind,), {"__module__": module})


TIMETABLE = _formerly_in("trade_date_timetable", TradeDateTimetable)
PRIORITY = _formerly_in("trade_date_priority", TradeDatePriority)
DEADLINE = _formerly_in("trade_date_deadline", TradeDateDeadline)

# Of a deadline that is set already, the triggerer imports `ashare_alerts.late`.
sys.modules.setdefault("ashare_alerts", alerts)
