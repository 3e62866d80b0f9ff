"""Reads the manifest of a lake: what the files hold, and the state of each partition when they were written."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ashare.dates import clock
from ashare.errors import InvalidInput
from ashare.lake.layout import FORMAT, year_of
from ashare.lake.storage import MANIFEST, Storage

Entries = Mapping[str, Mapping[str, Any]]
"""By day: ``rows``, ``state``, and of trade dates ``is_asked`` and ``is_recorded``. The state is that of
``partition_state`` or ``week_state`` for a database that is meant to be complete at no time: none is ``missing``."""


@dataclass(frozen=True)
class Manifest:
    """The manifest of a lake.

    :ivar place: the lake as it was named.
    :ivar text: the file. Each write brings another one, as it has a random ``generation``.
    :ivar is_being_written: an export replaces files now, or was killed while it did.
    :ivar options: the selection as command-line options; empty: everything.
    :ivar last: the last trade date held.
    :ivar datasets: the partitions by dataset. Days are texts as in the file: they sort as dates do.
    """

    place: str
    text: bytes
    written_at: datetime
    is_being_written: bool
    options: str
    last: date | None
    files: tuple[str, ...]
    datasets: Mapping[str, Entries]

    def years(self, start: date, end: date) -> list[str]:
        """The files of bars of the years from ``start`` to ``end``, oldest first."""
        years = ((year_of(file), file) for file in self.files)
        return [file for year, file in sorted((y, f) for y, f in years if y and start.year <= y <= end.year)]

    def reservation(self, start: date | None, kinds: Sequence[str]) -> str | None:
        """A sentence if rows may be missing whose dates are not known: see ``DataSource.reservation``."""
        given = shlex.split(self.options)
        selected = dict(zip(given[::2], given[1::2], strict=False))
        is_cut = start is None and "--start" in selected
        if is_cut or ("--kinds" in selected and not set(kinds) <= set(selected["--kinds"].split(","))):
            return f"The lake {self.place} holds only {self.options}, so bars of the database may be missing"
        if not self.is_being_written:
            return None
        return (
            f"The export of the lake {self.place} was stopped on {clock(self.written_at)} (Beijing) while it "
            f"replaced files, so bars may be missing: run the DAG ashare_export, or {self._export}"
        )

    @property
    def _export(self) -> str:
        """The command that brings the lake up to date."""
        return f"ashare export {shlex.quote(self.place)}{f' {self.options}' if self.options else ''}"

    def remark(self, due: datetime) -> str:
        """Which dates the lake has, as a part of a sentence; empty for everything that was out at ``due``."""
        if self.written_at >= due:
            return f"; the lake {self.place} holds only {self.options}" if self.options else ""
        reach = f"goes to {self.last}" if self.last else "has no bars"
        return (
            f"; the lake {self.place} {reach} and was written on {clock(self.written_at)} (Beijing): once the "
            f"database has them, bring it up to date with the DAG ashare_export, or with: {self._export}"
        )


def read_manifest(storage: Storage) -> Manifest:
    """The manifest of a lake.

    :raises InvalidInput: there is none, or it is of another program or of a newer version.
    :raises LakeUnavailable: it cannot be read.
    """
    text = storage.read(MANIFEST)
    if text is None:
        raise InvalidInput(
            f"There is no lake at {storage.name} (it has no {MANIFEST}): look at ASHARE_LAKE or source=, or make one "
            f"with: ashare export {storage.name}"
        )
    try:
        content = json.loads(text)
        number = content["format"]
        if number == FORMAT:
            return _manifest(storage.name, text, content)
    except (ValueError, KeyError, TypeError, AttributeError):
        number = None
    if isinstance(number, int) and number > FORMAT:
        raise InvalidInput(
            f"The lake {storage.name} is of format {number}, which version {content.get('package', 'unknown')} of "
            f"this package wrote, and this version reads format {FORMAT}: install that version."
        )
    raise InvalidInput(
        f"{storage.name}/{MANIFEST} is not the manifest of a lake: choose another place, or have the lake written "
        f"anew with: ashare export {storage.name} --rewrite"
    )


def _manifest(place: str, text: bytes, content: dict[str, Any]) -> Manifest:
    return Manifest(
        place=place,
        text=text,
        written_at=datetime.fromisoformat(content["written_at"].replace("Z", "+00:00")),
        is_being_written=bool(content.get("is_being_written")),
        options=str(content["options"]),
        last=None if content["last"] is None else date.fromisoformat(content["last"]),
        files=tuple(content["files"]),
        datasets=dict(content["datasets"]),
    )
