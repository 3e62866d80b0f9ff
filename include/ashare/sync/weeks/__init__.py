"""The weekly lists: members of indices, industries and names, one week or many."""

from __future__ import annotations

from ashare.sync.weeks.week import WeekRun, sync_week

__all__ = ["WeekRun", "sync_week"]
