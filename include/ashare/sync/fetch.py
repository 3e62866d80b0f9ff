"""The third step, once per batch: fetch, check, COPY and merge. A batch is loaded in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from ashare.datasets import BARS_ARE_FINAL, PLURALS, bars_of
from ashare.errors import AshareError, BadReply
from ashare.source import Session
from ashare.store import Batch
from ashare.store.cross_check import Contradiction
from ashare.store.rows import MergeCounts
from ashare.sync.fetched_bars import ONE_PAGE, FetchedBars, fetch_market
from ashare.sync.first_bars import ask_witnesses, before_the_first_bar
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
            if batch.by == "code":
                _ask_once_more(run, fetched, session)
    finally:
        fetched.requests = session.requests


def _asked_first(run: Run, codes: Sequence[str]) -> Sequence[str]:
    """The codes to request first: all of them, or a sample of a long list of today's.

    An answer of no bar for so many codes would not be believed today.
    """
    most = FEW if run.is_today_before(BARS_ARE_FINAL) else max(FEW, run.settings.max_absent)
    return sample_of(codes) if run.day == run.today and len(codes) > most else codes


def _ask_by_code(run: Run, fetched: FetchedBars, codes: Sequence[str], session: Session) -> None:
    """Request securities one by one. If none of the first codes has a bar, the other codes are not out either."""
    first = _asked_first(run, codes)
    fetched.ask_for(first, session)
    others = sorted(set(codes) - set(first))
    if fetched.answered.isdisjoint(first):
        fetched.unasked = others
    else:
        fetched.ask_for(others, session)


def _ask_once_more(run: Run, fetched: FetchedBars, session: Session) -> None:
    """Request absent codes a second time: in a batch by code, one empty answer would be the only evidence.

    If no security of the kind has a bar, the cause is the same for all codes, and one repeated request is enough.
    """
    others_come = _has_some(run, fetched) or (fetched.kind == "index" and bool(fetched.begins))
    absent = fetched.absent if others_come else fetched.absent[:1]
    if len(absent) > run.settings.max_absent or run.is_today_before(BARS_ARE_FINAL):
        return  # the absence is not believed in any case
    fetched.ask_for(absent, session)
    ask_witnesses(fetched, session)


def _has_some(run: Run, fetched: FetchedBars) -> bool:
    """Whether the table or this batch holds a bar of the kind for the date. If so, the date is published."""
    return bool(fetched.answered) or run.store.bars.has_bars(run.day, fetched.kind)


def _first(run: Run, kind: str, codes: Sequence[str]) -> date:
    """The first date of the per-security requests: a request costs the same for a day as for years.

    The range includes earlier dates on which another run waits for the same codes: that run finds the codes loaded.
    It also includes the last complete dates (``ASHARE_RECHECK_DAYS``), which are checked for corrections.
    """
    waiting = run.store.batches.earliest_waiting(run.day, kind, codes, since=run.day - ONE_PAGE)
    complete = run.store.corrections.earliest_complete(run.day, kind, days=run.settings.recheck_days)
    return min(waiting, complete or waiting)


def _load(run: Run, batch: Batch, fetched: FetchedBars) -> MergeCounts:
    missing = sorted({*before_the_first_bar(fetched), *fetched.unasked})
    doubt = _doubt_absence(run, batch, fetched, missing) if missing else None
    believed = () if doubt else missing
    batch_rows = fetched.batch_rows(
        absent=believed, follow_ups=() if doubt else _follow_up(batch, fetched.asked_by_code)
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


def _doubt_absence(run: Run, batch: Batch, fetched: FetchedBars, missing: Sequence[str]) -> AshareError | None:
    """The error that says why the absence of these codes is not believed; ``None`` if it is believed."""
    plural, most = PLURALS[batch.kind], run.settings.max_absent
    has_some = _has_some(run, fetched)
    late = f"{len(missing)} {plural} have no bar yet, {missing[0]} for one"
    pace = LATE_CODES if has_some else PUBLICATION
    if run.is_today_before(BARS_ARE_FINAL):
        return not_yet(run, batch.label, f"{late}; an absence is believed from {BARS_ARE_FINAL:%H:%M} on", pace)
    if run.day == run.today and (len(missing) > most or not has_some):
        why = f"more than ASHARE_MAX_ABSENT ({most})" if has_some else f"and no other of the {plural} has one"
        return not_yet(run, batch.label, f"{late}, {why}", pace)
    if len(missing) > most:
        return BadReply(
            f"{len(missing)} {plural} have no bar on {run.day} even when asked for one by one, more than "
            f"ASHARE_MAX_ABSENT ({most}): the others are loaded, these are not believed."
        )
    if has_some:
        return None
    # Before a day is published, every answer is empty. Wait for a running load of the whole market: its bars prove
    # that the day is published.
    with run.store.mutex(_work(run, "stock"), run.settings.lock_timeout):
        if run.store.bars.has_bars(run.day):
            return None
    return BadReply(
        f"Baostock has no bar of {run.day} for any of {batch.label}: the day is not published yet, or data is lost."
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
