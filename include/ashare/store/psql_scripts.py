"""SQL for psql, which backup and restore use: PostgreSQL's programs may run in a container."""

from __future__ import annotations

from collections.abc import Iterator

from ashare.store.migrate import LOCK, migration_files
from ashare.store.queries import queries

_SQL = queries("backup")

SCHEMA_STATE = _SQL["schema_state"]
"""Prints 0 without a schema ``ashare``, 3 for this package's schema, 1 or 2 for a schema of somebody else."""
ENCODING = _SQL["encoding"]
CONTENTS = _SQL["contents"]
"""Prints the schema's version, the number of bars, and the newest trade date."""
SNAPSHOT = _SQL["snapshot"]
"""Begins a transaction, and prints the snapshot for pg_dump."""
DEPENDENT_OBJECTS = _SQL["dependent_objects"]
"""Prints the objects outside the schema that depend on it, one per line."""
SOURCE_HOLDER = queries("source_gate")["holder"]
"""Prints the session that holds the connection to Baostock: name, address, since when, pid."""
TABLE_LOCK_HOLDERS = queries("database")["table_lock_holders"] % {"readers": "true"}
"""Prints the sessions that read or write the tables: pid, name, user, address, state, since when."""
SOURCE_IN_USE = "the connection to Baostock is in use"
"""The error that ``restore_begin`` raises while another session holds the connection."""


def restore_begin(*, replaces: bool) -> str:
    """The beginning of a restore's transaction: takes the locks and, if ``replaces``, drops the old schema."""
    lock = queries("database")["lock_transaction"] % {"lock": f"'{LOCK}'"}
    return f"{_SQL['begin']}{lock};{_SQL['drop'] if replaces else ''}"


def restore_end(version: int) -> str:
    """The end of a restore's transaction: applies newer migrations, keeps newer ledger rows, and commits."""
    return "".join([*_newer_migrations(version), _SQL["end"]])


def _newer_migrations(version: int) -> Iterator[str]:
    for number, file in enumerate(migration_files()[version:], start=version + 1):
        yield file.read_text(encoding="utf-8")
        record = queries("migrate")["record"] % {"version": number, "name": f"'{file.name}'"}
        yield f";\n{record};\n"
