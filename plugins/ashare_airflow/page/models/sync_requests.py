"""Models of a sync: request, preview, start and progress."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from ashare.dry_run import DryRun
from ashare_airflow.page.models.sentence import Sentence

Reprocess = Literal["missing", "all", "verify"]
What = Literal["trade_dates", "weekly_lists"]


class BatchRequest(BaseModel):
    """A range of days, both ends included: its trade dates, or the weekly lists of its Mondays."""

    start_date: str = Field(description="YYYY-MM-DD", examples=["2026-03-02"])
    end_date: str = Field(description="YYYY-MM-DD", examples=["2026-03-31"])
    reprocess: Reprocess = Field(
        "missing",
        description="missing: what is missing or failed; all: what is complete is looked at again, too; verify: "
        "complete trade dates are read from Baostock again and compared.",
    )
    what: What = Field(
        "trade_dates",
        description="trade_dates: ashare_daily; weekly_lists: members of indices, industries and names, by "
        "ashare_reference.",
    )


class Preview(BaseModel):
    """What a sync of a range would do."""

    start_date: date
    end_date: date
    weekdays: int = Field(description="Of weekly lists: Mondays.")
    closed: int = Field(description="Of those: known to be no session; of weekly lists: without a list at Baostock.")
    complete: int = Field(description="Of those: complete already; nothing is asked of Baostock for them.")
    under_way: int = Field(description="Of those: a run works on them, or will.")
    to_sync: int = Field(description="Of those: missing or failed; to verify: also those to be read again.")
    runs: int = Field(description="Runs that Airflow would make.")
    requests: int = Field(description="An estimate, logins and pages counted.")
    requests_left: int = Field(description="Of the day's budget.")
    seconds: int = Field(description="An estimate, from the times of the last dates.")
    quota_days: int = Field(description="Days on which requests are sent; 0: none is to be sent.")
    command: str = Field(description="The same on the command line.")
    notes: list[Sentence] = Field(description="What is worth knowing before.")
    can_start: bool
    why_not: Sentence | None = Field(description="What keeps it from being started.")
    is_too_long: bool = Field(False, description="Too many days for one backfill: a history loads them.")

    @classmethod
    def of(cls, plan: DryRun, **others: Any) -> Preview:
        """The preview of a dry run.

        :param others: the fields that a dry run does not have.
        """
        return cls(**asdict(plan) | {"to_sync": len(plan.to_sync), "seconds": round(plan.seconds)}, **others)


class StartedDate(BaseModel):
    """What became of the wish to sync a date."""

    status: Literal["syncing", "skipped"]
    date: date
    message: Sentence
    task_id: str | None = Field(description="The id of the Airflow backfill; none when nothing was to be done.")


class StartedPending(BaseModel):
    """What became of the wish to sync all dates that need it."""

    status: Literal["syncing", "success"]
    message: Sentence
    total: int
    dates: list[date]
    task_id: str | None


class StartedBatch(BaseModel):
    """A backfill that was started."""

    task_id: str = Field(description="The id of the Airflow backfill.")
    total_days: int = Field(description="Calendar days of the range.")
    runs: int = Field(description="Runs that the backfill has made, one a date.")
    message: Sentence


class BatchError(BaseModel):
    date: date
    error: Sentence


class ChangedDate(BaseModel):
    """A trade date that was read again and was not as Baostock has it."""

    date: date
    revised: int = Field(description="Bars that had changed.")
    inserted: int = Field(description="Bars that had been lacking.")
    factors: int = Field(description="Adjust factors that had changed or been lacking.")


class Comparison(BaseModel):
    """What trade dates that were read again have shown. A date counts once, however often it was read."""

    dates: int = Field(description="Dates that were read again.")
    changed_dates: int = Field(description="Of those: dates that were not as Baostock has them.")
    compared: int = Field(description="Bars that were compared.")
    revised: int = Field(description="Of those: bars that had changed, and were updated.")
    inserted: int = Field(description="Bars that had been lacking, and were added.")
    lacking: int = Field(description="Loaded bars that Baostock's answers do not have. They stay.")
    factors: int = Field(description="Adjust factors that had changed or been lacking.")
    changed: list[ChangedDate] = Field(description="The first of the changed dates.")


class Progress(BaseModel):
    """How far a backfill is. The dates of a backfill of ``ashare_reference`` are Mondays."""

    dag_id: str
    status: Literal["running", "completed", "failed", "cancelled"] = Field(description="failed: a date failed.")
    total: int = Field(description="Dates of the backfill.")
    current: int = Field(description="Dates that have ended.")
    success: int
    failed: int
    skipped: int
    closed: int = Field(description="Days of the backfill on which the exchanges are closed: their runs do nothing.")
    closed_ended: int = Field(description="Of those: days whose runs have ended.")
    cancelled: int = Field(description="Dates that had not begun when the backfill was cancelled.")
    current_date: str = Field(description="The earliest date under way; empty when there is none.")
    message: Sentence
    start_time: date = Field(description="First date of the range.")
    end_time: date = Field(description="Last date of the range.")
    task_start_time: datetime
    estimated_completion: datetime | None
    duration_seconds: int
    errors: list[BatchError] = Field(description="Of the failed dates, twenty at most.")
    progress_percent: float
    running: int = Field(description="Dates under way.")
    rows: int = Field(description="Bars, or rows of lists, that Baostock has sent for it so far.")
    rows_per_second: float = Field(description="Over the last minute of work.")
    requests: int
    seconds_left: int | None
    waits_for: Sentence | None = Field(description="Why nothing moves: a ban, the day's budget, a dead scheduler.")
    user: str | None = Field(description="Who started it.")
    comparison: Comparison | None = Field(description="Of a backfill that reads dates again; none: it does not.")


class Active(BaseModel):
    task_id: str
    progress: Progress
