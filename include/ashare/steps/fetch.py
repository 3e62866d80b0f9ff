"""The third step, once per batch: fetch, check, COPY and merge. All of a batch is there, or nothing of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from tempfile import SpooledTemporaryFile
from typing import IO

from include.ashare.checks import CheckedBars, check_bars
from include.ashare.errors import BadReply, InvalidInput, NotPublishedYet, StoreUnavailable
from include.ashare.source import Session, Table
from include.ashare.steps.plan import PLURALS
from include.ashare.steps.run import BARS_ARE_FINAL, Run
from include.ashare.store import Batch
from include.ashare.store.store import Absence, Harvest, Merged, Reject

log = logging.getLogger(__name__)

MOST_LACKING = 500
"""A whole-market reply that lacks more codes than this is not believed at all."""

ONE_PAGE = timedelta(days=8 * 365)
"""A per-security request costs the same for a day as for a page of 2,000 sessions: a good eight years."""

ABSENT = "absent at the source: the per-security call brings no bar"

SPOOL_BYTES = 16 * 1024 * 1024


def _spool() -> IO[str]:
    return SpooledTemporaryFile(max_size=SPOOL_BYTES, mode="w+", encoding="utf-8")


@dataclass
class _Catch:
    """What the requests of a batch brought; the bars as text for COPY, on disk once they are many."""

    run: Run
    kind: str
    first: date
    """From when on securities are asked for one by one."""
    bars: IO[str] = field(default_factory=_spool)
    rows: int = 0
    rejects: list[Reject] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """Codes with a row, good or not, on the trade date."""
    asked_by_code: Sequence[str] = ()
    requests: int = 0

    @property
    def last(self) -> date:
        """Until when securities are asked for one by one."""
        return min(self.run.today, self.first + ONE_PAGE)

    def add_market(self, table: Table) -> None:
        """Check a whole-market reply and keep it."""
        self._add(check_bars(table, None, self.run.day, self.run.day, day=self.run.day, kind=self.kind), table)

    def ask_for(self, code: str, session: Session) -> None:
        """Fetch one security's bars, check and keep them."""
        table = session.bars(code, self.first, self.last)
        other = next((sent for (sent,) in table.columns("code") if sent != code), None)
        if other is not None:
            raise BadReply(f"Baostock sent bars of {other} when {code} was asked for; nothing was written.")
        self._add(check_bars(table, code, self.first, self.last, day=self.run.day, kind=self.kind), table)

    def _add(self, checked: CheckedBars, table: Table) -> None:
        self.bars.writelines(checked.lines)
        self.rows += len(checked.lines)
        self.rejects += checked.rejects
        day = self.run.day
        self.answered |= {code for when, code in table.columns("date", "code") if when == str(day)}
        self.answered |= {reject.code for reject in checked.rejects if reject.trade_date == day}


def fetch_and_copy(run: Run, batch_no: int) -> Merged:
    """Fetch one batch of the plan and load it. Harmless to repeat: what is there by now is not asked for.

    :raises BadReply: the reply is not the whole answer; nothing was written.
    """
    batch = run.store.batch(run.day, batch_no)
    if batch is None:
        raise InvalidInput(f"There is no batch {batch_no} for {run.day}: clear the task plan_batches first.")
    run.store.start_batch(run.day, batch_no)
    catch = _Catch(run, batch.kind, run.day)
    try:
        # A per-security request brings later dates too: whoever waited here may find its codes loaded.
        work = "bars by code" if batch.by == "code" else _work(run, batch.kind)
        with run.store.alone(work, run.settings.lock_timeout), catch.bars:
            _fetch(run, batch, catch)
            # The session is closed: the next batch fetches while this one is written.
            return _load(run, batch, catch)
    except Exception as error:
        with suppress(StoreUnavailable):  # the first error is the one to be told
            run.store.fail_batch(run.day, batch_no, f"{error}" or type(error).__name__, catch.requests)
        raise


def _fetch(run: Run, batch: Batch, catch: _Catch) -> None:
    wanted = run.store.remaining(run.expectation).get(batch.kind, [])
    if batch.codes is not None:
        wanted = sorted(set(wanted) & set(batch.codes))
    if not wanted:
        return
    if batch.by == "code":
        # Earlier dates that wait for the same codes, in another run, find them loaded.
        catch.first = run.store.earliest_waiting(run.day, batch.kind, wanted, since=run.day - ONE_PAGE)
    session = run.session()
    try:
        with session:
            market = batch.by == "market_day"
            lacking = _fetch_market(run, batch, wanted, session, catch) if market else wanted
            for code in lacking:
                catch.ask_for(code, session)
            catch.asked_by_code = lacking
    finally:
        catch.requests = session.requests


def _fetch_market(run: Run, batch: Batch, wanted: Sequence[str], session: Session, catch: _Catch) -> Sequence[str]:
    """Fetch the whole market, and return the wanted codes that it lacks."""
    table = session.market_day(run.day, batch.kind)
    if not table.rows:
        raise BadReply(
            f"Baostock has no {PLURALS[batch.kind]} for {run.day}, a trading day: they are not published yet, "
            "or the reply is wrong; nothing was written."
        )
    sent = {code for (code,) in table.columns("code")}
    lacking = [code for code in wanted if code not in sent]
    if len(lacking) > MOST_LACKING:
        raise BadReply(
            f"Baostock's reply for {run.day} has {len(table.rows)} {PLURALS[batch.kind]} and lacks "
            f"{len(lacking)} of {len(wanted)} that were expected; nothing was written."
        )
    catch.add_market(table)
    return lacking


def _load(run: Run, batch: Batch, catch: _Catch) -> Merged:
    absent = sorted(set(catch.asked_by_code) - catch.answered)
    doubt = _doubt_absence(run, batch, catch, absent) if absent else None
    harvest = Harvest(
        catch.bars,
        catch.rows,
        catch.rejects,
        Absence(absent, ABSENT) if absent and not doubt else None,
        catch.requests,
        _follow_up(batch, catch.asked_by_code),
    )
    merged = run.store.load(run.day, batch.batch_no, harvest, run.run_id)
    log.info(
        "%s: %d rows: %d new, %d changed, %d as they were; %d rejected, %d absent at the source.",
        *(batch.label, catch.rows, merged.inserted, merged.revised, merged.unchanged),
        *(len(catch.rejects), len(absent)),
    )
    for reject in catch.rejects[:20]:
        log.warning("Rejected %s on %s: %s.", reject.code, reject.trade_date, reject.rule)
    if doubt:
        raise doubt
    return merged


def _doubt_absence(run: Run, batch: Batch, catch: _Catch, absent: Sequence[str]) -> BadReply | NotPublishedYet | None:
    """Why the source's having no bar of these codes is not believed; ``None`` when it is."""
    if run.is_today_before(BARS_ARE_FINAL):
        return NotPublishedYet(
            f"{len(absent)} {PLURALS[batch.kind]} have no bar of {run.day} yet, {absent[0]} for one; "
            f"that is believed from {BARS_ARE_FINAL:%H:%M} on."
        )
    if len(absent) > run.settings.max_absent:
        return BadReply(
            f"{len(absent)} {PLURALS[batch.kind]} have no bar on {run.day} even when asked for one by one, more "
            f"than ASHARE_MAX_ABSENT ({run.settings.max_absent}): the others are loaded, these are not believed."
        )
    if catch.answered:
        return None
    # Before a day is published, every answer is empty. The whole market, when it is being loaded, tells; today it
    # may be out before the others.
    with run.store.alone(_work(run, "stock"), run.settings.lock_timeout):
        if run.day < run.today and run.store.has_bars(run.day):
            return None
    return BadReply(
        f"Baostock has no bar of {run.day} for any of {batch.label}: the day is not published yet, or data is lost."
    )


def _work(run: Run, kind: str) -> str:
    """The lock under which a market day is fetched and loaded."""
    return f"{kind} bars of {run.day}"


def _follow_up(batch: Batch, asked: Sequence[str]) -> Sequence[Batch]:
    """The record of what a whole-market batch asked for by code."""
    if batch.by == "code" or not asked:
        return []
    label = f"{PLURALS[batch.kind]} that the whole market lacked, 1-{len(asked)}"
    return [Batch(batch.kind, "code", list(asked), label)]
