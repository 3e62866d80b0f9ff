"""Heals an earlier trade date that is not complete, within the run of the newest one."""

from __future__ import annotations

import logging
from dataclasses import replace

from ashare.errors import AshareError, Postponed
from ashare.store import Batch
from ashare.store.rows import MergeCounts
from ashare.sync.factors import sync_adjust_factors
from ashare.sync.fetch import fetch_bars
from ashare.sync.plan import plan_batches
from ashare.sync.record import record_status
from ashare.sync.run import Run, reason_of, recording
from ashare.sync.stream import NOTHING

log = logging.getLogger(__name__)


def heal_date(run: Run, batch: Batch) -> MergeCounts:
    """Sync an earlier date as its own run would: plan, fetch, load and record it.

    The run's own date does not fail for an earlier one: what cannot be done now is left to a later run, and the
    record of the earlier date says why. The run's own date is recorded after this batch has ended.

    :returns: row counts of the merges.
    """
    assert batch.heals is not None
    earlier = replace(run, day=batch.heals, kinds=run.settings.kinds, verify=False)
    status, error = "success", ""
    merged = NOTHING
    try:
        merged = sync_date(earlier)
    except AshareError as problem:
        status, error = "superseded" if isinstance(problem, Postponed) else "failed", reason_of(problem)
        log.warning("%s is left to a later run. %s", earlier.day, problem)
    with recording(f"batch {batch.batch_no} of {run.day}"):
        run.store.batches.add_rows(run.plan, batch.batch_no, merged.inserted + merged.revised + merged.unchanged)
        run.store.batches.finish(run.plan, batch.batch_no, status, 0, error or None)
    return merged


def sync_date(run: Run) -> MergeCounts:
    """Plan, fetch, load and record a trade date as its own run would.

    :raises Postponed: the rest has to wait.
    :raises IncompleteDate: the date is not complete.
    """
    merged = NOTHING
    for batch in plan_batches(run, own_date_only=True):
        run.store.batches.start(run.plan, batch.batch_no)
        try:
            merged += fetch_bars(run, batch)
        except Postponed:
            raise
        except AshareError as problem:  # recorded with the batch; the record of the date counts what is there
            log.warning("%s: %s", batch.label, problem)
    with run.end_recorded():
        sync_adjust_factors(run)
    record_status(run)
    return merged
