"""The agenda of a run: its own trade date, earlier dates that are not complete, and dates to be read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from ashare.datasets import MARKET_DAY_FROM
from ashare.store import Batch
from ashare.store.coverage import DateState
from ashare.sync.run import Run

DEAD_AFTER_HOURS = 6
"""Work without a sign of life for longer is taken for dead: an earlier date's run was killed."""


def open_dates(run: Run) -> Sequence[date]:
    """Earlier sessions, among the last ``ASHARE_HEAL_SESSIONS``, that are not complete and that no live run works on.

    Only the run of the newest trade date gets dates here, and only if it loads every kind of ``ASHARE_KINDS``.
    Each date of a backfill is left to its own run.
    """
    settings, store = run.settings, run.store
    if not settings.heal_sessions or not set(run.asked) <= set(run.datasets) or not run.is_newest:
        return []
    before = run.day - timedelta(days=1)
    since = settings.first_date or store.coverage.complete_since(run.asked, before)
    live = [name for name in store.coverage.live_runs(DEAD_AFTER_HOURS) if name != run.run_id]
    return store.coverage.open_dates(run.asked, before, settings.heal_sessions, since=since, running=live)


def open_states(run: Run) -> list[DateState]:
    """The states of ``open_dates``."""
    days = open_dates(run)
    states = run.store.coverage.states(days[0], days[-1], run.asked, recorded_only=False) if days else []
    return [state for state in states if state.trade_date in days]


def heal_batches(run: Run) -> list[Batch]:
    """One batch per date of ``open_dates``."""
    kind = run.kinds[0]
    return [Batch(kind, "market_day", None, f"{day}, not complete yet", heals=day) for day in open_dates(run)]


def due_rereads(run: Run) -> list[Run]:
    """The earlier complete dates that are to be read again, as one ``Run`` each.

    The newest date's run reads those again that Baostock may have corrected. Any other run reads only those in doubt:
    a backfill, or a date that is run again, asks for no more markets than its own.
    """
    kinds = [kind for kind in run.kinds if run.has_market_call(kind)]
    if not kinds:
        return []
    since, days = min(MARKET_DAY_FROM[kind] for kind in kinds), run.settings.recheck_days
    only_doubted = not run.is_newest
    due = run.store.corrections.due_rereads(run.day, kinds, days=days, since=since, only_doubted=only_doubted)
    found = []
    for day, complete_kinds in due.items():
        asked = tuple(kind for kind in kinds if kind in complete_kinds and day >= MARKET_DAY_FROM[kind])
        if asked:
            found.append(replace(run, day=day, kinds=asked))
    return found


def verified_kinds(run: Run) -> tuple[str, ...]:
    """The kinds whose bars of the run's own date are to be read again and compared; empty unless the run verifies.

    A kind that is not complete is synced as always. A date that a person accepts as it is stays as it is.
    """
    state = run.store.coverage.state(run.day, run.datasets) if run.verify else None
    if state is None or state.coverage == "accepted":
        return ()
    return tuple(kind for kind in run.kinds if kind in state.complete_kinds and run.has_market_call(kind))


def verification_batches(run: Run, kinds: Sequence[str]) -> list[Batch]:
    """One batch that reads these kinds of the run's own date again; empty without a kind."""
    label = f"{run.day} again, to be compared"
    return [Batch(kinds[0], "market_day", None, label, again=[run.day])] if kinds else []


def reread_batches(run: Run) -> list[Batch]:
    """One batch of all dates of ``due_rereads``; empty if no date is due."""
    days = [earlier.day for earlier in due_rereads(run)]
    if not days:
        return []
    label = f"{days[0]} to {days[-1]} again" if days[1:] else f"{days[0]} again"
    return [
        Batch(next(kind for kind in run.kinds if run.has_market_call(kind)), "market_day", None, label, again=days)
    ]
