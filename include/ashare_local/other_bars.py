"""Generated bars never get among others: a database of one's own is held against the emulator's market first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ashare.connection import POSTGRES_VARIABLE, libpq_env
from ashare.store.queries import queries
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS
from ashare_local.connections import own_environment
from ashare_local.stack import StackError, connect
from ashare_local.terminal import first_day

CLOSE, VOLUME = COLUMNS.index("close"), COLUMNS.index("volume")


def refuse_other_bars(first: date) -> None:
    """Before a demo on a database of one's own, with the emulator for its source.

    :param first: a trade date that the demo's market has to have.
    :raises StackError: the database holds bars that are not the market's, or it refuses.
    """
    given = own_environment()
    value = given.get(POSTGRES_VARIABLE)
    if not value or "AIRFLOW_CONN_BAOSTOCK" in given:
        return
    with connect(libpq_env(POSTGRES_VARIABLE, value)) as connection:
        row = connection.execute(queries("demo")["has_bars"]).fetchone()
        sample = connection.execute(queries("demo")["sample"]).fetchall() if row and row[0] else []
    if sample and not _is_generated(sample, first):
        raise StackError(
            f"The database of {POSTGRES_VARIABLE} holds other bars than the demo's (up to {max(sample)[0]}), and "
            f"generated ones must not get among them: give the demo an empty database, or unset {POSTGRES_VARIABLE} "
            "to use the embedded one."
        )


def _is_generated(sample: Sequence[tuple[Any, ...]], first: date) -> bool:
    """Whether most of the bars are the emulator's; its market may have changed a little with the package."""
    market = GeneratedMarket(start=first_day(first), end=date(max(sample)[0].year, 12, 31))
    same = 0
    for day, code, close, volume in sample:
        for row in market.bars_of(code, day, day):
            same += Decimal(row[CLOSE]) == close and int(row[VOLUME] or 0) == (volume or 0)
    return same > len(sample) / 2
