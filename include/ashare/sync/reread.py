"""Corrections: Baostock changes past days, so the last few trade dates, or a chosen one, are read again."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import date

from ashare.datasets import PLURALS, bars_of
from ashare.errors import BadReply, Postponed
from ashare.source import Session
from ashare.store import Batch
from ashare.store.cross_check import Contradiction
from ashare.store.rows import MergeCounts, RereadDate
from ashare.sync.absence import ENOUGH_ANSWERS, Others, Verdict, judge_absence
from ashare.sync.agenda import due_rereads, verified_kinds
from ashare.sync.factors import read_factors
from ashare.sync.market_day import MarketBars
from ashare.sync.record import recount
from ashare.sync.run import Run, batch_recorded
from ashare.sync.stream import NOTHING
from ashare.sync.verify import contradiction_error, tolerance
from ashare.texts import joined

log = logging.getLogger(__name__)

MOST_TOGETHER = 10
"""Most dates that are read again for one that contradicts them."""


def reread_dates(run: Run, batch: Batch) -> MergeCounts:
    """Read loaded dates again and update the changed rows; unchanged rows are not written.

    The run's own date does not wait for corrections of earlier ones: if the requests are postponed, a later run sends
    them.

    :returns: row counts of the merges.
    :raises BadReply: a date's reply is not believed; the other dates are loaded.
    :raises Postponed: the run's own date is to be verified, and the requests may not be sent now.
    """
    if batch.again == [run.day]:
        return _verify_date(run, batch)
    try:
        return _reread_due(run, batch)
    except Postponed as postponed:
        log.warning("%s: left to a later run. %s", batch.label, postponed)
        run.store.batches.finish(run.plan, batch.batch_no, "superseded", 0, str(postponed))
        return NOTHING


def _reread_due(run: Run, batch: Batch) -> MergeCounts:
    # Several runs of a backfill may plan the same date: the first one to take the mutex reads it.
    mutex = run.store.mutex("bars read again", run.settings.lock_timeout)
    with batch_recorded(run.store, run.plan, batch.batch_no) as tried, mutex:
        earlier = [other for other in due_rereads(run) if other.day in (batch.again or ())]
        if not earlier:
            return NOTHING
        late = _late(earlier)
        tried.session = session = _session(run, earlier, late)
        return _read_and_load(run, batch, earlier, late, session)


def _verify_date(run: Run, batch: Batch) -> MergeCounts:
    """Read the run's own date again, whenever it was last read."""
    recorded = run.batch_recorded(batch.batch_no, bars_of(batch.kind).name)
    with recorded as tried, run.store.mutex(f"{run.day} read again", run.settings.lock_timeout):
        own = [replace(run, kinds=verified_kinds(run) or (batch.kind,))]
        tried.session = session = _session(run, own, [run.day])
        return _read_and_load(run, batch, own, {run.day}, session)


def _session(run: Run, dates: Collection[Run], late: Collection[date]) -> Session:
    return replace(run, leaves_reserve=True).session(sum(len(other.kinds) for other in dates) + len(late))


def _late(dates: Collection[Run]) -> set[date]:
    """The dates that may lack an adjust factor."""
    return {other.day for other in dates if other.store.corrections.factors_may_be_late(other.day)}


def _read_and_load(run: Run, batch: Batch, dates: list[Run], late: set[date], session: Session) -> MergeCounts:
    markets, problems = _read(dates, late, session)
    merged = _load(run, markets, late, problems, session)
    run.store.batches.add_rows(run.plan, batch.batch_no, sum(market.rows for market in markets))
    if problems:
        raise BadReply(joined(problems, " "))
    return merged


def _read(earlier: list[Run], late: Collection[date], session: Session) -> tuple[list[MarketBars], list[str]]:
    """Request each date's whole market, and save the adjust factors of the ``late`` dates, which may lack one.

    :returns: the markets, and the problems of the replies that are not believed.
    """
    markets: list[MarketBars] = []
    problems: list[str] = []
    with session:
        for run in earlier:
            for kind in run.kinds:
                try:
                    markets.append(_read_one(run, kind, session))
                except BadReply as problem:
                    problems.append(str(problem))
            if run.day in late:
                try:
                    factors = read_factors(session.daily_factors(run.day), run.day, run.day)
                    run.store.bars.save_factors(run.plan, factors.good, factors.odd, are_verified=True)
                except BadReply as problem:
                    problems.append(str(problem))
    return markets, problems


def _read_one(run: Run, kind: str, session: Session) -> MarketBars:
    market = MarketBars(run, kind)
    # Codes found absent on the evening of the date are requested again, too.
    fetcher = market.fetch(run.store.universe.remaining(run.expectation).get(kind, []), session)
    if fetcher.problems:
        raise BadReply(joined(fetcher.problems, " "))
    _refuse_what_says_little(market, market.answered | fetcher.answered)
    market.absent = sorted(fetcher.absent)
    return market


def _refuse_what_says_little(market: MarketBars, answered: Collection[str]) -> None:
    """Refuse a reply with too few usable rows: loading it would count as a check of the date.

    :raises BadReply: more rows are rejected than ``ASHARE_MAX_REJECTED``, or the absence of the codes without a row
        is not believed.
    """
    run = market.run
    expected = run.store.universe.expected(run.expectation, market.kind)
    unsaid = set(expected).difference(answered)
    # The whole-market reply and the per-security one are two answers.
    absence = replace(run.evidence, absent=len(unsaid), answers=ENOUGH_ANSWERS, bars=len(answered))
    verdict = judge_absence(replace(absence, others=Others.SAME_KIND if answered else Others.NONE))
    if (unsaid and verdict is not Verdict.BELIEVED) or len(market.rejects) > run.settings.max_rejected:
        raise BadReply(
            f"Baostock's reply for {run.day}, read again, lacks {len(unsaid)} of {len(expected)} "
            f"{PLURALS[market.kind]} and has {len(market.rejects)} rows that broke a rule; nothing of it was "
            "written."
        )


def _load(run: Run, markets: list[MarketBars], late: set[date], problems: list[str], session: Session) -> MergeCounts:
    """Load all dates in one transaction, since a correction may concern two days; on a contradiction, one by one.

    :param markets: takes the markets of further dates that had to be read.
    :param late: takes those further dates that may lack an adjust factor.
    :param problems: takes the error of each date that contradicts the known data.
    :param session: a closed session, for the requests of further dates.
    """
    with contextlib.ExitStack() as spools:
        for market in markets:
            spools.enter_context(market.spool)
        merged, loaded = _reload_together(run, markets, late, session, spools), markets
        if merged is None:
            merged, loaded = [], []
            for market in markets:
                try:
                    merged += run.store.bars.reload([_reread_date(market)], run.run_id)
                    loaded.append(market)
                except Contradiction as found:
                    problems.append(str(contradiction_error(market.run, found)))
    for market, one in zip(loaded, merged, strict=True):
        # The run's own date is recorded by the run's last step.
        if market.run.day != run.day and (one.inserted or one.revised or market.run.day in late):
            recount(market.run)
        for day in one.came_late - {market.run.day}:
            recount(replace(market.run, day=day))
        log.info(
            "%s %s, read again: %d changed, %d new, %d as they were.",
            *(PLURALS[market.kind], market.run.day, one.revised, one.inserted, one.unchanged),
        )
    return sum(merged, NOTHING)


def _reload_together(
    run: Run, markets: list[MarketBars], late: set[date], session: Session, spools: contextlib.ExitStack
) -> list[MergeCounts] | None:
    """Load the markets in one transaction. If they contradict a date that was not read again, that is read, too.

    :returns: row counts by market; ``None``: there is a contradiction, and nothing was loaded.
    """
    while True:
        try:
            return run.store.bars.reload([_reread_date(market) for market in markets], run.run_id)
        except Contradiction as found:
            if not (beside := _read_beside(run, markets, found, late, session)):
                return None
        for market in beside:
            markets.append(market)
            spools.enter_context(market.spool)


def _read_beside(
    run: Run, markets: list[MarketBars], found: Contradiction, late: set[date], session: Session
) -> list[MarketBars]:
    """Read the dates that contradict one to be verified: a correction of a close is one of the next preclose, too.

    :returns: their markets; empty if there is none to be read, or its reply is not believed.
    """
    read = {market.run.day for market in markets if market.kind == found.kind}
    if not run.verify or len(read) >= MOST_TOGETHER:
        return []
    states = {day: run.store.coverage.state(day, [bars_of(found.kind).name]) for day in found.days - read}
    complete = [day for day, state in states.items() if state is not None and state.coverage == "complete"]
    dates = [replace(run, day=day, kinds=(found.kind,), verify=False) for day in sorted(complete)]
    dates = [other for other in dates if other.has_market_call(found.kind)]
    if not dates:
        return []
    log.info("%s contradicts %s: read again, too.", run.day, joined([str(other.day) for other in dates], ", "))
    late |= (late_beside := _late(dates))
    beside, problems = _read(dates, late_beside, session)
    for problem in problems:
        log.warning("%s", problem)
    return [] if problems else beside


def _reread_date(market: MarketBars) -> RereadDate:
    run = market.run
    _, after = run.store.corrections.neighbours(run.day)
    state = run.store.coverage.state(after, [bars_of(market.kind).name]) if after else None
    # A date that is accepted as it is may contradict, and is not checked.
    is_held_against = state is not None and state.coverage == "complete"
    following = replace(run, day=after) if after and is_held_against else None
    return RereadDate(
        run.day,
        market.kind,
        market.batch_rows(),
        market.rows_of_day,
        tolerance(run, all_there=False),
        following.day if following else None,
        tolerance(following or run, all_there=False),
    )
