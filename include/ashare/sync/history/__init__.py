"""The steps of a run of ``ashare_history``: many years, some securities at a time."""

from __future__ import annotations

from ashare.sync.history.span import HistoryRun
from ashare.sync.history.steps import fetch_and_copy, plan_batches, record_status

__all__ = ["HistoryRun", "fetch_and_copy", "plan_batches", "record_status"]
