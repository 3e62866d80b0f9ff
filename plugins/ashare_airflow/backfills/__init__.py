"""Airflow's backfills of ``ashare_daily``: request, start, progress and cancel, for page and command line."""

from __future__ import annotations

DAG_ID = "ashare_daily"
"""The DAG whose runs are trade dates."""
