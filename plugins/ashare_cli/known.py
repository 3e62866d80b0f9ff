"""What the tables know of a range before it is backfilled: what is complete, and whether there is a better way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import psycopg

from include.ashare import airflow_bridge, cost
from include.ashare.errors import AshareError


class Known:
    """Reads the schema; where it cannot be read, or is not there yet, nothing is known."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = kinds

    def complete(self, days: Collection[date]) -> set[date]:
        """Those of some dates for which nothing is to be done: complete, or closed and recorded so."""
        if not days:
            return set()
        try:
            with airflow_bridge.store() as store:
                return store.settled(min(days), max(days), self._kinds) & set(days)
        except (AshareError, psycopg.Error):
            return set()  # each run says what is wrong

    def better_way(self, days: Collection[date]) -> str:
        """A sentence when some dates would be had sooner by code, with the command; else nothing."""
        try:
            with airflow_bridge.store() as store, store.transaction() as connection:
                return cost.better_way(connection, days, self._kinds)
        except (AshareError, psycopg.Error):
            return cost.better_way(None, days, self._kinds)
