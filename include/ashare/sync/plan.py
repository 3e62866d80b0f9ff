"""The second step: the remaining work of the trade date, cut into batches."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ashare.datasets import PLURALS
from ashare.store import Batch
from ashare.sync.agenda import heal_batches, reread_batches, verification_batches, verified_kinds
from ashare.sync.reference import ensure_reference
from ashare.sync.run import FEW, Run

log = logging.getLogger(__name__)


def plan_batches(run: Run, *, own_date_only: bool = False) -> list[Batch]:
    """Write the run's agenda as batches and return its batches; none if nothing remains.

    :param own_date_only: leave earlier dates to other runs.
    """
    with run.end_recorded():
        run.store.work.start(run.scope)
        ensure_reference(run)
        if "index" in run.kinds:
            run.store.universe.record_unlisted_indices(run.day, run.settings.indices)
        verified = verified_kinds(run)
        remaining = {kind: codes for kind, codes in _remaining(run).items() if kind not in verified}
        planned = [
            *cut_batches(run, remaining),
            *verification_batches(run, verified),
            *(() if own_date_only else (*heal_batches(run), *reread_batches(run))),
        ]
        batches = run.store.batches.replace(run.plan, planned)
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
    batches: list[Batch] = []
    # Stocks first: their bars prove that the day is published, which gives a later empty answer its meaning.
    for kind, codes in sorted(remaining.items(), reverse=True):
        if run.has_market_call(kind) and len(codes) > FEW:
            batches.append(Batch(kind, "market_day", None, f"{PLURALS[kind]} {run.day}, whole market"))
            continue
        batches += code_batches(kind, codes, run.batch_size)
    return batches


def code_batches(kind: str, codes: Sequence[str], size: int) -> list[Batch]:
    """Cut codes of one kind into batches of up to ``size`` codes."""
    parts = [(at, list(codes[at : at + size])) for at in range(0, len(codes), size)]
    return [Batch(kind, "code", part, f"{PLURALS[kind]} {at + 1}-{at + len(part)}") for at, part in parts]
