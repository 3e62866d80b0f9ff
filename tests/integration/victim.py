"""A process to be killed: it works on one batch of a trade date, or of a history, as Airflow's task does."""

from __future__ import annotations

import argparse
from datetime import date, datetime
from functools import partial
from typing import Any

import psycopg

from ashare.dates import SHANGHAI
from ashare.settings import Settings
from ashare.source import SourceConfig
from ashare.source.transport import Limits
from ashare.store import Store
from ashare.sync import Run, fetch_and_copy, history
from ashare.sync.history import HistoryRun


def main() -> None:
    """Fetch and load the batch; an error ends the process with its trace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket-dir", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", required=True, type=int, help="Baostock's")
    parser.add_argument("--day", required=True, type=date.fromisoformat, help="the trade date, or a history's last")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, help="a history's first day")
    parser.add_argument("--batch", required=True, type=int)
    parser.add_argument("--now", required=True, type=datetime.fromisoformat, help="in Beijing")
    parser.add_argument("--idle", required=True, type=float, help="seconds that Baostock may say nothing")
    args = parser.parse_args()
    now = args.now.replace(tzinfo=SHANGHAI)
    source = SourceConfig("127.0.0.1", args.port, limits=Limits(connect=2.0, idle=args.idle, reply=2 * args.idle))
    options: dict[str, Any] = {"who": "victim", "settings": Settings(lock_timeout=20.0), "now": lambda: now}
    with Store(partial(psycopg.connect, host=args.socket_dir, user="postgres", dbname=args.database)) as store:
        if args.first:
            history.fetch_and_copy(
                HistoryRun(args.first, args.day, store=store, source=source, **options), args.batch
            )
        else:
            fetch_and_copy(Run(args.day, store=store, source=source, **options), args.batch)


if __name__ == "__main__":
    main()
