"""Airflow's backfills: what refuses, starts, watches and cancels one."""

from __future__ import annotations
