"""Airflow's backfills of ``ashare_daily``: requested, started, watched and cancelled, for page and command line."""

from __future__ import annotations

DAG_ID = "ashare_daily"
"""The DAG whose runs are trade dates."""
