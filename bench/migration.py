"""The migrations 0012 and 0013 of a large database: seconds, waits of readers, kills, and what the triggers cost.

10 million bars at schema version 11 are migrated while readers read and one reader holds a transaction open. The
process that migrates is killed twice: in the first count of the bars, and while it waits for the lock on the record
of trade dates.
"""

from __future__ import annotations

import importlib
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from ashare.store import migrate
from ashare.store.bar_merge import merge
from ashare.store.migrate import MIGRATIONS, applied, migration_files
from ashare.store.rows import BatchRows
from ashare_local import PROJECT
from ashare_local.postgres import EmbeddedPostgres
from bench.figures import Figure

if TYPE_CHECKING:
    from typing_extensions import LiteralString  # in typing since Python 3.11

PART, TRIGGERS = "Migration", "Triggers"
OLD_VERSION = 11
CODES, SESSIONS = 2_000, 5_000
FIRST, LAST = date(2005, 1, 3), date(2018, 9, 11)
"""``SESSIONS`` days in a row: that most of the real ones are no sessions makes no difference here."""
DAY_ROWS, PAGE_ROWS = 5_200, 1_999
TIMES = 20
WAIT_SECONDS = 2.0
"""Target: the longest wait of a reader."""
MIGRATE_SECONDS = 120.0
LONG_READER_SECONDS = 4.0

FILL: tuple[LiteralString, ...] = (
    "DROP INDEX ashare.daily_bar_code_trade_date",
    "ALTER TABLE ashare.daily_bar DROP CONSTRAINT daily_bar_pkey",
    """INSERT INTO ashare.security (code, name, kind, ipo_date)
       SELECT 'sh.' || 600000 + n, 'name', CASE WHEN n < 10 THEN 'index' ELSE 'stock' END, '1999-11-10'
       FROM generate_series(0, 1999) n""",
    """INSERT INTO ashare.trade_calendar (calendar_date, is_trading_day)
       SELECT date '2005-01-03' + n, true FROM generate_series(0, 4999) n""",
    """INSERT INTO ashare.daily_bar
           (trade_date, code, open, high, low, close, preclose, volume, amount, turn, pct_chg, is_trading, is_st,
            pe_ttm, pb_mrq, ps_ttm, pcf_ncf_ttm)
       SELECT date '2005-01-03' + d, 'sh.' || 600000 + n, 9.68, 9.71, 9.6, 9.7, 9.68, 123456 + n, 1197523.2 + d,
              0.4213, 0.2066, true, false, 12.345678, 1.234567, 2.345678, 34.567891
       FROM generate_series(0, 4999) d, generate_series(0, 1999) n""",
    "ALTER TABLE ashare.daily_bar ADD PRIMARY KEY (trade_date, code)",
    "CREATE INDEX daily_bar_code_trade_date ON ashare.daily_bar (code, trade_date)",
    """INSERT INTO ashare.adjust_factor (code, ex_date, fore_factor, back_factor)
       SELECT 'sh.' || 600000 + n, date '2005-01-03' + d * 250 + n % 250, 0.9, 1.1
       FROM generate_series(0, 19) d, generate_series(10, 1999) n WHERE d * 250 + n % 250 < 5000""",
    """INSERT INTO ashare.sync_status
           (trade_date, status, kinds, complete_kinds, expected, loaded, suspended, missing, rejected, revised,
            requests, run_id, started_at, finished_at, checked_at)
       SELECT date '2005-01-03' + d, 'success', '{stock,index}', '{stock,index}', 2000, 2000, 0, 0, 0, 0, 3,
              'run ' || d, now() - interval '2 minutes', now() - interval '1 minute', now()
       FROM generate_series(0, 4999) d""",
    """INSERT INTO ashare.sync_batch (trade_date, batch_no, kind, by, label, status, rows, finished_at)
       SELECT date '2005-01-03' + d, n, CASE n WHEN 0 THEN 'factor' ELSE 'stock' END, 'market_day', 'x', 'success', 9,
              now()
       FROM generate_series(0, 4999) d, generate_series(0, 2) n""",
    "ANALYZE ashare.daily_bar",
)
READS: dict[str, LiteralString] = {
    "daily_bar": "SELECT count(*) FROM ashare.daily_bar WHERE trade_date = '2018-09-11'",
    "sync_status": "SELECT count(*) FROM ashare.sync_status WHERE trade_date = '2018-09-11'",
}
"""What the readers read; ``sync_status`` is a table before, and a view afterwards."""
SCRIPT = "import psycopg\nfrom ashare.store import migrate\nwith psycopg.connect() as c: migrate(c)"

Connect = Callable[[], psycopg.Connection[Any]]


class UnexpectedState(psycopg.Error):
    """A migration left something else than it should."""


@dataclass
class Reader:
    """A reader's longest wait, and the longest of its reads while nobody migrates."""

    name: str
    usual: float = 0.0
    longest: float = 0.0


def measure(directory: Path, begin: Callable[[str], None]) -> list[Figure]:
    """Fill a database of version 11, migrate it with kills in between, and time merges with and without triggers."""
    begin(f"{CODES * SESSIONS / 1e6:g} million bars at version {OLD_VERSION}")
    with EmbeddedPostgres(directory / "migration", databases=("ashare",), durable=False) as server:

        def connect() -> psycopg.Connection[Any]:
            return psycopg.connect(host=str(server.socket_dir), user="postgres", dbname="ashare")

        with old_release(directory), connect() as connection:
            migrate(connection)
        for statement in FILL:
            with connect() as connection:
                connection.execute(statement)
        with connect() as connection:
            connection.autocommit = True
            connection.execute("CHECKPOINT")
        environment = {**os.environ, "PGHOST": str(server.socket_dir), "PGUSER": "postgres", "PGDATABASE": "ashare"}
        environment["PYTHONPATH"] = str(PROJECT / "include")
        figures = list(_migrations(connect, environment, begin))
        begin(f"merges, {TIMES} x 4")
        return [*figures, *_triggers(connect)]


@contextmanager
def old_release(directory: Path) -> Iterator[None]:
    """For the block, this process knows the migrations of the old version only."""
    module = importlib.import_module("ashare.store.migrate")
    release = directory / "release"
    release.mkdir()
    for file in migration_files()[:OLD_VERSION]:
        shutil.copy(file, release)
    module.MIGRATIONS = release  # type: ignore[attr-defined, unused-ignore]
    try:
        yield
    finally:
        module.MIGRATIONS = MIGRATIONS  # type: ignore[attr-defined, unused-ignore]


def _migrations(connect: Connect, environment: dict[str, str], begin: Callable[[str], None]) -> Iterator[Figure]:
    over = threading.Event()
    readers = [Reader(name) for name in READS]
    with ThreadPoolExecutor() as beside, connect() as held:
        for reader in readers:
            with connect() as connection:
                reader.usual = max(_seconds(connection, READS[reader.name]) for _ in range(TIMES))
        for statement in READS.values():
            held.execute(statement)  # its transaction stays open
        reading = [beside.submit(_read, connect, reader, over) for reader in readers]
        try:
            begin("a kill in 0012")
            orphan = _killed_in_the_count(connect, environment)
            begin("0012, and a kill in 0013")
            counted, outsiders = _killed_while_waiting(connect, environment)
            begin("0013")
            moving = beside.submit(_migrated, connect)
            time.sleep(LONG_READER_SECONDS)
            _expect(connect, OLD_VERSION + 1)
            held.rollback()
            released = time.monotonic()
            moved = moving.result() - released
        finally:
            held.rollback()
            over.set()
        for future in reading:
            future.result()
    _expect(connect, len(migration_files()))
    _check(connect)
    with connect() as connection:
        date_ms = 1000 * statistics.median(_seconds(connection, READS["sync_status"]) for _ in range(TIMES))
    yield Figure(PART, "a date of sync_status, afterwards", round(date_ms, 1), "ms", detail=f"of {SESSIONS} dates")
    yield Figure(
        PART, "0012 (bar counts)", round(counted, 1), "s", detail=f"writers wait for {outsiders:.1f} s of it"
    )
    yield Figure(PART, "after a kill in 0012: the server's session goes on for", round(orphan, 1), "s")
    yield Figure(
        PART,
        "0013 (coverage)",
        round(moved, 1),
        "s",
        detail="from the end of a long reader, with a pause between attempts",
    )
    for reader in readers:
        yield Figure(
            PART,
            f"longest wait of a reader of {reader.name}",
            round(reader.longest, 2),
            "s",
            WAIT_SECONDS,
            detail=f"before: at most {reader.usual * 1000:.0f} ms",
        )


def _killed_in_the_count(connect: Connect, environment: dict[str, str]) -> float:
    """Kill the process in the first count of the bars; the seconds until its session at the server is gone."""
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment)
    _until(lambda: _holds(connect, "daily_bar", "ShareRowExclusiveLock"), process)
    time.sleep(1)
    process.kill()
    process.wait()
    killed = time.monotonic()
    _until(lambda: not _holds(connect, "daily_bar", "ShareRowExclusiveLock"))
    orphan = time.monotonic() - killed
    _expect(connect, OLD_VERSION)
    return orphan


def _killed_while_waiting(connect: Connect, environment: dict[str, str]) -> tuple[float, float]:
    """Let a process apply 0012, and kill it in 0013, which waits for the long reader.

    :return: the seconds of 0012, and the seconds for which it kept writers of bars out.
    """
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment)
    _until(lambda: _holds(connect, "daily_bar", "ShareRowExclusiveLock"), process)
    locked = time.monotonic()
    with connect() as writer:
        writer.execute("UPDATE ashare.daily_bar SET close = 1 WHERE trade_date = '2018-09-11' AND code = 'sh.600010'")
    outsiders = time.monotonic() - locked
    _until(lambda: _version(connect) == OLD_VERSION + 1, process)
    counted = time.monotonic() - began
    _until(lambda: _holds(connect, "history_run", "AccessExclusiveLock"), process)
    process.kill()
    process.wait()
    _until(lambda: not _holds(connect, "history_run", "AccessExclusiveLock"))
    _expect(connect, OLD_VERSION + 1)
    return counted, outsiders


def _migrated(connect: Connect) -> float:
    """Migrate to the newest version; the time of the end."""
    with connect() as connection:
        migrate(connection, MIGRATE_SECONDS)
    return time.monotonic()


def _read(connect: Connect, reader: Reader, over: threading.Event) -> None:
    with connect() as connection:
        connection.autocommit = True
        while not over.is_set():
            reader.longest = max(reader.longest, _seconds(connection, READS[reader.name]))
            time.sleep(0.02)


def _seconds(connection: psycopg.Connection[Any], statement: LiteralString) -> float:
    began = time.monotonic()
    connection.execute(statement)
    return time.monotonic() - began


def _holds(connect: Connect, table: str, mode: str) -> bool:
    """Whether a session holds the lock of the table, in this mode."""
    with connect() as connection:
        return bool(
            connection.execute(
                """SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                   WHERE c.relnamespace = 'ashare'::regnamespace AND c.relname = %s AND l.mode = %s AND l.granted""",
                (table, mode),
            ).fetchall()
        )


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + MIGRATE_SECONDS
    while not condition():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise UnexpectedState("The migration did not come to the point at which it is killed.")
        time.sleep(0.005)


def _version(connect: Connect) -> int:
    with connect() as connection:
        return applied(connection)


def _expect(connect: Connect, version: int) -> None:
    if (found := _version(connect)) != version:
        raise UnexpectedState(f"The schema is at version {found}, and should be at {version}.")


def _check(connect: Connect) -> None:
    """Hold the counts against the bars, and the record of trade dates against what it was.

    :raises UnexpectedState: they differ.
    """
    with connect() as connection:
        counts = connection.execute(
            """SELECT count(*) FROM (
                   SELECT dataset, partition, loaded::bigint FROM ashare.loaded_rows('-infinity', 'infinity')
                   WHERE dataset <> 'adjust_factor'
               ) AS c
               FULL JOIN (
                   SELECT s.kind || '_bar', b.trade_date, count(*)
                   FROM ashare.daily_bar b JOIN ashare.security s USING (code) GROUP BY 1, 2
               ) AS b (dataset, partition, bars) USING (dataset, partition)
               WHERE c.loaded IS DISTINCT FROM b.bars"""
        ).fetchone()
        record = connection.execute(
            """SELECT count(*), min(expected), max(loaded), count(checked_at), min(status), max(status)
               FROM ashare.sync_status"""
        ).fetchone()
    if counts != (0,) or record != (SESSIONS, CODES, CODES, SESSIONS, "success", "success"):
        raise UnexpectedState(f"{counts} counts differ, and the record of trade dates is {record}.")


def _triggers(connect: Connect) -> Iterator[Figure]:
    """Medians of merges with and without triggers, in turns, each of new rows."""
    took: dict[tuple[str, bool], list[float]] = {}
    for n in range(TIMES):
        for is_on in (True, False):
            number = 2 * n + is_on
            day = LAST + timedelta(days=1 + number)
            page = [_line(FIRST + timedelta(days=at), f"sz.{number:06}") for at in range(PAGE_ROWS)]
            market = [_line(day, f"sh.{600000 + code}") for code in range(DAY_ROWS)]
            for name, lines in (("market day", market), ("history page", page)):
                took.setdefault((name, is_on), []).append(_merge(connect, lines, is_on))
    for name, rows in (("market day", DAY_ROWS), ("history page", PAGE_ROWS)):
        on, off = (1000 * statistics.median(took[name, is_on]) for is_on in (True, False))
        yield Figure(
            TRIGGERS,
            f"merge of a {name}",
            round(on / off, 3),
            "x",
            detail=f"{rows} bars: {on:.1f} ms, {off:.1f} without",
        )


def _merge(connect: Connect, lines: Sequence[str], is_on: bool) -> float:
    with connect() as connection:
        change = "ENABLE" if is_on else "DISABLE"
        connection.execute(f"ALTER TABLE ashare.daily_bar {change} TRIGGER USER".encode())
    with connect() as connection:
        rows = BatchRows(StringIO("".join(lines)), len(lines))
        began = time.perf_counter()
        merge(connection, rows, "bench")
        connection.commit()
        return time.perf_counter() - began


def _line(day: date, code: str) -> str:
    return (
        f"{day}\t{code}\t9.68\t9.71\t9.6\t9.7\t9.68\t123456\t1197523.2\t0.4213\t0.2066\tt\tf\t12.3\t1.2\t2.3\t34.5\n"
    )
