"""Whether a scheduler is alive. Without one no run starts."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from airflow.jobs.job import most_recent_job

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class SchedulerState(NamedTuple):
    """The state of the newest scheduler.

    :ivar alive: whether the scheduler's job is running and its heartbeat is recent.
    :ivar heartbeat_at: ``None``: no scheduler has ever run on this database.
    """

    alive: bool
    heartbeat_at: datetime | None

    @property
    def last_heartbeat(self) -> str:
        """The age of the last heartbeat, in words."""
        if self.heartbeat_at is None:
            return "none has ever run on this database"
        seconds = (datetime.now(timezone.utc) - self.heartbeat_at).total_seconds()
        return f"the last heartbeat was {seconds:.0f} seconds ago"


def scheduler_state(session: Session) -> SchedulerState:
    """The state of the newest scheduler."""
    job = most_recent_job("SchedulerJob", session=session)
    return SchedulerState(job is not None and job.is_alive(), job.latest_heartbeat if job else None)
