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
from ashare.sync.fetched_bars import FetchedBars, fetch_market
from ashare.sync.record import recount
from ashare.sync.run import Run
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
        run.store.batches.stop(run.day, batch.batch_no, "superseded", str(postponed), 0)
        return MergeCounts(0, 0, 0)


def _reread_dates(run: Run, batch: Batch) -> MergeCounts:
    session: Session | None = None
    recorded = run.batch_end_recorded(batch.batch_no, lambda: session.requests if session else 0)
    # Several runs of a backfill may plan the same date: the first one to take the mutex reads it.
    with recorded, run.store.mutex("bars read again", run.settings.lock_timeout):
        earlier = [other for other in due_rereads(run) if other.day in (batch.again or ())]
        if not earlier:
            run.store.batches.finish(run.day, batch.batch_no, 0, 0)
            return MergeCounts(0, 0, 0)
        late = {other.day for other in earlier if run.store.corrections.factors_may_be_late(other.day)}
        session = run.session(sum(len(other.kinds) for other in earlier) + len(late), leaves_reserve=True)
        fetched_bars, problems = _read(earlier, late, session)
        merged = _load(run, fetched_bars, late, problems)
        if problems:
            raise BadReply(joined(problems, " "))
        run.store.batches.finish(
            run.day, batch.batch_no, sum(fetched.rows for fetched in fetched_bars), session.requests
        )
    return merged


def _read(earlier: list[Run], late: Collection[date], session: Session) -> tuple[list[FetchedBars], list[str]]:
    """Request each date's whole market, and save the adjust factors of the ``late`` dates, which may lack one.

    :returns: the fetched bars, and the problems of the replies that are not believed.
    """
    fetched_bars: list[FetchedBars] = []
    problems: list[str] = []
    with session:
        for run in earlier:
            for kind in run.kinds:
                try:
                    fetched_bars.append(_read_one(run, kind, session))
                except BadReply as problem:
                    problems.append(str(problem))
            if run.day in late:
                try:
                    factors = read_factors(session.daily_factors(run.day), run.day, run.day)
                    run.store.bars.save_factors(run.day, factors.good, 0, factors.odd, run.run_id)
                except BadReply as problem:
                    problems.append(str(problem))
    return fetched_bars, problems


def _read_one(run: Run, kind: str, session: Session) -> FetchedBars:
    fetched = FetchedBars(run, kind, run.day)
    # Codes found absent on the evening of the date are requested again, too.
    wanted = run.store.universe.remaining(run.expectation).get(kind, [])
    fetched.ask_for(fetch_market(run, kind, wanted, session, fetched), session)
    _refuse_what_says_little(fetched)
    return fetched


def _refuse_what_says_little(fetched: FetchedBars) -> None:
    """Refuse a reply with too few usable rows: loading it would count as a check of the date.

    :raises BadReply: more rows are rejected than ``ASHARE_MAX_REJECTED``, or the absence of the codes without a row
        is not believed.
    """
    run = fetched.run
    expected = run.store.universe.expected(run.expectation, fetched.kind)
    unsaid = set(expected) - fetched.answered
    # The whole-market reply and the per-security one are two answers.
    absence = replace(run.evidence, absent=len(unsaid), answers=ENOUGH_ANSWERS, bars=len(fetched.answered))
    verdict = judge_absence(replace(absence, others=Others.SAME_KIND if fetched.answered else Others.NONE))
    if (unsaid and verdict is not Verdict.BELIEVED) or len(fetched.rejects) > run.settings.max_rejected:
        raise BadReply(
            f"Baostock's reply for {run.day}, read again, lacks {len(unsaid)} of {len(expected)} "
            f"{PLURALS[fetched.kind]} and has {len(fetched.rejects)} rows that broke a rule; nothing of it was "
            "written."
        )


def _load(run: Run, fetched_bars: list[FetchedBars], late: Collection[date], problems: list[str]) -> MergeCounts:
    """Load all dates in one transaction, since a correction may concern two days; on a contradiction, one by one.

    :param problems: takes the error of each date that contradicts the known data.
    """
    with contextlib.ExitStack() as spools:
        for fetched in fetched_bars:
            spools.enter_context(fetched.bars)
        try:
            merged = run.store.bars.reload([_reread_date(fetched) for fetched in fetched_bars], run.run_id)
            loaded = fetched_bars
        except Contradiction:
            merged, loaded = [], []
            for fetched in fetched_bars:
                try:
                    merged += run.store.bars.reload([_reread_date(fetched)], run.run_id)
                    loaded.append(fetched)
                except Contradiction as found:
                    problems.append(str(contradiction_error(fetched.run, found)))
    for fetched, one in zip(loaded, merged, strict=True):
        if one.inserted or one.revised or fetched.run.day in late:
            recount(fetched.run)
        for day in one.came_late - {fetched.run.day}:
            recount(replace(fetched.run, day=day))
        log.info(
            "%s %s, read again: %d changed, %d new, %d as they were.",
            *(PLURALS[fetched.kind], fetched.run.day, one.revised, one.inserted, one.unchanged),
        )
    return sum(merged, MergeCounts(0, 0, 0))


def _reread_date(fetched: FetchedBars) -> RereadDate:
    run = fetched.run
    _, after = run.store.corrections.neighbours(run.day)
    state = run.store.coverage.state(after, [bars_of(fetched.kind).name]) if after else None
    # A date that is accepted as it is may contradict, and is not checked.
    is_held_against = state is not None and state.coverage == "complete"
    following = replace(run, day=after) if after and is_held_against else None
    return RereadDate(
        run.day,
        fetched.kind,
        fetched.batch_rows(absent=fetched.absent),
        tolerance(run, all_there=False),
        following.day if following else None,
        tolerance(following or run, all_there=False),
    )
