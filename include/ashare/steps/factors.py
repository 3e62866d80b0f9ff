"""Beside the bars: the adjust factors of the stocks that go ex on the trade date."""

from __future__ import annotations

import logging
from datetime import date

from include.ashare.checks import is_code, is_number
from include.ashare.errors import BadReply, NotPublishedYet
from include.ashare.source import Table
from include.ashare.steps.run import FACTORS_ARE_FINAL, Run
from include.ashare.store.store import FACTOR_BATCH

log = logging.getLogger(__name__)


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
        factors = read_factors(table, run.day)
        if not factors and run.is_today_before(FACTORS_ARE_FINAL):
            raise NotPublishedYet(
                f"No adjust factors of {run.day} yet; that is believed from {FACTORS_ARE_FINAL:%H:%M} on."
            )
    run.store.save_factors(run.day, factors, session.requests)
    log.info("%d stocks go ex on %s.", len(factors), run.day)


def read_factors(table: Table, day: date) -> list[tuple[str, date, str, str]]:
    """Check a reply and return its factors as (code, ex_date, fore, back).

    :raises BadReply: one of them cannot be; none is to be kept.
    """
    factors: dict[str, tuple[str, date, str, str]] = {}
    for code, ex_date, fore, back in table.columns(
        "code", "dividOperateDate", "foreAdjustFactor", "backAdjustFactor"
    ):
        if ex_date != str(day) or not is_code(code):
            raise BadReply(f"Baostock sent a factor of {code} on {ex_date} when {day} was asked for.")
        if not (is_number(fore) and is_number(back) and float(fore) > 0 and float(back) > 0):
            raise BadReply(f"Baostock sent {code} a factor on {day} that is no number above 0.")
        if factors.setdefault(code, (code, day, fore, back)) != (code, day, fore, back):
            raise BadReply(f"Baostock sent two factors of {code} on {day} that differ.")
    return list(factors.values())
