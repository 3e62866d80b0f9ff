"""Events of the assets of datasets: each says how many rows the partition holds, and how many are missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ashare_airflow.defaults import DATASET_ASSETS

if TYPE_CHECKING:
    from airflow.sdk import Context

    from ashare.store.rows import HeldRows


def describe_rows(context: Context, partitions: Iterable[HeldRows]) -> dict[str, int]:
    """Write rows and missing into the events of the task's assets, and return the rows by dataset.

    An asset of the task without a partition has an event without figures: its dataset was not asked for.
    """
    rows = {}
    for held in partitions:
        context["outlet_events"][DATASET_ASSETS[held.dataset]].extra = {"rows": held.rows, "missing": held.missing}
        rows[held.dataset] = held.rows
    return rows
