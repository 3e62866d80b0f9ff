"""`make backup`: the schema ``ashare`` as one file."""

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
    """What a database holds: its schema version, bars, and the newest trade date of them."""

    version: int
    bars: int
    newest: str

    @classmethod
    def of(cls, line: str) -> Contents:
        """From the line that psql prints for its query."""
        version, bars, newest = line.strip().split("|")
        return cls(int(version), int(bars), newest)

    def __str__(self) -> str:
        bars = f"{self.bars} bars up to {self.newest}" if self.bars else "no bars"
        return f"schema version {self.version}, {bars}"


def main() -> int:
    """Write a backup; the exit code."""
    return command("make backup", lambda programs: backup(programs, chosen_file()))


def backup(programs: Programs, file: Path | None = None) -> None:
    """Write the schema ``ashare`` to a file; there is no file before it is whole."""
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
    """What is in the dump, counted in the same snapshot, as a run may go on meanwhile."""
    with programs.started(*QUERY, stdin=subprocess.PIPE) as session:
        session.stdin.write(f"{psql_scripts.SNAPSHOT};{psql_scripts.CONTENTS};\n".encode())
        session.stdin.flush()
        snapshot, line = (session.stdout.readline().decode().strip() for _ in range(2))
        if not line:
            raise BrokenPipeError
        # Level 1 takes a quarter of the usual level's time, for a file that is a tenth larger.
        wanted = (
            *("--format=custom", "--compress=1", "--schema=ashare", f"--snapshot={snapshot}"),
            f"--lock-wait-timeout={LOCK_SECONDS}s",
        )
        with programs.started(pg_dump, *wanted) as dump:
            # By a pipe: to a file that is its output, pg_dump adds its table of contents a second time.
            shutil.copyfileobj(dump.stdout, output, CHUNK)
    return Contents.of(line)


def chosen_file() -> Path | None:
    """``FILE=path``, if it was given."""
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
