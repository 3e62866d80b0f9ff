"""A lake as a source of the readers. Files and manifest are of one write, whoever writes meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, TypeVar

from ashare.bar_panel import joined
from ashare.errors import AshareError, InvalidInput
from ashare.lake import lake_bars, lake_coverage
from ashare.lake.lake_manifest import Manifest, read_manifest
from ashare.lake.lake_tables import Tables
from ashare.lake.storage import MANIFEST, LakeUnavailable, Storage, unavailable
from ashare.store.loaded_bars import ListedSpan, OpenDates
from ashare.store.loaded_lists import Begin, OpenWeeks

if TYPE_CHECKING:
    import pyarrow as pa

    from ashare.bar_panel import Panel
    from ashare.data_source import DataSource, View

Read = TypeVar("Read")

ATTEMPTS = 5
"""How often a lake is read that is written at the same time."""
PAUSE_SECONDS = 0.2
REPLACING_SECONDS = 10.0
"""Maximum time for which a reader waits for an export that replaces files."""


def read_lake(place: str, read: Callable[[DataSource], Read]) -> Read:
    """Call ``read`` with a lake, and return its result.

    A file is replaced as a whole, and the manifest has another generation before and after. If the generation has
    changed while ``read`` read, its result (or its error) may be of two writes, so it reads again.

    :param place: a path or an fsspec URL.
    :raises InvalidInput: there is no lake, or it is of another program or of a newer version.
    :raises LakeUnavailable: the lake cannot be read, or it was written again and again while it was read.
    """
    storage = Storage(place)
    manifest = _settled(storage)
    for attempt in range(ATTEMPTS):
        error, result = None, None
        try:
            result = read(LakeSource(manifest, Tables(storage)))
        except Exception as raised:  # noqa: BLE001
            error = raised
        if storage.read(MANIFEST) == manifest.text:
            if error:
                raise _explained(place, error) from error
            return result  # type: ignore[return-value]
        manifest = _settled(storage)
        time.sleep(PAUSE_SECONDS * attempt)
    raise LakeUnavailable(
        f"The lake {place} was written {ATTEMPTS} times while it was read: read it again when the export has ended."
    )


def _settled(storage: Storage) -> Manifest:
    """The manifest when no files are being replaced, which takes a moment. That of a killed export stays as it is."""
    manifest = read_manifest(storage)
    for _ in range(round(REPLACING_SECONDS / PAUSE_SECONDS)):
        age = datetime.now(timezone.utc) - manifest.written_at
        if not manifest.is_being_written or age > timedelta(seconds=REPLACING_SECONDS):
            break
        time.sleep(PAUSE_SECONDS)
        manifest = read_manifest(storage)
    return manifest


def _explained(place: str, error: Exception) -> Exception:
    import pyarrow as pa

    if isinstance(error, AshareError):
        return error
    if isinstance(error, FileNotFoundError | pa.ArrowInvalid | KeyError):
        why = " ".join(str(error).split())
        return InvalidInput(
            f"The lake {place} lacks what its manifest names ({why}): have it written anew with: "
            f"ashare export {place} --rewrite"
        )
    return unavailable(place, "read", error) if isinstance(error, OSError) else error


@dataclass(frozen=True)
class LakeSource:
    """A ``DataSource`` over the files of a lake."""

    manifest: Manifest
    tables: Tables

    def rows(
        self,
        view: View,
        types: Mapping[str, str],
        *,
        start: date,
        end: date,
        codes: Sequence[str] | None = None,
        index: str | None = None,
    ) -> pa.Table:
        return lake_bars.rows(self._bars(view, types, start, end, codes, index))

    def panel(
        self,
        view: View,
        types: Mapping[str, str],
        *,
        start: date,
        end: date,
        codes: Sequence[str] | None = None,
        index: str | None = None,
    ) -> Panel:
        return joined(lake_bars.cells(self._bars(view, types, start, end, codes, index)))

    def _bars(
        self,
        view: View,
        types: Mapping[str, str],
        start: date,
        end: date,
        codes: Sequence[str] | None,
        index: str | None,
    ) -> lake_bars.Bars:
        return lake_bars.Bars(
            self.tables.storage,
            self.manifest.years(start, end),
            view,
            types,
            start,
            end,
            codes,
            spans=None if index is None else self.tables.spans_by_code(index),
            stocks=self.tables.stocks if view == "daily_limit" else None,
            newest=self.tables.newest_factors if view == "daily_bar_qfq" else {},
        )

    def unknown_codes(self, codes: Sequence[str]) -> list[str]:
        unknown = self.tables.unlisted(codes)
        return [code for code in unknown if not self._has_bar(code)]

    def _has_bar(self, code: str) -> bool:
        found = self.rows(
            "daily_bar", {"trade_date": "date32", "code": "string"}, start=date.min, end=date.max, codes=[code]
        )
        return len(found) > 0

    def listed_span(self, codes: Sequence[str]) -> ListedSpan:
        return self.tables.listed_span(codes)

    def open_dates(
        self,
        datasets: Sequence[str],
        if_asked: Sequence[str],
        *,
        start: date,
        has_start: bool,
        end: date,
        newest: date,
        since: date | None,
    ) -> OpenDates:
        asked = lake_coverage.Asked(datasets, if_asked, start, has_start, end, newest, since)
        return lake_coverage.open_dates(self.manifest.datasets, self.tables.calendar, asked)

    def complete_since(self, datasets: Sequence[str], newest: date) -> date | None:
        return lake_coverage.complete_since(self.manifest.datasets, self.tables.calendar, datasets, newest)

    def begin(self, dataset: str, index: str | None) -> Begin:
        return lake_coverage.begin(self.tables, dataset, index)

    def open_weeks(self, dataset: str, *, first: date, last: date, newest: date, oldest: int) -> OpenWeeks:
        weeks = self.manifest.datasets.get(dataset, {})
        return lake_coverage.open_weeks(
            weeks, self.tables, dataset, first=first, last=last, newest=newest, oldest=oldest
        )

    def list_read_at(self) -> datetime | None:
        return self.tables.list_read_at()

    def listed_securities(self, day: date, kinds: Sequence[str], index: str | None = None) -> pa.Table:
        return self.tables.listed_securities(day, kinds, index)

    def listed_stocks(self, dataset: str, day: date) -> pa.Table:
        return self.tables.listed_stocks(dataset, day)

    def member_spans(self, index: str, first: date, last: date) -> pa.Table:
        return self.tables.member_spans(index, first, last)

    def reservation(self, start: date | None, kinds: Sequence[str] | None, codes: Sequence[str] | None) -> str | None:
        of_codes = [] if codes is None else self.listed_span(codes).kinds
        return self.manifest.reservation(start, of_codes or kinds or [])

    def remark(self, due: datetime) -> str:
        return self.manifest.remark(due)
