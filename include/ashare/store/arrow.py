"""Rows of a query as Arrow: PostgreSQL's COPY, parsed by Arrow with the columns' types given, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa
    from psycopg.abc import Buffer
    from psycopg.sql import SQL, Composed

CHUNK_BYTES = 8 << 20
"""Of COPY's text that is parsed at once: what bounds the memory, and a few parses a second."""

CODE, MOMENT = "code", "moment"
"""Beside Arrow's own names of types: a dictionary, as a code is there on every trade date; and a time, in UTC."""


def schema(types: Mapping[str, str]) -> pa.Schema:
    """Arrow's schema of columns by name, each with the name of its type."""
    import pyarrow as pa

    special = {CODE: pa.dictionary(pa.int32(), pa.string()), MOMENT: pa.timestamp("us", tz="UTC")}
    return pa.schema([(name, special.get(kind) or pa.type_for_alias(kind)) for name, kind in types.items()])


@contextmanager
def copied(
    connection: psycopg.Connection[Any], query: SQL | Composed, values: Mapping[str, Any] | None = None
) -> Iterator[Iterator[bytes]]:
    """What ``COPY ... TO STDOUT (FORMAT csv, ENCODING 'UTF8')`` sends, in chunks of whole rows, at least one.

    An error of the block, Ctrl-C too, cancels the COPY. Without that, the ROLLBACK that follows waits for ever.
    """
    with connection.cursor() as cursor, cursor.copy(query, values) as copy:
        yield _chunks(copy)


def _chunks(rows: Iterable[Buffer]) -> Iterator[bytes]:
    collected: list[bytes] = []
    size = 0
    for row in rows:  # PostgreSQL sends a row a message
        collected.append(bytes(row))
        size += len(row)
        if size >= CHUNK_BYTES:
            yield b"".join(collected)
            collected, size = [], 0
    yield b"".join(collected)


def parsed(text: bytes, columns: pa.Schema) -> pa.Table:
    """Rows of COPY's CSV as a table: float64 nearest to each number, an unquoted blank as null."""
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
