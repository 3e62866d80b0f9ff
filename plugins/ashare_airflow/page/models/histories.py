"""Models of a history: request, progress and start."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from ashare_airflow.page.models.sentence import Sentence


class HistoryRequest(BaseModel):
    """A range of days, both ends included, and what to load of it."""

    start_date: str = Field(description="YYYY-MM-DD", examples=["2016-01-01"])
    end_date: str = Field(description="YYYY-MM-DD, before today", examples=["2025-12-31"])
    datasets: list[str] | None = Field(
        None,
        description="Names of the registry, for example stock_bar; none: the bars of ASHARE_KINDS, and adjust "
        "factors. Weekly lists take a run of their own.",
    )


class StartedHistory(BaseModel):
    """A run of ``ashare_history`` that was started."""

    run_id: str
    message: Sentence


class BatchProblem(BaseModel):
    batch: Sentence
    error: Sentence


class HistoryProgress(BaseModel):
    """How far a run of ``ashare_history`` is."""

    run_id: str
    status: Literal["running", "completed", "failed", "cancelled"]
    start_date: date | None = Field(description="None: the run's params are wrong.")
    end_date: date | None
    datasets: list[str]
    plan: Sentence = Field(
        description="What the range lacks, and what it costs: requests, time, days of quota; empty: not planned yet."
    )
    batches: int
    batches_done: int
    batches_failed: int = Field(description="While the run goes on, a failed batch is tried again.")
    progress_percent: float
    rows: int = Field(description="Rows that Baostock has sent for it so far.")
    rows_per_second: float = Field(description="Over the last minute; of an ended run, over all of it.")
    requests: int
    task_start_time: datetime
    duration_seconds: int
    seconds_left: int | None
    waits_for: Sentence | None = Field(description="Why nothing moves: a ban, the day's budget, a dead scheduler.")
    holes: int = Field(description="Trade dates of the range that are not complete; of weekly lists 0.")
    first_hole: date | None
    last_hole: date | None
    errors: list[BatchProblem] = Field(description="Of the failed batches, twenty at most.")
    user: str | None = Field(description="Who started it.")
    run: str = Field(description="The run in the Airflow UI, relative to the UI's root.")
    log: str | None = Field(description="The task that failed there, whose log says why.")
