"""Corrections: Baostock changes past days, so the last few trade dates are read again, a request each."""

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
from ashare.sync.agenda import due_rereads
from ashare.sync.factors import read_factors
from ashare.sync.market_day import MarketBars
from ashare.sync.record import recount
from ashare.sync.run import Run, batch_recorded
from ashare.sync.stream import NOTHING
from ashare.sync.verify import contradiction_error, tolerance
from ashare.texts import joined

log = logging.getLogger(__name__)


def reread_dates(run: Run, batch: Batch) -> MergeCounts:
    """Read earlier dates again and update the changed rows; unchanged rows are not written.

    The run's own date does not wait for corrections: if the requests are postponed, a later run sends them.

    :returns: row counts of the merges.
    :raises BadReply: a date's reply is not believed; the other dates are loaded.
    """
    try:
        return _reread_dates(run, batch)
    except Postponed as postponed:
        log.warning("%s: left to a later run. %s", batch.label, postponed)
        run.store.batches.finish(run.plan, batch.batch_no, "superseded", 0, str(postponed))
        return NOTHING


def _reread_dates(run: Run, batch: Batch) -> MergeCounts:
    # Several runs of a backfill may plan the same date: the first one to take the mutex reads it.
    mutex = run.store.mutex("bars read again", run.settings.lock_timeout)
    with batch_recorded(run.store, run.plan, batch.batch_no) as tried, mutex:
        earlier = [other for other in due_rereads(run) if other.day in (batch.again or ())]
        if not earlier:
            return NOTHING
        late = {other.day for other in earlier if run.store.corrections.factors_may_be_late(other.day)}
        requests = sum(len(other.kinds) for other in earlier) + len(late)
        tried.session = session = replace(run, leaves_reserve=True).session(requests)
        markets, problems = _read(earlier, late, session)
        merged = _load(run, markets, late, problems)
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
                    run.store.bars.save_factors(run.plan, factors.good, factors.odd)
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


def _load(run: Run, markets: list[MarketBars], late: Collection[date], problems: list[str]) -> MergeCounts:
    """Load all dates in one transaction, since a correction may concern two days; on a contradiction, one by one.

    :param problems: takes the error of each date that contradicts the known data.
    """
    with contextlib.ExitStack() as spools:
        for market in markets:
            spools.enter_context(market.spool)
        try:
            merged = run.store.bars.reload([_reread_date(market) for market in markets], run.run_id)
            loaded = markets
        except Contradiction:
            merged, loaded = [], []
            for market in markets:
                try:
                    merged += run.store.bars.reload([_reread_date(market)], run.run_id)
                    loaded.append(market)
                except Contradiction as found:
                    problems.append(str(contradiction_error(market.run, found)))
    for market, one in zip(loaded, merged, strict=True):
        if one.inserted or one.revised or market.run.day in late:
            recount(market.run)
        for day in one.came_late - {market.run.day}:
            recount(replace(market.run, day=day))
        log.info(
            "%s %s, read again: %d changed, %d new, %d as they were.",
            *(PLURALS[market.kind], market.run.day, one.revised, one.inserted, one.unchanged),
        )
    return sum(merged, NOTHING)


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
        tolerance(run, all_there=False),
        following.day if following else None,
        tolerance(following or run, all_there=False),
    )
