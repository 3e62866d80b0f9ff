"""What is kept, dataset by dataset."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field


class LastRunOfDataset(BaseModel):
    """The run that worked last on a dataset."""

    run_id: str
    at: datetime = Field(description="When it counted the dataset, or ended, or began and has not ended.")
    run: str | None = Field(description="The run in the Airflow UI, relative to the UI's root; none: it was deleted.")


class DatasetRow(BaseModel):
    """A dataset, or a table of reference data, which has no partitions."""

    dataset: str = Field(description="Its name in the registry.")
    partition: Literal["trade_date", "week"] | None = Field(description="None: the table is read as a whole.")
    is_kept: bool = Field(description="Whether it is asked for: ASHARE_KINDS names the kinds of securities.")
    complete: int | None = Field(description="Partitions that are complete, or accepted as they are.")
    expected: int | None = Field(description="Partitions that are complete or should be; none: not asked for.")
    completeness: float | None = Field(description="Percent of the expected partitions, rounded down to a tenth.")
    rows: int = Field(description="Of weekly lists, the rows of their spans.")
    first: date | None = Field(description="First partition with rows.")
    last: date | None = Field(description="Last partition with rows.")
    table: str
    bytes: int = Field(description="Size of the table on disk, with indexes and partitions.")
    shared_with: list[str] = Field(description="Other datasets in the same table.")
    last_run: LastRunOfDataset | None = Field(description="None: no run, or a table of reference data.")
    read_at: datetime | None = Field(description="Of a table of reference data: when it was last read.")


class KeptDatasets(BaseModel):
    """All datasets, in the order of the registry."""

    is_empty: bool = Field(description="No dataset with partitions has a row.")
    bytes: int = Field(description="Size of all their tables on disk.")
    datasets: list[DatasetRow]
