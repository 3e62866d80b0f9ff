"""The sensor that waits until a trade date's bars are out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSkipException

from ashare.settings import POOL
from ashare_airflow.defaults import SETTINGS, rescheduled

if TYPE_CHECKING:
    from airflow.sdk import Context


class TradingDaySensor(BaseSensorOperator):
    """Succeeds when the run's trade date is a session whose bars are out; skips a closed day.

    Between two pokes the sensor holds no worker (``mode="reschedule"``).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", pool=POOL, poke_interval=SETTINGS.poll_seconds, **kwargs)

    def poke(self, context: Context) -> bool:
        """Ask the calendar, and for today's date also the source.

        :raises AirflowSkipException: the date is a closed day.
        :raises AirflowRescheduleException: the bars are not out, or Baostock cannot be asked now.
        """
        from ashare.sync import wait_for_trading_day
        from ashare_airflow.context import run_of

        with run_of(context) as run, rescheduled():
            found = wait_for_trading_day(run)
        if not found.is_session:
            raise AirflowSkipException(found.reason)
        self.log.info(found.reason)
        return True
