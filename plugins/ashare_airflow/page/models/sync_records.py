"""Trade dates and their status, with the names that clients of StockGuru's sync-status API know."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from ashare_airflow.page.models.sentence import Sentence

Status = Literal["pending", "syncing", "success", "failed", "skipped"]
Coverage = Literal[
    "complete", "accepted", "partial", "missing", "failed", "running", "closed", "unpublished", "before"
]


class SyncRecord(BaseModel):
    """A trade date. What clients of old know comes first; of it, counts that are not known are 0."""

    id: int = Field(description="The date as a number, YYYYMMDD.")
    sync_date: date
    status: Status = Field(description="pending: an open trade date for which nothing is recorded.")
    total_records: int = Field(description="Securities that were listed that day.")
    success_count: int = Field(description="Bars of that day in the table.")
    failed_count: int = Field(description="Listed securities without a bar or a recorded reason.")
    start_time: datetime | None
    end_time: datetime | None
    duration_seconds: int | None
    error_message: Sentence | None = Field(description="Why the date failed.")
    remarks: Sentence | None = Field(description="What is worth knowing of a date that did not fail.")
    process_id: str | None = Field(description="The Airflow run that worked on the date last; as run_id.")
    created_at: datetime | None
    updated_at: datetime | None

    coverage: Coverage = Field(description="The date by its rows.")
    kinds: list[str] = Field(description="The kinds of securities that the record speaks of.")
    expected: int | None
    loaded: int | None
    suspended: int | None
    missing: int | None
    rejected: int | None
    revised: int | None
    requests: int | None = Field(description="Messages sent to Baostock on behalf of the date.")
    run_id: str | None
    dag_id: str = Field(description="The DAG of that run.")

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> SyncRecord:
        """The record of a row that ``StatusReader`` has read."""
        day, status, run_id = row["trade_date"], row["status"], row["run_id"]
        started, finished = row["started_at"], row["finished_at"]
        # No duration: the date was never started, or its sync was started again.
        seconds = (
            round((finished - started).total_seconds()) if started and finished and finished >= started else None
        )
        failed = (row["missing"] or 0) + (row["rejected"] or 0)
        names = ("coverage", "kinds", "expected", "loaded", "suspended", "missing", "rejected", "revised", "requests")
        return cls(
            id=day.year * 10000 + day.month * 100 + day.day,
            sync_date=day,
            status=status,
            total_records=row["expected"] or 0,
            success_count=row["loaded"] or 0,
            failed_count=failed if status == "failed" or row["coverage"] == "accepted" else 0,
            start_time=started,
            end_time=finished,
            duration_seconds=seconds,
            error_message=row["reason"] if status == "failed" else None,
            remarks=row["reason"] if status != "failed" else None,
            process_id=run_id,
            created_at=started,
            updated_at=finished or started,
            run_id=run_id,
            dag_id=row["dag_id"],
            **{name: row[name] for name in names},
        )


class Records(BaseModel):
    """The newest dates, newest first."""

    status: Literal["success"] = "success"
    total: int
    data: list[SyncRecord]


class PendingDates(BaseModel):
    """Trade dates that are to be synced, newest first."""

    status: Literal["success"] = "success"
    total: int
    dates: list[date]


class StatusCount(BaseModel):
    """Dates by status."""

    pending: int = 0
    syncing: int = 0
    success: int = 0
    failed: int = 0
    skipped: int = 0


class Stats(StatusCount):
    """Dates by status, and all of them."""

    total: int


class Summary(BaseModel):
    total_days: int
    status_count: StatusCount
    recent_records: list[SyncRecord] = Field(description="The ten newest.")


class RecordPage(BaseModel):
    """One page of records, and the counts of all that the dates, not the status, select."""

    records: list[SyncRecord]
    total: int = Field(description="Records that the dates and the status select.")
    page: int
    page_size: int
    total_pages: int
    stats: Stats


class NeedSync(BaseModel):
    """Whether a date is to be synced, and why."""

    status: Literal["success"] = "success"
    date: date
    need_sync: bool
    reason: Sentence
