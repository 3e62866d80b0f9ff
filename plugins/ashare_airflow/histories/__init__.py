"""Runs of ``ashare_history`` for the page: their cost, start, progress and cancel."""

from __future__ import annotations

HISTORY_DAG_ID = "ashare_history"
"""The DAG whose runs load many years."""
