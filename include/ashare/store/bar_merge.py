"""Loads bars: COPY into a staging table and upsert, or straight into the table where it has none of them.

Each function uses the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.store import new_bars
from ashare.store.accepted import ROWS_CHANGED
from ashare.store.bar_statements import statement
from ashare.store.database import lock_merging
from ashare.store.new_bars import Place
from ashare.store.queries import queries
from ashare.store.rows import AbsentRange, BatchRows, BlankedBar, MergeCounts, RejectedBar, RejectedRow

if TYPE_CHECKING:
    import psycopg
    from typing_extensions import LiteralString  # in typing since Python 3.11

ABSENT = "absent at the source: the per-security call brings no bar"
BEFORE_THE_FIRST_BAR = "before its first bar at the source"


def merge(connection: psycopg.Connection[Any], batch_rows: BatchRows, run_id: str) -> MergeCounts:
    """Record the rejected rows, merge the good ones, and record blanked values, within the caller's transaction."""
    _record(connection, queries("bars")["reject"], batch_rows.rejects, run_id)
    merged = _merge_rows(connection, batch_rows, run_id)
    _record(connection, queries("bars")["blanked"], batch_rows.blanked, run_id)
    return merged


def record_absent(connection: psycopg.Connection[Any], absent: Sequence[tuple[date, str]], run_id: str) -> None:
    """Record dates on which a security has no bar at the source, within the caller's transaction."""
    days, codes = [day for day, _ in absent], [code for _, code in absent]
    values = {"days": days, "codes": codes, "reason": ABSENT, "run_id": run_id}
    lock_merging(connection)  # a bar that another session is loading would not be seen
    connection.execute(queries("bars")["record_absent"], values)


def record_absent_range(connection: psycopg.Connection[Any], absent: AbsentRange, run_id: str) -> None:
    """Record days before an index's first bar, in one row with adjacent ranges, within the caller's transaction."""
    values = {**asdict(absent), "reason": BEFORE_THE_FIRST_BAR, "run_id": run_id}
    connection.execute(queries("bars")["record_absent_range"], values)


def save_factors(connection: psycopg.Connection[Any], factors: Sequence[tuple[str, date, str, str]]) -> None:
    """Upsert adjust factors (code, ex_date, fore, back), within the caller's transaction."""
    columns = [list(column) for column in zip(*factors, strict=True)] or [[], [], [], []]
    values = dict(zip(("codes", "ex_dates", "fore", "back"), columns, strict=True))
    connection.execute(queries("bars")["save_factors"], values)


def replace_rejected(
    connection: psycopg.Connection[Any],
    dataset: str,
    odd: Sequence[RejectedRow],
    run_id: str | None,
    *,
    day: date | None = None,
    code: str | None = None,
) -> None:
    """Record the rows of a reply that broke a rule, within the caller's transaction; earlier ones are superseded.

    :param dataset: ``security`` or ``factor``.
    :param day: the reply is of one day.
    :param code: the reply is of one stock.
    """
    connection.execute(queries("universe")["supersede_rejected"], {"dataset": dataset, "day": day, "code": code})
    _record(connection, queries("universe")["reject"], odd, run_id, dataset=dataset)


def _merge_rows(connection: psycopg.Connection[Any], batch_rows: BatchRows, run_id: str) -> MergeCounts:
    bars = queries("bars")
    if not batch_rows.rows:
        lock_merging(connection)
        return MergeCounts(0, 0, 0)
    if (place := new_bars.place_of(connection, batch_rows)) is not None:
        lock_merging(connection)
        # Another session may have loaded some of the bars while this one waited.
        if (others := new_bars.others(connection, place)) is not None:
            return _copy_new(connection, batch_rows, place, others)
    with connection.cursor() as cursor:
        cursor.execute(bars["stage"])
        _copy(cursor, batch_rows, statement("copy"))
        cursor.execute(bars["analyze"])
        lock_merging(connection)
        came_late = _supersede(cursor, None, {})
        row = cursor.execute(statement("merge"), {"run_id": run_id, "because": ROWS_CHANGED}).fetchone()
        assert row is not None
        inserted, revised, no_longer_accepted = row
        came_late |= frozenset(no_longer_accepted or ())
        cursor.execute(bars["unstage"])  # one transaction may merge several times
    return MergeCounts(inserted, revised, batch_rows.rows - inserted - revised, came_late)


def _copy_new(
    connection: psycopg.Connection[Any], batch_rows: BatchRows, place: Place, others: Sequence[tuple[date, str]]
) -> MergeCounts:
    """Copy bars of which the table has none, within the lock on merging, straight into the table."""
    values = {**place.values, "days": [day for day, _ in others], "codes": [code for _, code in others]}
    with connection.cursor() as cursor:
        _copy(cursor, batch_rows, statement("copy", place.name))
        came_late = _supersede(cursor, place.name, values)
        ended = cursor.execute(
            statement("no_longer_accepted", place.name), {**values, "because": ROWS_CHANGED}
        ).fetchall()
    return MergeCounts(batch_rows.rows, 0, 0, came_late | frozenset(row[0] for row in ended))


def _copy(cursor: psycopg.Cursor[Any], batch_rows: BatchRows, into: bytes) -> None:
    with cursor.copy(into) as copy:
        batch_rows.bars.seek(0)
        while chunk := batch_rows.bars.read(1 << 18):
            copy.write(chunk)


def _supersede(cursor: psycopg.Cursor[Any], place: str | None, values: dict[str, Any]) -> frozenset[date]:
    """Take back what was recorded in place of the bars that have come; returns the dates of absent ones."""
    absent = cursor.execute(statement("no_longer_absent", place), values).fetchall()
    cursor.execute(statement("no_longer_rejected", place), values)
    cursor.execute(statement("no_longer_blanked", place), values)
    return frozenset(row[0] for row in absent)


def _record(
    connection: psycopg.Connection[Any],
    statement: LiteralString,
    rows: Sequence[RejectedBar | BlankedBar | RejectedRow],
    run_id: str | None,
    **values: str,
) -> None:
    """Execute a statement for each row; ``values`` are the values that no row has."""
    from psycopg.types.json import Jsonb

    if rows:
        all_values = [{**asdict(row), "raw": Jsonb(row.raw), "run_id": run_id, **values} for row in rows]
        with connection.cursor() as cursor:
            cursor.executemany(statement, all_values)
