"""What the tables of each dataset hold: partitions, rows, bytes, and the run that worked on it last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from ashare.store.page_rows import AsOf
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg


class Extent(NamedTuple):
    """The rows of a dataset, from its first partition with rows to its last one."""

    rows: int
    first: date | None
    last: date | None


class Weeks(NamedTuple):
    """The lists of a weekly dataset that were loaded, by their Mondays."""

    complete: int
    first: date
    last: date


class TableSize(NamedTuple):
    """A table with its size on disk in bytes: rows, indexes and partitions."""

    name: str
    size: int


class LastRun(NamedTuple):
    """The Airflow run that worked on a dataset last.

    :ivar at: when it counted the dataset, or ended, or began and has not ended.
    """

    run_id: str
    at: datetime
    is_history: bool


@dataclass(frozen=True)
class KeptRows:
    """Reads what the tables hold, over a connection in a read-only transaction."""

    connection: psycopg.Connection[Any]

    def _read(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(queries("kept_data")[name], values).fetchall()

    def extents(self, datasets: Sequence[str]) -> dict[str, Extent]:
        """The rows of datasets of trade dates; without those that have none."""
        return {name: Extent(*row) for name, *row in self._read("rows_of_dates", datasets=list(datasets))}

    def complete_dates(self, datasets: Sequence[str]) -> dict[str, int]:
        """How many trade dates are complete for each dataset."""
        return dict(self._read("complete_dates", datasets=list(datasets)))

    def other_dates(self, as_of: AsOf, since: date | None, days: Collection[date]) -> dict[str, tuple[int, int]]:
        """How many of some dates are accepted for each dataset, and how many should be complete and are not."""
        if not days:
            return {}
        values = {**as_of.parameters, "since": since, "start": min(days), "end": max(days), "days": list(days)}
        return {name: (accepted, open_dates) for name, accepted, open_dates in self._read("other_dates", **values)}

    def weeks(self) -> dict[str, Weeks]:
        """The lists of each weekly dataset; without datasets that have none."""
        return {name: Weeks(*row) for name, *row in self._read("weeks")}

    def count(self, table: str) -> int:
        """The number of rows of a table of weekly lists or reference data, which is small enough to be counted."""
        statement = sql.SQL(queries("kept_data")["count"]).format(table=sql.Identifier("ashare", table))
        ((rows,),) = self.connection.execute(statement).fetchall()
        return int(rows)

    def calendar_range(self) -> tuple[date | None, date | None]:
        """The first and the last day of the calendar; ``None``: it is empty."""
        ((first, last),) = self._read("calendar_range")
        return first, last

    def read_at(self) -> dict[str, datetime | None]:
        """When each table of reference data was last read; ``None``: not yet."""
        return dict(self._read("read_at"))

    def tables(self, datasets: Sequence[str]) -> dict[str, TableSize]:
        """The table of each dataset."""
        return {dataset: TableSize(*row) for dataset, *row in self._read("tables", datasets=list(datasets))}

    def last_runs(self) -> dict[str, LastRun]:
        """The run that worked last on each dataset; without datasets that no run has worked on."""
        return {dataset: LastRun(*row) for dataset, *row in self._read("last_runs")}
