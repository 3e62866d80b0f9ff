"""The coverage of calendar days, and the details of one trade date."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from ashare_airflow.page.models.sentence import Sentence
from ashare_airflow.page.models.sync_records import Coverage, SyncRecord

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
    label: Sentence
    codes: int | None = Field(description="How many; none: the whole market.")
    status: str
    rows: int | None
    requests: int | None
    error: Sentence | None
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    log: str | None = Field(description="Its task in the Airflow UI, relative to the UI's root.")


class SecurityOfDay(BaseModel):
    """A security as of the day."""

    code: str
    name: str | None = Field(description="Of that day, as of the Monday of its list; see is_name_of_today.")
    is_name_of_today: bool = Field(description="No list of names covers the day: the name is that of today.")
    is_st: bool = Field(description="Under special treatment, by the day's bar; false without a bar.")
    at_limit: Literal["up", "down"] | None = Field(description="Closed at a price limit of the day.")


class LackingOfDay(SecurityOfDay):
    """A security without a bar that day, and why."""

    kind: str
    reason: Sentence


class RejectOfDay(SecurityOfDay):
    rule: Sentence
    raw: dict[str, Any]
    rejected_at: datetime
    superseded_at: datetime | None = Field(description="When a good row for the bar was loaded.")


class RevisionOfDay(SecurityOfDay):
    old: dict[str, Any]
    new: dict[str, Any]
    revised_at: datetime
    run_id: str | None


class ComparisonOfDay(BaseModel):
    """The date was read from Baostock again, and compared."""

    kind: str = Field(description="stock, etf or factor.")
    verified_at: datetime
    compared: int = Field(description="Rows that the table had and Baostock sent.")
    revised: int = Field(description="Of those: rows that had changed, and were updated.")
    inserted: int = Field(description="Rows that had been lacking.")
    lacking: int = Field(description="Rows of the table that Baostock did not send. They stay.")
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


class AtLimit(BaseModel):
    """Stocks that closed at a price limit of the day."""

    up: int
    down: int


class Acceptance(BaseModel):
    """A date that a person takes as it is."""

    reason: str
    problem: Sentence = Field(description="What was wrong with the date then.")
    accepted_by: str
    accepted_at: datetime


class RunOfDay(BaseModel):
    run_id: str
    state: str | None = Field(description="As Airflow has it; none when the run was deleted.")
    run: str = Field(description="The run in the Airflow UI, relative to the UI's root.")
    log: str = Field(description="Its status task there, whose log says why.")


class Day(BaseModel):
    """A trade date with all that is known of it; lists are cut at 500, their totals are not."""

    record: SyncRecord
    at_limit: AtLimit | None = Field(description="None: no bars are loaded.")
    previous: date | None = Field(description="The session before.")
    following: date | None = Field(description="The session after, up to today.")
    run: RunOfDay | None
    acceptance: Acceptance | None = Field(description="None: the date is what its rows say.")
    may_accept: bool = Field(description="Whether the user may accept dates, and undo that.")
    batches: list[BatchOfDay]
    missing_total: int
    missing: list[LackingOfDay]
    absent_total: int
    absent: list[LackingOfDay] = Field(description="Asked for one by one, and not there at the source.")
    rejected_total: int
    rejected: list[RejectOfDay]
    revisions_total: int
    revisions: list[RevisionOfDay]
    comparisons: list[ComparisonOfDay] = Field(description="The last 20, newest first.")
    checks: list[CrossCheckOfDay]


class AcceptRequest(BaseModel):
    reason: str = Field(description="Why, in a sentence of at most 500 characters.")


class Accepted(BaseModel):
    """What became of a date that was accepted, or whose acceptance was undone."""

    date: date
    message: Sentence
