"""The statements that load bars, made of ``queries/bars.sql`` and the list of columns."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ashare.datasets import BAR_COLUMNS
from ashare.store.queries import queries

if TYPE_CHECKING:
    from psycopg import sql
    from typing_extensions import LiteralString  # in typing since Python 3.11


@cache
def statement(name: str, place: str | None = None) -> bytes:
    """A statement of ``queries/bars.sql``, filled in.

    :param place: where bars are copied straight to, ``of_date`` or ``of_code``; ``None``: they are staged.
    """
    from psycopg import sql

    bars = queries("bars")
    there = sql.SQL(bars[place] if place else "")
    staged = sql.SQL("incoming")
    value = "CASE WHEN x.{column} IS DISTINCT FROM i.{column} THEN {key} || coalesce(to_json(%s)::text, 'null') END"
    made = sql.SQL(bars[name]).format(
        table=sql.SQL("ashare.daily_bar") if place else staged,
        place=there,
        bars=sql.SQL(bars["copied"]).format(place=there) if place else staged,
        no_longer_accepted=sql.SQL(bars["no_longer_accepted"]).format(bars=sql.SQL(bars["changed"])),
        columns=_each("{column}"),
        columns_of_x=_each("x.{column}"),
        columns_of_i=_each("i.{column}"),
        old_values=_each(value % "x.{column}"),
        new_values=_each(value % "i.{column}"),
        assignments=_each("{column} = f.{column}"),
    )
    return made.as_bytes()


def _each(template: LiteralString) -> sql.Composed:
    from psycopg import sql

    parts = (
        sql.SQL(template).format(column=sql.Identifier(column), key=f'"{column}": ')
        for column in BAR_COLUMNS.values()
    )
    return sql.SQL(", ").join(parts)
