"""What this package adds to Airflow. Registration only; the code is in the modules named here."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

import ashare_listeners
from ashare_cancelled import CANCELLED
from ashare_page import EXTERNAL_VIEWS, FASTAPI_APP, REACT_APPS
from ashare_run_note import RUN_NOTES
from trade_date_deadline import TradeDateDeadline
from trade_date_priority import TradeDatePriority
from trade_date_timetable import TradeDateTimetable
from trade_date_viewer import VIEWER


class AsharePlugin(AirflowPlugin):
    name = "ashare"
    timetables = [TradeDateTimetable]
    priority_weight_strategies = [TradeDatePriority]
    deadline_references = [TradeDateDeadline]
    listeners = [ashare_listeners]
    fastapi_apps = [FASTAPI_APP]
    fastapi_root_middlewares = [RUN_NOTES, CANCELLED, VIEWER]
    external_views = EXTERNAL_VIEWS
    react_apps = REACT_APPS
