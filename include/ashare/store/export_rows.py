"""Queries of an export: whole tables, bars, what identifies the rows of each trade date, and states of partitions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Any

from psycopg import sql

from ashare.store import arrow
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[Any]


def prepare_sorting(connection: Connection) -> None:
    """Raise the transaction's ``work_mem``: a year of the whole market is sorted in memory."""
    connection.execute(queries("export")["settings"])


def claim(connection: Connection, name: str) -> bool:
    """Take the lock of a lake, to the end of the transaction; ``False`` if another session holds it."""
    ((taken,),) = connection.execute(queries("export")["claim"], {"name": name})
    return bool(taken)


def schema_made_at(connection: Connection) -> str:
    """When the schema was created, to the microsecond. It identifies a database, and a backup keeps it."""
    ((made_at, _),) = connection.execute(queries("export")["schema"])
    return str(made_at)


def schema_version(connection: Connection) -> int:
    """The version of the schema ``ashare``."""
    ((_, version),) = connection.execute(queries("export")["schema"])
    return int(version)


def versions(connection: Connection, selection: Mapping[str, Any]) -> list[tuple[date, str, int, int]]:
    """What identifies the bars of a selection (``start``, ``end``, ``kinds``).

    :returns: trade date, dataset, number of rows, and a number that differs whenever the rows differ.
    """
    return list(connection.execute(queries("export")["versions"], selection))


def rules_hash(connection: Connection) -> str:
    """A hash of the rules of price limits."""
    ((found,),) = connection.execute(queries("export")["rules"])
    return str(found)


def leaving(connection: Connection, days: Collection[date]) -> list[tuple[str, date, date]]:
    """Stocks whose limits before their delisting may follow from the rows of some days: code, first and last day."""
    return list(connection.execute(queries("export")["leaving"], {"days": list(days)})) if days else []


def states(
    connection: Connection, datasets: Sequence[str], selection: Mapping[str, Any], newest: date
) -> list[tuple[str, date, str, bool, bool]]:
    """Dataset, trade date, state, ``is_asked`` and ``is_recorded`` of each partition on which a run has worked."""
    return list(
        connection.execute(queries("export")["states"], {**selection, "datasets": list(datasets), "newest": newest})
    )


def weeks(
    connection: Connection, datasets: Sequence[str], end: date, newest: date
) -> list[tuple[str, date, str, int, bool]]:
    """Dataset, Monday, state, number of rows, and whether a run has worked on it, of the weeks of some lists."""
    values = {"datasets": list(datasets), "end": end, "newest": newest}
    return list(connection.execute(queries("export")["weeks"], values))


def factor_rows(connection: Connection) -> list[tuple[date, int]]:
    """The number of adjust factors of each ex-date."""
    return list(connection.execute(queries("export")["factor_rows"]))


def table_text(connection: Connection, name: str) -> bytes:
    """A whole table as CSV.

    :param name: the name of the table, and of the statement that reads it.
    """
    with arrow.copied(connection, sql.SQL(queries("export")[name])) as texts:
        return b"".join(texts)


def copy_range(
    connection: Connection, columns: Iterable[str], selection: Mapping[str, Any]
) -> AbstractContextManager[Iterator[bytes]]:
    """The bars of a selection with price limits and factors, sorted by code and trade date, as CSV in whole rows."""
    return _copy(connection, columns, "of_range", selection)


def copy_days(
    connection: Connection, columns: Iterable[str], selection: Mapping[str, Any], days: Collection[date]
) -> AbstractContextManager[Iterator[bytes]]:
    """Those of some days, as ``copy_range`` has them."""
    return _copy(connection, columns, "of_days", {**selection, "days": sorted(days)})


def copy_codes(
    connection: Connection,
    columns: Iterable[str],
    selection: Mapping[str, Any],
    codes: Collection[str],
    besides: Collection[date],
) -> AbstractContextManager[Iterator[bytes]]:
    """Those of some codes, without some days, as ``copy_range`` has them."""
    return _copy(connection, columns, "of_codes", {**selection, "codes": sorted(codes), "days": sorted(besides)})


def _copy(
    connection: Connection, columns: Iterable[str], chosen: str, values: Mapping[str, Any]
) -> AbstractContextManager[Iterator[bytes]]:
    export = queries("export")
    query = sql.SQL(export["bars"]).format(
        columns=sql.SQL(", ").join(sql.Identifier("b", name) for name in columns),
        bars_chosen=sql.SQL(export[chosen]).format(rows=sql.Identifier("b")),
        limits_chosen=sql.SQL(export[chosen]).format(rows=sql.Identifier("d")),
    )
    return arrow.copied(connection, query, values)
