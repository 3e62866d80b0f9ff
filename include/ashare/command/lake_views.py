"""``ashare lake attach``: the lake as views for DuckDB, printed or written into a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ashare.data_source import lake_of_environment
from ashare.environment import Environment
from ashare.errors import InvalidInput
from ashare.lake.duckdb_views import attach, definitions


def main(arguments: Sequence[str], environment: Environment) -> int:
    """Print the views' definitions, or write them into a file; return the exit code."""
    given = _parser().parse_args(arguments)
    place = given.lake or lake_of_environment()
    if not place:
        raise InvalidInput("No lake is named: set ASHARE_LAKE, or give --lake DIR.")
    if given.file is None:
        sys.stdout.write(definitions(place))
        return 0
    views = attach(place, given.file)
    sys.stdout.write(f"{given.file}: {views} views of the lake {place}.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ashare lake", description="The lake as views for DuckDB.")
    parser.add_argument("action", choices=["attach"], help="print the views' definitions, or write them into FILE")
    parser.add_argument("file", metavar="FILE.duckdb", nargs="?", type=Path, help="made if it is not there")
    parser.add_argument("--lake", metavar="DIR", help="a path or a URL (default: ASHARE_LAKE)")
    return parser
