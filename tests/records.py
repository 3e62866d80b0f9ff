"""Writes what is recorded of a trade date, as the steps of a run would."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol

import psycopg


class Connects(Protocol):
    """A database of a test."""

    def connect(self) -> psycopg.Connection[Any]: ...


FACT = """
INSERT INTO ashare.counted_partition
    (dataset, partition, expected, rows, suspended, absent, rejected, missing, problem, note, is_closed,
     started_at, counted_at, run_id)
SELECT %(dataset)s, %(day)s, %(expected)s,
       coalesce((SELECT loaded FROM ashare.loaded_rows(%(day)s, %(day)s) WHERE dataset = %(dataset)s), 0),
       0, 0, 0, %(missing)s, %(problem)s, %(note)s, %(is_closed)s, %(started_at)s, now(), %(run_id)s
"""
WORK = """
INSERT INTO ashare.work (dataset, partition, run_id, started_at, waits_for, error, ended_at)
VALUES (%(dataset)s, %(day)s, %(run_id)s, %(started_at)s, %(waits_for)s, %(error)s,
        CASE WHEN %(error)s::text IS NOT NULL THEN now() END)
"""


def record(
    database: Connects,
    day: date | str,
    status: str,
    *,
    kinds: Sequence[str] = ("stock", "index"),
    expected: int | None = None,
    loaded: int | None = None,
    missing: int | None = None,
    reason: str | None = None,
    run_id: str = "scheduled__1",
    started_at: str = "2025-10-09 18:05+08",
) -> None:
    """Replace the record of a date.

    :param status: ``success``, ``failed``, ``skipped`` or ``syncing``. A failed date without ``missing`` was not
        counted: a step before failed.
    :param loaded: sets the number of bars of the first kind; ``None``: the number is that of the table.
    """
    with database.connect() as connection:

        def do(statement: str, **values: Any) -> None:
            common = {"day": day, "run_id": run_id, "started_at": started_at}
            connection.execute(statement.encode(), common | values)

        do("DELETE FROM ashare.counted_partition WHERE partition = %(day)s")
        do("DELETE FROM ashare.work WHERE partition = %(day)s")
        if loaded is not None:
            bars = {"dataset": f"{kinds[0]}_bar", "bars": loaded}
            do(
                "INSERT INTO ashare.row_count_change (dataset, partitions, changes) "
                "VALUES (%(dataset)s, ARRAY[%(day)s::date], ARRAY[%(bars)s - coalesce("
                "(SELECT loaded FROM ashare.loaded_rows(%(day)s, %(day)s) WHERE dataset = %(dataset)s), 0)])",
                **bars,
            )
        is_counted = status in ("success", "skipped") or missing is not None
        for kind in (*kinds, "adjust_factor"):
            is_first, dataset = kind == kinds[0], kind if kind == "adjust_factor" else f"{kind}_bar"
            if is_counted and (kind != "adjust_factor" or status != "skipped"):
                do(
                    FACT,
                    dataset=dataset,
                    expected=expected if is_first else 0,
                    missing=missing or 0 if is_first else 0,
                    problem=reason if is_first and status == "failed" else None,
                    note=reason if is_first and status in ("success", "skipped") else None,
                    is_closed=status == "skipped",
                )
            if status in ("failed", "syncing") and kind != "adjust_factor":
                is_failed = status == "failed"
                do(
                    WORK,
                    dataset=dataset,
                    waits_for=None if is_failed else reason,
                    error=(reason or "") if is_failed else None,
                )
