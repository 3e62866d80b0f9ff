"""The bars of one batch of a trade date: a whole market in one transaction, or codes as a stream of pages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from ashare.datasets import PLURALS, bars_of
from ashare.errors import AshareError
from ashare.store import Batch
from ashare.store.cross_check import Contradiction
from ashare.store.rows import MergeCounts
from ashare.sync.by_code import ONE_PAGE, asked_first
from ashare.sync.doubts import doubt_error, with_problems
from ashare.sync.market_day import MarketBars
from ashare.sync.record import recount
from ashare.sync.run import FEW, BatchTry, Run
from ashare.sync.stream import NOTHING, fetch_stream
from ashare.sync.verify import contradiction_error, tolerance

log = logging.getLogger(__name__)


def fetch_bars(run: Run, batch: Batch) -> MergeCounts:
    """Fetch one batch of the trade date's own bars and load it.

    Idempotent: a loaded bar is requested again only if the cross-checks contradict it.

    :returns: row counts of the merges.
    :raises NotPublishedYet: today's bars are not all out; the bars that came are loaded.
    :raises TerminalError: the same, from ``GIVE_UP`` on.
    :raises BadReply: a reply is malformed or contradicts the known data, and nothing of it was written; or an absence
        is not believed, and the other bars are loaded.
    """
    # A per-security request also brings later dates: after the wait for this mutex, the codes may be loaded.
    work = "bars by code" if batch.by == "code" else f"{batch.kind} bars of {run.day}"
    recorded = run.batch_recorded(batch.batch_no, bars_of(batch.kind).name)
    with recorded as tried, run.store.mutex(work, run.settings.lock_timeout):
        merged, error = _fetch_and_load(run, batch, tried)
        log.info(
            "%s: %d new bars, %d changed, %d as they were.",
            *(batch.label, merged.inserted, merged.revised, merged.unchanged),
        )
        try:
            for day in merged.came_late - {run.day}:
                recount(replace(run, day=day))
        finally:  # a count that fails must not hide why bars are lacking
            if error:
                raise error
        return merged


def _fetch_and_load(run: Run, batch: Batch, tried: BatchTry) -> tuple[MergeCounts, AshareError | None]:
    """Fetch and load what the date still lacks of the batch.

    :returns: row counts, and the error for what is not believed.
    """
    wanted = run.store.universe.remaining(run.expectation).get(batch.kind, [])
    is_doubted = batch.kind in run.store.corrections.contradicted(run.day, [batch.kind])
    if batch.codes is not None:
        wanted = sorted(batch.codes if is_doubted else set(wanted) & set(batch.codes))
    if batch.by == "market_day" and (is_doubted or len(wanted) > FEW):
        return _fetch_market(run, batch, wanted, tried)
    if not wanted:
        return NOTHING, None
    # An earlier whole-market reply lacked the few codes of a whole-market batch.
    is_lacked = batch.by == "market_day" and run.store.bars.has_bars(run.day, batch.kind)
    first = _first(run, batch.kind, wanted) if batch.by == "code" else run.day
    tried.session = session = run.session(len(asked_first(run, wanted)))
    return fetch_stream(
        run,
        run.plan,
        batch,
        session,
        lambda fetcher, _: fetcher.fetch_date(wanted, first),
        answers=int(is_lacked),
    )


def _fetch_market(
    run: Run, batch: Batch, wanted: Sequence[str], tried: BatchTry
) -> tuple[MergeCounts, AshareError | None]:
    market = MarketBars(run, batch.kind)
    tried.session = session = run.session()
    with market.spool:
        with session:
            fetcher = market.fetch(wanted, session)
            absent, doubts = fetcher.judge()
            market.absent = [code for _, code in absent]
            # A rejected row explains a gap. The codes whose own reply is bad are requested again.
            market.rejects = [reject for reject in market.rejects if reject.code not in fetcher.failed]
        # The Baostock session is closed: the next batch can fetch while this batch is written.
        rows = market.batch_rows(() if doubts else _follow_up(batch, fetcher.asked))
        allowed = (batch.kind, tolerance(run, all_there=False)) if market.rows else None
        try:
            merged = run.store.bars.load(run.plan, batch.batch_no, rows, market=allowed)
        except Contradiction as found:
            raise contradiction_error(run, found) from found
    doubt = doubt_error(run, batch.label, batch.kind, doubts) if doubts else None
    return merged, with_problems(fetcher.problems, doubt)


def _first(run: Run, kind: str, codes: Sequence[str]) -> date:
    """The first date of the per-security requests: a request costs the same for a day as for years.

    The range includes earlier dates on which another run waits for the same codes: that run finds the codes loaded.
    It also includes the last complete dates (``ASHARE_RECHECK_DAYS``), which are checked for corrections.
    """
    waiting = run.store.batches.earliest_waiting(run.day, kind, codes, since=run.day - ONE_PAGE)
    complete = run.store.corrections.earliest_complete(run.day, kind, days=run.settings.recheck_days)
    return min(waiting, complete or waiting)


def _follow_up(batch: Batch, asked: Sequence[str]) -> Sequence[Batch]:
    """The batch that records the per-security requests of a whole-market batch; empty if it sent none."""
    if not asked:
        return []
    label = f"{PLURALS[batch.kind]} that the whole market lacked, 1-{len(asked)}"
    return [Batch(batch.kind, "code", list(asked), label)]
