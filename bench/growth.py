"""Measures whether more loaded years slow down a trade date or the page's reads; at the end, measures the views."""

from __future__ import annotations

import functools
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from datetime import time as clock
from pathlib import Path
from typing import Any

import psycopg

from ashare.dates import SHANGHAI
from ashare.settings import DEFAULT_INDICES, SERVICE_LIMIT, Settings
from ashare.source import SourceConfig
from ashare.store import Store
from ashare.sync import (
    Run,
    fetch_and_copy,
    plan_batches,
    record_status,
    sync_adjust_factors,
    wait_for_trading_day,
)
from ashare_emulator.server import Emulator
from ashare_local.postgres import EmbeddedPostgres
from bench import lake, page, views
from bench.figures import Figure
from bench.market import COMING, YearsMarket

PART, PAGE, VIEWS = "Growth", "The page", "The views"
YEARS = (1, 5, 20)
FLAT = 1.2
"""Target: the most years may take at most this many times as long as the fewest years."""
VIEWED_YEARS = 20
"""The views are measured if at least this many years are loaded."""
A_YEAR_GB = 0.5


@dataclass(frozen=True)
class Size:
    """The measurements with ``years`` years loaded."""

    years: int
    date_seconds: list[float]
    readings: list[page.Result]


def measure(directory: Path, begin: Callable[[str], None], years: Sequence[int] = YEARS) -> list[Figure]:
    """Measure with each number of years loaded, from the fewest to the most."""
    begin("PostgreSQL, calendar, securities")
    with EmbeddedPostgres(directory / "growth", databases=("ashare",), durable=False) as server:

        def connect() -> psycopg.Connection[Any]:
            return psycopg.connect(host=str(server.socket_dir), user="postgres", dbname="ashare")

        market = YearsMarket(connect, max(years), workers=min(os.cpu_count() or 1, 4))
        coming = iter(market.coming)
        sizes = []
        with Emulator(market.write(directory)) as emulator:
            for loaded in sorted(years):
                market.grow(loaded, begin)
                begin(f"with {loaded} years")
                dates = _dates(connect, emulator.port, coming, (COMING - lake.DATES) // len(years))
                sizes.append(Size(loaded, dates, page.measure(connect)))
            seen, lakes = [], []
            if max(years) >= VIEWED_YEARS:
                begin("the views")
                seen = views.measure(connect)
                begin("a lake of all years")
                port = emulator.port
                lakes = lake.measure(connect, directory / "lake", lambda: _dates(connect, port, coming, 1))
    return [*_growth(sizes), *_page(sizes), *map(_view, seen), *lakes]


def _dates(
    connect: Callable[[], psycopg.Connection[Any]], port: int, coming: Iterator[date], count: int
) -> list[float]:
    """Seconds of each of ``count`` trade dates without Airflow, from the first step to the last.

    The first trade date is a warm-up and is left out.
    """
    taken = []
    now = datetime.combine(date(2026, 12, 31), clock(21), SHANGHAI)
    settings = Settings(request_budget=SERVICE_LIMIT, recheck_days=0, indices=DEFAULT_INDICES)
    for _ in range(count):
        day = next(coming)
        began = time.perf_counter()

        def do(step: Callable[[Run], Any], day: date = day) -> Any:
            with Store(connect) as store:  # each step has its own connection, as each task has
                store.migrate()
                source = SourceConfig("127.0.0.1", port)
                run = Run(
                    day, store=store, source=source, run_id="bench", who="bench", settings=settings, now=lambda: now
                )
                return step(run)

        do(wait_for_trading_day)
        for batch in do(plan_batches):
            do(functools.partial(fetch_and_copy, batch_no=batch.batch_no))
        do(sync_adjust_factors)
        do(record_status)
        taken.append(time.perf_counter() - began)
    return taken[1:]


def _growth(sizes: Sequence[Size]) -> Iterator[Figure]:
    least, most = sizes[0], sizes[-1]
    milliseconds = {size.years: 1000 * statistics.median(size.date_seconds) for size in sizes}
    listed = ", ".join(f"{years} y {value:.0f} ms" for years, value in milliseconds.items())
    ratio = milliseconds[most.years] / milliseconds[least.years]
    yield Figure(PART, "a trade date, without Airflow", round(ratio, 2), "x", FLAT, detail=listed)
    for readings in zip(*(size.readings for size in sizes), strict=True):
        listed = ", ".join(
            f"{size.years} y {reading.median_ms:g} ms" for size, reading in zip(sizes, readings, strict=True)
        )
        ratio = readings[-1].median_ms / readings[0].median_ms
        yield Figure(PART, readings[0].name, round(ratio, 2), "x", FLAT, detail=listed)


def _page(sizes: Sequence[Size]) -> Iterator[Figure]:
    for reading in sizes[-1].readings:
        yield Figure(
            PAGE, reading.name, reading.median_ms, "ms", reading.target_ms, detail=f"at most {reading.max_ms:g}"
        )


def _view(reading: page.Result) -> Figure:
    return Figure(
        VIEWS, reading.name, reading.median_ms, "ms", reading.target_ms, detail=f"at most {reading.max_ms:g}"
    )
