"""``ashare doctor``: health checks on one screen, with an exit code for a monitor."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ashare.doctor import BAD, OK, RUN_AGAIN, CheckedSystem, Finding, examine
from ashare.environment import Environment
from ashare.settings import Settings
from ashare.store import Store
from ashare.store.schema_health import limit_statement_time

if TYPE_CHECKING:
    import psycopg

DESCRIPTION = """\
Look at package, database, source, budget, ban, pool, calendar, the last trade dates, factors and alerts: one line
each, with what to do. Exit code 0: all is well, or only worth a look (warn). 1: something is not well (BAD), or it
cannot be known. At most two requests are sent to Baostock, counted like all others; none during a ban.
"""


def main(arguments: Sequence[str], environment: Environment) -> int:
    """Print the findings; return the exit code: 1 if a finding is ``BAD``, else 0."""
    argparse.ArgumentParser(prog="ashare doctor", description=DESCRIPTION).parse_args(arguments)
    logging.disable(logging.WARNING)  # the findings say the same
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    worst = OK

    def connect() -> psycopg.Connection[Any]:
        connection = environment.connector()()
        connection.autocommit = True  # the store sets up the connection, which must have no open transaction
        limit_statement_time(connection)  # a lock on a table must not hold up a monitor
        return connection

    with Store(connect) as store:
        system = CheckedSystem(
            store,
            environment.source_config,
            Settings,
            pool=environment.pool.slots if environment.pool else None,
            alerts=environment.alert_addresses,
        )
        for finding in examine(system):
            sys.stdout.write(written(finding, columns) + "\n")
            sys.stdout.flush()
            worst = BAD if BAD in (worst, finding.state) else worst
    return int(worst == BAD)


def written(finding: Finding, columns: int | None) -> str:
    """Format a finding: one line, or, with ``columns``, lines wrapped to a terminal of that width."""
    mark = f"{finding.state:<4}  {finding.name:<11}  "
    if columns is None or finding.name == RUN_AGAIN:  # a command to copy stays on one line
        return mark + finding.text
    lines = textwrap.wrap(finding.text, max(columns - len(mark), 20), break_long_words=False, break_on_hyphens=False)
    return mark + f"\n{'':{len(mark)}}".join(lines)
