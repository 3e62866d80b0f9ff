"""SQL for psql, through which a backup is made and restored: PostgreSQL's programs may run in a container."""

from __future__ import annotations

from collections.abc import Iterator

from ashare.store.migrate import migration_files
from ashare.store.queries import queries

_SQL = queries("backup")

SCHEMA_STATE = _SQL["schema_state"]
"""Prints 0: there is no schema ``ashare``; 3: it is this package's; else it is of somebody else."""
ENCODING = _SQL["encoding"]
CONTENTS = _SQL["contents"]
"""Prints the schema's version, the number of bars, and the newest trade date."""
SNAPSHOT = _SQL["snapshot"]
"""Begins a transaction, and prints the snapshot for pg_dump."""
DEPENDENT_OBJECTS = _SQL["dependent_objects"]
"""Prints what others have made on the schema, one a line."""
SOURCE_HOLDER = queries("source_gate")["holder"]
"""Prints the session that holds the connection to Baostock: name, address, since when, pid."""
TABLE_LOCK_HOLDERS = queries("database")["table_lock_holders"] % {"readers": "true"}
"""Prints the sessions that read or write the tables: pid, name, user, address, state, since when."""
SOURCE_IN_USE = "the connection to Baostock is in use"
"""The error of the first statement of a restore."""


def restore_begin(*, replaces: bool) -> str:
    """The beginning of a restore's transaction: its locks, and the end of the schema that it replaces."""
    return f"{_SQL['begin']}{queries('migrate')['lock']};{_SQL['drop'] if replaces else ''}"


def restore_end(version: int) -> str:
    """The end of a restore's transaction: what ``migrate`` does to a schema of this version, and the commit."""
    return "".join([*_newer_migrations(version), _SQL["end"]])


def _newer_migrations(version: int) -> Iterator[str]:
    for number, file in enumerate(migration_files()[version:], start=version + 1):
        yield file.read_text(encoding="utf-8")
        record = queries("migrate")["record"] % {"version": number, "name": f"'{file.name}'"}
        yield f";\n{record};\n"
