"""What a dashboard is told of a run: rows, requests, lag, seconds. docs/operations.md lists the names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from typing import Protocol

from ashare.errors import AshareError
from ashare.status import status_reader
from ashare.store import Store
from ashare.store.queries import queries
from ashare.store.store import Merged

GAUGES = ("bars", "missing", "rejected", "revised")


class Stats(Protocol):
    """Airflow's ``stats``: StatsD, Datadog or OpenTelemetry behind it."""

    def incr(self, stat: str, count: int | None = ...) -> None: ...
    def gauge(self, stat: str, value: float) -> None: ...
    def timing(self, stat: str, dt: timedelta) -> None: ...


@contextmanager
def phase(stats: Stats, store: Store, name: str, who: str) -> Iterator[None]:
    """Time a task, and count what it asked of Baostock.

    :param who: as the ledger has it.
    """
    began = time.monotonic()
    try:
        yield
    finally:
        seconds = time.monotonic() - began
        stats.timing(f"ashare.seconds.{name}", timedelta(seconds=seconds))
        with suppress(AshareError), store.transaction() as connection:  # how the task ended is what counts
            row = connection.execute(queries("metrics")["asked"], {"who": who, "seconds": seconds}).fetchone()
            if row and row[0]:
                stats.incr("ashare.requests", row[0])
                stats.timing("ashare.seconds.source", timedelta(seconds=float(row[1])))


def loaded(stats: Stats, merged: Merged) -> None:
    """Count the rows of a batch."""
    for name, count in (("new", merged.inserted), ("changed", merged.revised), ("unchanged", merged.unchanged)):
        stats.incr(f"ashare.rows.{name}", count)


def recorded(stats: Stats, store: Store, day: date | None) -> None:
    """Say how complete a trade date is, and by how many sessions the data lag behind."""
    if day is not None:
        with store.transaction() as connection:
            row = connection.execute(queries("metrics")["date"], {"day": day}).fetchone()
        for name, value in zip(GAUGES, row or (), strict=False):
            if value is not None:
                stats.gauge(f"ashare.{name}", value)
    with status_reader(store.another()) as reader:
        lag = reader.bounds().lag
    if lag is not None:
        stats.gauge("ashare.lag", lag)
