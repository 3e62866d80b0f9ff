"""What this package adds to Airflow. Registration only; the code is in the modules named here."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

import ashare_listeners
from trade_date_timetable import TradeDateTimetable


class AsharePlugin(AirflowPlugin):
    name = "ashare"
    timetables = [TradeDateTimetable]
    listeners = [ashare_listeners]
