"""Where a lake lies: a local directory, or an object store named by an fsspec URL. Files are replaced as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ashare.errors import InvalidInput, TransientError

if TYPE_CHECKING:
    from pyarrow import parquet

MANIFEST = "manifest.json"


class LakeUnavailable(TransientError):
    """The lake cannot be read or written now: a full disk, a missing permission, a service out of reach."""


@dataclass(frozen=True)
class Storage:
    """The files of a lake. Paths are relative to its root, with ``/``.

    :ivar name: the lake as it was named: a path or a URL.
    """

    name: str

    @property
    def is_local(self) -> bool:
        """Whether the lake is a local directory."""
        return "://" not in self.name

    @cached_property
    def directory(self) -> Path:
        """The directory of a local lake, absolute."""
        return Path(self.name).expanduser().absolute()

    @property
    def root(self) -> str:
        """The lake as DuckDB and polars name it: an absolute path, or the URL."""
        return str(self.directory) if self.is_local else self.name.rstrip("/")

    @cached_property
    def _remote(self) -> tuple[Any, str]:
        """fsspec's file system of the URL, and the root in it."""
        try:
            import fsspec

            # A listing that is kept in memory would hide what another process writes.
            filesystem, root = fsspec.core.url_to_fs(self.name, use_listings_cache=False)
        except ImportError as error:
            raise InvalidInput(
                f"{self.name} needs a library that is not installed ({' '.join(str(error).split())}): "
                "pip install 'ashare-sync[lake]'."
            ) from None
        except ValueError as error:
            raise InvalidInput(
                f"{self.name} is no place for a lake ({error}): name a directory, or a URL such as s3://bucket/lake."
            ) from None
        return filesystem, root.rstrip("/")

    @cached_property
    def filesystem(self) -> Any:
        """The file system as pyarrow's."""
        from pyarrow import fs

        return fs.LocalFileSystem() if self.is_local else fs.PyFileSystem(fs.FSSpecHandler(self._remote[0]))

    def path(self, file: str = "") -> str:
        """The path of a file in ``filesystem``."""
        root = str(self.directory) if self.is_local else self._remote[1]
        return f"{root}/{file}" if file else root

    def read(self, file: str) -> bytes | None:
        """The content of a file; ``None`` if there is no such file.

        :raises LakeUnavailable: the file cannot be read.
        """
        with self._errors("read"):
            try:
                if self.is_local:
                    return (self.directory / file).read_bytes()
                content: bytes = self._remote[0].cat_file(self.path(file))
                return content
            except FileNotFoundError:
                return None

    def parquet(self, file: str, **options: Any) -> parquet.ParquetFile:
        """A Parquet file, opened. Close it, or use it as a context manager.

        :param options: further ones of ``pyarrow.parquet.ParquetFile``.
        :raises FileNotFoundError: there is no such file.
        :raises LakeUnavailable: the file cannot be read.
        """
        from pyarrow import parquet

        with self._errors("read"):
            return parquet.ParquetFile(
                self.path(file),
                filesystem=self.filesystem,
                memory_map=self.is_local,
                pre_buffer=not self.is_local,
                **options,
            )

    def size(self, file: str) -> int:
        """The size of a file in bytes.

        :raises LakeUnavailable: the file cannot be read.
        """
        with self._errors("read"):
            return int(self.filesystem.get_file_info(self.path(file)).size)

    def files(self, directory: str) -> list[str]:
        """All files below a directory of the lake, sorted; empty if there is no such directory.

        :raises LakeUnavailable: the directory cannot be read.
        """
        from pyarrow import fs

        with self._errors("read"):
            selector = fs.FileSelector(self.path(directory), allow_not_found=True, recursive=True)
            found = [info.path for info in self.filesystem.get_file_info(selector) if info.type == fs.FileType.File]
        root = len(self.path()) + 1
        return sorted(path[root:] for path in found)

    def replace(self, file: str, local: Path) -> None:
        """Put a local file, which is on the same disk as a local lake, in the place of a file, as a whole.

        :raises LakeUnavailable: the file cannot be written.
        """
        with self._errors("written"):
            if self.is_local:
                target = self.directory / file
                target.parent.mkdir(parents=True, exist_ok=True)
                local.replace(target)
                _sync(target.parent)
            else:
                try:
                    self._remote[0].put_file(str(local), self.path(file))
                except FileNotFoundError as error:  # there is no such bucket
                    raise unavailable(self.name, "written", error) from error
                local.unlink()

    def delete(self, file: str) -> None:
        """Delete a file.

        :raises LakeUnavailable: the file cannot be deleted.
        """
        with self._errors("written"):
            self.filesystem.delete_file(self.path(file))
            if self.is_local:
                with suppress(OSError):  # the directory is not empty
                    (self.directory / file).parent.rmdir()

    @contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        """Convert errors of the block to one sentence."""
        try:
            yield
        except (InvalidInput, TransientError, FileNotFoundError):
            raise
        except (FileExistsError, NotADirectoryError) as error:
            raise InvalidInput(f"{error.filename or self.name} is not a directory: choose another place.") from error
        except OSError as error:
            raise unavailable(self.name, done, error) from error
        except Exception as error:
            # A service's own errors (no credentials, no route) are no OSErrors. ArrowInvalid: a damaged file.
            if self.is_local or type(error).__module__.startswith("pyarrow"):
                raise
            raise unavailable(self.name, done, error) from error


def unavailable(place: object, done: str, error: Exception) -> LakeUnavailable:
    """The error of a place that cannot be read or written.

    :param done: ``read`` or ``written``.
    """
    number = error.errno if isinstance(error, OSError) else None
    why = os.strerror(number) if number else " ".join(str(error).split()) or type(error).__name__
    advice = (
        "make room, or grant the right to, and run the export again; the files that are there are whole"
        if done == "written"
        else "look whether it is there, and whether this user may read it"
    )
    return LakeUnavailable(f"{place} cannot be {done} ({why}): {advice}.")


def _sync(directory: Path) -> None:
    """Have the directory's entries written: a renamed file survives a power failure."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
