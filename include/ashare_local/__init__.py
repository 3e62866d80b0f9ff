"""The whole stack on one machine: embedded PostgreSQL, Airflow and, for the demo, the Baostock emulator."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
"""The root of the project."""


class StackError(Exception):
    """The stack cannot start or continue; the text is one sentence, then the end of a log if there is one."""
