"""What is kept, dataset by dataset: how complete it is, its rows, its size on disk, and the last run on it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple

from ashare.datasets import DATASETS, REFERENCE_TABLES
from ashare.status import StatusReader
from ashare.store.kept_rows import Extent, KeptRows, LastRun, TableSize
from ashare.week_status import weekly_lists


@dataclass(frozen=True)
class KeptDataset:
    """A dataset of the registry, or a table of reference data, which has no partitions.

    :ivar partition: what a partition is; ``None``: the table is read as a whole.
    :ivar is_kept: whether it is asked for. ``ASHARE_KINDS`` names the kinds of securities whose bars are.
    :ivar complete: number of partitions that are complete, or accepted as they are.
    :ivar expected: number of partitions that are complete or should be; ``None``: the dataset is not asked for.
    :ivar extent: its rows; of weekly lists, those of its spans, from the first list to the last one.
    :ivar table: the table that holds its rows.
    :ivar shared_with: the other datasets in the same table.
    :ivar last_run: the run that worked on it last; ``None``: none did, or it is a table of reference data.
    :ivar read_at: of a table of reference data, when it was last read.
    """

    dataset: str
    partition: Literal["trade_date", "week"] | None
    is_kept: bool
    complete: int | None
    expected: int | None
    extent: Extent
    table: TableSize
    shared_with: list[str]
    last_run: LastRun | None
    read_at: datetime | None

    @property
    def completeness(self) -> float | None:
        """Percent of the expected partitions, rounded down to a tenth; ``None``: none is expected."""
        return 1000 * (self.complete or 0) // self.expected / 10 if self.expected else None


class Partitions(NamedTuple):
    """See ``KeptDataset``."""

    unit: Literal["trade_date", "week"] | None
    is_kept: bool = True
    complete: int | None = None
    expected: int | None = None


NO_ROWS = Extent(0, None, None)


def kept_data(reader: StatusReader) -> list[KeptDataset]:
    """All datasets, in the order of the registry: bars and adjust factors, weekly lists, reference data."""
    kept = KeptRows(reader.rows.connection)
    found = {**_trade_dates(reader, kept), **_weeks(reader, kept), **_reference(kept)}
    tables, runs, readings = kept.tables(tuple(found)), kept.last_runs(), kept.read_at()
    sharing = defaultdict[str, list[str]](list)
    for name in found:
        sharing[tables[name].name].append(name)
    return [
        KeptDataset(
            dataset=name,
            partition=partitions.unit,
            is_kept=partitions.is_kept,
            complete=partitions.complete,
            expected=partitions.expected,
            extent=extent,
            table=tables[name],
            shared_with=[other for other in sharing[tables[name].name] if other != name],
            last_run=runs.get(name),
            read_at=readings.get(name),
        )
        for name, (partitions, extent) in found.items()
    ]


def _trade_dates(reader: StatusReader, kept: KeptRows) -> dict[str, tuple[Partitions, Extent]]:
    as_of, names = reader.as_of, tuple(DATASETS)
    extents, complete = kept.extents(names), kept.complete_dates(names)
    # These dates are not complete at sight for all datasets that are asked for: their states are derived.
    days = reader.rows.known_days(as_of.datasets, reader.since, as_of.newest, date.min, date.max).others
    others = kept.other_dates(as_of, reader.since, days)
    found = {}
    for name in names:
        accepted, unsettled = others.get(name, (0, 0))
        settled, is_kept = complete[name] + accepted, name in as_of.datasets
        partitions = Partitions("trade_date", is_kept, settled, settled + unsettled if is_kept else None)
        found[name] = (partitions, extents.get(name, NO_ROWS))
    return found


def _weeks(reader: StatusReader, kept: KeptRows) -> dict[str, tuple[Partitions, Extent]]:
    found, loaded = {}, kept.weeks()
    for each in weekly_lists(reader):
        weeks = loaded.get(each.dataset)
        complete = weeks.complete if weeks else 0
        extent = Extent(kept.count(each.dataset), weeks.first, weeks.last) if weeks else NO_ROWS
        found[each.dataset] = (Partitions("week", True, complete, complete + each.open_weeks), extent)
    return found


def _reference(kept: KeptRows) -> dict[str, tuple[Partitions, Extent]]:
    first, last = kept.calendar_range()
    ranges = {"trade_calendar": (first, last)}
    return {
        name: (Partitions(None), Extent(kept.count(name), *ranges.get(name, (None, None))))
        for name in REFERENCE_TABLES
    }
