"""``python -m ashare_emulator``: serve a market, report on the log of a server, or compare bars with a market."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path

from ashare.dates import SHANGHAI, beijing_now
from ashare_emulator.comparison import count_equal_bars
from ashare_emulator.faults import KINDS, Fault, parse_fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.index_members import FULL_SIZES
from ashare_emulator.log_report import check_log
from ashare_emulator.market import Market
from ashare_emulator.panel import PanelMarket
from ashare_emulator.server import Emulator

BARS_OUT, FACTORS_OUT = time(17, 30), time(18, 0)
"""The Beijing times at which the real service publishes a day's bars and its adjust factors."""
REFERENCE_OUT = time(18, 0)
"""The Beijing time at which a Monday's index members and industries appear. The emulator's own choice."""

PANEL_OPTIONS = ("basic", "calendar", "factors", "members", "industries")
"""The options that describe a recorded market."""


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option in one sentence, without argparse's usage text."""

    def error(self, message: str) -> None:  # type: ignore[override]
        sys.stderr.write(f"{message[0].upper()}{message[1:]}{'' if message.endswith('.') else '.'}\n")
        sys.exit(2)


def _argument(convert: Callable[[str], object], form: str) -> Callable[[str], object]:
    def parse(text: str) -> object:
        try:
            return convert(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {form}") from None

    return parse


def _fault(text: str) -> Fault:
    try:
        return parse_fault(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _index_file(text: str) -> tuple[str, Path]:
    index, equals, path = text.partition("=")
    if not equals or index not in FULL_SIZES:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not written as INDEX=FILE, with an index of {', '.join(FULL_SIZES)}."
        )
    return index, Path(path)


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number < 65536:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < 3600:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="ashare emulator", description="A Baostock server for trying things out.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    serve = commands.add_parser("serve", help="serve a generated market, or one recorded in CSV files")
    add = serve.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add(
        "--port",
        type=_argument(_port, "a port (0 to 65535)"),
        default=10030,
        help="port to listen on, 0 for a free one (default: %(default)s)",
    )
    add("--port-file", type=Path, help="file to write the port to once the server is ready")
    _add_generated_market(serve)
    add("--panel", type=Path, action="append", default=[], help="CSV file (.gz too) of daily bars to serve instead")
    add("--basic", type=Path, help="with --panel: CSV file of the securities, as query_stock_basic has them")
    add("--calendar", type=Path, help="with --panel: CSV file of the calendar, as query_trade_dates has it")
    add("--factors", type=Path, action="append", default=[], help="with --panel: CSV file of adjust factors")
    add(
        "--members",
        type=_index_file,
        action="append",
        default=[],
        help="with --panel: INDEX=FILE, CSV file of an index's members (sh.000300=members.csv)",
    )
    add("--industries", type=Path, action="append", default=[], help="with --panel: CSV file of industries")
    add("--latency", type=_argument(_seconds, "a number of seconds"), default=0.0, help="seconds before each reply")
    add("--log", type=Path, help="file to which every connection and request is appended as a line of JSON")
    add("--fault", type=_fault, action="append", default=[], help=f"method=...,kind=...; kinds: {', '.join(KINDS)}")
    add(
        "--now",
        type=_argument(datetime.fromisoformat, "a time (YYYY-MM-DDTHH:MM)"),
        help="Beijing time at which the service's clock stands still (default: the real time)",
    )
    check = commands.add_parser("check", help="count a log's requests; exit code 1 if connections overlapped")
    check.add_argument("log", type=Path)
    compare = commands.add_parser(
        "compare",
        help="count the bars on standard input (CSV: date, code, close, volume) that a generated market has",
    )
    _add_generated_market(compare)
    return parser


def _add_generated_market(parser: argparse.ArgumentParser) -> None:
    a_date, a_count = _argument(date.fromisoformat, "a date (YYYY-MM-DD)"), _argument(_whole, "a whole number")
    add = parser.add_argument
    add("--stocks", type=a_count, default=5200, help="generated market: number of stocks (default: %(default)s)")
    add("--seed", type=a_count, default=1, help="generated market: seed (default: %(default)s)")
    add("--start", type=a_date, default=date(2024, 1, 1), help="generated market: first day (default: %(default)s)")
    add("--end", type=a_date, help="generated market: last day (default: the end of next year)")


def _market(options: argparse.Namespace, today: date) -> Market:
    if options.panel:
        members: dict[str, list[Path]] = {}
        for index, path in options.members:
            members.setdefault(index, []).append(path)
        return PanelMarket(
            options.panel,
            basic=options.basic,
            calendar=options.calendar,
            factors=options.factors,
            members=members,
            industries=options.industries,
        )
    if any(getattr(options, name) for name in PANEL_OPTIONS):
        *names, last = (f"--{name}" for name in PANEL_OPTIONS)
        raise ValueError(f"The options {', '.join(names)} and {last} go with --panel.")
    return _generated_market(options, today)


def _generated_market(options: argparse.Namespace, today: date) -> GeneratedMarket:
    # A server that runs into the next year still has bars to serve.
    end = options.end or date(max(today.year, options.start.year) + 1, 12, 31)
    return GeneratedMarket(start=options.start, end=end, stocks=options.stocks, seed=options.seed)


def _serve(options: argparse.Namespace) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def now() -> datetime:
        fixed: datetime | None = options.now
        return fixed.replace(tzinfo=SHANGHAI) if fixed else beijing_now()

    def published(since: time) -> Callable[[], date]:
        return lambda: now().date() - timedelta(days=int(now().time() < since))

    market = _market(options, now().date())
    server = Emulator(
        market,
        host=options.host,
        port=options.port,
        latency=options.latency,
        faults=options.fault,
        log_path=options.log,
        published_until=published(BARS_OUT),
        factors_until=published(FACTORS_OUT),
        reference_until=published(REFERENCE_OUT),
        now=now,
    )
    with server:
        if options.port_file:
            options.port_file.write_text(f"{server.port}\n", encoding="ascii")
        source = f"{len(options.panel)} CSV file(s)" if options.panel else f"generated market, seed {options.seed}"
        ready = f"Baostock emulator on {server.host}:{server.port} ({source}, up to {market.end})\n"
        sys.stdout.write(ready)
        sys.stdout.flush()
        # A wait with a timeout lets signal handlers run on every platform.
        while not stop.wait(1.0):
            pass
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "serve":
            return _serve(options)
        if options.command == "compare":
            market = _generated_market(options, beijing_now().date())
            sys.stdout.write(f"{count_equal_bars(market, sys.stdin)}\n")
            return 0
        report, overlaps = check_log(options.log)
        sys.stdout.write(report)
        return 1 if overlaps else 0
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{_sentence(error, options)}\n")
        return 2


def _sentence(error: OSError | ValueError, options: argparse.Namespace) -> str:
    if not isinstance(error, OSError):
        return str(error)
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.filename:
        return f"{error.filename}: {reason}."
    return f"Cannot listen on {options.host}:{options.port} ({reason}): choose another address with --host or --port."


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        sys.exit(main())
