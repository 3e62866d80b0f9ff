"""Health checks of the system. Each check yields findings; a finding says what to do."""

from __future__ import annotations

from ashare.doctor.date_checks import RUN_AGAIN
from ashare.doctor.examination import examine
from ashare.doctor.finding import BAD, OK, WARN, CheckedSystem, Finding

__all__ = ["BAD", "OK", "RUN_AGAIN", "WARN", "CheckedSystem", "Finding", "examine"]
