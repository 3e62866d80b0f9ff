"""Beside the bars: the adjust factors of the stocks that go ex on the trade date."""

from __future__ import annotations

import logging
from datetime import date

from include.ashare.checks import is_code, is_number
from include.ashare.errors import BadReply
from include.ashare.source import Table
from include.ashare.source.session import FACTOR_FIELDS
from include.ashare.steps.publication import STRAGGLERS, not_yet
from include.ashare.steps.run import FACTORS_ARE_FINAL, Run
from include.ashare.store.store import FACTOR_BATCH

log = logging.getLogger(__name__)

AdjustFactor = tuple[str, date, str, str]
"""Code, ex-date, fore and back factor, the factors as sent."""


def sync_adjust_factors(run: Run) -> None:
    """Load the trade date's ex-date events.

    :raises NotPublishedYet: there are none, and today's may not be out yet.
    """
    # Of two runs of one date, the second finds them read.
    with run.store.alone(f"adjust factors of {run.day}", run.settings.lock_timeout):
        if run.store.factors_are_in(run.day, run.today):
            log.info("The adjust factors of %s are in.", run.day)
            return
        _read_and_save(run)


def _read_and_save(run: Run) -> None:
    run.store.start_factor_batch(run.day, run.run_id)
    session = run.session()
    with run.batch_end_recorded(FACTOR_BATCH, lambda: session.requests):
        with session:
            table = session.daily_factors(run.day)
        factors = read_factors(table, run.day, run.day)
        if not factors and run.is_today_before(FACTORS_ARE_FINAL):
            reason = f"no adjust factors yet; that is believed from {FACTORS_ARE_FINAL:%H:%M} on"
            raise not_yet(run, "adjust factors", reason, STRAGGLERS, FACTORS_ARE_FINAL)
    run.store.save_factors(run.day, factors, session.requests)
    log.info("%d stocks go ex on %s.", len(factors), run.day)


def read_factors(table: Table, first: date, last: date, code: str | None = None) -> list[AdjustFactor]:
    """Check a reply that was asked for one code, or for all (``None``), on the days ``first`` to ``last``.

    :raises BadReply: one of its factors cannot be; none is to be kept.
    """
    factors: dict[tuple[str, date], AdjustFactor] = {}
    for sent, text, fore, back in table.columns(*FACTOR_FIELDS):
        ex_date = _date(text)
        if ex_date is None or not first <= ex_date <= last or not is_code(sent) or sent != (code or sent):
            asked = f"{code or 'all'} from {first} to {last}" if code or first != last else f"{first}"
            raise BadReply(f"Baostock sent a factor of {sent} on {text} when {asked} was asked for.")
        if not (is_number(fore) and is_number(back) and float(fore) > 0 and float(back) > 0):
            raise BadReply(f"Baostock sent {sent} a factor on {ex_date} that is no number above 0.")
        factor = (sent, ex_date, fore, back)
        if factors.setdefault((sent, ex_date), factor) != factor:
            raise BadReply(f"Baostock sent two factors of {sent} on {ex_date} that differ.")
    return list(factors.values())


def _date(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if str(found) == text else None
