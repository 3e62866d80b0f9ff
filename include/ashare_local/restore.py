"""`make restore`: restore a backup into the database in one transaction, all or nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

from ashare.errors import InvalidInput
from ashare.store import psql_scripts
from ashare.store.database import refuse_encoding
from ashare.store.migrate import newest_version
from ashare_local.backup import BACKUPS, CHUNK, Contents, chosen_file
from ashare_local.make_variables import flag
from ashare_local.programs import QUERY, BackupError, Programs, command
from ashare_local.terminal import console, shown

NAMED = 5
PREAMBLE_LINES = 40


def main() -> int:
    """Restore a backup and return the exit code."""
    return command("make restore", lambda programs: restore(programs, chosen_file(), overwrite=flag("OVERWRITE")))


def restore(programs: Programs, file: Path | None, *, overwrite: bool = False) -> None:
    """Restore the schema of a backup into the database, and migrate the schema to the newest version.

    :param overwrite: replace an existing schema ``ashare``.
    :raises BackupError: the backup cannot be restored; nothing has changed.
    """
    began = time.monotonic()
    if file is None:
        raise BackupError(f"Say which backup: make restore FILE=path. {_newest_backups()}")
    pg_restore = programs.newest("pg_restore")
    version = _check(programs, pg_restore, file)
    replaces = _check_database(programs, overwrite)
    try:
        _run(programs, pg_restore, file, replaces, version)
    except BackupError as error:
        raise BackupError(_refusal(programs, str(error))) from None
    contents = Contents.of(programs.query(psql_scripts.CONTENTS))
    brought = f" (the backup was of version {version})" if version < contents.version else ""
    took = time.monotonic() - began
    console.print(f"Restored {shown(file)}: {contents}{brought}, in {took:.1f} s.", markup=False)


def _check(programs: Programs, pg_restore: str, file: Path) -> int:
    """Check that a backup is complete and return its schema version."""
    with _opened(file) as dump:
        listed = programs.run(pg_restore, "--list", stdin=dump)
    if not re.search(r"^\d.* SCHEMA - ashare ", listed, re.MULTILINE):
        raise BackupError(
            f"{shown(file)} is a dump, but not of the schema ashare: choose one that `make backup` wrote."
        )
    with _opened(file) as dump:
        # Read and decompress the whole file, so that a damaged file is refused before any table is locked.
        programs.run(pg_restore, "--file=/dev/null", stdin=dump)
    with _opened(file) as dump:
        of_versions = ("--data-only", "--schema=ashare", "--table=schema_migration", "--file=-")
        rows = programs.run(pg_restore, *of_versions, stdin=dump)
    version = max((int(number) for number in re.findall(r"^(\d+)\t\S+\.sql\t", rows, re.MULTILINE)), default=0)
    known = newest_version()
    if not 0 < version <= known:
        raise BackupError(
            f"{shown(file)} holds version {version} of the schema ashare, and this code knows 1 to {known}: update "
            "the package, or choose another backup."
        )
    return version


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """Open the file. An error of pg_restore, which reads it, becomes a sentence about the file."""
    try:
        dump = file.open("rb")
    except OSError as error:
        raise BackupError(f"{shown(file)} cannot be read ({error.strerror}). {_newest_backups()}") from None
    with dump:
        if not os.fstat(dump.fileno()).st_size:
            raise BackupError(f"{shown(file)} is empty: choose a whole backup.")
        try:
            yield dump
        except BackupError as error:
            if not str(error).startswith("pg_restore"):
                raise
            raise BackupError(f"{shown(file)} is no whole backup: choose another. {error}") from None


def _check_database(programs: Programs, overwrite: bool) -> bool:
    """Check that the database can take the backup; return whether there is a schema to replace."""
    try:
        refuse_encoding(programs.query(psql_scripts.ENCODING), programs.libpq.get("PGDATABASE", "ashare"))
    except InvalidInput as error:
        raise BackupError(str(error)) from None
    is_there = programs.query(psql_scripts.SCHEMA_STATE)
    if is_there == "0":
        return False
    if is_there == "3" and (busy := _busy(programs)):
        raise BackupError(busy)
    if not overwrite:
        holds = "that is not of this package"
        if is_there == "3":
            holds = f"({Contents.of(programs.query(psql_scripts.CONTENTS))})"
        raise BackupError(
            f"The database has a schema ashare already {holds}: OVERWRITE=1 puts the backup in its place; "
            "`make backup` before that keeps what is there."
        )
    if dependents := programs.query(psql_scripts.DEPENDENT_OBJECTS).splitlines():
        raise BackupError(
            f"What others have made on the schema ashare would be lost with it: {', '.join(dependents)}. Drop that, "
            "and make it anew afterwards."
        )
    return True


def _busy(programs: Programs) -> str | None:
    """A sentence on the session that is syncing; None if no session is."""
    holder = programs.query(psql_scripts.SOURCE_HOLDER)
    if not holder:
        return None
    name, address, since, pid = holder.splitlines()[0].split("|")
    since_then = f" since {since}" if since else ""
    held = f"{name or 'an unnamed session'} ({address or 'local'}){since_then}, pid {pid},"
    return (
        f"A sync is at work: {held} holds the connection to Baostock. Wait for it, or stop it; nothing has changed."
    )


def _run(programs: Programs, pg_restore: str, file: Path, replaces: bool, version: int) -> None:
    """Feed psql the whole transaction. COMMIT is sent only after pg_restore has ended without an error."""
    with (
        _opened(file) as dump,
        # Not by psql's --single-transaction, which would commit the partial output of a pg_restore that died.
        programs.started(*QUERY, "-f", "-", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as psql,
    ):
        psql.stdin.write(psql_scripts.restore_begin(replaces=replaces).encode())
        psql.stdin.flush()  # the locks are taken while pg_restore starts
        with programs.started(
            pg_restore, "--exit-on-error", "--no-owner", "--no-privileges", "--file=-", stdin=dump
        ) as archive:
            for line in islice(archive.stdout, PREAMBLE_LINES):
                # Servers before PostgreSQL 17 do not know this setting.
                if not line.startswith(b"SET transaction_timeout"):
                    psql.stdin.write(line)
            shutil.copyfileobj(archive.stdout, psql.stdin, CHUNK)
        psql.stdin.write(f"RESET ALL;\n{psql_scripts.restore_end(version)}".encode())


def _refusal(programs: Programs, message: str) -> str:
    if psql_scripts.SOURCE_IN_USE in message:
        return _busy(programs) or "A sync was at work: try again; nothing has changed."
    if "lock timeout" in message:
        return (
            f"Others read or write the schema ashare, and did not end in a minute{_in_the_way(programs)}: stop them; "
            "nothing has changed."
        )
    return f"Nothing has changed: {message}"


def _in_the_way(programs: Programs) -> str:
    """The sessions that still hold locks on the tables, in parentheses; empty if there are none."""
    found = programs.query(psql_scripts.TABLE_LOCK_HOLDERS).splitlines()
    named = [
        f"{name or 'an unnamed session'} (pid {pid}, user {user}, {state} since {since})"
        for pid, name, user, _, state, since in (line.split("|") for line in found[:NAMED])
    ]
    return f" ({'; '.join(named)})" if named else ""


def _newest_backups() -> str:
    found = sorted(BACKUPS.glob("*.dump"), key=lambda file: file.stat().st_mtime, reverse=True)[:NAMED]
    if not found:
        return f"There is none in {shown(BACKUPS)} yet."
    return f"The newest in {shown(BACKUPS)}: {', '.join(file.name for file in found)}."


if __name__ == "__main__":
    sys.exit(main())
