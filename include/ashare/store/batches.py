"""The table ``sync_batch``: the plan of each trade date, and the outcome of each batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.datasets import ADJUST_FACTORS, bars_of
from ashare.store.database import take_lock
from ashare.store.queries import queries
from ashare.store.rows import Batch
from ashare.texts import bounded

if TYPE_CHECKING:
    import psycopg

    from ashare.store.store import Store

FACTOR_BATCH = 0


@dataclass(frozen=True)
class Batches:
    """The batches of trade dates."""

    store: Store

    def replace(self, day: date, batches: Iterable[Batch], run_id: str) -> list[Batch]:
        """Write a new plan for the date, and return its batches with their numbers.

        Unfinished batches of an earlier plan become ``superseded``, except batch 0.
        """
        with self.store.transaction() as connection:
            connection.execute(queries("batches")["supersede"], {"day": day})
            return [add(connection, day, batch, run_id) for batch in batches]

    def earliest_waiting(self, day: date, kind: str, codes: Sequence[str], *, since: date) -> date:
        """The earliest trade date from ``since`` to ``day`` with an open batch, of any run, for one of the codes.

        ``day`` if there is none.
        """
        values = {"day": day, "kind": kind, "dataset": bars_of(kind).name, "codes": list(codes), "since": since}
        found: date | None = self.store.rows("batches", "earliest_waiting", values)[0][0]
        return found or day

    def start_factors(self, day: date, run_id: str) -> None:
        """Start batch 0 of the date: its adjust factors."""
        values = {"day": day, "label": f"adjust factors {day}", "run_id": run_id}
        self.store.execute("batches", "add_factor", values)
        self.start(day, FACTOR_BATCH)

    def get(self, day: date, batch_no: int) -> Batch | None:
        """Read one batch of the plan; ``None`` without it."""
        rows = self.store.rows("batches", "get", {"day": day, "batch_no": batch_no})
        return Batch(*rows[0]) if rows else None

    def start(self, day: date, batch_no: int) -> None:
        """Mark a batch as running. Clear what its dataset waits for, unless another batch still waits."""
        with self.store.transaction() as connection:
            row = connection.execute(queries("batches")["start"], {"day": day, "batch_no": batch_no}).fetchone()
            if row is not None:
                kind: str = row[0]
                dataset = ADJUST_FACTORS if kind == "factor" else bars_of(kind)
                connection.execute(queries("work")["resume"], {"day": day, "kind": kind, "dataset": dataset.name})

    def stop(self, day: date, batch_no: int, status: str, error: str, requests: int) -> None:
        """Record why a batch stopped; ``status`` is ``failed``, ``pending`` (again) or ``superseded``."""
        with self.store.transaction() as connection:
            finish(connection, day, batch_no, status, None, requests, error)

    def finish(self, day: date, batch_no: int, rows: int, requests: int) -> None:
        """Record a batch as done. Its rows were loaded under other dates: it read earlier dates again."""
        with self.store.transaction() as connection:
            finish(connection, day, batch_no, "success", rows, requests)

    def errors(self, day: date, run_id: str, *, only_earlier: bool = False) -> list[str]:
        """The errors of batches that failed, are pending after an error, or are running (also after a kill).

        :param run_id: the run that asks; of the running batches, only its own were killed for sure.
        :param only_earlier: only of batches that read earlier dates again or heal them.
        """
        values = {"day": day, "run_id": run_id, "only_earlier": only_earlier}
        return [row[0] for row in self.store.rows("batches", "errors", values)]


def add(connection: psycopg.Connection[Any], day: date, batch: Batch, run_id: str) -> Batch:
    """Add a batch to the plan, within the caller's transaction; returns the batch with its number."""
    values = {
        "day": day,
        "kind": batch.kind,
        "by": batch.by,
        "codes": batch.codes,
        "label": batch.label,
        "again": batch.again,
        "heals": batch.heals,
        "run_id": run_id,
    }
    take_lock(connection, queries("batches")["lock"], f"ashare batches {day}", {"day": day})
    row = connection.execute(queries("batches")["add"], values).fetchone()
    assert row is not None
    return replace(batch, batch_no=row[0])


def finish(
    connection: psycopg.Connection[Any],
    day: date,
    batch_no: int,
    status: str,
    rows: int | None,
    requests: int,
    error: str | None = None,
) -> None:
    """Record how a batch ended, within the caller's transaction."""
    values = {"day": day, "batch_no": batch_no, "status": status, "rows": rows, "requests": requests}
    connection.execute(queries("batches")["finish"], {**values, "error": error and bounded(error)})
