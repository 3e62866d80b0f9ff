"""``ashare accept``: accept an incomplete or contradictory trade date as complete."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Sequence

from ashare.dates import parse_trade_date
from ashare.environment import Environment
from ashare.errors import InvalidInput
from ashare.store import Store
from ashare.sync.accept import MOST_REASON, accept, undo

DESCRIPTION = """\
Take a red trade date as it is. It counts as complete (status success) from then on, with your reason and with what
was wrong in its record, and no run plans its bars again. When one of its bars is added, changed or
deleted later, the date is judged again, and red again if it is not complete by then.
"""
EPILOG = """\
For what Baostock really says and does not correct, for example:

  ashare accept 1993-06-21 --reason "the Saturday session before is not at Baostock"
  ashare accept --list
  ashare accept 1993-06-21 --undo

What is wrong with a date is said by its reason in ashare.sync_status, on the page A-share sync and by the log of its
task record_status. The database is that of the Airflow connection ashare_postgres (AIRFLOW_CONN_ASHARE_POSTGRES).
"""


def main(arguments: Sequence[str], environment: Environment) -> int:
    """Accept a date, undo an acceptance, or list all; return the exit code."""
    given = _parser().parse_args(arguments)
    logging.disable(logging.WARNING)  # the printed line says the same
    _check(given)
    with environment.store() as store:
        sys.stdout.write(_do(given, store))
        if not given.list:
            environment.report_recovery(store)
    return 0


def _check(given: argparse.Namespace) -> None:
    if given.list and (given.date or given.reason is not None or given.undo):
        raise InvalidInput("--list shows what is accepted, and takes nothing else.")
    if not given.list and not given.date:
        raise InvalidInput("There is no date: give one as YYYY-MM-DD with --reason or --undo, or --list; see --help.")
    if given.undo and given.reason is not None:
        raise InvalidInput("--undo takes an acceptance back, and --reason makes one: give one of them.")
    if given.date:
        parse_trade_date(given.date)


def _do(given: argparse.Namespace, opened: Store) -> str:
    if given.list:
        opened.migrate()
        lines = [f"{each.trade_date}  {each.note}\n" for each in opened.accepted.all()]
        return "".join(lines) or "No trade date is accepted as it is.\n"
    day, who = parse_trade_date(given.date), given.by or _user()
    if given.undo:
        return f"{undo(opened, day, who)}\n"
    return f"{day} is complete as it is: {accept(opened, day, given.reason or '', who)}\n"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ashare accept",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("date", metavar="DATE", nargs="?", help="the trade date, YYYY-MM-DD")
    parser.add_argument("--reason", metavar="TEXT", help=f"why, in a sentence of at most {MOST_REASON} characters")
    parser.add_argument("--undo", action="store_true", help="take it back: the date is judged by its rows again")
    parser.add_argument("--list", action="store_true", help="show the dates that are accepted, with the reasons")
    parser.add_argument("--by", metavar="NAME", help="who accepts (default: the user at this prompt)")
    return parser
