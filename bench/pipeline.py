"""A trade date through Airflow: its requests to Baostock, its duration, and where the time goes.

All measurements but the first start use one `make up`. Emulators run on one port, one after the other, each with
its own reply times. Each measurement has its own dates, which have not been loaded before.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import psutil  # type: ignore[import-untyped, unused-ignore]

from ashare.settings import DEFAULT_INDICES
from ashare.source import SourceConfig
from ashare.source.calls import BAR_FIELDS
from ashare.store import Store
from ashare.sync import Run
from ashare.sync.reference import ensure_reference
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import BarKind, Row
from ashare_emulator.records import RequestRecord
from ashare_emulator.server import Emulator
from ashare_local import PROJECT
from ashare_local.ports import free_port
from bench.figures import Figure
from bench.running import EMPTY, Running

REPLY_SECONDS = 0.16
MARKET_TOO = f"a whole market in {REPLY_SECONDS} s, too"
"""Seconds of a reply here: the minimum of a call for one security at Baostock."""
MARKET_SECONDS = 3.0
"""Seconds of a whole-market reply when the use of the connection is measured. At Baostock it takes 6 to 50 s."""
LATENCIES = dict.fromkeys(
    ("login", "logout", "query_daily_adjust_factor", "query_history_k_data_plus"), REPLY_SECONDS
) | {"query_daily_history_k_AStock": MARKET_SECONDS}

DATES = 22
"""The number of sessions in a month."""
USE_DATES = 12
HISTORY_CODES, HISTORY_BATCH = 200, 50
"""A year of so many stocks by code: two requests each, and a hand-over after each batch."""
SERIAL_STOCKS = 300
CODES, YEARS = 500, 35
"""Size of the history batch. Its memory is a figure, its time is not."""
PAIRS = 2
"""How often the backfill and the empty runs take turns."""

START, END = date(2025, 1, 1), date(2025, 12, 31)
STRETCHES = ((date(2025, 2, 5), date(2025, 4, 3)), (date(2025, 6, 3), date(2025, 9, 30)))
"""Ranges in which every weekday is a session: a skipped date would have fewer tasks."""

REQUESTS, TIME, OVERHEAD, USE, MEMORY, START_PART = (
    "Requests of a trade date",
    "Time of a trade date",
    "Overhead over empty tasks",
    "Use of the one connection",
    "Memory",
    "Parse and start",
)


class ReadyMarket(GeneratedMarket):
    """A market that caches each generated day, so that a prepared day costs the source no time."""

    @functools.cache  # noqa: B019
    def bars_on(self, day: date, kind: BarKind) -> list[Row]:
        return super().bars_on(day, kind)


@dataclass
class Bench:
    """The running Airflow, the market behind its source, and the dates that are not loaded yet."""

    airflow: Running
    market: GeneratedMarket
    port: int
    _stretches: list[list[date]] = field(init=False)

    def __post_init__(self) -> None:
        self._stretches = [
            [day for day, is_open in self.market.trade_dates(*stretch) if is_open] for stretch in STRETCHES
        ]

    def take(self, count: int) -> list[date]:
        """Consecutive sessions that no other measurement has taken."""
        days = next(days for days in self._stretches if len(days) >= count)
        taken, days[:] = days[:count], days[count:]
        return taken

    @contextlib.contextmanager
    def source(self, latency: float | Mapping[str, float] = 0.0) -> Iterator[list[RequestRecord]]:
        """Run the emulator, and yield the growing list of its requests."""
        with Emulator(self.market, port=self.port, latency=latency) as emulator:
            yield emulator.requests


def measure(directory: Path, begin: Callable[[str], None]) -> list[Figure]:
    """Measure all parts.

    :param begin: called with the name of each phase.
    """
    port = free_port()
    state = directory / "airflow"
    begin("make up, twice")
    with Running(state, port) as first:
        pass
    market = ReadyMarket(start=START, end=END)
    with Running(state, port) as airflow:
        bench = Bench(airflow, market, port)
        begin("commands")
        figures = [*_start(first.start_seconds, airflow)]
        begin(f"{SERIAL_STOCKS} stocks one by one, and a history batch at the lowest priority")
        with _history_batch() as batch:
            serial = _serial(bench)
            begin("the rest of the history batch")
        begin("a lone date")
        lone = _lone(bench)
        begin(f"{DATES} dates, {REPLY_SECONDS:g} s a request")
        figures += _requests_and_time(bench, serial, lone)
        begin(f"{PAIRS} x {DATES} dates, no latency, and {PAIRS} x {DATES} empty runs")
        figures += _overhead(bench)
        begin(f"{USE_DATES} dates, {MARKET_SECONDS:g} s a market")
        figures += _use(bench)
        begin(f"a year of {HISTORY_CODES} stocks by code, {REPLY_SECONDS:g} s a request")
        figures += _history_use(bench)
    listed = f"{batch['bars']} bars in {batch['fetch_seconds']:.0f} s, without Airflow"
    return [
        *figures,
        Figure(MEMORY, "a task of a whole-market date", lone.peak_mb, "MB", 250, detail="the largest task process"),
        Figure(MEMORY, f"a batch of {CODES} codes over {YEARS} years", batch["peak_mb"], "MB", 400, detail=listed),
    ]


@contextlib.contextmanager
def _history_batch() -> Iterator[dict[str, float]]:
    """Load a history batch in separate processes during the block, and wait for its end.

    Yields a dict that has the batch's result after the block.
    """
    command = [
        "nice",
        "-n",
        "19",
        sys.executable,
        "-m",
        "bench.history",
        "--batch",
        str(CODES),
        "--years",
        str(YEARS),
    ]
    took: dict[str, float] = {}
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield took
            took |= json.loads(process.communicate()[0])
        except BaseException:
            process.send_signal(signal.SIGINT)  # lets the process stop its PostgreSQL
            raise


def _start(first_seconds: float, airflow: Running) -> list[Figure]:
    """The figures of parsing, `make up` and commands."""
    plain = statistics.median(airflow.seconds_of("dags", "--help") for _ in range(3))
    ours = statistics.median(airflow.seconds_of("dags", "backfill", "--help") for _ in range(3))
    parsed = [airflow.seconds_to_parse() for _ in range(3)]
    heavy = sorted(set().union(*(modules for _, modules in parsed)))
    return [
        Figure(
            START_PART,
            "the DAG files are parsed, all together",
            round(statistics.median(seconds for seconds, _ in parsed), 2),
            "s",
            1,
            detail=f"imports {', '.join(heavy)}" if heavy else "without pandas, baostock and psycopg",
        ),
        Figure(START_PART, "make up, until a user sees the DAG: first start", round(first_seconds, 1), "s"),
        Figure(START_PART, "the same, started again", round(airflow.start_seconds, 1), "s"),
        Figure(START_PART, "airflow dags --help", round(plain, 2), "s"),
        Figure(START_PART, "airflow dags backfill --help", round(ours, 2), "s", detail=f"{ours - plain:+.2f} s"),
    ]


def _serial(bench: Bench) -> float:
    """Seconds per stock of a script that requests one stock after the other, with the same client and server."""
    import baostock
    from baostock.common import contants

    contants.BAOSTOCK_SERVER_IP, contants.BAOSTOCK_SERVER_PORT = "127.0.0.1", bench.port
    day = str(END)
    codes = [row[1] for row in bench.market.bars_on(END, "stock")]
    with bench.source(REPLY_SECONDS):
        with contextlib.redirect_stdout(io.StringIO()):
            baostock.login()
        began = time.monotonic()
        for code in codes[:SERIAL_STOCKS]:
            reply = baostock.query_history_k_data_plus(code, BAR_FIELDS, day, day, "d", "3")
            assert reply.error_code == "0"
            while reply.next():
                reply.get_row_data()
        seconds = time.monotonic() - began
        with contextlib.redirect_stdout(io.StringIO()):
            baostock.logout()
    return seconds / SERIAL_STOCKS


@dataclass(frozen=True)
class Lone:
    """A lone date: its seconds from queued to recorded, its requests, the peak memory of its largest process."""

    seconds: float
    requests: int
    peak_mb: float


def _lone(bench: Bench) -> Lone:
    """Load one date into a database that knows the calendar and the list of securities only."""
    (day,) = bench.take(1)
    with bench.source(), Store(lambda: bench.airflow.connect("ashare")) as store:
        ensure_reference(Run(day, store=store, source=SourceConfig("127.0.0.1", bench.port)))
    with bench.source(REPLY_SECONDS) as requests, _peak(bench.airflow.workers) as peak:
        backfill = bench.airflow.backfill([day])
        assert backfill.recorded is not None
        return Lone(backfill.recorded, len(requests), round(peak.mb))


@contextlib.contextmanager
def _peak(processes: Callable[[], Sequence[psutil.Process]]) -> Iterator[SimpleNamespace]:
    """Yields the peak memory of the largest of the processes during the block, in MB."""
    peak, ended = SimpleNamespace(mb=0.0), threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            for process in processes():
                try:
                    peak.mb = max(peak.mb, process.memory_info().rss / 2**20)
                except psutil.Error:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _requests_and_time(bench: Bench, serial: float, lone: Lone) -> list[Figure]:
    days = bench.take(DATES)
    securities = len(bench.market.bars_on(days[0], "stock")) + len(DEFAULT_INDICES)
    by_one = serial * securities
    with bench.source(REPLY_SECONDS) as requests:
        backfill = bench.airflow.backfill(days)
    assert backfill.recorded is not None
    a_date = backfill.recorded / DATES
    return [
        Figure(REQUESTS, "a lone date, calendar and list known", lone.requests, "", 20),
        Figure(REQUESTS, f"a date of {DATES}", round(len(requests) / DATES, 2), "", 10),
        Figure(REQUESTS, "one request per stock", securities, ""),
        Figure(TIME, "one request per stock", round(by_one), "s", detail=f"{1000 * serial:.1f} ms a stock"),
        Figure(TIME, "a lone date, queued to recorded", round(lone.seconds, 2), "s"),
        Figure(TIME, "as many times faster", round(by_one / lone.seconds), "x", 60, at_least=True, detail=MARKET_TOO),
        Figure(TIME, f"a date of {DATES}", round(a_date, 2), "s"),
        Figure(
            TIME,
            f"as many times faster, a date of {DATES}",
            round(by_one / a_date),
            "x",
            300,
            at_least=True,
            detail=MARKET_TOO,
        ),
    ]


def _overhead(bench: Bench) -> list[Figure]:
    """Compare backfills with empty runs of the same shape, in turns: other load on the machine affects both."""
    ours, empty, processor, instances = [], [], [], 0
    for _ in range(PAIRS):
        days = bench.take(DATES)
        for day in days:
            bench.market.bars_on(day, "stock")
        before = bench.airflow.processor_seconds()
        with bench.source():
            done = bench.airflow.backfill(days)
        between = bench.airflow.processor_seconds()
        nothing = bench.airflow.backfill(days, EMPTY, {"batches": done.batches})
        assert nothing.task_instances == done.task_instances
        ours.append(done.seconds)
        empty.append(nothing.seconds)
        processor.append((between - before, bench.airflow.processor_seconds() - between))
        instances += done.task_instances
    processes = "Airflow's and PostgreSQL's processes: without the emulator's and the command's"
    used = [statistics.mean(seconds) for seconds in zip(*processor, strict=True)]
    return [
        Figure(OVERHEAD, f"{DATES} dates, no latency", round(statistics.mean(ours), 1), "s", detail=_listed(ours)),
        Figure(OVERHEAD, f"{DATES} empty runs", round(statistics.mean(empty), 1), "s", detail=_listed(empty)),
        Figure(OVERHEAD, "as many times as long", round(sum(ours) / sum(empty), 2), "x", 1.25),
        Figure(OVERHEAD, f"processor time of {DATES} dates", round(used[0], 1), "s", detail=processes),
        Figure(OVERHEAD, f"processor time of {DATES} empty runs", round(used[1], 1), "s"),
        Figure(OVERHEAD, "as many times the processor time", round(used[0] / used[1], 2), "x", 1.2),
        Figure(OVERHEAD, "task instances a date", round(instances / PAIRS / DATES, 2), ""),
    ]


def _listed(seconds: Sequence[float]) -> str:
    return ", ".join(f"{one:.1f}" for one in seconds)


def _use(bench: Bench) -> list[Figure]:
    with bench.source(LATENCIES) as requests:
        bench.airflow.backfill(bench.take(USE_DATES))
    return _busy(requests, f"{USE_DATES} dates, {MARKET_SECONDS:g} s a market", "the source is busy", 90)


def _history_use(bench: Bench) -> list[Figure]:
    codes = [row[1] for row in bench.market.bars_on(END, "stock")[:HISTORY_CODES]]
    conf = {"start_date": str(START), "end_date": str(END), "codes": codes, "kinds": ["stock"]}
    with bench.source(REPLY_SECONDS) as requests:
        bench.airflow.history(conf | {"batch_size": HISTORY_BATCH})
    name = f"a year of {HISTORY_CODES} stocks by code, {REPLY_SECONDS:g} s a request"
    return _busy(requests, name, "the source is busy, by code", 97)


def _busy(requests: Sequence[RequestRecord], work: str, name: str, target: float) -> list[Figure]:
    """The time from the first to the last request, and the share of it in which the source had a request."""
    busy = sum(request.finished - request.started for request in requests)
    wall = requests[-1].finished - requests[0].started
    return [
        Figure(USE, work, round(wall, 1), "s", detail=f"{len(requests)} requests, busy {busy:.1f} s"),
        Figure(USE, name, round(100 * busy / wall, 1), "%", target, at_least=True),
    ]
