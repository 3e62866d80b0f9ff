"""The three steps of a run over many years: of bars and adjust factors, or of weekly lists."""

from __future__ import annotations

from ashare.store import Batch
from ashare.store.rows import MergeCounts
from ashare.sync.history import range_fetch, range_plan, range_record, week_lists
from ashare.sync.history.span import HistoryRun


def plan_batches(history: HistoryRun) -> list[Batch]:
    """Write what the range lacks as batches, with the plan in words, and return the batches.

    :raises InvalidInput: a param of the run is wrong, or Baostock has nothing of the range.
    """
    return week_lists.plan_batches(history) if history.weekly else range_plan.plan_batches(history)


def fetch_and_copy(history: HistoryRun, batch_no: int) -> MergeCounts:
    """Fetch what a batch lacks and load it.

    :returns: row counts of all merges.
    :raises InvalidInput: the run has no such batch.
    :raises BadReply: some replies are not believed; the rows of the other replies are loaded.
    """
    step = week_lists.fetch_and_copy if history.weekly else range_fetch.fetch_and_copy
    return step(history, batch_no)


def record_status(history: HistoryRun) -> str:
    """Record the end of the run, and the facts of every trade date of the range.

    :returns: the sentence that is logged at the end.
    :raises IncompleteDate: there is no plan, a batch is not done, or the range still lacks data.
    """
    return week_lists.record_status(history) if history.weekly else range_record.record_status(history)
