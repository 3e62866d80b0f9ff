"""The page's head line: is the data complete, and does everything run?"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from ashare_airflow.page.models.sentence import Sentence
from ashare_airflow.page.models.sync_records import StatusCount
from ashare_airflow.page.models.sync_requests import Active


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
    unreachable_since: datetime | None = Field(description="Since when Baostock answers nothing; none: it does.")
    unreachable_why: Sentence | None = Field(description="Why no connection can be opened; none: one can.")
    recent_errors: list[SourceError] = Field(description="Of the last seven days, newest first, ten at most.")


class Complete(BaseModel):
    date: date
    expected: int
    loaded: int
    suspended: int


class Scheduler(BaseModel):
    alive: bool
    heartbeat_at: datetime | None


class WeeklyList(BaseModel):
    """How complete the lists of one weekly dataset are."""

    dataset: str
    newest_week: date | None = Field(description="The Monday of the newest list that is loaded.")
    rows: int | None = Field(description="Rows of that list.")
    state: Literal[
        "complete", "partial", "missing", "failed", "running", "waiting", "unpublished", "before", "none"
    ] = Field(description="Of the newest week that should be loaded.")
    open_weeks: int = Field(description="Weeks since the first list that are not complete.")
    problem_week: date | None = Field(description="The newest of these that says why.")
    reason: Sentence | None = Field(description="Why that week is not complete.")


class Weekly(BaseModel):
    """Members of indices, industries and names."""

    newest_due: date = Field(description="The newest Monday whose lists should be in by now.")
    lists: list[WeeklyList]
    why_not: Sentence | None = Field(description="What keeps the user from starting a sync of lists; none: nothing.")


class Overview(BaseModel):
    """The page's head line: is the data complete, and does everything run?"""

    now: datetime = Field(description="Beijing's clock.")
    newest_complete: Complete | None
    newest_due: date = Field(description="The newest session whose bars should be in by now.")
    lag: int | None = Field(description="Sessions after the newest complete one up to the newest due; none: no data.")
    allowed_lag: int
    newest_is_loading: bool = Field(description="Whether a run works on the newest date due, or will.")
    first_date: date | None = Field(description="The first trade date that is recorded.")
    counts: StatusCount = Field(description="All dates since the first, by status.")
    first_open: date | None = Field(description="The first date that is missing or failed.")
    last_open: date | None
    next_run: datetime | None
    is_paused: bool
    scheduler: Scheduler
    source: Source
    can_start: bool
    why_not: Sentence | None
    active: list[Active] = Field(description="The backfills under way, one per DAG at most.")
    histories: list[str] = Field(description="The ids of the runs of ashare_history that have not ended.")
    history_why_not: Sentence | None = Field(description="What keeps the user from starting one; none: nothing.")
    kept: list[str] = Field(description="The datasets that are kept by default: bars of ASHARE_KINDS, factors.")
    weekly: Weekly
