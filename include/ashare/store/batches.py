"""The table ``batch``: the plans of trade dates and of histories, and the outcome of each batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.datasets import ADJUST_FACTORS, bars_of
from ashare.store.database import take_lock
from ashare.store.queries import queries
from ashare.store.rows import Batch, Plan
from ashare.texts import bounded

if TYPE_CHECKING:
    import psycopg

    from ashare.store.store import Store

FACTOR_BATCH = 0


@dataclass(frozen=True)
class Batches:
    """The batches of plans."""

    store: Store

    def replace(self, plan: Plan, batches: Iterable[Batch]) -> list[Batch]:
        """Write a plan anew, and return its batches with their numbers.

        Unfinished batches that the plan had before become ``superseded``, except batch 0.
        """
        with self.store.transaction() as connection:
            connection.execute(queries("batches")["supersede"], plan.parameters)
            return [add(connection, plan, batch) for batch in batches]

    def earliest_waiting(self, day: date, kind: str, codes: Sequence[str], *, since: date) -> date:
        """The earliest trade date from ``since`` to ``day`` with an open batch, of any run, for one of the codes.

        ``day`` if there is none.
        """
        values = {"day": day, "kind": kind, "dataset": bars_of(kind).name, "codes": list(codes), "since": since}
        found: date | None = self.store.rows("batches", "earliest_waiting", values)[0][0]
        return found or day

    def start_factors(self, plan: Plan) -> None:
        """Start batch 0 of a trade date: its adjust factors."""
        self.store.execute("batches", "add_factor", {**plan.parameters, "label": f"adjust factors {plan.name}"})
        self.start(plan, FACTOR_BATCH)

    def start(self, plan: Plan, batch_no: int) -> Batch | None:
        """Mark a batch as running, and return it; ``None`` if the plan has no such batch.

        Clears what the dataset of a trade date waits for, unless another batch still waits.
        """
        with self.store.transaction() as connection:
            values = {**plan.parameters, "batch_no": batch_no}
            row = connection.execute(queries("batches")["start"], values).fetchone()
            if row is None:
                return None
            batch = Batch(*row)
            if plan.day is not None:
                dataset = ADJUST_FACTORS if batch.kind == "factor" else bars_of(batch.kind)
                connection.execute(queries("work")["resume"], {**values, "kind": batch.kind, "dataset": dataset.name})
        return batch

    def finish(self, plan: Plan, batch_no: int, status: str, requests: int, error: str | None = None) -> None:
        """Record how a try of a batch ended: ``success``, ``failed``, ``pending`` (again) or ``superseded``.

        :param requests: number of requests that the try has sent.
        """
        with self.store.transaction() as connection:
            finish(connection, plan, batch_no, status, requests, error)

    def add_rows(self, plan: Plan, batch_no: int, rows: int) -> None:
        """Count rows that a batch has loaded."""
        with self.store.transaction() as connection:
            add_rows(connection, plan, batch_no, rows)

    def errors(self, plan: Plan, *, only_earlier: bool = False, only_verification: bool = False) -> list[str]:
        """The error of each batch that is not done, with the batch's label.

        A running batch of the plan's own run was certainly killed; one of another run may still be at work.

        :param only_earlier: only of batches that read dates again, or heal earlier ones.
        :param only_verification: only of batches that read the plan's own date again.
        """
        values = {**plan.parameters, "only_earlier": only_earlier, "only_verification": only_verification}
        return [row[0] for row in self.store.rows("batches", "errors", values)]


def add(connection: psycopg.Connection[Any], plan: Plan, batch: Batch) -> Batch:
    """Add a batch to a plan, within the caller's transaction; returns the batch with its number."""
    values = {**plan.parameters, **asdict(batch)}
    # Two sessions that number a plan's batches at once would take the same number.
    take_lock(connection, f"ashare batches {plan.name}")
    row = connection.execute(queries("batches")["add"], values).fetchone()
    assert row is not None
    return replace(batch, batch_no=row[0])


def add_rows(connection: psycopg.Connection[Any], plan: Plan, batch_no: int, rows: int) -> None:
    """Count rows that a batch has loaded, within the caller's transaction."""
    connection.execute(queries("batches")["add_rows"], {**plan.parameters, "batch_no": batch_no, "rows": rows})


def finish(
    connection: psycopg.Connection[Any],
    plan: Plan,
    batch_no: int,
    status: str,
    requests: int,
    error: str | None = None,
) -> None:
    """Record how a try of a batch ended, within the caller's transaction."""
    values = {"batch_no": batch_no, "status": status, "requests": requests, "error": error and bounded(error)}
    connection.execute(queries("batches")["finish"], {**plan.parameters, **values})
