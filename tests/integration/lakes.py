"""Writes a lake from a test's database."""

from __future__ import annotations

from pathlib import Path

from ashare.export import Selection, export
from tests.conftest import Database


def write_lake(database: Database, directory: Path, selection: Selection | None = None) -> Path:
    connection = f"host={database.server.socket_dir} user=postgres dbname={database.name}"
    export(directory, selection, incomplete="ignore", connection=connection)
    return directory
