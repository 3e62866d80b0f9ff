"""``ashare verified``: what was read from Baostock again and compared, and what had changed."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import date, datetime, timezone

from ashare.dates import SHANGHAI, parse_trade_date_range
from ashare.environment import Environment
from ashare.errors import InvalidInput
from ashare.status import StatusReader, status_reader
from ashare.store.verifications import Verification, summary, verifications, verified_dates
from ashare.texts import backfill_command

MOST = 1_000_000
ALWAYS = datetime.min.replace(tzinfo=timezone.utc)

DESCRIPTION = """\
Print what was read from Baostock again and compared with the database, of the trade dates of a range: a line for each
time and dataset, with the number of rows that were compared, that had changed and were updated, that had been
lacking (new), and that are no longer at Baostock (gone). Changes nothing, and asks Baostock nothing.
"""
EPILOG = f"""\
A range is read again and compared by the page A-share sync, or by

  {backfill_command("2026-03-02", "2026-03-31", "--reset-dagruns", {"verify": True})}

The run of the newest date reads the last few dates (ASHARE_RECHECK_DAYS) again by itself. Old and new values of bars
are in ashare.bar_revision.
"""


def main(arguments: Sequence[str], environment: Environment) -> int:
    """Print the comparisons of a range; return the exit code."""
    given = _parser().parse_args(arguments)
    logging.disable(logging.WARNING)
    if not (given.start_date or given.end_date):
        raise InvalidInput("There is no range: give -s and -e, YYYY-MM-DD; one of them alone is a single date.")
    start, end = parse_trade_date_range(given.start_date or given.end_date, given.end_date or given.start_date)
    with environment.store() as store, status_reader(store) as reader:
        sys.stdout.write(_written(reader, start, end))
    return 0


def _written(reader: StatusReader, start: date, end: date) -> str:
    complete = {day for day, coverage, *_ in reader.coverage(start, end) if coverage == "complete"}
    found = verifications(reader.rows.connection, start, end, MOST)
    dates = verified_dates(reader.rows.connection, {each.trade_date for each in found}, ALWAYS)
    lines = [_HEADING, *map(_line, reversed(found)), summary(dates)] if found else []
    if never := len(complete - {each.trade_date for each in dates}):
        lines.append(f"{never} of {len(complete)} complete dates were never read again.")
    return "".join(f"{line}\n" for line in lines or [f"No date from {start} to {end} was read again."])


_HEADING = (
    f"{'trade date':<10}  {'dataset':<13}  {'read again':<19}  {'compared':>8}  {'changed':>7}  {'new':>6}  gone"
)


def _line(each: Verification) -> str:
    moment = f"{each.verified_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
    counts = f"{each.compared:>8,}  {each.revised:>7,}  {each.inserted:>6,}  {each.lacking:>4,}"
    return f"{each.trade_date}  {each.dataset:<13}  {moment}  {counts}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ashare verified",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-s", "--start-date", metavar="DATE", help="the first trade date, YYYY-MM-DD (included)")
    parser.add_argument("-e", "--end-date", metavar="DATE", help="the last trade date, YYYY-MM-DD (included)")
    return parser
