"""Metrics of a run, sent by Airflow's own metrics client. docs/operations.md lists the metrics' names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from ashare import metrics
from ashare_airflow.report.reliable import failure_logged

if TYPE_CHECKING:
    from ashare.store import Store
    from ashare.store.rows import MergeCounts


@contextmanager
def task_measured(store: Store, task_id: str, label: str) -> Iterator[None]:
    """Send how long a task takes, and its requests to Baostock.

    :param label: the task's name in the request ledger.
    """
    began = time.monotonic()
    try:
        yield
    finally:
        _send(lambda client: metrics.task_ended(client, store, task_id, label, time.monotonic() - began))


def row_counts(merged: MergeCounts) -> dict[str, int]:
    """Send a batch's row counts as metrics, and return them as the task's result: new, changed, unchanged."""
    counts = {"new": merged.inserted, "changed": merged.revised, "unchanged": merged.unchanged}
    _send(lambda client: metrics.batch_loaded(client, counts))
    return counts


def send_completeness(store: Store, day: date | None) -> None:
    """Send how complete a trade date is, and by how many sessions the data lag behind.

    :param day: ``None``: a range of dates; only the lag is sent.
    """
    _send(lambda client: metrics.date_recorded(client, store, day))


def _send(send: Callable[[metrics.Stats], None]) -> None:
    with failure_logged("A metric"):
        if client := _client():
            send(client)


def _client() -> metrics.Stats | None:
    """Airflow's metrics client; ``None``: metrics are switched off."""
    from airflow.sdk.configuration import conf
    from airflow.sdk.observability import stats

    switches = ("statsd_on", "statsd_datadog_enabled", "otel_on")
    is_on = any(conf.getboolean("metrics", name, fallback=False) for name in switches)
    client: metrics.Stats = stats
    return client if is_on else None
