"""Metrics of a run for a dashboard: rows, requests, lag, seconds. docs/operations.md lists the metrics' names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Protocol

from ashare.status import status_reader
from ashare.store import Store

GAUGES = {"bars": "loaded", "missing": "missing", "rejected": "rejected", "revised": "revised"}


class Stats(Protocol):
    """Interface of Airflow's ``stats``; its backend is StatsD, Datadog or OpenTelemetry."""

    def incr(self, stat: str, count: int | None = ...) -> None: ...
    def gauge(self, stat: str, value: float) -> None: ...
    def timing(self, stat: str, dt: timedelta) -> None: ...


def task_ended(stats: Stats, store: Store, task_id: str, label: str, seconds: float) -> None:
    """Send a task's duration, and the number and seconds of its requests to Baostock.

    :param label: the task's name in the request ledger.
    :param seconds: the task's duration.
    """
    stats.timing(f"ashare.seconds.{task_id}", timedelta(seconds=seconds))
    requests, source_seconds = store.ledger.requests_of(label, seconds)
    if requests:
        stats.incr("ashare.requests", requests)
        stats.timing("ashare.seconds.source", timedelta(seconds=source_seconds))


def batch_loaded(stats: Stats, counts: Mapping[str, int]) -> None:
    """Count a batch's rows by what became of them: new, changed, unchanged."""
    for name, count in counts.items():
        stats.incr(f"ashare.rows.{name}", count)


def date_recorded(stats: Stats, store: Store, day: date | None) -> None:
    """Send a trade date's figures, and the lag of the data in sessions.

    :param day: the trade date; ``None``: send the lag only.
    """
    if day is not None:
        state = store.coverage.state(day)
        for name, figure in GAUGES.items():
            if (value := getattr(state, figure, None)) is not None:
                stats.gauge(f"ashare.{name}", value)
    with store.second_store() as second, status_reader(second) as reader:
        lag = reader.bounds().lag
    if lag is not None:
        stats.gauge("ashare.lag", lag)
