"""Requests securities one by one, a page at a time, and finds out which of the wanted bars do not exist."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

from ashare.checks import CheckedBars, check_bars, is_date
from ashare.errors import AshareError, BadReply
from ashare.source import Session
from ashare.store.rows import AbsentRange
from ashare.sync.absence import ENOUGH_ANSWERS, LEAST_EMPTY, EmptySpan, Others, Verdict, judge_absence
from ashare.sync.doubts import Doubt
from ashare.sync.publication import sample_of
from ashare.sync.run import FEW, Run

log = logging.getLogger(__name__)

ONE_PAGE = timedelta(days=8 * 365)
"""Longest span of one per-security request: a page of 2,000 sessions, a good eight years, costs the same as a day."""

INDEX = "sh.000001"
"""An index that has a bar for every session since 2000."""

WITNESS = "sh.600000"
"""A stock that is listed since 1999, has a bar for every session, and has gone ex nearly every year since 2000."""

MOST_PROBLEMS = 10
"""A batch is given up after this many securities with bad replies: the securities are not the cause."""


def lately(today: date) -> tuple[date, date]:
    """Two weeks that hold a session, whatever the holidays, and whose bars are surely published."""
    a_week_ago = today - timedelta(days=7)
    return a_week_ago - timedelta(days=14), a_week_ago


def asked_first(run: Run, codes: Sequence[str]) -> Sequence[str]:
    """The codes to request first: all of them, or a sample of a long list of today's.

    A sample, if the policy would not believe an answer of no bar for so many codes today.
    """
    if run.day < run.today or len(codes) <= FEW:
        return codes
    none_comes = replace(run.evidence, absent=len(codes), answers=ENOUGH_ANSWERS, others=Others.SAME_KIND)
    return codes if judge_absence(none_comes) is Verdict.BELIEVED else sample_of(codes)


class Page(NamedTuple):
    """One per-security request.

    :ivar first, last: the first and the last day of the request.
    :ivar days: the wanted sessions, at least one. Rows of other days are loaded, too.
    """

    first: date
    last: date
    days: Sequence[date]


class CodeFetcher:
    """One try of a batch of codes.

    :param run: the run of the trade date, or of any date of a history's range.
    :param load: takes the checked rows of a reply, to be loaded.
    :param market: the codes that a whole-market reply of the trade date had; ``None``: there was no such reply.
    :param answers: answers of no bar before the first request: 1 if a whole-market reply lacked the codes.
    :param sessions: trading days (``YYYY-MM-DD``) of a history's range: a row of any other day is rejected. A history
        counts absent securities at its end, and holds each page without a row against a bar that Baostock has.
        ``None``: the run's date alone is wanted, and its absent securities are counted here.
    :ivar asked: the codes that were requested.
    :ivar answered: the codes that had a row, good or not, of each wanted session.
    :ivar problems: the bad replies, each with its code.
    :ivar failed: the codes of the bad replies.
    :ivar ranges: the days before the first bars of indices, once they are judged.
    """

    def __init__(
        self,
        run: Run,
        kind: str,
        session: Session,
        load: Callable[[CheckedBars], None],
        *,
        market: Collection[str] | None = None,
        answers: int = 0,
        sessions: Collection[str] | None = None,
    ) -> None:
        self._run, self._kind, self._session, self._load = run, kind, session, load
        self._market, self._answers, self._of_one_date = market, answers, sessions is None
        self._sessions = None if sessions is None else frozenset(sessions)
        self._absent: dict[date, dict[str, int]] = {}
        """The wanted sessions without a row: by date, the number of answers of each code."""
        self._seen = {str(run.day)} if market else set[str]()
        """The days of which a row came."""
        self._spans: dict[str, EmptySpan] = {}
        """The days without a bar before an index's first bar."""
        self._not_repeated: list[tuple[str, Page]] = []
        self._witness: bool | None = None
        self._known = (WITNESS, *lately(run.today))
        """Code and days of a bar that Baostock has: of ``WITNESS``, then the first of the last reply with rows."""
        self.asked: list[str] = []
        self.answered: set[str] = set()
        self.problems: list[str] = []
        self.failed: set[str] = set()
        self.ranges: list[AbsentRange] = []

    @property
    def absent(self) -> set[str]:
        """The codes that lack a wanted session."""
        return {code for codes in self._absent.values() for code in codes}

    def fetch(
        self,
        codes: Sequence[str],
        pages_of: Callable[[str], Sequence[Page]],
        then: Callable[[str], None] = lambda code: None,
    ) -> None:
        """Request the pages of some securities. A bad reply is a problem of its security: the others go on.

        :param then: called after each security's pages.
        :raises Postponed: a request may not be sent now.
        """
        for code in codes:
            self.asked.append(code)
            try:
                self._fetch_code(code, pages_of(code))
                then(code)
            except BadReply as problem:
                self.problems.append(f"{code}: {problem}")
                self.failed.add(code)
                if len(self.problems) == MOST_PROBLEMS:
                    return

    def fetch_date(self, codes: Sequence[str], first: date) -> None:
        """Request the trade date's bars of some securities. If the first codes have none, the others are not out.

        :param first: the first day of each request; all that comes is loaded.
        """
        if not codes:
            return
        run = self._run
        page = Page(first, min(run.today, first + ONE_PAGE), [run.day])
        self._session.expect(len(asked := asked_first(run, codes)))
        self.fetch(asked, lambda _: [page])
        others = sorted(set(codes).difference(asked))
        if self.answered.isdisjoint(asked):
            self._add_absent(dict.fromkeys(others, self._answers), [run.day])
        elif others:
            self._session.expect(len(others))
            self.fetch(others, lambda _: [page])

    def _fetch_code(self, code: str, pages: Sequence[Page]) -> None:
        rest = pages
        if self._kind == "index":
            try:
                rest = self._find_first_bar(code, pages)
            except AshareError:
                self._forget(code)  # whether the days before belong to a range is not known
                raise
        for page in rest:
            self._fetch_page(code, page)

    def _find_first_bar(self, code: str, pages: Sequence[Page]) -> Sequence[Page]:
        """Request an index's first pages until one brings a bar.

        :returns: the pages that are still to be requested.
        """
        rest, last = list(pages), date.min
        first_bar = self._run.store.bars.first_bar(code) or date.max
        while rest and first_bar > rest[0].days[0]:
            page = rest.pop(0)
            first_bar, last = min(first_bar, self._fetch_page(code, page)), page.last
        first = next((day for day, codes in sorted(self._absent.items()) if code in codes), date.max)
        if first < first_bar:
            has_bar = first_bar < date.max
            last = first_bar - timedelta(days=1) if has_bar else min(last, self._run.today - timedelta(days=1))
            self._spans[code] = EmptySpan(first, last, has_bar_after=has_bar)
        return rest

    def _fetch_page(self, code: str, page: Page) -> date:
        """Request a page, and its wanted sessions without a good row a second time, if the policy asks for that.

        :returns: the first day with a row; ``date.max`` without a row.
        :raises BadReply: no row came at all, and what is known says that there should be some.
        """
        self._session.give_way()
        good, sent = self._ask(code, page.first, page.last, page.days[0])
        answers = self._answers + 1
        wanting = [day for day in page.days if str(day) not in good]
        if wanting and self._asks_again(wanting, answers):
            answers += 1
            if self._one_answers_for_all(wanting[0]):
                # As long as no bar of any security came, the cause is the same for all: one repeated request counts.
                self._not_repeated.append((code, page))
            else:
                first, last = (wanting[0], wanting[-1]) if sent else (page.first, page.last)
                sent |= self._ask(code, first, last, wanting[0])[1]
        if not sent:
            self._refuse_silence(code, page)
        # A row of the whole-market reply that broke a rule is no answer of no bar.
        has_broken_row = code in (self._market or ())
        never = [] if has_broken_row else [day for day in wanting if str(day) not in sent]
        self._add_absent({code: answers}, never)
        if not never:
            self.answered.add(code)
        if not sent:
            return date.max
        begins = date.fromisoformat(min(sent))
        self._known = (code, begins, begins)
        return begins

    def _add_absent(self, answers: dict[str, int], days: Sequence[date]) -> None:
        for day in days:
            self._absent.setdefault(day, {}).update(answers)

    def _asks_again(self, wanting: Sequence[date], answers: int) -> bool:
        evidence = replace(self._run.evidence, answers=answers)
        if self._of_one_date and self._kind != "index":  # the days before an index's first bar do not count
            evidence = replace(evidence, absent=len(self._absent.get(wanting[0], ())) + 1)
        return judge_absence(evidence) is Verdict.ASK_AGAIN

    def _one_answers_for_all(self, day: date) -> bool:
        """Whether one security was asked for often enough, and no other of the kind is known to have a bar."""
        is_enough = not self._seen and ENOUGH_ANSWERS in self._absent.get(day, {}).values()
        return is_enough and not self._run.store.bars.has_bars(day, self._kind)

    def _refuse_silence(self, code: str, page: Page) -> None:
        """Refuse an answer without a row that cannot be true.

        :raises BadReply: a bar that Baostock has does not come either, or the table has bars of the index.
        """
        if not self._of_one_date and not self._answers_at_all():
            raise BadReply("Baostock sends no bars now, of other securities neither: not believed.")
        if self._kind == "index" and page.first <= (self._run.store.bars.first_bar(code) or date.max) <= page.last:
            raise BadReply(
                f"Baostock sends no bars from {page.first} to {page.last}, and it has sent some before: not believed."
            )

    def _answers_at_all(self) -> bool:
        """Whether a bar that Baostock is known to have still comes."""
        return bool(self._session.bars(*self._known).rows)

    def _ask(self, code: str, first: date, last: date, day: date) -> tuple[set[str], set[str]]:
        """Request a span of one security, check the rows, and hand them on.

        :param day: the trade date of rejected rows whose date is malformed.
        :returns: the days with a good row, and the days with any row, as sent (``YYYY-MM-DD``).
        :raises BadReply: a bar is another security's, or no bar is of the span.
        """
        table = self._session.bars(code, first, last)
        other = next((sent for sent in table.column("code") if sent != code), None)
        if other is not None:
            raise BadReply(f"Baostock sent bars of {other} when {code} was asked for; nothing was written.")
        dates = table.column("date")
        if dates and not any(str(first) <= text <= str(last) for text in filter(is_date, dates)):
            raise BadReply(f"Baostock sent bars of {dates[0]} when {first} to {last} was asked for: not believed.")
        checked = check_bars(table, code, first, last, day=day, kind=self._kind, sessions=self._sessions)
        if checked.lines or checked.rejects:
            self._load(checked)
        sent = set(filter(is_date, dates))
        if self._sessions is not None:
            sent &= self._sessions
        self._seen |= sent
        return sent - {str(reject.trade_date) for reject in checked.rejects}, sent

    # ------------------------------------------------------------------ which bars do not exist

    def judge(self, *, asks: bool = True) -> tuple[list[tuple[date, str]], list[Doubt]]:
        """Judge the bars that did not come. The days before an index's first bar are recorded as a range.

        :param asks: whether requests may be sent to learn more; otherwise, only what is certain is believed.
        :returns: date and code of the bars that do not exist, and the doubted ones by date.
        """
        if self._not_repeated and self._others_come(asks):
            self._repeat(asks)
        self._judge_spans(asks)
        doubts = self._doubts(self._others())
        unpublished = [doubt.day for doubt in doubts if doubt.verdict is Verdict.NO_OTHER]
        published = self._published(unpublished) if unpublished and asks else []
        if published:
            self._repeat(asks)
            self._judge_spans(asks)
            doubts = self._doubts(self._others() | dict.fromkeys(published, Others.OTHER_KIND))
        doubted = {doubt.day for doubt in doubts}
        return [(day, code) for day in self._absent if day not in doubted for code in self._absent[day]], doubts

    def _others_come(self, asks: bool) -> bool:
        """Whether the source has bars of others, so that one security's repeated request does not count for all."""
        if self._seen or self._run.store.bars.days_with_bars(self._absent, self._kind):
            return True
        return asks and any(map(_is_long, self._spans.values())) and self._source_answers()

    def _published(self, days: Sequence[date]) -> list[date]:
        """Those of some days of which the source has a bar of ``INDEX``. If its absence is to be judged, none."""
        last = min(max(days), min(days) + ONE_PAGE)
        seen = set(self._session.bars(INDEX, min(days), last).column("date"))
        return [day for day in days if str(day) in seen and INDEX not in self._absent[day]]

    def _source_answers(self) -> bool:
        """Whether a bar that Baostock has comes now. In a history, each page without a row was held against one."""
        if self._witness is None:
            self._witness = not self._of_one_date or self._answers_at_all()
        return self._witness

    def _judge_spans(self, asks: bool) -> None:
        for code, span in list(self._spans.items()):
            if not asks or self._begins_later(code, span):
                self._forget(code, span.last)
            del self._spans[code]

    def _repeat(self, asks: bool) -> None:
        """Request the pages again whose repeated request was left out because no bar of any security had come."""
        pages, self._not_repeated = dict(self._not_repeated), []
        for code in pages:
            self._forget(code)
            self._spans.pop(code, None)
        if asks:
            self._answers += 1  # the first request had an answer, too
            self.fetch(list(pages), lambda code: [pages[code]])

    def _forget(self, code: str, last: date = date.max) -> None:
        for day, codes in self._absent.items():
            if day <= last:
                codes.pop(code, None)

    def _begins_later(self, code: str, span: EmptySpan) -> bool:
        """Whether an index begins after a span, whose days are then recorded as a range.

        Also ``True`` if another request brings a bar of the span: that is a problem, and no absence.
        """
        first, last = lately(self._run.today)
        is_evidence = not span.has_bar_after and (_is_long(span) or not self._of_one_date)
        if is_evidence and self._source_answers() and span.first <= last <= span.last:
            is_disproved = bool(self._session.bars(code, max(first, span.first), last).rows)
            span = replace(span, is_disproved=is_disproved)
        answers = self._absent[span.first][code]
        verdict = judge_absence(replace(self._run.evidence, answers=answers, witness=self._witness, span=span))
        if verdict is Verdict.DISPROVED:
            self.problems.append(f"{code}: Baostock sends no bars of years of which it has some: not believed.")
        elif verdict is Verdict.BEFORE_FIRST_BAR:
            self.ranges.append(AbsentRange(code, span.first, span.last))
            log.info("%s has no bar at Baostock from %s to %s.", code, span.first, span.last)
        return verdict in (Verdict.DISPROVED, Verdict.BEFORE_FIRST_BAR)

    def _others(self) -> dict[date, Others]:
        """Which other securities have a bar of each date, in this batch or in the table."""
        bars = self._run.store.bars
        unseen = {day for day in self._absent if str(day) not in self._seen}
        of_kind = bars.days_with_bars(unseen, self._kind)
        of_any = bars.days_with_bars(unseen - of_kind)
        found = dict.fromkeys(unseen, Others.NONE) | dict.fromkeys(of_any, Others.OTHER_KIND)
        return dict.fromkeys(self._absent, Others.SAME_KIND) | found | dict.fromkeys(of_kind, Others.SAME_KIND)

    def _doubts(self, others: dict[date, Others]) -> list[Doubt]:
        doubts = []
        for day, codes in sorted(self._absent.items()):
            if not codes:
                continue
            evidence = replace(
                self._run.evidence, others=others[day], answers=min(codes.values()), witness=self._witness
            )
            if self._of_one_date:
                beside = self._run.store.bars.absent_beside(day, self._run.today, list(codes))
                bars = None if self._market is None else len(self.answered.union(self._market))
                evidence = replace(evidence, absent=len(codes) + beside, bars=bars)
            verdict = judge_absence(evidence)
            if verdict is not Verdict.BELIEVED:
                doubts.append(Doubt(day, sorted(codes), verdict, evidence))
        return doubts


def _is_long(span: EmptySpan) -> bool:
    return span.last - span.first >= LEAST_EMPTY
