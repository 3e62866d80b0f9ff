"""Schedule of a trade date: timetable, sensor, priority and deadline."""

from __future__ import annotations
