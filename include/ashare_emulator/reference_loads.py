"""The Mondays on which the service loads index members and industries."""

from __future__ import annotations

from datetime import date, timedelta

from ashare_emulator import trading_days

CSI300, SSE50, CSI500 = "sh.000300", "sh.000016", "sh.000905"
INDUSTRIES = "industries"

FIRST_LOADS: dict[str, date] = {
    CSI300: date(2006, 1, 2),
    SSE50: date(2006, 1, 2),
    CSI500: date(2007, 1, 15),
    INDUSTRIES: date(2009, 1, 5),
}
"""Index code, or ``INDUSTRIES``, to the day before which nothing is loaded."""


def newest_load(subject: str, until: date) -> date | None:
    """The newest Monday up to a day on which a subject is loaded; None before its first load.

    Nothing is loaded on a Monday that is a holiday.

    :param subject: a key of ``FIRST_LOADS``.
    """
    until = min(until, trading_days.LAST_DAY)
    monday = until - timedelta(days=until.weekday())
    while monday >= FIRST_LOADS[subject]:
        if trading_days.is_session(monday):
            return monday
        monday -= timedelta(days=7)
    return None
