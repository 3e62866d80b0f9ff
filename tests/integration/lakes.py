"""Writes a lake from a test's database, and holds what readers return of both together."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from ashare import read, reference_lists
from ashare.data_source import read_from
from ashare.errors import AshareError
from ashare.export import Selection, export
from tests.conftest import Database


def write_lake(database: Database, directory: Path, selection: Selection | None = None) -> Path:
    connection = f"host={database.server.socket_dir} user=postgres dbname={database.name}"
    export(directory, selection, incomplete="ignore", connection=connection)
    return directory


def outcome(call: Callable[[], Any]) -> tuple[Any, AshareError | None]:
    try:
        return call(), None
    except AshareError as error:
        return None, error


def equal(one: Any, other: Any) -> bool:
    """Whether two results are of the same values and types."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        return True
    if isinstance(one, pa.Table):
        return bool(one.schema.equals(other.schema) and one.equals(other))
    return bool(one == other)


@pytest.fixture
def lake_agrees(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Each read of the test's database is repeated from a lake of it: the same rows, problems and errors."""
    lakes: list[Path] = []
    numbers = itertools.count()

    def from_both(source: Any, connection: Any, read_: Callable[[Any], Any]) -> Any:
        result, error = outcome(lambda: read_from(source, connection, read_))
        lake = tmp_path / f"lake{next(numbers)}"
        if outcome(lambda: write_lake(database, lake))[1] is None:  # a database without bars is not exported
            lakes.append(lake)
            found, lake_error = outcome(lambda: read_from(lake, None, read_))
            assert (type(lake_error), str(lake_error)) == (type(error), str(error))
            assert equal(found, result)
            shutil.rmtree(lake)
        if error:
            raise error
        return result

    monkeypatch.setattr(read, "read_from", from_both)
    monkeypatch.setattr(reference_lists, "read_from", from_both)
    yield lakes
