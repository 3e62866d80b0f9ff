"""A directory of Parquet files, each replaced as a whole, and each with what it was made from in its own metadata.

So there is nothing beside the files that could disagree with them: one that was deleted, damaged or put there by
somebody else is not taken for up to date.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ashare.errors import InvalidInput, TransientError

if TYPE_CHECKING:
    import pyarrow as pa

LOCK, WRITING = ".lock", ".writing"
OURS = "ashare."
"""What the keys of our notes begin with."""

ROW_GROUP = 122_880
"""Rows that are read or passed over together: about 500 stocks' year, and DuckDB's own number."""

ZSTD = 9
"""A sixth smaller than at pyarrow's own level, and written as fast as PostgreSQL sends."""


class ExportBusy(TransientError):
    """Another export writes into the same directory."""


class Unwritable(TransientError):
    """The directory cannot be written: a full disk, a missing right."""


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Make the directory and hold it, at most until the process ends; what a killed export left is deleted.

    :raises ExportBusy: another process holds it.
    :raises Unwritable: it cannot be made or written, now or within.
    """
    with write_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / LOCK).open("a+") as lock:
            _hold(directory, lock)
            shutil.rmtree(directory / WRITING, ignore_errors=True)
            try:
                yield
            finally:
                shutil.rmtree(directory / WRITING, ignore_errors=True)


def _hold(directory: Path, lock: IO[str]) -> None:
    lock.seek(0)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ExportBusy(
            f"Another export (process {lock.read().strip() or 'unknown'}) writes into {directory}: wait until it has "
            "ended, or choose another directory."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def years(directory: Path) -> list[Path]:
    """The files of the years that a directory has."""
    return sorted((directory / "daily_bar").glob("year=*/part-0.parquet"))


@contextmanager
def write_errors(directory: Path) -> Iterator[None]:
    """Say what hinders writing in a sentence."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInput(f"{error.filename or directory} is not a directory: choose another place.") from error
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
        raise Unwritable(
            f"{directory} cannot be written ({why}): make room, or grant the right to, and run the export again; the "
            "files that are there are whole."
        ) from error


def notes(file: Path) -> dict[str, str]:
    """What was noted in a file when it was written; nothing for one that is not there, not whole, or not ours."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        found = parquet.read_metadata(file).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return {}
    return {k.decode()[len(OURS) :]: v.decode() for k, v in found.items() if k.decode().startswith(OURS)}


def write(
    directory: Path, file: Path, tables: Iterable[pa.Table], columns: pa.Schema, noted: Mapping[str, str]
) -> None:
    """Write a file of ``directory`` beside it, and put it in its place when it is whole."""
    import pyarrow as pa
    from pyarrow import parquet

    beside = directory / WRITING / file.name
    beside.parent.mkdir(exist_ok=True)
    described = columns.with_metadata({OURS + name: text for name, text in noted.items()})
    with beside.open("wb") as sink:
        with parquet.ParquetWriter(sink, described, compression="zstd", compression_level=ZSTD) as writer:
            for group in _groups(tables):
                writer.write_table(pa.table(group.columns, schema=described), row_group_size=ROW_GROUP)
        sink.flush()
        os.fsync(sink.fileno())
    file.parent.mkdir(parents=True, exist_ok=True)
    beside.replace(file)


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of a row group each, and a last one."""
    import pyarrow as pa

    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= ROW_GROUP:
            joined = pa.concat_tables(waiting)
            whole = len(joined) // ROW_GROUP * ROW_GROUP
            yield joined.slice(0, whole)
            waiting = [joined.slice(whole)]
    if waiting:
        yield pa.concat_tables(waiting)
