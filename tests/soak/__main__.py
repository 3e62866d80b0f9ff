"""`make soak`, or `python -m tests.soak --minutes 30 --seed 7`: random faults and kills, then an exact table.

For so many minutes a person backfills random ranges of dates of a generated market through a real Airflow, while
faults strike the source, and tasks, database sessions, and the whole database die. Then the trouble ends, one
backfill runs over the whole range, and has to leave the table equal to the market, row by row and column by column,
every date a success or skipped, no two connections to the source at once, every request in the ledger, and no day
over the budget. Exit code 0 if all of that holds, 1 if not, 130 after Ctrl-C.

Not collected by pytest, and no part of `make test`: nothing in here is named ``test_...``. Everything is in a
temporary directory, which is deleted at the end, unless the soak failed: then its logs are kept, and it says where.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ashare_emulator.faults import KINDS
from ashare_local import StackError
from ashare_local.postgres import PostgresError
from ashare_local.terminal import Phases, Stopped, console, errors, print_columns, stop_signals
from tests.soak import verify, world
from tests.soak.chaos import Chaos
from tests.soak.faults import all_kinds
from tests.soak.person import Command, Person
from tests.soak.pulse import Pulse
from tests.soak.world import World

STEP_SECONDS = 0.2
QUIET_SECONDS = 900
"""In which Airflow has to end what it began, once the trouble is over; its own waits are the most of it."""
FINAL_SECONDS = 1800


class Failed(Exception):
    """The soak cannot go on; the text says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; the exit code."""
    asked = _parse(arguments)
    seed = asked.seed if asked.seed is not None else secrets.randbelow(1_000_000)
    directory = Path(tempfile.mkdtemp(prefix="ashare-soak-"))
    directory.chmod(0o755)  # PostgreSQL's account has to pass, where we are root
    keep = False
    try:
        with stop_signals():
            code = _run(directory, asked.minutes, seed, all_kinds(asked.without))
        keep = code != 0
    except Stopped:
        errors.print("The soak was interrupted; nothing is left running.")
        return 130
    except (StackError, PostgresError, Failed) as error:
        errors.print(f"\n{error}", markup=False)
        keep, code = True, 1
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)
    if keep:
        errors.print(f"Its logs and its database, stopped, are in {directory}. Seed: {seed}.", markup=False)
    return code


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the trouble lasts (default: 30)")
    parser.add_argument("--seed", type=int, help="of all random numbers (default: a random one, which is printed)")
    parser.add_argument(
        "--without", action="append", default=[], choices=list(KINDS), help="a kind of fault to leave out; repeatable"
    )
    return parser.parse_args(arguments)


def _run(directory: Path, minutes: float, seed: int, kinds: Sequence[str]) -> int:
    phases = Phases()
    console.print(f"Soak of {minutes:g} minutes, seed {seed}.")
    with world.made(directory, minutes, phases.begin) as tried:
        phases.begin(f"trouble, {tried.first} to {tried.last}")
        with Person(tried, random.Random(f"person {seed}"), directory / "backfills") as person:
            chaos = Chaos(tried, random.Random(f"chaos {seed}"), kinds)
            soak = Soak(tried, chaos, person)
            soak.trouble(minutes * 60)
            phases.begin("until Airflow is quiet")
            soak.calm_down()
            phases.begin("backfill of the whole range")
            found = soak.final_backfill()
        phases.begin("comparison")
        found += verify.problems(tried)
        verify.show_factors_that_differ(tried)
        phases.begin("stop")
        _summary(tried, chaos, person)
        verify.say(found)
    phases.end()
    if not found:
        console.print(f"\nPassed in {phases.seconds:.0f} seconds; seed {seed}; nothing is left running.")
    return 1 if found else 0


class Soak:
    """The loop that everything happens in."""

    def __init__(self, tried: World, chaos: Chaos, person: Person) -> None:
        self._world, self._chaos, self._person = tried, chaos, person
        self._pulse = Pulse(tried)
        self._began = self._told = time.monotonic()

    def trouble(self, seconds: float) -> None:
        """Backfills and trouble."""
        self._began = self._told = time.monotonic()
        self._chaos.begin()
        while time.monotonic() - self._began < seconds:
            self._person.step()
            self._chaos.step()
            self._pass()

    def calm_down(self) -> None:
        """No more trouble; wait for what is under way.

        :raises Failed: it does not end.
        """
        self._chaos.end()
        deadline = time.monotonic() + QUIET_SECONDS
        while self._person.step(begin=False) or self._pulse.active_runs():
            self._pass()
            if time.monotonic() > deadline:
                raise Failed(f"Airflow is not done after {QUIET_SECONDS} s without trouble: {self._pulse.states()}.")

    def final_backfill(self) -> list[str]:
        """The clean backfill over the whole range; what was wrong with it.

        :raises Failed: it does not end.
        """
        span = ("-s", str(self._world.first), "-e", str(self._world.last), "--reset-dagruns")
        began = time.monotonic()
        command = self._person.begin(*span)
        try:
            self._wait_for(command)
        finally:
            command.stop()
        self._world.figures["seconds of the last backfill"] = round(time.monotonic() - began)
        if command.ended == 0:
            return []
        console.print(command.output, markup=False)
        return [f"The backfill of the whole range, without any trouble, ended with exit code {command.ended}."]

    def _wait_for(self, command: Command) -> None:
        deadline = time.monotonic() + FINAL_SECONDS
        while command.ended is None:
            self._pass()
            if time.monotonic() > deadline:
                raise Failed(f"The last backfill has not ended after {FINAL_SECONDS} s: {self._pulse.states()}.")

    def _pass(self) -> None:
        """A moment passes."""
        for name in self._world.keep_up():
            console.print(f"          the {name} had ended, and was started again", style="dim")
        if stuck := self._pulse.step():
            self._person.oddities.append(stuck)
            console.print(f"          {stuck}", style="yellow", markup=False)
        if time.monotonic() - self._told >= 60:
            self._told += 60
            self._tell()
        time.sleep(STEP_SECONDS)

    def _tell(self) -> None:
        figures = self._world.figures
        backfills = sum(count for name, count in figures.items() if name.startswith("backfills"))
        console.print(
            f"{(time.monotonic() - self._began) / 60:5.0f} min  backfills {backfills}  dates {figures['dates run']}  "
            f"faults {sum(fault.struck for fault in self._chaos.faults)}  "
            f"kills {figures['tasks killed'] + figures['supervisors killed']}  "
            f"sessions ended {figures['database sessions ended']}  "
            f"crashes {figures['database crashes'] + figures['database restarts']}  "
            f"rows deleted {figures['rows deleted']}  rows {self._pulse.rows}  "
            f"requests {self._world.emulator.count()}"
        )


def _summary(tried: World, chaos: Chaos, person: Person) -> None:
    struck = {kind: sum(fault.struck for fault in chaos.faults if fault.kind == kind) for kind in KINDS}
    print_columns("Faults that struck", ("kind", "times"), sorted(struck.items()), left=("kind",))
    tried.figures["connections to the source"] = len(tried.emulator.connections)
    tried.figures["faults injected"] = len(chaos.faults)
    tried.figures["times that faults struck"] = sum(struck.values())
    print_columns("What was measured", ("figure", "value"), sorted(tried.figures.items()), left=("figure",))
    for oddity in person.oddities:
        console.print(f"Note: {oddity}", style="yellow", markup=False)


if __name__ == "__main__":
    sys.exit(main())
