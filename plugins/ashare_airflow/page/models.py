"""What the API answers: typed, and with the names that clients of StockGuru's sync-status API know."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

T = TypeVar("T")

Status = Literal["pending", "syncing", "success", "failed", "skipped"]
Coverage = Literal[
    "complete", "accepted", "partial", "missing", "failed", "running", "closed", "unpublished", "before"
]
Reprocess = Literal["missing", "all"]
Adjust = Literal["none", "qfq", "hfq"]


class Reply(BaseModel, Generic[T]):
    """An answer; ``status`` is ``success`` wherever the HTTP status is."""

    status: Literal["success"] = "success"
    data: T


class Problem(BaseModel):
    """Why a request was refused: one sentence, as ``message`` and, as FastAPI has it, as ``detail``."""

    status: Literal["error", "not_found"]
    message: str
    detail: str


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
    error_message: str | None = Field(description="Why the date failed.")
    remarks: str | None = Field(description="What is worth knowing of a date that did not fail.")
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
    reason: str


class StartedDate(BaseModel):
    """What became of the wish to sync a date."""

    status: Literal["syncing", "skipped"]
    date: date
    message: str
    task_id: str | None = Field(description="The id of the Airflow backfill; none when nothing was to be done.")


class StartedPending(BaseModel):
    """What became of the wish to sync all dates that need it."""

    status: Literal["syncing", "success"]
    message: str
    total: int
    dates: list[date]
    task_id: str | None


class BatchRequest(BaseModel):
    """A range of trade dates, both ends included."""

    start_date: str = Field(description="YYYY-MM-DD", examples=["2026-03-02"])
    end_date: str = Field(description="YYYY-MM-DD", examples=["2026-03-31"])
    reprocess: Reprocess = Field(
        "missing",
        description="missing: what is missing or failed; all: complete dates are looked at again, too.",
    )


class StartedBatch(BaseModel):
    """A backfill that was started."""

    task_id: str = Field(description="The id of the Airflow backfill.")
    total_days: int = Field(description="Calendar days of the range.")
    runs: int = Field(description="Runs that the backfill has made, one a date.")
    message: str


class BatchError(BaseModel):
    date: date
    error: str


class Progress(BaseModel):
    """How far a backfill is."""

    status: Literal["running", "completed", "failed", "cancelled"] = Field(description="failed: a date failed.")
    total: int = Field(description="Dates of the backfill.")
    current: int = Field(description="Dates that have ended.")
    success: int
    failed: int
    skipped: int
    current_date: str = Field(description="The earliest date under way; empty when there is none.")
    message: str
    start_time: date = Field(description="First date of the range.")
    end_time: date = Field(description="Last date of the range.")
    task_start_time: datetime
    estimated_completion: datetime | None
    duration_seconds: int
    errors: list[BatchError]
    progress_percent: float
    running: int = Field(description="Dates under way.")
    rows: int = Field(description="Bars that Baostock has sent for it so far.")
    rows_per_second: float = Field(description="Over the last minute of work.")
    requests: int
    seconds_left: int | None
    waits_for: str | None = Field(description="Why nothing moves: a ban, the day's budget, a dead scheduler.")
    user: str | None = Field(description="Who started it.")


class Active(BaseModel):
    task_id: str
    progress: Progress


class Preview(BaseModel):
    """What a sync of a range would do."""

    start_date: date
    end_date: date
    weekdays: int
    closed: int = Field(description="Of those: known to be no session.")
    complete: int = Field(description="Of those: complete already; nothing is asked of Baostock for them.")
    to_sync: int = Field(description="Of those: missing or failed.")
    runs: int = Field(description="Runs that Airflow would make.")
    requests: int = Field(description="An estimate, logins and pages counted.")
    requests_left: int = Field(description="Of the day's budget.")
    seconds: int = Field(description="An estimate, from the times of the last dates.")
    command: str = Field(description="The same on the command line.")
    notes: list[str] = Field(description="What is worth knowing before.")
    can_start: bool
    why_not: str | None = Field(description="What keeps it from being started.")


class SourceError(BaseModel):
    outcome: str = Field(description="Baostock's error code, or the kind of failure.")
    method: str
    requested_at: datetime
    who: str


class Source(BaseModel):
    """What the request ledger says of Baostock."""

    used_today: int
    budget: int
    day_ends: datetime
    is_banned: bool
    banned_until: datetime | None
    bans: int = Field(description="Bans of the year of the last one.")
    last_request_at: datetime | None
    last_success_at: datetime | None
    recent_errors: list[SourceError] = Field(description="Of the last seven days, newest first, ten at most.")


class Complete(BaseModel):
    date: date
    expected: int
    loaded: int
    suspended: int


class Scheduler(BaseModel):
    alive: bool
    heartbeat_at: datetime | None


class Overview(BaseModel):
    """The page's head line: is the data complete, and does everything run?"""

    now: datetime = Field(description="Beijing's clock.")
    newest_complete: Complete | None
    newest_due: date = Field(description="The newest session whose bars should be in by now.")
    lag: int | None = Field(description="Sessions after the newest complete one up to the newest due; none: no data.")
    allowed_lag: int
    first_date: date | None = Field(description="The first trade date that is recorded.")
    counts: StatusCount = Field(description="All dates since the first, by status.")
    first_open: date | None = Field(description="The first date that is missing or failed.")
    last_open: date | None
    next_run: datetime | None
    is_paused: bool
    scheduler: Scheduler
    source: Source
    can_start: bool
    why_not: str | None
    active: Active | None


DayCoverage = tuple[date, Coverage, int | None, int | None, int | None, int | None, int | None]
"""date, coverage, expected, loaded, missing, rejected, revised."""


class CoverageDays(BaseModel):
    """Every calendar day of a range, oldest first."""

    start_date: date
    end_date: date
    days: list[DayCoverage] = Field(description="[date, coverage, expected, loaded, missing, rejected, revised]")


class BatchOfDay(BaseModel):
    batch_no: int
    kind: str
    by: str
    label: str
    codes: int | None = Field(description="How many; none: the whole market.")
    status: str
    rows: int | None
    requests: int | None
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    log: str | None = Field(description="Its task in the Airflow UI, relative to the UI's root.")


class SecurityOfDay(BaseModel):
    """A security without a bar that day, and why."""

    code: str
    name: str | None
    kind: str
    reason: str


class RejectOfDay(BaseModel):
    code: str
    name: str | None
    rule: str
    raw: dict[str, Any]
    rejected_at: datetime
    superseded_at: datetime | None = Field(description="When a good row for the bar was loaded.")


class RevisionOfDay(BaseModel):
    code: str
    name: str | None
    old: dict[str, Any]
    new: dict[str, Any]
    revised_at: datetime
    run_id: str | None


class CrossCheckOfDay(BaseModel):
    kind: str
    rule: str
    compared_with: date | None
    compared: int
    deviating: int
    allowed: int
    passed: bool | None
    examples: list[str]


class Acceptance(BaseModel):
    """A date that a person takes as it is."""

    reason: str
    problem: str = Field(description="What was wrong with the date then.")
    accepted_by: str
    accepted_at: datetime


class AcceptRequest(BaseModel):
    reason: str = Field(description="Why, in a sentence of at most 500 characters.")


class Accepted(BaseModel):
    """What became of a date that was accepted, or whose acceptance was undone."""

    date: date
    message: str


class RunOfDay(BaseModel):
    run_id: str
    state: str | None = Field(description="As Airflow has it; none when the run was deleted.")
    run: str = Field(description="The run in the Airflow UI, relative to the UI's root.")
    log: str = Field(description="Its status task there, whose log says why.")


class Day(BaseModel):
    """A trade date with all that is known of it; lists are cut at 500, their totals are not."""

    record: SyncRecord
    previous: date | None = Field(description="The session before.")
    following: date | None = Field(description="The session after, up to today.")
    run: RunOfDay | None
    acceptance: Acceptance | None = Field(description="None: the date is what its rows say.")
    may_accept: bool = Field(description="Whether the user may accept dates, and undo that.")
    batches: list[BatchOfDay]
    missing_total: int
    missing: list[SecurityOfDay]
    absent_total: int
    absent: list[SecurityOfDay] = Field(description="Asked for one by one, and not there at the source.")
    rejected_total: int
    rejected: list[RejectOfDay]
    revisions_total: int
    revisions: list[RevisionOfDay]
    checks: list[CrossCheckOfDay]


class Span(BaseModel):
    """Consecutive sessions of a security."""

    start_date: date
    end_date: date
    sessions: int
    reason: str


class StockYear(BaseModel):
    year: int
    sessions: int = Field(description="Sessions that it was listed on, since the first trade date that is recorded.")
    trading: int
    suspended: int
    explained: int = Field(description="Without a bar, for a recorded reason.")
    holes: int


class Stock(BaseModel):
    """A security's coverage over time."""

    code: str
    name: str | None
    kind: str
    ipo_date: date | None
    out_date: date | None
    first_bar: date | None
    last_bar: date | None
    bars: int
    first_recorded: date | None = Field(description="The first trade date that is recorded, of any security.")
    years: list[StockYear]
    suspensions: list[Span]
    holes: list[Span]
    revisions: int
    ex_dates: list[date]


Bar = tuple[date, float | None, float | None, float | None, float | None, int | None, bool]
"""date, open, close, low, high, volume, is_trading: in the order that candlestick charts take."""


class StockBars(BaseModel):
    code: str
    adjust: Adjust
    note: str | None = Field(description="Where the adjusted prices do not reach.")
    bars: list[Bar] = Field(description="[date, open, close, low, high, volume, is_trading]; prices in CNY.")


class SecurityName(BaseModel):
    code: str
    name: str | None
    kind: str


class Health(BaseModel):
    """Says no more than that: everybody may ask."""

    status: Literal["healthy", "stale", "unavailable"]
