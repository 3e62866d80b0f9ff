"""Health checks of the system. Each check yields findings; a finding says what to do."""

from __future__ import annotations

import importlib.metadata
import platform
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from ashare import __version__
from ashare.datasets import kept_with
from ashare.dates import SHANGHAI, beijing_now
from ashare.errors import AshareError, BudgetSpent, SourceBanned, SourceBusy
from ashare.settings import Settings
from ashare.source import Session, SourceConfig
from ashare.store import SourceGate, Store
from ashare.store.migrate import newest_version
from ashare.store.schema_health import SessionState
from ashare.sync.run import GIVE_UP, newest_published
from ashare.texts import named

OK, WARN, BAD = "ok", "warn", "BAD"

DATES = 5
LOCK_SECONDS = 5.0
LOGIN_SECONDS = 30.0
"""Idle and reply timeout of the login, at most. Only the reply of a whole market may take longer."""
RUN_AGAIN = "run again"
FACTOR_DAYS = 366
"""Days for which bars are compared with the adjust factors. At full size the comparison takes a few seconds."""
NAMED = 3
REASON_WIDTH = 110
"""Maximum characters of a trade date's reason: all dates fit on one screen. ``sync_status`` has the full reason."""
OLDEST_POSTGRES = 140_000
NEARLY_SPENT = 0.9
NEW_YEAR = timedelta(days=7)
"""Tolerance for a calendar that ends before today. The calendar ends with the year; a run in the first
sessions of the next year reads it again."""
DIED_AFTER = timedelta(hours=6)
"""Timeout of a ``syncing`` date: if no batch began or ended for longer, the date has lost its run. The timeout
does not apply while the date waits (a ban, a spent budget, today's data); it starts anew after a ban or a spent
budget."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    :ivar name: what was checked.
    :ivar state: ``ok``, ``warn`` or ``BAD``.
    :ivar text: the figures and what to do, in a sentence or a few.
    """

    name: str
    state: str
    text: str


@dataclass(frozen=True)
class CheckedSystem:
    """What the checks read. A part that cannot be read becomes a finding and does not stop the other checks.

    :ivar pool: returns the pool's total and taken slots, or ``None`` if the pool does not exist. The field itself
        is ``None`` without Airflow.
    :ivar alerts: returns the addresses of the connection ``ashare_alerts``; empty if the connection is not set.
    """

    store: Store
    source: Callable[[], SourceConfig]
    settings: Callable[[], Settings]
    pool: Callable[[], tuple[int, int] | None] | None
    alerts: Callable[[], Sequence[str]]
    now: Callable[[], datetime] = beijing_now


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
    read, today = f"read on {_clock(fetched_at)}, known to {until}", system.now().date()
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
    rejected, gone = system.store.health.odd_securities()
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
        yield Finding("budget", BAD, f"{sent}: runs wait until {_clock(limit.day_ends)}, Beijing time.")
    elif limit.used_today >= budget - reserve:
        effect = f"earlier dates and histories wait until {_clock(limit.day_ends)}, Beijing time"
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
            f"Banned since {_clock(limit.banned_at)}, the year's ban no. {limit.bans}: nothing is sent until "
            f"{_clock(limit.banned_until)}, Beijing time, and runs wait. Let nothing else ask Baostock from here.",
        )
    else:
        yield Finding("ban", OK, f"None in force; the last was over on {_clock(limit.banned_until)}.")


def _trade_dates(system: CheckedSystem) -> Iterator[Finding]:
    newest = newest_published(system.now())
    datasets, since = _expected(system)
    sessions = system.store.health.last_sessions(newest, DATES, datasets, since)
    if not any(system.store.coverage.states(date.min, date.max)):
        yield Finding("trade dates", WARN, TEXT_WITHOUT_DATA["trade dates"].format(day=newest))
        return
    found = [_trade_date(system, session) for session in sessions]
    yield from found
    # One command for the whole range: it leaves complete dates alone.
    if bad := sorted(finding.name for finding in found if finding.state == BAD):
        pending = any(session.status == "pending" and session.reason for session in sessions)
        how = "--reset-dagruns" if pending else "--rerun-failed-tasks"
        yield Finding(RUN_AGAIN, BAD, _backfill(bad[0], bad[-1], how))


def _expected(system: CheckedSystem) -> tuple[Sequence[str] | None, date | None]:
    """The datasets that the database is meant to have, and since when; ``None``: not known, as a setting is wrong."""
    try:
        settings = system.settings()
    except AshareError:
        return None, None
    return kept_with(settings.kinds), settings.first_date


def _trade_date(system: CheckedSystem, session: SessionState) -> Finding:
    day, loaded, expected = str(session.day), session.loaded, session.expected
    why = textwrap.shorten(session.reason or "", REASON_WIDTH, placeholder=" ...")
    if session.status == "success":
        note = f"; {why}" if why else ""
        return Finding(day, OK, f"complete, {loaded} of {expected} bars{note}".rstrip(".") + ".")
    if session.status == "failed":
        bars = "" if expected is None else f", {loaded} of {expected} bars, {session.missing} missing"
        return Finding(day, BAD, f"failed{bars}: {why}")
    if session.status == "syncing":
        return _syncing(system, session, why)
    if session.status == "pending" and session.reason:
        return Finding(day, BAD, session.reason[:1].lower() + session.reason[1:])
    if session.coverage == "before":
        return Finding(day, WARN, "not loaded: before the dates that are (ASHARE_FIRST_DATE).")
    return _pending(system, session.day)


def _syncing(system: CheckedSystem, session: SessionState, why: str) -> Finding:
    day, since = str(session.day), f" since {_clock(session.started_at)}" if session.started_at else ""
    limit = system.store.ledger.limit()
    settings = system.settings()
    most = min(NEARLY_SPENT * settings.request_budget, settings.request_budget - settings.reserve)
    spent = limit.used_today >= most
    if why and (limit.is_banned or spent or session.day == system.now().date()):
        return Finding(day, WARN, f"waiting{since}: {why}")
    # The date does not wait, or its wait is over: the timeout counts from the last activity or the end of the wait.
    waited_until = (limit.banned_until, limit.day_ends - timedelta(days=1)) if why else ()
    moved_at = max(filter(None, (session.active_at, *waited_until)), default=None)
    if moved_at and system.now() - moved_at > DIED_AFTER:
        return Finding(day, BAD, f"worked on{since}, and nothing since {_clock(moved_at)}: its run has died.")
    return Finding(day, OK, f"being worked on{since}.")


def _pending(system: CheckedSystem, day: date) -> Finding:
    now = system.now()
    if day == now.date() and now.time() < GIVE_UP:
        return Finding(str(day), OK, "out, and not loaded yet: today's run does that.")
    return Finding(str(day), BAD, "nothing is recorded: no run has taken it up.")


def _factors(system: CheckedSystem) -> Iterator[Finding]:
    now = system.now()
    until = now.date() - timedelta(days=int(now.time() < GIVE_UP))  # today's factors may not be published yet
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
        f"ashare.factor_mismatch('{since}', '{until}') lists all; the README, Adjusted prices, says what to do.",
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
        over = f", over since {_clock(resolved_at)}" if resolved_at else ""
        yield Finding("alerts", OK, f"on; the last, on {_clock(raised_at)}: {title}{over}.")


def _backfill(first: object, last: object, how: str = "--rerun-failed-tasks") -> str:
    return f"airflow dags backfill -s {first} -e {last} {how} ashare_daily"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"


CHECKS: dict[str, Check] = {
    "pool": _pool,
    "calendar": _reference,
    "source": _source,
    "budget": _budget,
    "ban": _ban,
    "trade dates": _trade_dates,
    "factors": _factors,
    "alerts": _alerts,
}

TEXT_WITHOUT_DATA = {
    "calendar": "Not read yet; the first run reads it.",
    "source": "Not asked: the request could not be counted before the first run has made the schema.",
    "budget": "Nothing was sent yet, as far as this database knows.",
    "ban": "None, as far as this database knows.",
    "trade dates": "Nothing is loaded yet. Begin with: airflow dags backfill -s {day} -e {day} ashare_daily",
    "factors": "Nothing is loaded yet.",
    "alerts": "Not known before the first run has made the schema.",
}
"""Check that needs the database -> its text for a database in which nothing has run."""
