"""Query results as Arrow tables: Arrow parses the CSV of PostgreSQL's COPY, with given column types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ashare.store.queries import queries

if TYPE_CHECKING:
    import pandas as pd
    import psycopg
    import pyarrow as pa
    from psycopg.abc import Buffer
    from psycopg.sql import SQL, Composed

CHUNK_BYTES = 8 << 20
"""Size of one parse of COPY's text. It bounds the memory, and makes for a few parses a second."""

CODE = "string"
"""The type of codes in every table and file. polars joins a column of strings with no column of a dictionary."""
MOMENT = "moment"
"""A type name beside Arrow's own: a timestamp in UTC."""


def schema(types: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of some columns.

    :param types: type name by column name: one of Arrow's own, or ``MOMENT``.
    """
    import pyarrow as pa

    special = {MOMENT: pa.timestamp("us", tz="UTC")}
    return pa.schema([(name, special.get(kind) or pa.type_for_alias(kind)) for name, kind in types.items()])


def frame(table: pa.Table) -> pd.DataFrame:
    """A table as a pandas frame. A column's dtype does not depend on whether a value is missing.

    :returns: dates are datetime64[ns], integers float64; ``is_st`` is boolean, as it can be blank.
    """
    import pyarrow as pa

    by_type = {pa.date32(): pa.timestamp("ns"), pa.int64(): pa.float64()}
    types = [(field.name, by_type.get(field.type, field.type)) for field in table.schema]
    made: pd.DataFrame = table.cast(pa.schema(types)).to_pandas()
    return made.astype({"is_st": "boolean"}) if "is_st" in made else made


@contextmanager
def copied(
    connection: psycopg.Connection[Any], query: SQL | Composed, values: Mapping[str, Any] | None = None
) -> Iterator[Iterator[bytes]]:
    """The rows of a query as CSV by COPY, in chunks of whole rows; at least one chunk.

    An error in the block, also Ctrl-C, cancels the COPY. Otherwise the ROLLBACK that follows would wait for ever.
    """
    from psycopg import sql

    statement = sql.SQL(queries("read")["csv"]).format(query=query)
    with connection.cursor() as cursor, cursor.copy(statement, values) as copy:
        yield _chunks(copy)


def _chunks(rows: Iterable[Buffer]) -> Iterator[bytes]:
    collected: list[bytes] = []
    size = 0
    for row in rows:  # PostgreSQL sends one row per message
        collected.append(bytes(row))
        size += len(row)
        if size >= CHUNK_BYTES:
            yield b"".join(collected)
            collected, size = [], 0
    yield b"".join(collected)


def parsed(text: bytes, columns: pa.Schema) -> pa.Table:
    """Parse COPY's CSV into a table. A float64 is the nearest to the number; an unquoted blank is null."""
    import pyarrow as pa
    from pyarrow import csv

    if not text:
        return columns.empty_table()
    return csv.read_csv(
        pa.BufferReader(text),
        read_options=csv.ReadOptions(column_names=columns.names, block_size=CHUNK_BYTES),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=columns,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
