"""A directory of Parquet files. Each file is replaced atomically; its metadata has a fingerprint of the data.

No separate index can disagree with the files: a file that was deleted, damaged or put there by somebody else never
counts as up to date.
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
"""Prefix of this package's metadata keys."""

ROW_GROUP = 122_880
"""Rows per row group, the unit that a reader reads or skips: about a year of 500 stocks, and DuckDB's default."""

ZSTD = 9
"""Compression level: files a sixth smaller than at pyarrow's default, and written as fast as PostgreSQL sends."""


class ExportBusy(TransientError):
    """Another export holds the lock on the directory."""


class Unwritable(TransientError):
    """The directory cannot be written: a full disk, a missing permission."""


@contextmanager
def claimed(directory: Path) -> Iterator[None]:
    """Create and lock the directory, and delete temporary files of a killed export. The lock ends with the process.

    :raises ExportBusy: another process holds the lock.
    :raises InvalidInput: the path is not a directory.
    :raises Unwritable: the directory cannot be created or written, on entering or within the block.
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
    """The yearly files of bars in a directory, oldest first."""
    return sorted((directory / "daily_bar").glob("year=*/part-0.parquet"))


@contextmanager
def write_errors(directory: Path) -> Iterator[None]:
    """Convert the block's OS errors to one sentence.

    :raises InvalidInput: a path is not a directory.
    :raises Unwritable: any other ``OSError``.
    """
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
    """This package's metadata in a file; empty for a file that is missing, damaged, or not this package's."""
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
    """Write a file of ``directory`` atomically: write and sync a temporary file, then rename it."""
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
    """The same rows in tables of whole row groups; the last table has the remaining rows."""
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
