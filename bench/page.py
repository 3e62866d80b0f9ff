"""Measures what the page's routes read, each as a route does it: borrow a store, one read-only transaction."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import Any

import psycopg

from ashare.dates import SHANGHAI
from ashare.dry_run import dry_run
from ashare.settings import DEFAULT_INDICES, SERVICE_LIMIT, Settings
from ashare.status import StatusReader, status_reader
from ashare.store import IdleStores, Store
from ashare_airflow.page import readings
from ashare_airflow.page.models.day import CoverageDays
from bench.market import LAST, Connect

TARGET_MS = 50.0
WARM_UPS, TIMES = 3, 30
PAGE = 50
PINYIN = ("pfyh", "zgpa", "wan", "gongshang", "yh")
"""What is typed into the search."""
JSON = "coverage, 20 years: its JSON alone"

NOW = datetime.combine(LAST, clock(23, 30), SHANGHAI)
YEAR = timedelta(days=365)

Case = Callable[[StatusReader, int], object]
"""The reads of a route. The number chooses the security, so that PostgreSQL's cache does not help the next call."""


@dataclass(frozen=True)
class Result:
    """The duration of a read, in milliseconds."""

    name: str
    median_ms: float
    max_ms: float
    target_ms: float | None

    @property
    def verdict(self) -> str:
        """``ok`` or ``slow``; empty without a target."""
        if self.target_ms is None:
            return ""
        return "ok" if self.median_ms <= self.target_ms else "slow"


@dataclass(frozen=True)
class Chosen:
    """The dates and securities that the cases read."""

    complete: date
    failed: date
    partial: date
    codes: list[str]

    @classmethod
    def find(cls, connection: psycopg.Connection[Any]) -> Chosen:
        """The newest date of each kind, and stocks that are listed throughout."""
        rows = connection.execute(
            """SELECT max(trade_date) FILTER (WHERE status = 'success'), max(trade_date) FILTER (WHERE loaded = 0),
                      max(trade_date) FILTER (WHERE loaded > 0 AND missing > 0)
               FROM ashare.sync_status WHERE status <> 'skipped'"""
        ).fetchone()
        listed = connection.execute(
            """SELECT code FROM ashare.security
               WHERE ipo_date < (SELECT min(calendar_date) FROM ashare.trade_calendar) AND out_date IS NULL
                 AND kind = 'stock'
               ORDER BY md5(code) LIMIT %s""",
            (WARM_UPS + TIMES,),
        ).fetchall()
        assert rows is not None
        return cls(rows[0], rows[1], rows[2], [code for (code,) in listed])


def cases(chosen: Chosen) -> dict[str, Case]:
    """The cases by name."""
    codes, quarter = chosen.codes, LAST - timedelta(days=89)
    last_days = [quarter + timedelta(days=n) for n in range(90)]
    return {
        "overview": lambda r, _: readings.overview(r),
        "coverage, 3 years": lambda r, _: r.coverage(LAST - 3 * YEAR, LAST),
        "coverage, 20 years": lambda r, _: r.coverage(LAST - 20 * YEAR, LAST),
        "list, first page": lambda r, _: readings.record_page(r, 1, PAGE),
        "list, failed": lambda r, _: readings.record_page(r, 1, PAGE, status="failed"),
        "list, last page": lambda r, _: readings.record_page(r, -(-sum(r.counts().values()) // PAGE), PAGE),
        "list, a year": lambda r, _: readings.record_page(r, 1, PAGE, LAST - YEAR, LAST),
        "recent, 365 days": lambda r, _: r.records(start=LAST - YEAR),
        "pending, 90 days": lambda r, _: r.wanting(quarter, LAST),
        "preview, 90 days": lambda r, _: dry_run(r, quarter, LAST),
        "progress, 90 days": lambda r, _: (
            r.rows.dates(r.as_of, last_days),
            r.rows.loaded_since(last_days, NOW - YEAR),
            r.rows.source_limit(),
        ),
        "a complete date": lambda r, _: _day(r, chosen.complete),
        "a date with 400 missing": lambda r, _: _day(r, chosen.partial),
        "a date with all missing": lambda r, _: _day(r, chosen.failed),
        "a security": lambda r, n: r.security(codes[n]),
        "its bars, as traded": lambda r, n: r.bars(codes[n], "none"),
        "its bars, adjusted (qfq)": lambda r, n: r.bars(codes[n], "qfq"),
        "find securities": lambda r, n: readings.securities(r, codes[n][4:8]),
        "find securities, by pinyin": lambda r, n: readings.securities(r, PINYIN[n % len(PINYIN)]),
        "datasets": lambda r, _: readings.kept_datasets(r),
        "request ledger": lambda r, _: r.source(),
    }


def _day(reader: StatusReader, day: date) -> object:
    row = reader.record(day)
    assert row is not None
    return readings.day(reader, row)


def measure(connect: Connect) -> list[Result]:
    """Measure every case."""
    idle_stores = IdleStores()
    settings = Settings(request_budget=SERVICE_LIMIT, indices=DEFAULT_INDICES)
    with connect() as connection:
        chosen = Chosen.find(connection)

    def read(case: Case, number: int) -> object:
        with (
            idle_stores.lend("bench", lambda: Store(connect)) as store,
            status_reader(store, settings=settings, now=lambda: NOW) as reader,
        ):
            return case(reader, number)

    works: dict[str, Callable[[int], object]] = {
        name: functools.partial(read, case) for name, case in cases(chosen).items()
    }
    start = LAST - 20 * YEAR
    days: Any = read(lambda reader, _: reader.coverage(start, LAST), 0)
    works[JSON] = lambda _: CoverageDays(start_date=start, end_date=LAST, days=days).model_dump_json()
    return timed(works, {name: None if name == JSON else TARGET_MS for name in works})


def timed(works: Mapping[str, Callable[[int], object]], targets: Mapping[str, float | None]) -> list[Result]:
    """Run each work ``WARM_UPS + TIMES`` times; the results leave the warm-ups out."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    # In turns, so that other load on the machine is spread over all works.
    for number in range(WARM_UPS + TIMES):
        for name, work in works.items():
            began = time.perf_counter()
            work(number)
            taken[name].append((time.perf_counter() - began) * 1000)
    return [_result(name, times[WARM_UPS:], targets[name]) for name, times in taken.items()]


def _result(name: str, times: list[float], target_ms: float | None) -> Result:
    return Result(name, round(statistics.median(times), 1), round(max(times), 1), target_ms)
