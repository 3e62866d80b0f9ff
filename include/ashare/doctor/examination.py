"""The doctor's examination: all checks in order."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

from ashare import __version__
from ashare.datasets import newest_published
from ashare.dates import clock
from ashare.doctor.date_checks import NOTHING_LOADED, trade_dates
from ashare.doctor.finding import BAD, NAMED, NEARLY_SPENT, OK, WARN, CheckedSystem, Finding
from ashare.doctor.weekly_checks import NAME as WEEKLY_LISTS
from ashare.doctor.weekly_checks import weekly_lists
from ashare.errors import AshareError, BudgetSpent, SourceBanned, SourceBusy
from ashare.source import Session
from ashare.status import newest_due
from ashare.store import SourceGate
from ashare.store.migrate import newest_version
from ashare.texts import named

LOCK_SECONDS = 5.0
LOGIN_SECONDS = 30.0
"""Idle and reply timeout of the login, at most. Only the reply of a whole market may take longer."""
FACTOR_DAYS = 366
"""Days for which bars are compared with the adjust factors. At full size the comparison takes a few seconds."""
OLDEST_POSTGRES = 140_000
NEW_YEAR = timedelta(days=7)
"""Tolerance for a calendar that ends before today. The calendar ends with the year; a run in the first
sessions of the next year reads it again."""


def examine(system: CheckedSystem) -> Iterator[Finding]:
    """Run all checks in order. A check that fails does not hide the next."""
    yield _package()
    found, version = _database(system)
    yield found
    for name, check in CHECKS.items():
        yield from _run_check(name, check, system, version)


Check = Callable[[CheckedSystem], Iterator[Finding]]


def _run_check(name: str, check: Check, system: CheckedSystem, version: int | None) -> Iterator[Finding]:
    """Run a check. If the database cannot be read, or its schema is missing or outdated, a check that needs the
    database yields a finding that says so.
    """
    if name in TEXT_WITHOUT_DATA and version is None:
        yield Finding(name, BAD, "Not known: the database cannot be read.")
    elif name in TEXT_WITHOUT_DATA and not version:
        yield Finding(name, WARN, TEXT_WITHOUT_DATA[name].format(day=newest_published(system.now())))
    elif name in TEXT_WITHOUT_DATA and version is not None and version < newest_version():
        yield Finding(name, WARN, "Not known before the schema is up to date; the next run does that.")
    else:
        try:
            yield from check(system)
        except AshareError as error:
            yield Finding(name, BAD, str(error))


def _package() -> Finding:
    try:
        airflow = f"Airflow {importlib.metadata.version('apache-airflow-core')}, "
    except importlib.metadata.PackageNotFoundError:  # only the DAGs need Airflow
        airflow = ""
    return Finding("package", OK, f"A-share sync {__version__}, {airflow}Python {platform.python_version()}.")


def _database(system: CheckedSystem) -> tuple[Finding, int | None]:
    """The finding, and the schema's version: 0 without a schema, ``None`` if the database cannot be read."""
    try:
        server = system.store.health.server()
    except AshareError as error:
        # A unix socket means the embedded server.
        hint = " The embedded one runs for as long as `make up`." if " on socket " in str(error) else ""
        return Finding("database", BAD, f"{error}{hint}"), None
    where = f"PostgreSQL {server.version.split()[0]}, database {server.database} at {server.host or 'localhost'}"
    done, known = server.schema_version, newest_version()
    if server.number < OLDEST_POSTGRES:
        return Finding("database", BAD, f"{where}: PostgreSQL 14 or newer is needed."), done
    if server.is_read_only:
        sentence = (
            f"{where}: read-only (a standby, or default_transaction_read_only is on): no run can write anything."
        )
        return Finding("database", BAD, sentence), done
    if not done:
        return Finding("database", WARN, f"{where}: nothing is loaded yet; the first run makes the schema."), done
    if done > known:
        return Finding("database", BAD, f"{where}: schema version {done}, this code knows {known}: update it."), done
    if done < known:
        sentence = f"{where}: schema version {done} of {known}; the next run brings it up to date."
        return Finding("database", WARN, sentence), done
    return Finding("database", OK, f"{where}, schema version {done}."), done


def _pool(system: CheckedSystem) -> Iterator[Finding]:
    if system.pool is None:
        return
    found = system.pool()
    if found is None or found[0] == 0:
        problem = "does not exist" if found is None else "has no slots"
        yield Finding("pool", BAD, f'The pool baostock {problem}, so nothing runs: airflow pools set baostock 8 "".')
    else:
        slots = "unlimited" if found[0] < 0 else found[0]
        yield Finding("pool", OK, f"baostock: {found[1]} of {slots} slots taken.")


def _calendar(system: CheckedSystem) -> Iterator[Finding]:
    until, fetched_at = system.store.health.calendar_reach()
    if until is None or fetched_at is None:
        yield Finding("calendar", WARN, TEXT_WITHOUT_DATA["calendar"])
        return
    read, today = f"read on {clock(fetched_at)}, known to {until}", system.now().date()
    if until >= today:
        yield Finding("calendar", OK, f"{read}.")
    else:
        state = BAD if today - until > NEW_YEAR else WARN
        yield Finding(
            "calendar", state, f"{read}, which is before today: the next run of a later date reads it again."
        )
    yield from _securities(system)


def _securities(system: CheckedSystem) -> Iterator[Finding]:
    """Anomalies of the list of securities; no finding without any."""
    rejected, gone = sum(system.store.coverage.odd_securities()), system.store.health.gone_codes()
    sentences = [f"{rejected} rows of Baostock's list break a rule (ashare.rejected_row)"] if rejected else []
    if gone:
        sentences.append(f"{len(gone)} codes are gone from the list and no longer expected ({named(gone, NAMED)})")
    if sentences:
        yield Finding("securities", WARN if rejected else OK, f"{'; '.join(sentences)}.")


def _indices(system: CheckedSystem) -> Iterator[Finding]:
    by_day = system.store.universe.unlisted_by_day()
    unlisted = sorted(code for codes in by_day.values() for code in codes if code in system.settings().indices)
    if unlisted:
        sentence = (
            f"Baostock's list of securities has no index {', '.join(unlisted)}: neither asked for nor waited for."
        )
        yield Finding("indices", WARN, f"{sentence} Take it out of ASHARE_INDICES.")


def _reference(system: CheckedSystem) -> Iterator[Finding]:
    yield from _calendar(system)
    yield from _indices(system)


class _TimedGate(SourceGate):
    """Records when the login is sent, so that its seconds exclude the wait for the lock and the client's import."""

    login_began = 0.0

    def begin(self, method: str, detail: str) -> int:
        if method == "login":
            self.login_began = time.monotonic()
        return super().begin(method, detail)


def _source(system: CheckedSystem) -> Iterator[Finding]:
    source, settings = system.source(), system.settings()
    limits = source.limits
    quick = replace(limits, idle=min(limits.idle, LOGIN_SECONDS), reply=min(limits.reply, LOGIN_SECONDS))
    where = f"Baostock at {source.address[0]}:{source.address[1]}"
    gate = _TimedGate(system.store.connect, who="doctor", wait_seconds=LOCK_SECONDS, budget=settings.request_budget)
    try:
        with Session(replace(source, limits=quick), gate, requests=0):
            seconds = time.monotonic() - gate.login_began
        yield Finding("source", OK, f"{where} let us log in, in {seconds:.1f} s.")
    except SourceBusy as busy:
        yield Finding("source", OK, f"{where} is in use, and was not asked. {busy}")
    except SourceBanned:
        yield Finding("source", WARN, f"{where}: nothing is sent during a ban, see below.")
    except BudgetSpent as spent:
        yield Finding("source", WARN, f"{where} was not asked. {spent}")


def _budget(system: CheckedSystem) -> Iterator[Finding]:
    limit, settings = system.store.ledger.limit(), system.settings()
    budget, reserve = settings.request_budget, settings.reserve
    sent = f"{limit.used_today} of {budget} requests sent today (ASHARE_REQUEST_BUDGET)"
    if limit.used_today >= budget:
        yield Finding("budget", BAD, f"{sent}: runs wait until {clock(limit.day_ends)}, Beijing time.")
    elif limit.used_today >= budget - reserve:
        effect = f"earlier dates and histories wait until {clock(limit.day_ends)}, Beijing time"
        yield Finding("budget", WARN, f"{sent}; {effect} (ASHARE_HISTORY_RESERVE, {reserve}).")
    else:
        nearly = limit.used_today >= NEARLY_SPENT * budget
        yield Finding("budget", WARN if nearly else OK, f"{sent}.")


def _ban(system: CheckedSystem) -> Iterator[Finding]:
    limit = system.store.ledger.limit()
    if limit.banned_at is None or limit.banned_until is None:
        yield Finding("ban", OK, "Baostock has never banned this address, as far as the ledger goes back.")
    elif limit.is_banned:
        yield Finding(
            "ban",
            BAD,
            f"Banned since {clock(limit.banned_at)}, the year's ban no. {limit.bans}: nothing is sent until "
            f"{clock(limit.banned_until)}, Beijing time, and runs wait. Let nothing else ask Baostock from here.",
        )
    else:
        yield Finding("ban", OK, f"None in force; the last was over on {clock(limit.banned_until)}.")


def _factors(system: CheckedSystem) -> Iterator[Finding]:
    until = newest_due(system.now())  # today's factors may not be published yet
    since = until - timedelta(days=FACTOR_DAYS)
    total, newest = system.store.health.factor_mismatches(since, until, NAMED)
    if not total:
        yield Finding("factors", OK, f"prices and adjust factors agree since {since}.")
        return
    named = "; ".join(newest) + ("; ..." if total > NAMED else "")
    yield Finding(
        "factors",
        WARN,
        f"prices and adjust factors disagree {total} times since {since} ({named}): adjusted prices are off there. "
        f"ashare.factor_mismatch('{since}', '{until}') lists all; docs/adjusted-prices.md says what to do.",
    )


def _alerts(system: CheckedSystem) -> Iterator[Finding]:
    from ashare.alerts import Delivery

    addresses = system.alerts()
    if not addresses:
        yield Finding("alerts", OK, "off: the connection ashare_alerts is not set.")
        return
    unsent, error, title, raised_at, resolved_at = system.store.alerts.state()
    if problems := Delivery(addresses).problems:
        yield Finding("alerts", BAD, f"of the connection ashare_alerts, {'; '.join(problems)}.")
    elif unsent or error:
        what = f"{unsent} messages have reached nobody yet" if unsent else error
        yield Finding("alerts", BAD, f"{what}. Look for the cause with: ashare alerts")
    elif title is None or raised_at is None:
        yield Finding("alerts", OK, "on, and nothing was to be said yet; try it: ashare alerts")
    else:
        over = f", over since {clock(resolved_at)}" if resolved_at else ""
        yield Finding("alerts", OK, f"on; the last, on {clock(raised_at)}: {title}{over}.")


CHECKS: dict[str, Check] = {
    "pool": _pool,
    "calendar": _reference,
    "source": _source,
    "budget": _budget,
    "ban": _ban,
    "trade dates": trade_dates,
    WEEKLY_LISTS: weekly_lists,
    "factors": _factors,
    "alerts": _alerts,
}

TEXT_WITHOUT_DATA = {
    "calendar": "Not read yet; the first run reads it.",
    "source": "Not asked: the request could not be counted before the first run has made the schema.",
    "budget": "Nothing was sent yet, as far as this database knows.",
    "ban": "None, as far as this database knows.",
    "trade dates": NOTHING_LOADED,
    WEEKLY_LISTS: "None is loaded yet.",
    "factors": "Nothing is loaded yet.",
    "alerts": "Not known before the first run has made the schema.",
}
"""Check that needs the database -> its text for a database in which nothing has run."""
