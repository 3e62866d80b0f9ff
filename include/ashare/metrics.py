"""What a dashboard is told of a run: rows, requests, lag, seconds. docs/operations.md lists the names."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Protocol

from ashare.status import status_reader
from ashare.store import Store
from ashare.store.queries import queries
from ashare.store.rows import Merged

GAUGES = ("bars", "missing", "rejected", "revised")


class Stats(Protocol):
    """Airflow's ``stats``: StatsD, Datadog or OpenTelemetry behind it."""

    def incr(self, stat: str, count: int | None = ...) -> None: ...
    def gauge(self, stat: str, value: float) -> None: ...
    def timing(self, stat: str, dt: timedelta) -> None: ...


def task_ended(stats: Stats, store: Store, task_id: str, label: str, seconds: float) -> None:
    """Send how long a task took, and what it asked of Baostock meanwhile.

    :param label: the task's name in the request ledger.
    """
    stats.timing(f"ashare.seconds.{task_id}", timedelta(seconds=seconds))
    with store.transaction() as connection:
        row = connection.execute(queries("metrics")["asked"], {"who": label, "seconds": seconds}).fetchone()
    if row and row[0]:
        stats.incr("ashare.requests", row[0])
        stats.timing("ashare.seconds.source", timedelta(seconds=float(row[1])))


def batch_loaded(stats: Stats, merged: Merged) -> None:
    """Count the rows of a batch."""
    for name, count in (("new", merged.inserted), ("changed", merged.revised), ("unchanged", merged.unchanged)):
        stats.incr(f"ashare.rows.{name}", count)


def date_recorded(stats: Stats, store: Store, day: date | None) -> None:
    """Send how complete a trade date is, and by how many sessions the data lag behind."""
    if day is not None:
        with store.transaction() as connection:
            row = connection.execute(queries("metrics")["date"], {"day": day}).fetchone()
        for name, value in zip(GAUGES, row or (), strict=False):
            if value is not None:
                stats.gauge(f"ashare.{name}", value)
    with status_reader(store.second_store()) as reader:
        lag = reader.bounds().lag
    if lag is not None:
        stats.gauge("ashare.lag", lag)
