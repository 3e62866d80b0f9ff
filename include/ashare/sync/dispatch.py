"""The third step, once per batch of the agenda: the batch's own bars, an earlier date, or dates to be read again."""

from __future__ import annotations

from ashare.errors import InvalidInput
from ashare.store.rows import MergeCounts
from ashare.sync.fetch import fetch_bars
from ashare.sync.heal import heal_date
from ashare.sync.reread import reread_dates
from ashare.sync.run import Run


def fetch_and_copy(run: Run, batch_no: int) -> MergeCounts:
    """Do one batch of the plan. See ``fetch_bars``, ``heal_date`` and ``reread_dates`` for errors.

    :returns: row counts of the merges.
    :raises InvalidInput: the plan has no such batch.
    """
    batch = run.store.batches.start(run.plan, batch_no)
    if batch is None:
        raise InvalidInput(f"There is no batch {batch_no} for {run.day}: clear the task plan_batches first.")
    if batch.again:
        return reread_dates(run, batch)
    return heal_date(run, batch) if batch.heals else fetch_bars(run, batch)
