"""Registers this package's extensions with Airflow. The code is in the imported modules."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from ashare_airflow import listeners, scheduler_start
from ashare_airflow.backfills.cancelled import CANCELLED
from ashare_airflow.page import EXTERNAL_VIEWS, FASTAPI_APP, REACT_APPS
from ashare_airflow.schedule import former_names
from ashare_airflow.schedule.deadline import TradeDateDeadline
from ashare_airflow.schedule.priority import TradeDatePriority
from ashare_airflow.schedule.timetable import TradeDateTimetable, WeekTimetable
from ashare_airflow.schedule.trading_week import TradingWeekWindow
from ashare_airflow.schedule.viewer import VIEWER


class AsharePlugin(AirflowPlugin):
    name = "ashare"
    timetables = [TradeDateTimetable, WeekTimetable, former_names.TIMETABLE]
    priority_weight_strategies = [TradeDatePriority, former_names.PRIORITY]
    windows = [TradingWeekWindow]
    deadline_references = [TradeDateDeadline, former_names.DEADLINE]
    listeners = [listeners, scheduler_start]
    fastapi_apps = [FASTAPI_APP]
    fastapi_root_middlewares = [CANCELLED, VIEWER]
    external_views = EXTERNAL_VIEWS
    react_apps = REACT_APPS
