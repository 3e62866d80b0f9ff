"""Parquet files of a lake: how they are written, and what their metadata says of the data.

No separate index can disagree with the files: a file that was deleted, damaged or put there by somebody else never
counts as up to date.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ashare.errors import InvalidInput, TransientError
from ashare.lake.storage import LakeUnavailable, Storage, unavailable

if TYPE_CHECKING:
    import pyarrow as pa

LOCK, WRITING = ".lock", ".writing"
OURS = "ashare."
"""Prefix of this package's metadata keys."""

ROW_GROUP = 122_880
"""Rows per row group, the unit that a reader reads or skips: about a year of 500 stocks, and DuckDB's default."""

SMALL, FAST = 9, 1
"""Compression levels of zstd. A file that is written from the database is a sixth smaller at 9, and still written as
fast as PostgreSQL sends. A file that is patched every evening is written in a fifth of the time at 1."""

WITH_DICTIONARY = ["trade_date", "code", "limit_rule", "hfq_factor"]
"""Columns of the bars with few different values. A dictionary of prices costs time and saves nothing."""


class ExportBusy(TransientError):
    """Another export holds the lock on the lake."""


@contextmanager
def claimed(storage: Storage) -> Iterator[Path]:
    """A directory for unfinished files, on the disk of a local lake, which is made and locked.

    The lock ends with the process. Unfinished files of a killed export are deleted. A lake elsewhere is locked in the
    database, see ``export_rows.claim``.

    :raises ExportBusy: another process holds the lock.
    :raises InvalidInput: the path is not a directory.
    :raises LakeUnavailable: the directory cannot be created or written, on entering or within the block.
    """
    if not storage.is_local:
        with tempfile.TemporaryDirectory(prefix="ashare-lake-") as made:
            yield Path(made)
        return
    directory = storage.directory
    writing = directory / WRITING
    with write_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / LOCK).open("a+") as lock:
            _hold(directory, lock)
            shutil.rmtree(writing, ignore_errors=True)
            try:
                writing.mkdir()
                yield writing
            finally:
                shutil.rmtree(writing, ignore_errors=True)


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


@contextmanager
def write_errors(directory: Path) -> Iterator[None]:
    """Convert the block's OS errors to one sentence.

    :raises InvalidInput: a path is not a directory.
    :raises LakeUnavailable: any other ``OSError``.
    """
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInput(f"{error.filename or directory} is not a directory: choose another place.") from error
    except OSError as error:
        raise unavailable(directory, "written", error) from error


def notes(storage: Storage, file: str) -> dict[str, str]:
    """This package's metadata in a file; empty for a file that is missing, damaged, or not this package's."""
    import pyarrow as pa

    try:
        with storage.parquet(file) as opened:
            found = opened.metadata.metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return {}
    except LakeUnavailable:
        if not storage.is_local:
            raise
        return {}  # a damaged file is an OSError, too
    return {k.decode()[len(OURS) :]: v.decode() for k, v in found.items() if k.decode().startswith(OURS)}


def write(file: Path, tables: Iterable[pa.Table], columns: pa.Schema, noted: Mapping[str, str], level: int) -> int:
    """Write and sync a local file, and return its number of rows."""
    import pyarrow as pa
    from pyarrow import parquet

    described = columns.with_metadata({OURS + name: text for name, text in noted.items()})
    dictionaries = [name for name in columns.names if name in WITH_DICTIONARY] if "close" in columns.names else True
    rows = 0
    with file.open("wb") as sink:
        with parquet.ParquetWriter(
            sink, described, compression="zstd", compression_level=level, use_dictionary=dictionaries
        ) as writer:
            for group in _groups(tables):
                writer.write_table(pa.table(group.columns, schema=described), row_group_size=ROW_GROUP)
                rows += len(group)
        sink.flush()
        os.fsync(sink.fileno())
    return rows


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
