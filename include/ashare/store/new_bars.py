"""Finds the batches of bars of which the table ``daily_bar`` has none: they need no look-up and no staging table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.store.bar_statements import statement
from ashare.store.queries import queries
from ashare.store.rows import BatchRows

if TYPE_CHECKING:
    import psycopg

KEY_CHARACTERS = len("2026-03-02\tsh.600000\t")
MOST_OTHERS = 2_000
"""Most other bars of a place, for example of the indices that a date's stocks are loaded after."""


@dataclass(frozen=True)
class Place:
    """Where all bars of a batch lie: on one trade date, or in a range of one security.

    :ivar name: the statement that selects the table's bars of the place: ``of_date`` or ``of_code``.
    :ivar values: the statement's parameters.
    :ivar keys: trade date and code of each bar of the batch, as a line begins.
    """

    name: str
    values: dict[str, Any]
    keys: frozenset[str]


def place_of(connection: psycopg.Connection[Any], batch_rows: BatchRows) -> Place | None:
    """The place of a batch that may be new; ``None`` if it is not, has no single place, or holds a bar twice."""
    lines = batch_rows.bars
    lines.seek(0)
    day, code, _ = lines.readline().split("\t", 2)
    row = connection.execute(queries("bars")["has_bar"], {"day": day, "code": code}).fetchone()
    if row is None or row[0]:
        return None
    lines.seek(0)
    keys = frozenset([line[:KEY_CHARACTERS] for line in lines])
    if len(keys) < batch_rows.rows or any(not key.endswith("\t") for key in keys):
        return None
    days = {key[:10] for key in keys}
    name = "of_date" if len(days) == 1 else "of_code"
    if name == "of_code" and any(not key.endswith(f"\t{code}\t") for key in keys):
        return None
    return Place(name, {"first": min(days), "last": max(days), "code": code}, keys)


def others(connection: psycopg.Connection[Any], place: Place) -> Sequence[tuple[date, str]] | None:
    """The table's other bars of the place; ``None`` if a bar of the batch is among them, or there are too many.

    Only the lock on merging keeps the answer true.
    """
    values = {**place.values, "limit": MOST_OTHERS + 1}
    found = connection.execute(statement("some", place.name), values).fetchall()
    if len(found) > MOST_OTHERS or any(f"{day}\t{code}\t" in place.keys for day, code in found):
        return None
    return found
