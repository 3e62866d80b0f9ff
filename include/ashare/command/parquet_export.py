"""``ashare export DIR``: bring a directory of Parquet files up to date with the database."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from ashare.command import INTERRUPTED
from ashare.datasets import KINDS
from ashare.dates import check_order, parse_trade_date
from ashare.environment import Environment
from ashare.export import Selection, Summary, export
from ashare.export.qlib import write_qlib
from ashare.incomplete import Incomplete
from ashare.read import parse_kinds


def main(arguments: Sequence[str], environment: Environment) -> int:
    """Export; print a line per written or removed file, and a summary; return the exit code."""
    given = _parser().parse_args(arguments)
    began = time.monotonic()
    try:
        selection = _selection(given)
        conninfo = environment.conninfo()
        done = export(
            given.directory,
            selection,
            rewrite=given.rewrite,
            incomplete=given.incomplete,
            connection=conninfo,
            say=_say,
        )
        if given.qlib:
            written = write_qlib(given.directory, given.qlib)
            _say(f"{given.qlib}: {f'{written} instruments' if written else 'up to date'}, for Qlib")
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; the files that are there are whole, the same command goes on.\n")
        return INTERRUPTED
    _say(_in_one_line(given.directory, done, time.monotonic() - began))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ashare export", description="The bars as Parquet files.")
    parser.add_argument(
        "directory", metavar="DIR", help="made if it is not there; or an fsspec URL, as s3://bucket/lake"
    )
    parser.add_argument("--start", metavar="DATE", help="first trade date (default: the first there is)")
    parser.add_argument("--end", metavar="DATE", help="last trade date, included (default: the newest)")
    parser.add_argument("--kinds", metavar="KINDS", help=f"of {','.join(KINDS)} (default: all that is loaded)")
    parser.add_argument("--qlib", metavar="QLIB_DIR", type=Path, help="also write Qlib's own files there")
    parser.add_argument(
        "--incomplete",
        choices=get_args(Incomplete),
        default="warn",
        help="if a trade date is not complete: raise (write nothing, exit code 1), warn (the default) or ignore",
    )
    parser.add_argument("--rewrite", action="store_true", help="write all files anew, also those that are up to date")
    return parser


def _selection(given: argparse.Namespace) -> Selection:
    start, end = (parse_trade_date(text) if text else None for text in (given.start, given.end))
    if start and end:
        check_order(start, end)
    kinds = None if given.kinds is None else tuple(parse_kinds(given.kinds.replace(" ", "").split(",")))
    return Selection(start, end, kinds)


def _in_one_line(directory: str, done: Summary, seconds: float) -> str:
    what = f"{done.bars} bars of {done.years[0]} to {done.years[-1]} in {directory}"
    if done.incomplete:
        what += f" ({done.incomplete} trade {'dates are' if done.incomplete > 1 else 'date is'} not complete)"
    if not done.is_new:
        return f"Nothing is new: {what} are up to date ({seconds:.1f} s)."
    removed = f", {len(done.removed)} removed" if done.removed else ""
    return f"{what}: {len(done.written)} files written, {len(done.kept)} were up to date{removed} ({seconds:.1f} s)."


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
