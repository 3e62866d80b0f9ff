"""The bars of one batch: fetch, check, COPY and merge. A batch is loaded in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from ashare.datasets import BARS_ARE_FINAL, PLURALS, bars_of
from ashare.errors import AshareError, BadReply
from ashare.source import Session
from ashare.store import Batch
from ashare.store.cross_check import Contradiction
from ashare.store.rows import AbsentRange, MergeCounts
from ashare.sync.absence import ENOUGH_ANSWERS, Evidence, Others, Verdict, begins_later, judge_absence
from ashare.sync.fetched_bars import ONE_PAGE, FetchedBars, fetch_market
from ashare.sync.first_bars import ask_witnesses, empty_span
from ashare.sync.publication import LATE_CODES, PUBLICATION, not_yet, sample_of
from ashare.sync.record import recount
from ashare.sync.run import FEW, Run
from ashare.sync.verify import contradiction_error, tolerance

log = logging.getLogger(__name__)


def fetch_bars(run: Run, batch: Batch) -> MergeCounts:
    """Fetch one batch of the trade date's own bars and load it.

    Idempotent: a loaded bar is requested again only if the cross-checks contradict it.

    :returns: row counts of the merge.
    :raises NotPublishedYet: today's bars are not all out; the bars that are believed are loaded.
    :raises TerminalError: the same, from ``GIVE_UP`` on.
    :raises BadReply: the reply is malformed or contradicts the known data, and nothing was written; or too many
        bars are absent, and the others are loaded.
    """
    fetched = FetchedBars(run, batch.kind, run.day)
    # A per-security request also brings later dates: after the wait for this mutex, the codes may be loaded.
    work = "bars by code" if batch.by == "code" else _work(run, batch.kind)
    recorded = run.batch_end_recorded(batch.batch_no, lambda: fetched.requests, bars_of(batch.kind).name)
    with recorded, run.store.mutex(work, run.settings.lock_timeout), fetched.bars:
        _fetch(run, batch, fetched)
        # The Baostock session is closed: the next batch can fetch while this batch is written.
        return _load(run, batch, fetched)


def _fetch(run: Run, batch: Batch, fetched: FetchedBars) -> None:
    wanted = run.store.universe.remaining(run.expectation).get(batch.kind, [])
    doubted = batch.kind in run.store.corrections.contradicted(run.day, [batch.kind])
    if batch.codes is not None:
        wanted = sorted(batch.codes if doubted else set(wanted) & set(batch.codes))
    if not wanted and not doubted:
        return
    if batch.by == "code":
        fetched.first = _first(run, batch.kind, wanted)
    # A few codes that an earlier whole-market reply lacked are requested one by one.
    market = batch.by == "market_day" and (doubted or len(wanted) > FEW)
    session = run.session(1 if market else len(_asked_first(run, wanted)))
    try:
        with session:
            lacking = fetch_market(run, batch.kind, wanted, session, fetched) if market else wanted
            _ask_by_code(run, fetched, lacking, session)
            _ask_once_more(run, batch, fetched, session)
    finally:
        fetched.requests = session.requests


def _asked_first(run: Run, codes: Sequence[str]) -> Sequence[str]:
    """The codes to request first: all of them, or a sample of a long list of today's.

    A sample, if the policy would not believe an answer of no bar for so many codes today.
    """
    if run.day < run.today or len(codes) <= FEW:
        return codes
    none_comes = replace(run.evidence, absent=len(codes), answers=ENOUGH_ANSWERS, others=Others.SAME_KIND)
    return codes if judge_absence(none_comes) is Verdict.BELIEVED else sample_of(codes)


def _ask_by_code(run: Run, fetched: FetchedBars, codes: Sequence[str], session: Session) -> None:
    """Request securities one by one. If none of the first codes has a bar, the other codes are not out either."""
    first = _asked_first(run, codes)
    fetched.ask_for(first, session)
    others = sorted(set(codes) - set(first))
    if fetched.answered.isdisjoint(first):
        fetched.unasked = others
    else:
        fetched.ask_for(others, session)


def _ask_once_more(run: Run, batch: Batch, fetched: FetchedBars, session: Session) -> None:
    """Request absent codes a second time, where one answer of no bar would be the only evidence.

    If no security of the kind has a bar, one repeated request is enough.
    """
    again = _once_answered(run, batch, fetched)
    if not again:
        return
    if _has_one_cause(fetched, next(iter(again.values())).others):
        fetched.ask_for(sorted(again)[:1], session)
        again = _once_answered(run, batch, fetched)
    fetched.ask_for(sorted(again), session)
    ask_witnesses(fetched, session)


def _has_one_cause(fetched: FetchedBars, others: Others) -> bool:
    """Whether no security of the kind has a bar. The cause is the same for all: a second answer for one counts."""
    return others is not Others.SAME_KIND and not (fetched.kind == "index" and fetched.begins)


def _once_answered(run: Run, batch: Batch, fetched: FetchedBars) -> dict[str, Evidence]:
    """The evidence of the absent codes that are to be requested again."""
    found = _evidence(run, batch, fetched)
    return {code: each for code, each in found.items() if judge_absence(each) is Verdict.ASK_AGAIN}


def _evidence(run: Run, batch: Batch, fetched: FetchedBars) -> dict[str, Evidence]:
    """What is known of each code that lacks the trade date."""
    missing = sorted({*fetched.absent, *fetched.unasked} - fetched.answered)
    if not missing:
        return {}
    others = _others(run, fetched)
    # A few codes are requested one by one because an earlier whole-market reply lacked them.
    by_market = fetched.is_market or (batch.by == "market_day" and others is Others.SAME_KIND)
    common = replace(
        run.evidence,
        others=others,
        bars=len(fetched.answered) if fetched.is_market else None,
        witness=True if fetched.begins else fetched.witness,
    )
    asked = {code: fetched.asked_by_code[code] for code in missing}
    if _has_one_cause(fetched, others):
        asked = dict.fromkeys(missing, max(asked.values()))
    found = {
        code: replace(common, answers=by_market + asked[code], span=empty_span(fetched, code)) for code in missing
    }
    later = [code for code, each in found.items() if begins_later(each)]
    absent = len(missing) - len(later) + run.store.bars.absent_beside(run.day, run.today, missing)
    return {code: replace(each, absent=absent) for code, each in found.items()}


def _others(run: Run, fetched: FetchedBars) -> Others:
    """Which securities have a bar of the trade date, in the table or in this batch."""
    if fetched.answered or run.store.bars.has_bars(run.day, fetched.kind):
        return Others.SAME_KIND
    return Others.OTHER_KIND if run.store.bars.has_bars(run.day) else Others.NONE


def _first(run: Run, kind: str, codes: Sequence[str]) -> date:
    """The first date of the per-security requests: a request costs the same for a day as for years.

    The range includes earlier dates on which another run waits for the same codes: that run finds the codes loaded.
    It also includes the last complete dates (``ASHARE_RECHECK_DAYS``), which are checked for corrections.
    """
    waiting = run.store.batches.earliest_waiting(run.day, kind, codes, since=run.day - ONE_PAGE)
    complete = run.store.corrections.earliest_complete(run.day, kind, days=run.settings.recheck_days)
    return min(waiting, complete or waiting)


def _load(run: Run, batch: Batch, fetched: FetchedBars) -> MergeCounts:
    found = _evidence(run, batch, fetched)
    for code, each in found.items():
        if each.span and judge_absence(each) is Verdict.BEFORE_FIRST_BAR:
            fetched.ranges.append(AbsentRange(code, fetched.first, each.span.last))
    missing = sorted(found.keys() - {span.code for span in fetched.ranges})
    doubt = _doubt(run, batch, {code: found[code] for code in missing})
    believed = () if doubt else missing
    batch_rows = fetched.batch_rows(
        absent=believed, follow_ups=() if doubt else _follow_up(batch, list(fetched.asked_by_code))
    )
    market = (batch.kind, tolerance(run, all_there=False)) if fetched.is_market and fetched.rows else None
    try:
        merged = run.store.bars.load(run.day, batch.batch_no, batch_rows, run.run_id, market=market)
    except Contradiction as found:
        raise contradiction_error(run, found) from found
    fetched.requests = 0  # load() has recorded the requests
    log.info(
        "%s: %d rows: %d new, %d changed, %d as they were; %d rejected, %d absent at the source.",
        *(batch.label, fetched.rows, merged.inserted, merged.revised, merged.unchanged),
        *(len(fetched.rejects), len(missing)),
    )
    for day in merged.came_late - {run.day}:
        recount(replace(run, day=day))
    for reject in fetched.rejects[:20]:
        log.warning("Rejected %s on %s: %s.", reject.code, reject.trade_date, reject.rule)
    for blanked in fetched.blanked[:20]:
        log.warning("Left out of %s on %s, as no numbers: %s.", blanked.code, blanked.trade_date, blanked.raw)
    if doubt:
        raise doubt
    return merged


def _doubt(run: Run, batch: Batch, found: Mapping[str, Evidence]) -> AshareError | None:
    """The error that says why the absence of these codes is not believed; ``None`` if it is believed."""
    verdicts = {code: judge_absence(each) for code, each in found.items()}
    if Verdict.NO_OTHER in verdicts.values():
        # A load of the whole market may be running: its bars prove that the day is published.
        with run.store.mutex(_work(run, "stock"), run.settings.lock_timeout):
            if run.store.bars.has_bars(run.day):
                verdicts = {code: judge_absence(replace(found[code], others=Others.OTHER_KIND)) for code in found}
    doubted = [code for code, verdict in verdicts.items() if verdict is not Verdict.BELIEVED]
    if not doubted:
        return None
    code = doubted[0]
    verdict, evidence, plural = verdicts[code], found[code], PLURALS[batch.kind]
    beside = f", besides {more} recorded as absent" if (more := evidence.absent - len(found)) else ""
    is_over = evidence.absent > evidence.most
    many = f"more than ASHARE_MAX_ABSENT ({evidence.most})" if is_over else "more than have one"
    if evidence.clock is not None:
        why = {
            Verdict.NOT_FINAL: f"; an absence is believed from {BARS_ARE_FINAL:%H:%M} on",
            Verdict.TOO_MANY_TODAY: f"{beside}, {many}",
            Verdict.NO_OTHER_TODAY: f", and no other of the {plural} has one",
        }.get(verdict, f", and {code} was asked for only once")
        pace = LATE_CODES if evidence.others is Others.SAME_KIND else PUBLICATION
        return not_yet(run, batch.label, f"{len(found)} {plural} have no bar yet, {code} for one{why}", pace)
    nothing = f"Baostock has no bar of {run.day} for any of {batch.label}"
    return BadReply(
        {
            Verdict.DISPROVED: f"Baostock sends no bars of {code} of years of which it has some: not believed.",
            Verdict.TOO_MANY: f"{len(found)} {plural} have no bar on {run.day} even when asked for one by one"
            f"{beside}, {many}: the others are loaded, these are not believed.",
            Verdict.SILENT: f"{nothing}, and sends no bars of other securities now.",
            Verdict.NO_OTHER: f"{nothing}: the day is not published yet, or data is lost.",
        }.get(verdict, f"Baostock has no bar of {code} on {run.day}, asked for only once: not believed.")
    )


def _work(run: Run, kind: str) -> str:
    """Name of the mutex under which a whole-market day is fetched and loaded."""
    return f"{kind} bars of {run.day}"


def _follow_up(batch: Batch, asked: Sequence[str]) -> Sequence[Batch]:
    """The batch that records the per-security requests of a whole-market batch; empty if it sent none."""
    if batch.by == "code" or not asked:
        return []
    label = f"{PLURALS[batch.kind]} that the whole market lacked, 1-{len(asked)}"
    return [Batch(batch.kind, "code", list(asked), label)]
