"""The doctor's checks of trade dates: the last sessions one by one, and older dates that are half loaded."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from ashare.datasets import KINDS, kept_with, newest_published
from ashare.dates import clock
from ashare.doctor.finding import BAD, NAMED, NEARLY_SPENT, OK, WARN, CheckedSystem, Finding
from ashare.errors import AshareError
from ashare.status import newest_due
from ashare.store.coverage import DateState
from ashare.sync.agenda import DEAD_AFTER_HOURS
from ashare.texts import backfill_command, history_command, named

DATES = 5
RUN_AGAIN = "run again"
REASON_WIDTH = 110
"""Maximum characters of a trade date's reason: all dates fit on one screen. ``sync_status`` has the full reason."""
DIED_AFTER = timedelta(hours=DEAD_AFTER_HOURS)
"""Timeout of a ``syncing`` date: if no batch began or ended for longer, the date has lost its run. The timeout
does not apply while the date waits (a ban, a spent budget, today's data); it starts anew after a ban or a spent
budget."""
NOTHING_LOADED = "Nothing is loaded yet. Begin with: airflow dags backfill -s {day} -e {day} ashare_daily"


def trade_dates(system: CheckedSystem) -> Iterator[Finding]:
    newest, coverage = newest_published(system.now()), system.store.coverage
    datasets, since = _expected(system)
    since = since or coverage.complete_since(datasets or kept_with(KINDS), newest)
    first = system.store.health.first_of_last_sessions(newest, DATES)
    states = coverage.states(first, newest, datasets, since=since, newest=newest, recorded_only=False)
    if not any(coverage.states(date.min, date.max)):
        yield Finding("trade dates", WARN, NOTHING_LOADED.format(day=newest))
        return
    sessions = [state for state in reversed(states) if state.coverage != "closed"][:DATES]
    found = [_trade_date(system, session) for session in sessions]
    yield from found
    # One command for the whole range: it leaves complete dates alone.
    if bad := sorted(finding.name for finding in found if finding.state == BAD):
        pending = any(session.status == "pending" and session.reason for session in sessions)
        how = "--reset-dagruns" if pending else "--rerun-failed-tasks"
        yield Finding(RUN_AGAIN, BAD, backfill_command(bad[0], bad[-1], how))
    yield from _coverage(system, first - timedelta(days=1), datasets)


def _coverage(system: CheckedSystem, day: date, datasets: Sequence[str] | None) -> Iterator[Finding]:
    """Trade dates up to a day that hold bars and are not complete; no finding without any."""
    live = system.store.coverage.live_runs(DEAD_AFTER_HOURS)
    states = system.store.coverage.states(date.min, day, datasets, newest=day, running=live, recorded_only=False)
    if partial := [state.trade_date for state in states if state.coverage == "partial"]:
        text = (
            f"{len(partial)} older trade dates hold bars and are not complete ({named(partial, NAMED)}). Load them: "
            f"{history_command(partial[0], partial[-1])}"
        )
        yield Finding("coverage", WARN, text)


def _expected(system: CheckedSystem) -> tuple[Sequence[str] | None, date | None]:
    """The datasets that the database is meant to have, and since when; ``None``: not known, as a setting is wrong."""
    try:
        settings = system.settings()
    except AshareError:
        return None, None
    return kept_with(settings.kinds), settings.first_date


def _trade_date(system: CheckedSystem, session: DateState) -> Finding:
    day, loaded, expected = str(session.trade_date), session.loaded, session.expected
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
    return _pending(system, session.trade_date)


def _syncing(system: CheckedSystem, session: DateState, why: str) -> Finding:
    day, since = str(session.trade_date), f" since {clock(session.started_at)}" if session.started_at else ""
    limit = system.store.ledger.limit()
    settings = system.settings()
    most = min(NEARLY_SPENT * settings.request_budget, settings.request_budget - settings.reserve)
    spent = limit.used_today >= most
    if why and (limit.is_banned or spent or session.trade_date == system.now().date()):
        return Finding(day, WARN, f"waiting{since}: {why}")
    # The date does not wait, or its wait is over: the timeout counts from the last activity or the end of the wait.
    waited_until = (limit.banned_until, limit.day_ends - timedelta(days=1)) if why else ()
    active_at = system.store.health.active_at(session.trade_date)
    moved_at = max(filter(None, (session.started_at, active_at, *waited_until)), default=None)
    if moved_at and system.now() - moved_at > DIED_AFTER:
        return Finding(day, BAD, f"worked on{since}, and nothing since {clock(moved_at)}: its run has died.")
    return Finding(day, OK, f"being worked on{since}.")


def _pending(system: CheckedSystem, day: date) -> Finding:
    if day > newest_due(system.now()):
        return Finding(str(day), OK, "out, and not loaded yet: today's run does that.")
    return Finding(str(day), BAD, "nothing is recorded: no run has taken it up.")
