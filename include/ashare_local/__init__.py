"""The whole stack on one machine: embedded PostgreSQL, Airflow and, for the demo, the Baostock emulator."""

from __future__ import annotations
