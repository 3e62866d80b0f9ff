"""The steps of a run of ``ashare_history``: many years, some securities at a time."""

from __future__ import annotations

from ashare.steps.history.range_fetch import fetch_and_copy
from ashare.steps.history.range_plan import plan_batches
from ashare.steps.history.range_record import record_status
from ashare.steps.history.span import HistoryRun

__all__ = ["HistoryRun", "fetch_and_copy", "plan_batches", "record_status"]
