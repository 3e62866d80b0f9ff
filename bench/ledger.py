"""Measures an entry of the request ledger late in a day: with 40,000 requests of the day, beside an empty day."""

from __future__ import annotations

import functools
import statistics
import time
from contextlib import closing

import psycopg

from ashare.settings import SERVICE_LIMIT
from ashare.store import Store
from ashare.store.source_gate import SourceGate
from ashare_local.postgres import EmbeddedPostgres
from bench.figures import Figure

PART = "Loading"
DATABASES = EMPTY, FULL = ("empty_ledger", "full_ledger")
REQUESTS = 40_000
WARM_UPS, ENTRIES = 20, 400
RATIO = 1.2

TODAY = """
INSERT INTO ashare.source_request (requested_at, method, detail, trade_date, who, outcome, seconds, reply_chars)
SELECT midnight + (clock_timestamp() - midnight) * i / %(requests)s, 'query_history_k_data_plus', 'a code and a date',
       '2026-10-30', 'fetch_and_copy', 'ok', 0.2, 900
FROM date_trunc('day', now(), 'Asia/Shanghai') AS midnight, generate_series(1, %(requests)s) AS i
"""


def measure(server: EmbeddedPostgres) -> Figure:
    """Write entries into either ledger in turns: the request is admitted and recorded, then its end is."""
    taken: dict[str, list[float]] = {EMPTY: [], FULL: []}
    gates = {name: _gate(server, name) for name in DATABASES}
    with closing(gates[EMPTY]), closing(gates[FULL]):
        for gate in gates.values():
            gate.open(1)
        for _ in range(WARM_UPS + ENTRIES):
            for name, gate in gates.items():
                began = time.perf_counter()
                gate.end(gate.begin("query_history_k_data_plus", "a code and a date"), "ok", 900)
                taken[name].append(time.perf_counter() - began)
    empty, full = (1000 * statistics.median(taken[name][WARM_UPS:]) for name in DATABASES)
    detail = f"{full:.2f} ms beside {empty:.2f} ms on an empty day"
    return Figure(PART, f"a ledger entry at {REQUESTS:,} requests", round(full / empty, 2), "x", RATIO, detail=detail)


def _gate(server: EmbeddedPostgres, database: str) -> SourceGate:
    # The disk takes as long for either ledger, and would hide what differs.
    options = "-c synchronous_commit=off"
    connect = functools.partial(
        psycopg.connect, host=str(server.socket_dir), user="postgres", dbname=database, options=options
    )
    with Store(connect) as store:
        store.migrate()
        with store.transaction() as connection:
            if database == FULL:
                connection.execute(TODAY, {"requests": REQUESTS})
            connection.execute("ANALYZE ashare.source_request")
    return SourceGate(connect, who="bench", wait_seconds=5.0, budget=SERVICE_LIMIT)
