"""Schema changes: numbered SQL files, each applied once, under a lock, recorded in the database."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.ashare.errors import InvalidInput, TerminalError
from include.ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: psycopg.Connection[Any]) -> list[str]:
    """Bring the schema ``ashare`` up to date; a cheap no-op when it is. Returns the files applied.

    Safe at every start and from several processes at once: all of it is one transaction under a lock.

    :raises InvalidInput: the database user may not create the schema.
    :raises TerminalError: the database is newer than this code.
    """
    from psycopg import errors

    files = sorted(MIGRATIONS.glob("[0-9]*.sql"))
    sql = queries("migrate")
    try:
        with connection.transaction():
            if applied(connection) == len(files):
                return []
            connection.execute(sql["lock"])
            connection.execute(sql["create_schema"])
            done = applied(connection)
            if done > len(files):
                raise TerminalError(
                    f"The schema ashare is at version {done}, newer than this code knows ({len(files)}): "
                    "update the package."
                )
            for number, file in enumerate(files[done:], start=done + 1):
                connection.execute(file.read_bytes())
                connection.execute(sql["record"], {"version": number, "name": file.name})
                log.info("Applied schema migration %s", file.name)
            return [file.name for file in files[done:]]
    except errors.InsufficientPrivilege as error:
        info = connection.info
        raise InvalidInput(
            f"The database user {info.user} may not create or change the schema ashare in the database {info.dbname} "
            f"({error.diag.message_primary}): as its owner run "
            f"GRANT CREATE ON DATABASE {info.dbname} TO {info.user}, or where the schema is there, "
            f"GRANT ALL ON SCHEMA ashare TO {info.user}."
        ) from error


def applied(connection: psycopg.Connection[Any]) -> int:
    """How many migrations this database has; 0 without the schema."""
    sql = queries("migrate")
    row = connection.execute(sql["is_recorded"]).fetchone()
    if row is None or row[0] is None:
        return 0
    version = connection.execute(sql["version"]).fetchone()
    return int(version[0]) if version else 0
