"""The adjust factors of the stocks that go ex on the trade date, loaded next to the bars."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from ashare.checks import is_code, is_date, is_number
from ashare.datasets import ADJUST_FACTORS
from ashare.errors import BadReply
from ashare.source import Table
from ashare.source.calls import FACTOR_FIELDS
from ashare.store.batches import FACTOR_BATCH
from ashare.store.rows import RejectedRow
from ashare.sync.publication import LATE_CODES, not_yet
from ashare.sync.run import Run
from ashare.texts import storable

log = logging.getLogger(__name__)

AdjustFactor = tuple[str, date, str, str]
"""(code, ex-date, fore factor, back factor); the factors are text as sent."""


def sync_adjust_factors(run: Run) -> None:
    """Load the adjust factors whose ex-date is the trade date.

    :raises NotPublishedYet: the reply has no factors, and today's may not be out yet.
    :raises BadReply: more rows broke a rule than are good; nothing was written.
    """
    # Of two concurrent runs of one date, the second finds the factors loaded.
    with run.store.mutex(f"adjust factors of {run.day}", run.settings.lock_timeout):
        if accepted := run.store.accepted.counting(run.day, run.kinds):
            log.info("%s is %s Its adjust factors are not asked for as long as that counts.", run.day, accepted.note)
            return
        if run.store.coverage.factors_are_in(run.day, run.today):
            log.info("The adjust factors of %s are in.", run.day)
            return
        _read_and_save(run)


def _read_and_save(run: Run) -> None:
    run.store.batches.start_factors(run.plan)
    with run.batch_recorded(FACTOR_BATCH, ADJUST_FACTORS.name) as tried:
        tried.session = session = run.session()
        with session:
            table = session.daily_factors(run.day)
        factors = read_factors(table, run.day, run.day)
        if not factors.good and run.is_today_before(final := ADJUST_FACTORS.final):
            reason = f"no adjust factors yet; an answer of none is believed from {final:%H:%M} on"
            raise not_yet(run, "adjust factors", reason, LATE_CODES, final)
        run.store.bars.save_factors(run.plan, factors.good, factors.odd)
    log.info("%d stocks go ex on %s.", len(factors.good), run.day)


@dataclass
class FactorRows:
    """The good rows, and the rows that broke a rule."""

    good: list[AdjustFactor] = field(default_factory=list)
    odd: list[RejectedRow] = field(default_factory=list)


def read_factors(table: Table, first: date, last: date, code: str | None = None) -> FactorRows:
    """Check a reply of adjust factors with ex-dates from ``first`` to ``last``.

    :param code: the requested code; ``None``: all.
    :raises BadReply: more rows broke a rule than are good; no row is kept.
    """
    rows = list(dict.fromkeys(table.columns(*FACTOR_FIELDS)))  # identical rows count once
    times = Counter((sent, text) for sent, text, _, _ in rows)
    found = FactorRows()
    first_rule = ""
    for sent, text, fore, back in rows:
        ex_date = date.fromisoformat(text) if is_date(text) else None
        if ex_date is None or not first <= ex_date <= last or not is_code(sent) or sent != (code or sent):
            asked = f"{code or 'all'} from {first} to {last}" if code or first != last else f"{first}"
            rule = f"Baostock sent a factor of {sent} on {text} when {asked} was asked for."
        elif not (is_number(fore) and is_number(back) and float(fore) > 0 and float(back) > 0):
            rule = f"Baostock sent {sent} a factor on {ex_date} that is no number above 0."
        elif times[sent, text] > 1:
            rule = f"Baostock sent two factors of {sent} on {ex_date} that differ."
        else:
            found.good.append((sent, ex_date, fore, back))
            continue
        rule = storable(rule)
        first_rule = first_rule or rule
        raw = dict(zip(FACTOR_FIELDS, (sent, text, fore, back), strict=True))
        # Filed under the requested code or date: the next answer for it supersedes this row.
        found.odd.append(RejectedRow(code or sent, rule, raw, ex_date if code else first))
    if len(found.odd) > len(found.good):
        more = f" {len(found.odd)} of its {len(rows)} rows are invalid; none was kept." if len(rows) > 1 else ""
        raise BadReply(f"{first_rule}{more}")
    for row in found.odd[:20]:
        log.warning("Set aside: %s", row.rule)
    return found
