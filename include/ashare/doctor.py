"""``python -m include.ashare.doctor``: whether everything is well, on one screen, with an exit code for a monitor.

Exit code 0: all is well, or only worth a look (``warn``). 1: something is not well (``BAD``). At most two requests
are sent to Baostock, a login and a logout, counted like all others; none during a ban or when the budget is spent.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from include.ashare.dates import SHANGHAI, beijing_now
from include.ashare.errors import AshareError, BudgetSpent, InvalidInput, SourceBanned, SourceBusy, StoreUnavailable
from include.ashare.settings import Settings
from include.ashare.source import Session, SourceConfig
from include.ashare.steps.run import GIVE_UP, newest_published
from include.ashare.store import SourceGate, Store
from include.ashare.store.migrate import MIGRATIONS, applied
from include.ashare.store.queries import queries

OK, WARN, BAD = "ok", "warn", "BAD"

DATES = 5
LOCK_SECONDS = 5.0
OLDEST_POSTGRES = 140_000
NEARLY_SPENT = 0.9
NEW_YEAR = timedelta(days=7)
"""The calendar ends with the year; a run reads the next one within its first sessions."""
DIED_AFTER = timedelta(hours=6)
"""A date that is worked on for longer, without saying what it waits for, has lost its run: a task's time limit."""


@dataclass(frozen=True)
class Finding:
    """One thing, how it is (``ok``, ``warn`` or ``BAD``), and a sentence with the figures and what to do."""

    name: str
    state: str
    text: str


@dataclass(frozen=True)
class Patient:
    """What is looked at.

    :ivar pool: the pool's slots and how many are taken; ``None``: there is no such pool.
    """

    store: Store
    source: SourceConfig
    settings: Settings
    pool: Callable[[], tuple[int, int] | None]
    now: Callable[[], datetime] = beijing_now


class _NotKnown(Exception):
    """One thing cannot be looked at."""


def examine(patient: Patient) -> Iterator[Finding]:
    """Look at one thing after the other; what cannot be known for one does not hide the next."""
    looks: list[tuple[str, Callable[[Patient], Iterator[Finding]]]] = [
        ("database", _database),
        ("pool", _pool),
        ("calendar", _calendar),
        ("source", _source),
        ("budget", _budget),
        ("ban", _ban),
        ("trade dates", _trade_dates),
    ]
    for name, look in looks:
        try:
            yield from look(patient)
        except _NotKnown as unknown:
            yield Finding(name, WARN, str(unknown))
        except AshareError as error:
            yield Finding(name, BAD, str(error))


def _database(patient: Patient) -> Iterator[Finding]:
    with patient.store.transaction() as connection:
        row = connection.execute(queries("health")["server"]).fetchone()
        assert row is not None
        version, number, name, has_schema = row
        done = applied(connection) if has_schema else 0
        where = f"PostgreSQL {version.split()[0]}, database {name} at {connection.info.host or 'localhost'}"
    known = len(list(MIGRATIONS.glob("[0-9]*.sql")))
    if number < OLDEST_POSTGRES:
        yield Finding("database", BAD, f"{where}: PostgreSQL 14 or newer is needed.")
    elif not done:
        yield Finding("database", WARN, f"{where}: there is no schema ashare yet; the first run makes it.")
    elif done > known:
        yield Finding("database", BAD, f"{where}: schema version {done}, this code knows {known}: update it.")
    elif done < known:
        yield Finding(
            "database", WARN, f"{where}: schema version {done} of {known}; the next run brings it up to date."
        )
    else:
        yield Finding("database", OK, f"{where}, schema version {done}.")


def _pool(patient: Patient) -> Iterator[Finding]:
    found = patient.pool()
    if found is None or found[0] == 0:
        problem = "does not exist" if found is None else "has no slots"
        yield Finding("pool", BAD, f'The pool baostock {problem}, so nothing runs: airflow pools set baostock 8 "".')
    else:
        yield Finding("pool", OK, f"baostock: {found[1]} of {found[0]} slots taken.")


def _has_schema(patient: Patient) -> bool:
    """Whether the tables are there to look at.

    :raises _NotKnown: they are of an older version.
    """
    with patient.store.transaction() as connection:
        done = applied(connection)
    if 0 < done < len(list(MIGRATIONS.glob("[0-9]*.sql"))):
        raise _NotKnown("Not known before the schema is up to date; the next run does that.")
    return done > 0


def _calendar(patient: Patient) -> Iterator[Finding]:
    if not _has_schema(patient):
        yield Finding("calendar", WARN, "Not read yet; the first run reads it.")
        return
    today = patient.now().date()
    with patient.store.transaction() as connection:
        row = connection.execute(queries("health")["calendar"], {"today": today}).fetchone()
    assert row is not None
    until, fetched_at, covers_today = row
    if until is None:
        yield Finding("calendar", WARN, "Not read yet; the first run reads it.")
        return
    read = f"read on {fetched_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}, known to {until}"
    if covers_today:
        yield Finding("calendar", OK, f"{read}.")
    else:
        state = BAD if today - until > NEW_YEAR else WARN
        yield Finding(
            "calendar", state, f"{read}, which is before today: the next run of a later date reads it again."
        )


def _budget(patient: Patient) -> Iterator[Finding]:
    if not _has_schema(patient):
        yield Finding("budget", OK, f"0 of {patient.settings.request_budget} requests sent today.")
        return
    limit, budget = patient.store.source_limit(), patient.settings.request_budget
    sent = f"{limit.used_today} of {budget} requests sent today (ASHARE_REQUEST_BUDGET)"
    if limit.used_today >= budget:
        yield Finding("budget", BAD, f"{sent}: runs wait until {_clock(limit.day_ends)}, Beijing time.")
    else:
        nearly = limit.used_today >= NEARLY_SPENT * budget
        yield Finding("budget", WARN if nearly else OK, f"{sent}.")


def _ban(patient: Patient) -> Iterator[Finding]:
    limit = patient.store.source_limit() if _has_schema(patient) else None
    if limit is None or limit.banned_at is None or limit.banned_until is None:
        yield Finding("ban", OK, "Baostock has never banned this address, as far as the ledger goes back.")
    elif limit.is_banned:
        yield Finding(
            "ban",
            BAD,
            f"Banned since {_clock(limit.banned_at)}, the year's ban no. {limit.bans}: nothing is sent until "
            f"{_clock(limit.banned_until)}, Beijing time, and runs wait. Let nothing else ask Baostock from here.",
        )
    else:
        yield Finding("ban", OK, f"None in force; the last was over on {_clock(limit.banned_until)}.")


def _source(patient: Patient) -> Iterator[Finding]:
    host, port = patient.source.address
    where = f"Baostock at {host}:{port}"
    if not _has_schema(patient):
        yield Finding("source", WARN, f"{where} was not asked: the request could not be counted yet.")
        return
    gate = SourceGate(
        patient.store.connect, who="doctor", wait_seconds=LOCK_SECONDS, budget=patient.settings.request_budget
    )
    began = time.monotonic()
    try:
        with Session(patient.source, gate, requests=0):
            yield Finding("source", OK, f"{where} let us log in, in {time.monotonic() - began:.1f} s.")
    except SourceBusy as busy:
        yield Finding("source", OK, f"{where} is in use, and was not asked. {busy}")
    except (SourceBanned, BudgetSpent) as refused:
        yield Finding("source", WARN, f"{where}: {refused}")


def _trade_dates(patient: Patient) -> Iterator[Finding]:
    rows: list[tuple[Any, ...]] = []
    if _has_schema(patient):
        with patient.store.transaction() as connection:
            values = {"newest": newest_published(patient.now()), "dates": DATES}
            rows = connection.execute(queries("health")["last_sessions"], values).fetchall()
    if not rows or rows[0][-1] is None:  # no date was ever recorded
        yield Finding(
            "trade dates", WARN, "None was loaded yet: airflow dags backfill -s FIRST -e LAST ashare_daily."
        )
        return
    for day, status, expected, loaded, missing, reason, started_at, before_the_first in rows:
        if status == "success":
            noted = f"; {reason}" if reason else ""
            yield Finding(str(day), OK, f"complete, {loaded} of {expected} bars{noted}.".replace("..", "."))
        elif status == "failed":
            yield Finding(
                str(day), BAD, f"failed, {missing if missing is not None else '?'} missing: {reason} {_rerun(day)}"
            )
        elif status == "syncing":
            yield _syncing(patient, day, reason, started_at)
        elif status == "skipped":
            yield Finding(str(day), OK, f"skipped: {reason}")
        elif before_the_first:
            yield Finding(str(day), WARN, "not loaded: before the first date that was.")
        else:
            yield _pending(patient, day)


def _syncing(patient: Patient, day: date, reason: str | None, started_at: datetime | None) -> Finding:
    since = f" since {_clock(started_at)}" if started_at else ""
    limit = patient.store.source_limit()
    spent = limit.used_today >= NEARLY_SPENT * patient.settings.request_budget
    if reason and (limit.is_banned or spent or day == patient.now().date()):
        return Finding(str(day), WARN, f"waiting{since}: {reason}")
    # What it waited for is over: since then, it has had time.
    waited_until = (limit.banned_until, limit.day_ends - timedelta(days=1)) if reason else ()
    moved_at = max(filter(None, (started_at, *waited_until)), default=None)
    if moved_at and patient.now() - moved_at > DIED_AFTER:
        return Finding(str(day), BAD, f"worked on{since}: its run has died. {_rerun(day)}")
    return Finding(str(day), OK, f"being worked on{since}.")


def _pending(patient: Patient, day: date) -> Finding:
    now = patient.now()
    if day == now.date() and now.time() < GIVE_UP:
        return Finding(str(day), OK, "out, and not loaded yet: today's run does that.")
    return Finding(str(day), BAD, f"nothing is recorded. {_rerun(day)}")


def _rerun(day: date) -> str:
    return f"Run it: airflow dags backfill -s {day} -e {day} --rerun-failed-tasks ashare_daily"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


def main() -> int:
    """Print the findings; the exit code."""
    from include.ashare.airflow_bridge import (
        pool_slots,
        read_connections_outside_of_a_task,
        source_config,
        store,
    )

    logging.disable(logging.WARNING)  # what a step would log is said here
    problem = ""
    try:
        read_connections_outside_of_a_task()
    except StoreUnavailable as error:  # those of the environment are there all the same
        problem = f" {error}"
    try:
        settings = Settings()
        patient = Patient(
            store(),
            source_config(settings),
            settings,
            lambda: pool_slots("baostock"),
        )
    except InvalidInput as error:
        sys.stdout.write(f"{BAD:<4}  setup        {error}{problem}\n")
        return 1
    worst = OK
    with patient.store:
        for finding in examine(patient):
            sys.stdout.write(f"{finding.state:<4}  {finding.name:<12} {finding.text}\n")
            sys.stdout.flush()
            worst = BAD if BAD in (worst, finding.state) else worst
    return int(worst == BAD)


if __name__ == "__main__":
    sys.exit(main())
