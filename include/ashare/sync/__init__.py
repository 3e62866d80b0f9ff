"""The steps of a trade date: plain functions over a ``Run``, tested without Airflow."""

from __future__ import annotations

from ashare.sync.dispatch import fetch_and_copy
from ashare.sync.factors import sync_adjust_factors
from ashare.sync.plan import plan_batches
from ashare.sync.reachability import check_source
from ashare.sync.record import record_status
from ashare.sync.run import Run
from ashare.sync.trading_day import wait_for_trading_day

__all__ = [
    "Run",
    "check_source",
    "fetch_and_copy",
    "plan_batches",
    "record_status",
    "sync_adjust_factors",
    "wait_for_trading_day",
]
