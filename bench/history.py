"""Many years by code against the emulator: `python -m bench.history --stocks 500 --years 10`.

Loads a generated market's history in a separate process, and compares the table with the market row by row. With
``--batch N``, loads one batch of N stocks only, and prints its bars, seconds and peak memory.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from ashare.settings import DEFAULT_INDICES
from ashare.source import SourceConfig
from ashare.store import Store
from ashare.sync.history import HistoryRun, fetch_and_copy, plan_batches, record_status
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS, STOCK, Security
from ashare_local import PROJECT
from ashare_local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from typing_extensions import LiteralString  # in typing since Python 3.11

STOCKS, YEARS = 500, 10
LAST = date(2026, 10, 30)
PAGE_ROWS = 2000

PREPARE: LiteralString = """
CREATE TEMPORARY VIEW bar AS
SELECT trade_date, code, open, high, low, close, preclose, volume, amount, turn, pct_chg, is_trading, is_st,
       pe_ttm, pb_mrq, ps_ttm, pcf_ncf_ttm
FROM ashare.daily_bar;
CREATE TEMPORARY TABLE sent AS SELECT * FROM bar LIMIT 0
"""
DIFFERING: LiteralString = """
SELECT (SELECT count(*) FROM (TABLE sent EXCEPT TABLE bar) AS lost)
       + (SELECT count(*) FROM (TABLE bar EXCEPT TABLE sent) AS made_up)
"""
SENT = (
    "date code open high low close preclose volume amount turn pctChg tradestatus isST peTTM pbMRQ psTTM pcfNcfTTM"
).split()


@dataclass(frozen=True)
class Result:
    """The result of loading a history.

    :ivar fewest: the minimum number of requests: one per page of 2,000 bars of a security, and one per stock with
        bars for its factors.
    :ivar differing: number of rows that only the table or only the market has.
    """

    securities: int
    years: int
    bars: int
    requests: int
    fewest: int
    differing: int
    fetch_seconds: float
    record_seconds: float
    peak_mb: float

    @property
    def verdict(self) -> str:
        """``ok``, or the first criterion that is not met."""
        if self.differing:
            return "differs"
        if self.requests > 1.03 * self.fewest:
            return "too many requests"
        return "ok" if self.peak_mb < 400 else "too much memory"


def measure(directory: Path, stocks: int = STOCKS, years: int = YEARS) -> Result:
    """Load the history of a market of ``stocks`` stocks into a new database below ``directory``."""
    first = _first(years)
    market = GeneratedMarket(start=first, end=LAST, stocks=stocks, etfs=0, indices=len(DEFAULT_INDICES))
    with (
        EmbeddedPostgres(directory / "history", databases=("ashare",), durable=False) as server,
        _emulator(directory, first, stocks) as port,
        _connect(str(server.socket_dir)) as connection,
    ):
        loaded = _load_elsewhere(str(server.socket_dir), port, first)
        listed = [s for s in market.securities() if s.type == STOCK or s.code in DEFAULT_INDICES]
        return Result(
            securities=len(listed),
            years=years,
            bars=_send(connection, market, listed, first),
            requests=_one(connection, "SELECT count(*) FROM ashare.source_request"),
            fewest=_fewest(market, listed, first),
            differing=_one(connection, DIFFERING),
            **loaded,
        )


@dataclass(frozen=True)
class Batch:
    """The result of loading one batch: its bars, its seconds, and the peak memory of its process in MB."""

    bars: int
    fetch_seconds: float
    peak_mb: float


def measure_batch(directory: Path, stocks: int, years: int) -> Batch:
    """Load one batch of ``stocks`` stocks into a new database below ``directory``."""
    first = _first(years)
    with (
        EmbeddedPostgres(directory / "history", databases=("ashare",), durable=False) as server,
        _emulator(directory, first, stocks) as port,
        _connect(str(server.socket_dir)) as connection,
    ):
        loaded = _load_elsewhere(str(server.socket_dir), port, first, "--batch", str(stocks))
        bars = _one(connection, "SELECT count(*) FROM ashare.daily_bar")
        return Batch(bars, loaded["fetch_seconds"], loaded["peak_mb"])


def _first(years: int) -> date:
    return max(LAST.replace(year=LAST.year - years) + timedelta(days=1), date(1990, 12, 19))


def _connect(socket_dir: str) -> psycopg.Connection[Any]:
    return psycopg.connect(host=socket_dir, user="postgres", dbname="ashare")


@contextmanager
def _emulator(directory: Path, first: date, stocks: int) -> Iterator[int]:
    """Run the emulator in another process, and yield its port."""
    file = directory / "port"
    command = [sys.executable, "-m", "ashare_emulator", "serve", "--port", "0", "--port-file", str(file)]
    command += ["--stocks", str(stocks), "--start", str(first), "--end", str(LAST), "--now", f"{LAST} 23:30"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=PROJECT)
    try:
        while not (file.exists() and file.read_text()):
            if process.poll() is not None:
                raise RuntimeError("The emulator did not start.")
            time.sleep(0.05)
        yield int(file.read_text())
    finally:
        process.kill()
        process.wait()


def _send(connection: psycopg.Connection[Any], market: GeneratedMarket, listed: list[Security], first: date) -> int:
    """Write the market's bars into the temporary table ``sent``, to compare them with the loaded bars.

    :returns: the number of bars.
    """
    connection.execute(PREPARE)
    at = [COLUMNS.index(name) for name in SENT]
    trading = SENT.index("tradestatus")
    count = 0
    with connection.cursor() as cursor, cursor.copy("COPY sent FROM STDIN") as copy:
        for security in listed:
            for row in market.bars_of(security.code, first, LAST):
                values = [row[n] or "\\N" for n in at]
                values[trading] = row[at[trading]] or "1"  # an index is never suspended
                copy.write("\t".join(values) + "\n")
                count += 1
    return count


def _one(connection: psycopg.Connection[Any], query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def _fewest(market: GeneratedMarket, listed: list[Security], first: date) -> int:
    count = 0
    for security in listed:
        bars = len(market.bars_of(security.code, first, LAST))
        count += math.ceil(bars / PAGE_ROWS) + (security.type == STOCK and bars > 0)
    return count


def _load_elsewhere(socket_dir: str, port: int, first: date, *more: str) -> dict[str, float]:
    """Load the history in another process, whose memory is measured alone; return its seconds and peak memory."""
    command = [
        sys.executable,
        "-m",
        "bench.history",
        "--load",
        socket_dir,
        "--port",
        str(port),
        "--first",
        str(first),
        *more,
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    took: dict[str, float] = json.loads(done.stdout)
    return took


def _load(socket_dir: str, port: int, first: date, batch_size: int | None) -> None:
    """Runs in the separate process: load the history, and print the seconds and the peak memory as JSON.

    With ``batch_size``, load the kind ``stock`` only, in batches of this size.
    """
    with Store(lambda: _connect(socket_dir)) as store:
        store.migrate()
        history = HistoryRun(first, LAST, store=store, source=SourceConfig("127.0.0.1", port))
        if batch_size:
            history = replace(history, kinds=("stock",), batch_size=batch_size)
        began = time.monotonic()
        for batch in plan_batches(history):
            fetch_and_copy(history, batch.batch_no)
        fetched = time.monotonic()
        if not batch_size:
            record_status(history)
    took = {
        "fetch_seconds": round(fetched - began, 1),
        "record_seconds": round(time.monotonic() - fetched, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    sys.stdout.write(json.dumps(took))


def main() -> int:
    """Measure one history or batch; with ``--load``, be the process that loads it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--stocks", type=int, default=STOCKS)
    parser.add_argument("--years", type=int, default=YEARS)
    parser.add_argument("--batch", type=int, metavar="CODES", help="load only a batch of so many stocks")
    for hidden in ("--load", "--port", "--first"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        _load(given.load, int(given.port), date.fromisoformat(given.first), given.batch)
        return 0
    if given.batch:
        with tempfile.TemporaryDirectory(prefix="ashare-bench-") as directory:
            Path(directory).chmod(0o755)
            sys.stdout.write(json.dumps(asdict(measure_batch(Path(directory), given.batch, given.years))) + "\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="ashare-bench-") as directory:
        Path(directory).chmod(0o755)  # if this process is root, PostgreSQL's account has to enter
        result = measure(Path(directory), given.stocks, given.years)
    sys.stdout.write(json.dumps({**asdict(result), "verdict": result.verdict}, indent=2) + "\n")
    return 0 if result.verdict == "ok" else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
