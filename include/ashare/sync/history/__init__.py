"""The steps of a run of ``ashare_history``: many years, some securities at a time."""

from __future__ import annotations

from ashare.sync.history.range_fetch import fetch_and_copy
from ashare.sync.history.range_plan import plan_batches
from ashare.sync.history.range_record import record_status
from ashare.sync.history.span import HistoryRun

__all__ = ["HistoryRun", "fetch_and_copy", "plan_batches", "record_status"]
