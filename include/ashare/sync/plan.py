"""The second step: the remaining work of the trade date, cut into batches."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ashare.datasets import MARKET_DAY_FROM, PLURALS
from ashare.store import Batch
from ashare.sync.reference import ensure_reference
from ashare.sync.run import FEW, Run

log = logging.getLogger(__name__)


def plan_batches(run: Run) -> list[Batch]:
    """Write the trade date's remaining work to ``sync_batch`` and return its batches; none if nothing remains."""
    with run.end_recorded():
        run.store.work.start(run.scope)
        ensure_reference(run)
        if "index" in run.kinds:
            run.store.universe.record_unlisted_indices(run.day, run.settings.indices)
        remaining = _remaining(run)
        planned = [*cut_batches(run, remaining), *reread_batches(run)]
        batches = run.store.batches.replace(run.day, planned, run.run_id)
    for batch in batches:
        log.info("Batch %d: %s", batch.batch_no, batch.label)
    if not batches:
        log.info("%s: nothing is asked of Baostock.", run.day)
    return batches


def _remaining(run: Run) -> dict[str, list[str]]:
    if accepted := run.store.accepted.counting(run.day, run.kinds):
        log.info("%s is %s Nothing of it is asked of Baostock as long as that counts.", run.day, accepted.note)
        return {}
    remaining = run.store.universe.remaining(run.expectation)
    for kind in run.store.corrections.contradicted(run.day, run.kinds):
        remaining[kind] = run.store.universe.expected(run.expectation, kind)  # the loaded bars may be wrong
    return remaining


def cut_batches(run: Run, remaining: Mapping[str, Sequence[str]]) -> list[Batch]:
    """Cut the remaining codes of each kind into batches.

    A kind gets one whole-market batch if one call serves it and more than ``FEW`` codes remain; else batches of up
    to ``batch_size`` codes.
    """
    batches = []
    # Stocks first: their bars prove that the day is published, which gives a later empty answer its meaning.
    for kind, codes in sorted(remaining.items(), reverse=True):
        if run.has_market_call(kind) and len(codes) > FEW:
            batches.append(Batch(kind, "market_day", None, f"{PLURALS[kind]} {run.day}, whole market"))
            continue
        for at in range(0, len(codes), run.batch_size):
            part = list(codes[at : at + run.batch_size])
            batches.append(Batch(kind, "code", part, f"{PLURALS[kind]} {at + 1}-{at + len(part)}"))
    return batches


def due_rereads(run: Run) -> list[Run]:
    """The earlier complete dates that are due to be read again for corrections, as one ``Run`` each."""
    kinds = [kind for kind in run.kinds if run.has_market_call(kind)]
    if not kinds:
        return []
    since = min(MARKET_DAY_FROM[kind] for kind in kinds)
    due = run.store.corrections.due_rereads(run.day, kinds, days=run.settings.recheck_days, since=since)
    found = []
    for day, complete_kinds in due.items():
        asked = tuple(kind for kind in kinds if kind in complete_kinds and day >= MARKET_DAY_FROM[kind])
        if asked:
            found.append(replace(run, day=day, kinds=asked))
    return found


def reread_batches(run: Run) -> list[Batch]:
    """One batch of all dates of ``due_rereads``; empty if no date is due."""
    days = [earlier.day for earlier in due_rereads(run)]
    if not days:
        return []
    label = f"{days[0]} to {days[-1]} again" if days[1:] else f"{days[0]} again"
    return [
        Batch(next(kind for kind in run.kinds if run.has_market_call(kind)), "market_day", None, label, again=days)
    ]
