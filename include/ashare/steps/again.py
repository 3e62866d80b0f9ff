"""Corrections: the source changes past days, so the last few are read again, a request each."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import date

from include.ashare.errors import BadReply, Postponed
from include.ashare.source import Session
from include.ashare.steps.catch import Catch, fetch_market
from include.ashare.steps.factors import read_factors
from include.ashare.steps.plan import PLURALS, due_again
from include.ashare.steps.record import note_of
from include.ashare.steps.run import Run
from include.ashare.steps.verify import not_believed, tolerance, verify, verify_following
from include.ashare.store import Batch
from include.ashare.store.cross_check import Contradiction
from include.ashare.store.store import Merged

log = logging.getLogger(__name__)


def fetch_again(run: Run, batch: Batch) -> Merged:
    """Read earlier dates again and update what changed; what did not change is not written.

    The run's own date does not wait for it: where nothing may be asked today, a later run does it.

    :raises BadReply: a date's reply is not to be believed; the others are loaded.
    """
    try:
        return _fetch_again(run, batch)
    except Postponed as postponed:
        log.warning("%s: left to a later run. %s", batch.label, postponed)
        run.store.stop_batch(run.day, batch.batch_no, "superseded", str(postponed), 0)
        return Merged(0, 0, 0)


def _fetch_again(run: Run, batch: Batch) -> Merged:
    # Of the runs of a backfill that plan the same date, the first to come reads it.
    with run.store.alone("bars read again", run.settings.lock_timeout):
        due = due_again(run, batch.kind)
        earlier = [
            replace(run, day=day, kinds=tuple(kinds)) for day, kinds in due.items() if day in (batch.again or ())
        ]
        if not earlier:
            run.store.finish_batch(run.day, batch.batch_no, 0, 0)
            return Merged(0, 0, 0)
        late = {other.day for other in earlier if run.store.factors_may_be_late(other.day)}
        session = run.session(len(earlier) + len(late))
        with run.batch_end_recorded(batch.batch_no, lambda: session.requests, date_waits=False):
            caught, problems = _read(earlier, batch.kind, late, session)
            merged = Merged(0, 0, 0)
            for catch in caught:
                with catch.bars:
                    try:
                        merged += _load(catch)
                    except BadReply as problem:
                        problems[catch.run.day] = problem
            if problems:
                raise BadReply(" ".join(str(problem) for problem in problems.values()))
            rows = sum(catch.rows for catch in caught)
            run.store.finish_batch(run.day, batch.batch_no, rows, session.requests)
    return merged


def _read(
    earlier: list[Run], kind: str, late: Collection[date], session: Session
) -> tuple[list[Catch], dict[date, BadReply]]:
    """Ask for each date's market, and for the adjust factors of those that may lack one."""
    caught, problems = [], {}
    with session:
        for run in earlier:
            catch = Catch(run, kind, run.day)
            wanted = run.store.remaining(run.expectation).get(kind, [])
            try:
                # What an evening's answer lacked is asked for again, too.
                catch.asked_by_code = fetch_market(run, kind, wanted, session, catch)
                for code in catch.asked_by_code:
                    catch.ask_for(code, session)
                _refuse_what_says_little(catch)
                if run.day in late:
                    catch.factors = read_factors(session.daily_factors(run.day), run.day)
                caught.append(catch)
            except BadReply as problem:
                problems[run.day] = problem
    return caught, problems


def _refuse_what_says_little(catch: Catch) -> None:
    """A reply of which little can be used would count as a check of the date."""
    run = catch.run
    expected = run.store.expected(run.expectation, catch.kind)
    unsaid = set(expected) - catch.answered
    if len(catch.rejects) > run.settings.max_rejected or len(unsaid) > run.settings.max_absent:
        raise BadReply(
            f"Baostock's reply for {run.day}, read again, lacks {len(unsaid)} of {len(expected)} "
            f"{PLURALS[catch.kind]} and has {len(catch.rejects)} rows that broke a rule; nothing of it was written."
        )


def _load(catch: Catch) -> Merged:
    run = catch.run
    try:
        if catch.factors:
            run.store.save_factors(run.day, catch.factors, 0)
        market = (catch.kind, tolerance(run, all_there=False))
        merged = run.store.reload(run.day, catch.harvest(absent=catch.absent), run.run_id, market=market)
    except Contradiction as found:
        raise not_believed(run, found) from found
    if merged.inserted or merged.revised or catch.factors:
        count = run.store.count(run.expectation)
        run.store.recount_date(run.expectation, note_of(run, count, verify(run)), count)
        verify_following(run)
    log.info(
        "%s %s, read again: %d changed, %d new, %d as they were.",
        *(PLURALS[catch.kind], run.day, merged.revised, merged.inserted, merged.unchanged),
    )
    return merged
