"""What the requests of a batch bring, checked row by row and spooled as text for COPY."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from tempfile import SpooledTemporaryFile
from typing import IO

from ashare.checks import CheckedBars, check_bars, is_date
from ashare.errors import BadReply
from ashare.source import Session, Table
from ashare.steps.publication import judge_market
from ashare.steps.run import Run
from ashare.store import Batch
from ashare.store.rows import AbsentBars, AbsentRange, BatchRows, BlankedBar, RejectedBar

ONE_PAGE = timedelta(days=8 * 365)
"""A per-security request costs the same for a day as for a page of 2,000 sessions: a good eight years."""

ABSENT = "absent at the source: the per-security call brings no bar"

SPOOL_BYTES = 16 * 1024 * 1024


def _spool() -> IO[str]:
    return SpooledTemporaryFile(max_size=SPOOL_BYTES, mode="w+", encoding="utf-8")


@dataclass
class FetchedBars:
    """What the requests of a batch brought; the bars as text for COPY, on disk once they are many."""

    run: Run
    kind: str
    first: date
    """From when on securities are asked for one by one."""
    bars: IO[str] = field(default_factory=_spool)
    rows: int = 0
    rejects: list[RejectedBar] = field(default_factory=list)
    blanked: list[BlankedBar] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """Codes with a row, good or not, on the trade date."""
    asked_by_code: list[str] = field(default_factory=list)
    unasked: Sequence[str] = ()
    """Codes that were to be asked for one by one, and were not, as others of them had no bar either."""
    is_market: bool = False
    """Whether the whole market is part of it."""
    begins: dict[str, date] = field(default_factory=dict)
    """Of securities asked for one by one: the first day of which a row was sent."""
    is_witnessed: bool = False
    """Whether the source answers at all, as a bar shows that is known to be there."""
    contradicted: Collection[str] = ()
    """Codes that were answered without any bar, and have some lately."""
    ranges: list[AbsentRange] = field(default_factory=list)
    """What lies before indices' first bars."""
    requests: int = 0

    @property
    def last(self) -> date:
        """Until when securities are asked for one by one."""
        return min(self.run.today, self.first + ONE_PAGE)

    def add_market(self, table: Table) -> None:
        """Check a whole-market reply and keep it."""
        self.is_market = True
        self._add(check_bars(table, None, self.run.day, self.run.day, day=self.run.day, kind=self.kind), table)

    def ask_for(self, codes: Sequence[str], session: Session) -> None:
        """Fetch some securities' bars one by one, check and keep them.

        :raises Postponed: so many requests may not be sent now.
        """
        if not codes:
            return
        session.expect(len(codes))
        for code in codes:
            table = ask_by_code(session, code, self.first, self.last)
            sent = [day for day in table.column("date") if is_date(day)]
            if sent:
                begins = date.fromisoformat(min(sent))
                self.begins[code] = min(begins, self.begins.get(code, begins))
            self._add(check_bars(table, code, self.first, self.last, day=self.run.day, kind=self.kind), table)
        self.asked_by_code += [code for code in codes if code not in self.asked_by_code]

    def _add(self, checked: CheckedBars, table: Table) -> None:
        self.bars.write("".join(checked.lines))
        self.rows += len(checked.lines)
        self.rejects += checked.rejects
        self.blanked += checked.blanked
        day, text = self.run.day, str(self.run.day)
        self.answered |= {code for when, code in table.columns("date", "code") if when == text}
        self.answered |= {reject.code for reject in checked.rejects if reject.trade_date == day}

    @property
    def absent(self) -> list[str]:
        """Codes that were asked for one by one and have no row of the trade date."""
        return sorted(set(self.asked_by_code) - self.answered)

    def batch_rows(self, *, absent: Sequence[str] = (), follow_ups: Sequence[Batch] = ()) -> BatchRows:
        """All of it, to be loaded; ``absent`` are believed to be so."""
        absence = AbsentBars(absent, ABSENT) if absent else None
        return BatchRows(
            self.bars, self.rows, self.rejects, self.blanked, absence, self.ranges, self.requests, follow_ups
        )


def ask_by_code(session: Session, code: str, first: date, last: date) -> Table:
    """One security's bars as they were sent.

    :raises BadReply: they are another's.
    """
    table = session.bars(code, first, last)
    other = next((sent for sent in table.column("code") if sent != code), None)
    if other is not None:
        raise BadReply(f"Baostock sent bars of {other} when {code} was asked for; nothing was written.")
    return table


def fetch_market(run: Run, kind: str, wanted: Sequence[str], session: Session, fetched: FetchedBars) -> Sequence[str]:
    """Fetch the whole market, and return the wanted codes that it lacks or has no good row of.

    :raises NotPublishedYet: it is not out yet, today.
    :raises BadReply: it has no rows, or lacks too many.
    """
    table = session.market_day(run.day, kind)
    lacking = judge_market(run, kind, wanted, table)
    fetched.add_market(table)
    broken = {reject.code for reject in fetched.rejects} & set(wanted)
    if len(broken) <= run.settings.max_rejected:
        lacking = sorted({*lacking, *broken})  # another call may have a good row
    return lacking
