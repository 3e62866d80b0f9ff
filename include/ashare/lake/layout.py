"""The names of a lake's files, and the version of their format."""

from __future__ import annotations

FORMAT = 2
"""Format version. Increment it with any change of the files' content that the columns' types do not show."""

BARS = "daily_bar"
"""The directory of the bars' files."""


def file_of(table: str) -> str:
    """The file of a table."""
    return f"{table}.parquet"


def file_of_year(year: int) -> str:
    """The file of a year's bars."""
    return f"{BARS}/year={year}/part-0.parquet"


def year_of(file: str) -> int | None:
    """The year of a file of bars; ``None`` for any other file."""
    directory, _, name = file.removeprefix(f"{BARS}/year=").partition("/")
    is_bars = name == "part-0.parquet" and directory.isdecimal() and file == file_of_year(int(directory))
    return int(directory) if is_bars else None
