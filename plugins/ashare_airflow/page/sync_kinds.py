"""What a user can start from the page: a sync of trade dates, or of weekly lists."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ashare.dry_run import DryRun, dry_run, dry_run_of_verification, dry_run_of_weeks
from ashare.errors import InvalidInput
from ashare.status import StatusReader
from ashare.week_status import wanting_weeks
from ashare_airflow.backfills import DAG_ID, REFERENCE_DAG_ID
from ashare_airflow.page.models.sync_requests import Reprocess, What

MOST = 90
"""The most days or weeks of one backfill from the page, as the API always had it. The command line has no limit."""


@dataclass(frozen=True)
class SyncKind:
    """A kind of syncs.

    :ivar dag_id: the DAG that is backfilled.
    :ivar noun: what a run of the DAG is about.
    :ivar run_day: the days that can have a run.
    :ivar unit: the unit of ``MOST``, of ``days`` days.
    :ivar dry_run: what a sync of a range would do.
    :ivar wanting: the days of a range that a sync would repair, or read again.
    :ivar conf: the params of the runs.
    """

    dag_id: str
    noun: str
    run_day: str
    unit: str
    days: int
    dry_run: Callable[[StatusReader, date, date], DryRun]
    wanting: Callable[[StatusReader, date, date], Collection[date]]
    conf: dict[str, Any] | None = None

    @property
    def most_days(self) -> int:
        """The most calendar days of one backfill from the page."""
        return MOST * self.days

    @property
    def limit(self) -> str:
        """Why a longer range is refused."""
        return f"At most {MOST} {self.unit}s can be started here: choose fewer, or use the command line."

    @property
    def nothing_to_do(self) -> str:
        """Why a range without a run is refused."""
        if self is VERIFICATION:
            return f"Nothing is to be read again: no {self.noun} of this range is complete or to be synced."
        return (
            f"Nothing is to be done: every {self.noun} of this range is complete, closed, not out yet or under way."
        )

    def why_nothing(self, plan: DryRun) -> str:
        """Why no run of a range would be created."""
        if not plan.weekdays:
            return f"Nothing is to be done: no {self.run_day} falls into this range."
        if plan.complete == plan.weekdays - plan.closed > 0 and not plan.to_sync:
            return f"Every {self.noun} of this range is complete."
        return self.nothing_to_do


SYNC_KINDS: dict[What, SyncKind] = {
    "trade_dates": SyncKind(DAG_ID, "date", "weekday", "day", 1, dry_run, StatusReader.wanting),
    "weekly_lists": SyncKind(REFERENCE_DAG_ID, "week", "Monday", "week", 7, dry_run_of_weeks, wanting_weeks),
}

VERIFICATION = replace(
    SYNC_KINDS["trade_dates"],
    dry_run=dry_run_of_verification,
    wanting=lambda reader, start, end: dry_run_of_verification(reader, start, end).to_sync,
    conf={"verify": True},
)
"""Trade dates that are read again and compared."""


def sync_kind(what: What, reprocess: Reprocess) -> SyncKind:
    """The kind of a request.

    :raises InvalidInput: weekly lists are to be verified.
    """
    if reprocess != "verify":
        return SYNC_KINDS[what]
    if what != "trade_dates":
        raise InvalidInput("Weekly lists are not read again and compared: choose trade dates, or `all`.")
    return VERIFICATION
