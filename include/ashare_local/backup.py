"""`make backup`: write the schema ``ashare`` to one file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ashare.dates import beijing_now
from ashare.store import psql_scripts
from ashare_local import PROJECT
from ashare_local.programs import LOCK_SECONDS, QUERY, BackupError, Programs, command
from ashare_local.terminal import console, shown

BACKUPS = PROJECT / "backups"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Contents:
    """The contents of a database: its schema version, number of bars, and newest trade date with bars."""

    version: int
    bars: int
    newest: str

    @classmethod
    def of(cls, line: str) -> Contents:
        """Parse the line that psql prints for ``psql_scripts.CONTENTS``."""
        version, bars, newest = line.strip().split("|")
        return cls(int(version), int(bars), newest)

    def __str__(self) -> str:
        bars = f"{self.bars} bars up to {self.newest}" if self.bars else "no bars"
        return f"schema version {self.version}, {bars}"


def main() -> int:
    """Write a backup and return the exit code."""
    return command("make backup", lambda programs: backup(programs, chosen_file()))


def backup(programs: Programs, file: Path | None = None) -> None:
    """Write the schema ``ashare`` to a file. The file gets its name only when it is complete.

    :param file: by default a new file in ``BACKUPS``, named after the time.
    :raises BackupError: there is no such schema, pg_dump failed, or the file cannot be written.
    """
    began = time.monotonic()
    if programs.query(psql_scripts.SCHEMA_STATE) != "3":
        raise BackupError(
            "The database holds no schema ashare of this package, so there is nothing to back up: the first run makes"
            " it."
        )
    pg_dump = programs.for_server("pg_dump")
    if file is None:
        BACKUPS.mkdir(mode=0o700, exist_ok=True)
        file = BACKUPS / f"ashare-{beijing_now():%Y-%m-%dT%H%M%S}.dump"
    draft = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
            contents = _dump(programs, pg_dump, output)
            os.fsync(output.fileno())
        draft.replace(file)
        _sync_directory(file.parent)
    except OSError as error:
        raise BackupError(
            f"{shown(file)} cannot be written ({error.strerror}): choose another file (FILE=)."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    took = time.monotonic() - began
    console.print(f"{shown(file)}: {_size(file)}, {contents}, in {took:.1f} s.", markup=False)


def _dump(programs: Programs, pg_dump: str, output: IO[bytes]) -> Contents:
    """Write the dump and return its contents, counted in its snapshot, because a run may write meanwhile."""
    with programs.started(*QUERY, stdin=subprocess.PIPE) as session:
        session.stdin.write(f"{psql_scripts.SNAPSHOT};{psql_scripts.CONTENTS};\n".encode())
        session.stdin.flush()
        snapshot, line = (session.stdout.readline().decode().strip() for _ in range(2))
        if not line:
            raise BrokenPipeError
        # Compression level 1 takes a quarter of the default level's time; the file is a tenth larger.
        wanted = (
            *("--format=custom", "--compress=1", "--schema=ashare", f"--snapshot={snapshot}"),
            f"--lock-wait-timeout={LOCK_SECONDS}s",
        )
        with programs.started(pg_dump, *wanted) as dump:
            # Through a pipe: with a file as its output, pg_dump writes its table of contents a second time.
            shutil.copyfileobj(dump.stdout, output, CHUNK)
    return Contents.of(line)


def chosen_file() -> Path | None:
    """The path of ``FILE=path``; None if not given."""
    given = os.environ.get("FILE", "").strip()
    return Path(given).expanduser().absolute() if given else None


def _size(file: Path) -> str:
    size = file.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
