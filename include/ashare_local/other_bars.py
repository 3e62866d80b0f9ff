"""Keeps generated bars out of the user's own database if that holds bars of another market."""

from __future__ import annotations

import csv
import io
import os
import subprocess
from collections.abc import Sequence
from datetime import date
from typing import Any

from ashare.connection import POSTGRES_VARIABLE, libpq_env
from ashare.store.demo_tables import bar_sample
from ashare_local import PROJECT, StackError
from ashare_local.ashare_database import connect
from ashare_local.demo_market import comparison_command
from ashare_local.stack_connections import BAOSTOCK_VARIABLE, caller_environment


def refuse_other_bars(first: date) -> None:
    """Refuse a demo that would mix generated bars with other bars.

    Checks only a demo that loads the user's own database from the emulator.

    :param first: a trade date that the demo's market has to contain.
    :raises StackError: the database holds bars of another market, or refuses the connection.
    """
    given = caller_environment()
    value = given.get(POSTGRES_VARIABLE)
    if not value or BAOSTOCK_VARIABLE in given:
        return
    with connect(libpq_env(POSTGRES_VARIABLE, value)) as connection:
        sample = bar_sample(connection)
    if sample and not _is_generated(sample, first):
        raise StackError(
            f"The database of {POSTGRES_VARIABLE} holds other bars than the demo's (up to {max(sample)[0]}), and "
            f"generated ones must not get among them: give the demo an empty database, or unset {POSTGRES_VARIABLE} "
            "to use the embedded one."
        )


def _is_generated(sample: Sequence[tuple[Any, ...]], first: date) -> bool:
    """Whether most of the bars are the emulator's. A new version of the package may change its market slightly."""
    lines = io.StringIO()
    csv.writer(lines).writerows(sample)
    compared = subprocess.run(
        comparison_command(first, end=date(max(sample)[0].year, 12, 31)),
        env={**os.environ, "PYTHONPATH": str(PROJECT / "include")},
        input=lines.getvalue(),
        capture_output=True,
        text=True,
        check=False,
    )
    if compared.returncode:
        raise StackError(f"The bars cannot be compared with the demo's: {compared.stderr.strip()}")
    return int(compared.stdout) > len(sample) / 2
