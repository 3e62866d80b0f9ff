"""What happens to the world while a person backfills: faults, kills, lost connections, crashes, vanished rows.

Everything is done from one loop (``step`` is called some times a second), with two random clocks: one for what a
task has to bear, one for what the whole database has to bear. The seed decides what is drawn, but not when Airflow
runs which task: the same seed is the same kind of weather, not the same film.

The database crashes in both ways that there are: a backend is killed, upon which PostgreSQL ends all others and
recovers; or the server is stopped on the spot (SIGQUIT: `pg_ctl -m immediate`) and started again. Airflow loses all
its connections in either case; what does not survive it is started again by ``World.keep_up``. Between two crashes
there is at least a minute: Airflow needs half of one to find out whose tasks were lost.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

import psutil  # type: ignore[import-untyped, unused-ignore]
import psycopg

from ashare_emulator.faults import Fault
from ashare_local import StackError
from tests.soak.faults import FaultMaker
from tests.soak.world import World

MOST_WAITING = 2
"""Faults of one method that have not struck yet: more would strike one after the other, at every try of a task."""
FIRST_FAULTS = 8

SECONDS_BETWEEN = (1.0, 4.0)
SECONDS_BETWEEN_CRASHES = (60.0, 150.0)

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


class Chaos:
    """Random trouble.

    :param kinds: the kinds of faults to draw from.
    """

    def __init__(self, world: World, rng: random.Random, kinds: Sequence[str]) -> None:
        self._world, self._rng, self._kinds = world, rng, kinds
        codes = [security.code for security in world.market.securities()]
        self._codes = sorted({row[1] for row in world.market.bars_on(world.first, "stock")})
        self._days = [day for day, is_open in world.market.trade_dates(world.first, world.last) if is_open]
        self._maker = FaultMaker(rng, codes, [str(day) for day in self._days])
        self.faults: list[Fault] = []
        self._next = time.monotonic()
        self._next_crash = time.monotonic() + rng.uniform(*SECONDS_BETWEEN_CRASHES)
        self._action: Callable[[], bool] | None = None
        self._actions: dict[Callable[[], bool], int] = {
            self._misbehave: 6,
            self._kill_task: 3,
            self._end_sessions: 3,
            self._delete_rows: 3,
            self._age_reference: 1,
        }

    def begin(self) -> None:
        """Faults before the first backfill: the calendar and the list of securities are read by it."""
        for _ in range(FIRST_FAULTS):
            self._misbehave()

    def step(self) -> None:
        """Do something if it is time for it."""
        if time.monotonic() < self._next:
            return
        if self._action is None:
            self._action = self._choose()
        try:
            if not self._action():
                return  # nobody there to be hit: it waits for somebody
        except (psycopg.Error, StackError, psutil.Error, ProcessLookupError):
            # The victim has just gone, or the database has not come back yet.
            self._world.figures["strokes that hit nothing"] += 1
        self._action = None
        self._next = time.monotonic() + self._rng.uniform(*SECONDS_BETWEEN)

    def end(self) -> None:
        """No more trouble; what was prepared is called off."""
        self._world.emulator.clear_faults()

    def _choose(self) -> Callable[[], bool]:
        if time.monotonic() >= self._next_crash:
            self._next_crash = time.monotonic() + self._rng.uniform(*SECONDS_BETWEEN_CRASHES)
            return self._rng.choice((self._crash, self._restart))
        return self._rng.choices(list(self._actions), list(self._actions.values()))[0]

    # Each says whether it hit anybody.

    def _misbehave(self) -> bool:
        fault = self._maker.make(self._kinds)
        waiting = sum(other.method == fault.method and other.struck < other.times for other in self.faults)
        if waiting < MOST_WAITING:
            self.faults.append(fault)
            self._world.emulator.add_fault(fault)
        return True

    def _kill_task(self) -> bool:
        running = self._world.task_processes()
        if not running:
            return False
        supervisor, task = self._rng.choice(running)
        if self._rng.random() < 0.8:
            task.kill()
            self._world.figures["tasks killed"] += 1
        else:
            # The task itself lives on for a while, unwatched, beside the one that takes its place.
            supervisor.kill()
            self._world.figures["supervisors killed"] += 1
        return True

    def _end_sessions(self) -> bool:
        found = [pid for (pid,) in self._world.ask(f"{BACKENDS} AND datname = 'ashare'")]
        chosen = self._rng.sample(found, min(len(found), self._rng.choice((1, 1, 2, 8))))
        self._world.ask("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS t (pid)", chosen)
        self._world.figures["database sessions ended"] += len(chosen)
        return bool(chosen)

    def _delete_rows(self) -> bool:
        some = "(trade_date, code) IN (SELECT trade_date, code FROM ashare.daily_bar ORDER BY random() LIMIT %s)"
        condition, value = self._rng.choice(
            [
                (some, self._rng.choice((1, 3, 8))),  # few enough to be asked for one by one
                (some, self._rng.choice((50, 400))),
                ("date_trunc('week', trade_date) = date_trunc('week', %s::date)", self._rng.choice(self._days)),
                ("trade_date = %s", self._rng.choice(self._days)),
                ("code = %s", self._rng.choice(self._codes)),
            ]
        )
        with self._world.stack.ashare_connection() as connection:
            gone = connection.execute(f"DELETE FROM ashare.daily_bar WHERE {condition}", (value,)).rowcount
        self._world.figures["rows deleted"] += gone
        return True

    def _age_reference(self) -> bool:
        """As if a long time had passed: the calendar and the list of securities have to be read again."""
        years = timedelta(days=700)
        self._world.ask("UPDATE ashare.security SET updated_at = updated_at - %s", years)
        self._world.ask("UPDATE ashare.trade_calendar SET fetched_at = fetched_at - %s", years)
        self._world.figures["calendar and list aged"] += 1
        return True

    def _crash(self) -> bool:
        found = [pid for (pid,) in self._world.ask(BACKENDS)]
        os.kill(self._rng.choice(found), signal.SIGKILL)
        self._world.figures["database crashes"] += 1
        return True

    def _restart(self) -> bool:
        postgres = self._world.stack.postgres
        server = psutil.Process(postgres.pid)
        server.send_signal(signal.SIGQUIT)
        while postgres.pid is not None:
            time.sleep(0.02)
        self._world.figures["database restarts"] += 1
        postgres.start()
        return True
