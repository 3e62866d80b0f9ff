"""The rows that a batch's requests bring, checked one by one and spooled as text for COPY."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from tempfile import SpooledTemporaryFile
from typing import IO

from ashare.checks import CheckedBars, check_bars, is_date
from ashare.errors import BadReply
from ashare.source import Session, Table
from ashare.store import Batch
from ashare.store.rows import AbsentBars, AbsentRange, BatchRows, BlankedBar, RejectedBar
from ashare.sync.publication import judge_market
from ashare.sync.run import Run

ONE_PAGE = timedelta(days=8 * 365)
"""Span of one per-security request: a page of 2,000 sessions, a good eight years, costs the same as a day."""

ABSENT = "absent at the source: the per-security call brings no bar"

SPOOL_BYTES = 16 * 1024 * 1024


def _spool() -> IO[str]:
    return SpooledTemporaryFile(max_size=SPOOL_BYTES, mode="w+", encoding="utf-8")


@dataclass
class FetchedBars:
    """The rows that a batch's requests brought. The bars are text for COPY, on disk beyond ``SPOOL_BYTES``."""

    run: Run
    kind: str
    first: date
    """The first date of the per-security requests."""
    bars: IO[str] = field(default_factory=_spool)
    rows: int = 0
    rejects: list[RejectedBar] = field(default_factory=list)
    blanked: list[BlankedBar] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    """Codes with a row, good or not, on the trade date."""
    asked_by_code: Counter[str] = field(default_factory=Counter)
    """Number of per-security requests by code."""
    unasked: Sequence[str] = ()
    """Codes whose per-security request was not sent, because the first codes of the list had no bar."""
    is_market: bool = False
    """Whether a whole-market reply was added."""
    begins: dict[str, date] = field(default_factory=dict)
    """Earliest date of the rows sent for each code that was requested by itself."""
    witness: bool | None = None
    """Whether a bar of ``WITNESS`` comes, which proves that the source answers at all; ``None``: not asked for."""
    contradicted: Collection[str] = ()
    """Codes whose answer had no bar at all, although the source has recent bars of them."""
    ranges: list[AbsentRange] = field(default_factory=list)
    """Spans before the first bars of indices."""
    requests: int = 0

    @property
    def last(self) -> date:
        """The last date of the per-security requests."""
        return min(self.run.today, self.first + ONE_PAGE)

    def add_market(self, table: Table) -> None:
        """Check a whole-market reply and keep its rows."""
        self.is_market = True
        self._add(check_bars(table, None, self.run.day, self.run.day, day=self.run.day, kind=self.kind), table)

    def ask_for(self, codes: Sequence[str], session: Session) -> None:
        """Fetch the bars of some securities one by one, check and keep them.

        :raises Postponed: the request budget or a ban does not allow these requests now.
        :raises BadReply: a reply has bars of another security.
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
        self.asked_by_code.update(codes)

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
        """Codes that were requested one by one and have no row of the trade date, sorted."""
        return sorted(set(self.asked_by_code) - self.answered)

    def batch_rows(self, *, absent: Sequence[str] = (), follow_ups: Sequence[Batch] = ()) -> BatchRows:
        """All rows, to be loaded.

        :param absent: codes whose absence at the source is believed.
        :param follow_ups: batches that record the per-security requests of this batch.
        """
        absence = AbsentBars(absent, ABSENT) if absent else None
        return BatchRows(
            self.bars, self.rows, self.rejects, self.blanked, absence, self.ranges, self.requests, follow_ups
        )


def ask_by_code(session: Session, code: str, first: date, last: date) -> Table:
    """One security's bars, as sent.

    :raises BadReply: a bar is another security's.
    """
    table = session.bars(code, first, last)
    other = next((sent for sent in table.column("code") if sent != code), None)
    if other is not None:
        raise BadReply(f"Baostock sent bars of {other} when {code} was asked for; nothing was written.")
    return table


def fetch_market(run: Run, kind: str, wanted: Sequence[str], session: Session, fetched: FetchedBars) -> Sequence[str]:
    """Fetch the whole market and keep its rows.

    :returns: the wanted codes that the reply lacks, with those of rejected rows unless more than
        ``ASHARE_MAX_REJECTED`` were rejected.
    :raises NotPublishedYet: today's market is not out yet.
    :raises TerminalError: today's market is not out at ``GIVE_UP``.
    :raises BadReply: an earlier day's reply has no rows, or lacks too many codes.
    """
    table = session.market_day(run.day, kind)
    lacking = judge_market(run, kind, wanted, table)
    fetched.add_market(table)
    broken = {reject.code for reject in fetched.rejects} & set(wanted)
    if len(broken) <= run.settings.max_rejected:
        lacking = sorted({*lacking, *broken})  # the per-security call may have a good row
    return lacking
