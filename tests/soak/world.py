"""What is tormented: a generated market, its emulator in this process, and a real Airflow on a real PostgreSQL.

Airflow's own database lies in the same server as the bars, so a crash of the server is a crash under Airflow, too.
Tried on Airflow 3.3.2: often all of it opens new connections and goes on; at other times the scheduler dies of it, or
the DAG processor and the triggerer as well, by where in their loops the crash finds them; the API server never did.
That is no reason to spare the server: Airflow is to be run under something that starts it again, and what is tested
is what the package makes of it. ``World.keep_up`` is that something, as systemd would be.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]

from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local import PROJECT, processes
from ashare_local.components import SCHEDULER
from ashare_local.processes import Component, GracePeriod
from ashare_local.stack import Stack
from ashare_local.stack_connections import baostock_json

STOCKS = 300
LATENCY = 0.1
"""Seconds before each reply: long enough that it is the source that is waited for, and kills hit sessions."""

FIRST = date(2025, 9, 15)
"""The first trade date; the National Day holiday (1 to 8 October) is in every soak, however short."""
BEFORE = timedelta(days=45)
"""The market begins so much earlier, for whoever looks back from the first trade date."""

SETTINGS = {
    # Short waits, or the half hour would pass with waiting: what is tested is that a wait ends, not how long it is.
    "ASHARE_RETRIES": "2",
    "ASHARE_RETRY_SECONDS": "1",
    "ASHARE_CONNECT_TIMEOUT": "5",
    "ASHARE_IDLE_TIMEOUT": "4",
    "ASHARE_REPLY_TIMEOUT": "12",
    "ASHARE_LOCK_TIMEOUT": "120",
    # How soon Airflow notices a task whose supervisor was killed: by default after 5 and 10 minutes.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
}

AT_ONCE = GracePeriod(leader=1, members=1)


def last_date(minutes: float) -> date:
    """The last trade date: enough of them that the time is filled, few enough that the final backfill ends soon."""
    return FIRST + timedelta(days=round(min(max(35.0, 4 * minutes), 280)))


@dataclass
class World:
    """Market, emulator and stack, and the figures of what was done to them."""

    market: GeneratedMarket
    emulator: Emulator
    stack: Stack
    first: date
    last: date
    figures: Counter[str] = field(default_factory=Counter)

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query on the ``ashare`` database; what has none gives an empty list.

        :raises StackError: the database refuses.
        :raises psycopg.Error: it went away.
        """
        with self.stack.ashare_connection() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def ask_airflow(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The same, on Airflow's database."""
        with self.stack.postgres.connect("airflow") as connection:
            return connection.execute(query, values).fetchall()

    def keep_up(self) -> list[str]:
        """Start again what has ended of Airflow, and return its names."""
        ended = [component for component in self.stack.components.values() if component.ended is not None]
        for component in ended:
            self._replace(component)
        return [component.name for component in ended]

    def restart_scheduler(self) -> None:
        """End the scheduler and all its tasks, and start another."""
        self._replace(self.stack.components[SCHEDULER])

    def task_processes(self) -> list[tuple[psutil.Process, psutil.Process]]:
        """The supervisor and the task itself, for each task that Airflow knows to be running.

        Never a worker without a task: it waits in a queue's lock, which would stay locked for all others if it were
        killed. And never a supervisor that has not said yet that its task runs: Airflow's LocalExecutor cannot take a
        task back that it has handed out, and would leave it queued for ever. Neither is a weakness of ours.
        """
        known = {pid for (pid,) in self.ask_airflow("SELECT pid FROM task_instance WHERE state = 'running'")}
        found = []
        for pid in processes.members(self.stack.components[SCHEDULER].record):
            try:
                process = psutil.Process(pid)
                title = " ".join(process.cmdline())
                children = process.children()
            except psutil.Error:
                continue  # it has just ended
            if title.startswith("airflow worker -- LocalExecutor") and "<idle>" not in title:
                found += [(process, task) for task in children if task.pid in known]
        return found

    def _replace(self, component: Component) -> None:
        # What is left of its session would hold on to queues that nobody reads any more.
        processes.stop([component.record], {component.name: AT_ONCE})
        self.figures[f"{component.name} started again"] += 1
        number = self.figures[f"{component.name} started again"]
        self.stack.components[component.name] = Component(
            component.name,
            [str(part) for part in component.process.args],  # type: ignore[union-attr]
            env=self.stack.env,
            cwd=PROJECT,
            log_file=self.stack.logs / f"{component.name}-{number}.log",
        )
        # So that `stop_left_over` finds it if we are killed.
        records = [running.record for running in self.stack.components.values()]
        processes.write_records(self.stack.state_dir / "processes.json", records)


@contextmanager
def made(directory: Path, minutes: float, report: Callable[[str], None]) -> Iterator[World]:
    """A world in an empty directory; all of it is stopped at the end of the block, however it ends."""
    last = last_date(minutes)
    market = GeneratedMarket(start=FIRST - BEFORE, end=last, stocks=STOCKS)
    with Emulator(market, latency=LATENCY) as emulator:
        environment = {name: value for name, value in os.environ.items() if not _decides_otherwise(name)}
        environment |= SETTINGS | {"AIRFLOW_CONN_BAOSTOCK": baostock_json("127.0.0.1", emulator.port)}
        # Durable: the server is killed, and what it has said to be written has to be there afterwards.
        with Stack(
            directory / "stack", durable=True, scheduled=False, environment=environment, report=report
        ) as stack:
            yield World(market, emulator, stack, FIRST, last)


def _decides_otherwise(name: str) -> bool:
    """Whether a variable of the caller would make this another soak, or one of a real database."""
    return name.startswith(("ASHARE_", "AIRFLOW_", "PG"))
