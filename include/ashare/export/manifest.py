"""The manifest of a lake, as it is written: which partitions of which datasets the files hold.

The manifest is true at each moment. Before files are replaced, a manifest is written without the partitions whose
rows are about to change, and after it the one with the new partitions. A killed export leaves the former.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ashare import __version__
from ashare.datasets import ADJUST_FACTORS, WEEKLY_DATASETS, bars_of, newest_published, newest_week
from ashare.dates import beijing_now
from ashare.export.tables import Selection
from ashare.lake.layout import FORMAT, file_of, file_of_year
from ashare.lake.storage import MANIFEST, Storage
from ashare.store import export_rows

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]

Partitions = dict[str, dict[str, dict[str, Any]]]
"""Dataset -> trade date or Monday -> ``rows``, ``state``, and for daily datasets ``is_asked`` and ``is_recorded``."""


def partitions(
    connection: Connection, selection: Selection, held: Iterable[tuple[Any, str, int, int]], kinds: Collection[str]
) -> Partitions:
    """The partitions of the database's snapshot that have rows, or on which a run has worked.

    :param held: the bars of the selection: trade date, dataset, number of rows, version.
    :param kinds: the kinds of securities of the selection.
    """
    now = beijing_now()
    daily = [*(bars_of(kind).name for kind in kinds), ADJUST_FACTORS.name]
    found: Partitions = {name: {} for name in (*daily, *WEEKLY_DATASETS)}
    for day, dataset, rows, _ in held:
        found.setdefault(dataset, {})[str(day)] = _entry(rows)
    for day, rows in export_rows.factor_rows(connection):
        found[ADJUST_FACTORS.name][str(day)] = _entry(rows)
    for dataset, day, state, is_asked, is_recorded in export_rows.states(
        connection, daily, selection.values, newest_published(now)
    ):
        rows = found[dataset].get(str(day), {}).get("rows", 0)
        found[dataset][str(day)] = _entry(rows, state, is_asked, is_recorded)
    for dataset, day, state, rows, is_recorded in export_rows.weeks(
        connection, list(WEEKLY_DATASETS), now.date(), newest_week(now)
    ):
        found[dataset][str(day)] = {"rows": rows, "state": state, "is_recorded": is_recorded}
    return {dataset: dict(sorted(days.items())) for dataset, days in found.items()}


def _entry(rows: int, state: str = "before", is_asked: bool = False, is_recorded: bool = False) -> dict[str, Any]:
    return {"rows": rows, "state": state, "is_asked": is_asked, "is_recorded": is_recorded}


@dataclass
class Manifest:
    """The manifest that is in the lake, and how it is replaced while files are.

    :ivar new: the partitions that the lake will hold at the end.
    :ivar head: what else the manifest says of the whole lake.
    """

    storage: Storage
    directory: Path
    head: Mapping[str, Any]
    new: Partitions
    files: dict[str, Any] = field(default_factory=dict)
    datasets: Partitions = field(default_factory=dict)
    _found: Mapping[str, Any] = field(default_factory=dict)

    def read(self, fingerprints: Mapping[str, str | None]) -> None:
        """Take over what the manifest in the lake says of the files that are there.

        :param fingerprints: by file, what the file itself says. A manifest that differs speaks of another file.
        """
        self._found = read_manifest(self.storage)
        if any(self._found.get(name) != self.head[name] for name in ("format", "database", "options")):
            return
        self.files = {
            file: entry
            for file, entry in self._found["files"].items()
            if entry["fingerprint"] == fingerprints.get(file)
        }
        for dataset, days in self._found["datasets"].items():
            self.datasets[dataset] = {
                day: entry for day, entry in days.items() if file_with(dataset, day) in self.files
            }

    def take(self, file: str, fingerprint: str) -> None:
        """Name a file that is up to date, if the manifest in the lake was lost, or speaks of another file."""
        if file not in self.files:
            with self.storage.parquet(file) as opened:
                rows = opened.metadata.num_rows
            self.files[file] = {"rows": rows, "bytes": self.storage.size(file), "fingerprint": fingerprint}

    def withdraw(self, gone: Mapping[str, Collection[str] | None]) -> None:
        """Write a manifest without what is about to change.

        :param gone: by file, the trade dates whose rows change; ``None``: all partitions of the file.
        """
        for dataset, days in self.datasets.items():
            changing = [
                day
                for day in days
                if (file := file_with(dataset, day)) in gone and ((those := gone[file]) is None or day in those)
            ]
            for day in changing:
                del days[day]
        for file in gone:
            self.files.pop(file, None)
        self._write(is_being_written=True)

    def hold(self, files: Mapping[str, Mapping[str, Any]], *, is_being_written: bool) -> None:
        """Write a manifest with the partitions of the files that have been replaced.

        :param files: by file: ``rows``, ``bytes`` and ``fingerprint``.
        """
        self.files |= files
        for dataset, days in self.new.items():
            new = {day: entry for day, entry in days.items() if file_with(dataset, day) in files}
            self.datasets[dataset] = dict(sorted((self.datasets.get(dataset, {}) | new).items()))
        self._write(is_being_written=is_being_written)

    def finish(self) -> None:
        """Write the whole manifest, if anything in it is new."""
        self.datasets = self.new
        content = self._content(is_being_written=False)
        if {**content, "generation": "", "written_at": ""} != {**self._found, "generation": "", "written_at": ""}:
            self._put(content)

    def _content(self, *, is_being_written: bool) -> dict[str, Any]:
        bars = [
            day for dataset, days in self.datasets.items() if _is_bars(dataset) for day in days if days[day]["rows"]
        ]
        return {
            **self.head,
            "generation": secrets.token_hex(8),
            "written_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "is_being_written": is_being_written,
            "first": min(bars, default=None),
            "last": max(bars, default=None),
            "files": dict(sorted(self.files.items())),
            "datasets": {dataset: self.datasets[dataset] for dataset in sorted(self.datasets)},
        }

    def _write(self, *, is_being_written: bool) -> None:
        self._put(self._content(is_being_written=is_being_written))

    def _put(self, content: Mapping[str, Any]) -> None:
        file = self.directory / MANIFEST
        file.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
        self.storage.replace(MANIFEST, file)
        self._found = content


def head(connection: Connection, database: str, selection: Selection) -> dict[str, Any]:
    """What the manifest says of the whole lake."""
    return {
        "format": FORMAT,
        "schema_version": export_rows.schema_version(connection),
        "package": __version__,
        "database": database,
        "options": selection.options,
    }


def read_manifest(storage: Storage) -> Mapping[str, Any]:
    """The manifest in a lake; empty if there is none, or if it is damaged.

    :raises LakeUnavailable: the lake cannot be read.
    """
    text = storage.read(MANIFEST)
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) and {"files", "datasets"} <= found.keys() else {}


def file_with(dataset: str, partition: str) -> str:
    """The file that has the rows of a partition."""
    return file_of_year(int(partition[:4])) if _is_bars(dataset) else file_of(dataset)


def _is_bars(dataset: str) -> bool:
    return dataset.endswith("_bar")
