"""The whole market of one trade date: one request, its rows checked and spooled as text for COPY."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO

from ashare.checks import CheckedBars, check_bars
from ashare.source import Session
from ashare.store import Batch
from ashare.store.rows import BatchRows, BlankedBar, RejectedBar
from ashare.sync.by_code import CodeFetcher
from ashare.sync.publication import judge_market
from ashare.sync.run import Run

SPOOL_BYTES = 16 * 1024 * 1024


def _spool() -> IO[str]:
    return SpooledTemporaryFile(max_size=SPOOL_BYTES, mode="w+", encoding="utf-8")


@dataclass
class MarketBars:
    """The rows of a trade date's market, to be loaded in one transaction. On disk beyond ``SPOOL_BYTES``.

    :ivar answered: the codes with a row, good or not, of the whole-market reply.
    :ivar absent: the codes whose bars do not exist.
    """

    run: Run
    kind: str
    spool: IO[str] = field(default_factory=_spool)
    rows: int = 0
    rejects: list[RejectedBar] = field(default_factory=list)
    blanked: list[BlankedBar] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    absent: Sequence[str] = ()

    def bars(self, checked: CheckedBars) -> None:
        """Keep the checked rows of a reply."""
        self.spool.write("".join(checked.lines))
        self.rows += len(checked.lines)
        self.rejects += checked.rejects
        self.blanked += checked.blanked

    def fetch(self, wanted: Sequence[str], session: Session) -> CodeFetcher:
        """Fetch the whole market and keep its rows. The wanted codes without a good row are requested one by one.

        If more rows than ``ASHARE_MAX_REJECTED`` broke a rule, their codes are not requested.

        :returns: the per-security requests.
        :raises NotPublishedYet: today's market is not out yet.
        :raises TerminalError: today's market is not out at ``GIVE_UP``.
        :raises BadReply: an earlier day's reply has no rows, or lacks too many codes.
        """
        run, day = self.run, self.run.day
        table = session.market_day(day, self.kind)
        lacking = judge_market(run, self.kind, wanted, table)
        self.bars(check_bars(table, None, day, day, day=day, kind=self.kind))
        self.answered |= {code for when, code in table.columns("date", "code") if when == str(day)}
        self.answered |= {reject.code for reject in self.rejects if reject.trade_date == day}
        broken = {reject.code for reject in self.rejects} & set(wanted)
        if len(broken) <= run.settings.max_rejected:
            lacking = sorted({*lacking, *broken})  # the per-security call may have a good row
        # The whole-market reply is the first answer.
        fetcher = CodeFetcher(run, self.kind, session, self.bars, market=self.answered.copy(), answers=1)
        fetcher.fetch_date(lacking, day)
        return fetcher

    @property
    def rows_of_day(self) -> int:
        """Number of rows that are bars of the trade date; a request for one security brings later ones, too."""
        self.spool.seek(0)
        return sum(line.startswith(f"{self.run.day}\t") for line in self.spool)

    def batch_rows(self, follow_ups: Sequence[Batch] = ()) -> BatchRows:
        """All rows, to be loaded.

        :param follow_ups: batches that record the per-security requests.
        """
        absent = [(self.run.day, code) for code in self.absent]
        return BatchRows(self.spool, self.rows, self.rejects, self.blanked, absent, follow_ups)
