"""Requests securities one by one, a page at a time, and finds out which of the wanted bars do not exist."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from ashare.checks import CheckedBars, check_bars, is_date
from ashare.errors import BadReply
from ashare.source import Session
from ashare.store.rows import AbsentRange
from ashare.sync.absence import ENOUGH_ANSWERS, EmptySpan, Others, Verdict, judge_absence
from ashare.sync.doubts import Doubt
from ashare.sync.publication import sample_of
from ashare.sync.run import FEW, Run

log = logging.getLogger(__name__)

ONE_PAGE = timedelta(days=8 * 365)
"""Longest span of one per-security request: a page of 2,000 sessions, a good eight years, costs the same as a day."""

INDEX = "sh.000001"
"""An index that has a bar for every session since 2000."""

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


class Sink(Protocol):
    """Takes checked rows, to be loaded."""

    def bars(self, checked: CheckedBars) -> None: ...


class _Answer(NamedTuple):
    """What came of a page.

    :ivar never: the wanted sessions of which no answer had a row.
    :ivar begins: the first day with a row; ``date.max`` without a row.
    :ivar answers: the answers so far, of a whole-market reply too.
    """

    never: Sequence[date]
    begins: date
    answers: int


class CodeFetcher:
    """One try of a batch of codes.

    :param run: the run of the trade date, or of any date of a history's range.
    :param sink: takes the checked rows.
    :param market: the codes that a whole-market reply of the trade date had; ``None``: there was no such reply.
    :param answers: answers of no bar before the first request: 1 if a whole-market reply lacked the codes.
    :param sessions: trading days (``YYYY-MM-DD``) of all pages, if known: a row of any other day is rejected.
    :param counts: whether the absent securities of a date are counted here. A history counts them at its end.
    :ivar asked: the codes that were requested.
    :ivar answered: the codes that had a row, good or not, of each wanted session.
    :ivar problems: the bad replies, each with its code.
    """

    def __init__(
        self,
        run: Run,
        kind: str,
        session: Session,
        sink: Sink,
        *,
        market: Collection[str] | None = None,
        answers: int = 0,
        sessions: Collection[str] | None = None,
        counts: bool = True,
    ) -> None:
        self._run, self._kind, self._session, self._sink = run, kind, session, sink
        self._market, self._answers, self._counts = market, answers, counts
        self._sessions = None if sessions is None else frozenset(sessions)
        self._absent: dict[date, dict[str, int]] = {}
        """The wanted sessions without a row: by date, the number of answers of each code."""
        self._seen = {str(run.day)} if market else set[str]()
        """The days of which a row came."""
        self._known = (INDEX, *lately(run.today))
        """Code and days of a bar that Baostock has: of ``INDEX``, then the first of the last reply with rows."""
        self.asked: list[str] = []
        self.answered: set[str] = set()
        self.problems: list[str] = []

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

    def _add_absent(self, answers: dict[str, int], days: Sequence[date]) -> None:
        for day in days:
            self._absent.setdefault(day, {}).update(answers)

    def _fetch_code(self, code: str, pages: Sequence[Page]) -> None:
        for page in self._find_first_bar(code, pages) if self._kind == "index" else pages:
            answer = self._fetch_page(code, page)
            self._add_absent({code: answer.answers}, answer.never)

    def _find_first_bar(self, code: str, pages: Sequence[Page]) -> Sequence[Page]:
        """Request an index's first pages until one brings a bar; record the days before that bar as a range.

        :returns: the pages that are still to be requested.
        :raises BadReply: Baostock sends no bars of years, although it has some of the index.
        """
        rest, before = list(pages), list[date]()
        answers, last = {code: 0}, date.min
        first_bar = self._run.store.bars.first_bar(code) or date.max
        while rest and first_bar > rest[0].days[0]:
            page = rest.pop(0)
            answer = self._fetch_page(code, page)
            first_bar, last, answers = min(first_bar, answer.begins), page.last, {code: answer.answers}
            before += [day for day in answer.never if day < first_bar]
            self._add_absent(answers, [day for day in answer.never if day > first_bar])
        if before:
            has_bar = first_bar < date.max
            last = first_bar - timedelta(days=1) if has_bar else min(last, self._run.today - timedelta(days=1))
            if not self._begins_later(code, EmptySpan(before[0], last, has_bar_after=has_bar), answers[code]):
                self._add_absent(answers, before)
        return rest

    def _begins_later(self, code: str, span: EmptySpan, answers: int) -> bool:
        """Whether an index has no bar before the end of a span. If so, the span is recorded as a range.

        :raises BadReply: Baostock sends no bars of the span, although it has some.
        """
        first, last = lately(self._run.today)
        if not span.has_bar_after and span.first <= last <= span.last:
            is_disproved = bool(self._session.bars(code, max(first, span.first), last).rows)
            span = replace(span, is_disproved=is_disproved)
        # Without any row of the index, another bar did come: see _fetch_page.
        verdict = judge_absence(replace(self._run.evidence, answers=answers, witness=True, span=span))
        if verdict is Verdict.DISPROVED:
            raise BadReply(f"Baostock sends no bars of {code} of years of which it has some: not believed.")
        if verdict is not Verdict.BEFORE_FIRST_BAR:
            return False
        self._run.store.bars.record_absent_range(AbsentRange(code, span.first, span.last), self._run.run_id)
        log.info("%s has no bar at Baostock from %s to %s.", code, span.first, span.last)
        return True

    def _fetch_page(self, code: str, page: Page) -> _Answer:
        """Request a page, and its wanted sessions without a good row a second time, if the policy asks for that.

        :raises BadReply: no row came at all, and a bar that Baostock has does not come either.
        """
        self._session.give_way()
        good, sent = self._ask(code, page.first, page.last, page.days[0])
        answers = self._answers + 1
        wanting = [day for day in page.days if str(day) not in good]
        if wanting and self._asks_again(wanting, answers):
            sent |= self._ask(code, wanting[0], wanting[-1], wanting[0])[1]
            answers += 1
            if not sent and not self._session.bars(*self._known).rows:
                raise BadReply("Baostock sends no bars now, of other securities neither: not believed.")
        never = [day for day in wanting if str(day) not in sent]
        if not never:
            self.answered.add(code)
        begins = date.fromisoformat(min(sent)) if sent else date.max
        if sent:
            self._known = (code, begins, begins)
        return _Answer(never, begins, answers)

    def _asks_again(self, wanting: Sequence[date], answers: int) -> bool:
        evidence = replace(self._run.evidence, answers=answers)
        if self._counts:
            absent = self._absent.get(wanting[0], {})
            if str(wanting[0]) not in self._seen and ENOUGH_ANSWERS in absent.values():
                return False  # as long as no security of the kind has a bar, the cause is the same for all
            if self._kind != "index":  # the days before an index's first bar do not count
                evidence = replace(evidence, absent=len(absent) + 1)
        return judge_absence(evidence) is Verdict.ASK_AGAIN

    def _ask(self, code: str, first: date, last: date, day: date) -> tuple[set[str], set[str]]:
        """Request a span of one security, check the rows, and hand them on.

        :param day: the trade date of rejected rows whose date is malformed.
        :returns: the days with a good row, and the days with any row, as sent (``YYYY-MM-DD``).
        :raises BadReply: a bar is another security's.
        """
        table = self._session.bars(code, first, last)
        other = next((sent for sent in table.column("code") if sent != code), None)
        if other is not None:
            raise BadReply(f"Baostock sent bars of {other} when {code} was asked for; nothing was written.")
        checked = check_bars(table, code, first, last, day=day, kind=self._kind, sessions=self._sessions)
        if checked.lines or checked.rejects:
            self._sink.bars(checked)
        sent = set(filter(is_date, table.column("date")))
        if self._sessions is not None:
            sent &= self._sessions
        self._seen |= sent
        return sent - {str(reject.trade_date) for reject in checked.rejects}, sent

    # ------------------------------------------------------------------ which bars do not exist

    def judge(self, *, asks: bool = True) -> tuple[list[tuple[date, str]], list[Doubt]]:
        """Judge the bars that did not come.

        :param asks: whether a request may be sent to learn which days are published.
        :returns: date and code of those that do not exist, and the doubted ones by date.
        """
        others = self._others()
        doubts = self._doubts(others)
        once = [doubt for doubt in doubts if doubt.verdict is Verdict.ASK_AGAIN]
        if once and asks:
            for doubt in once:
                self._ask_once_more(doubt)
            doubts = self._doubts(others := self._others())
        unpublished = [doubt.day for doubt in doubts if doubt.verdict is Verdict.NO_OTHER]
        if unpublished and asks:
            # The bars of INDEX show which days are published.
            last = min(max(unpublished), min(unpublished) + ONE_PAGE)
            seen = set(self._session.bars(INDEX, min(unpublished), last).column("date"))
            doubts = self._doubts(others | {day: Others.OTHER_KIND for day in unpublished if str(day) in seen})
        doubted = {doubt.day for doubt in doubts}
        return [(day, code) for day in self._absent if day not in doubted for code in self._absent[day]], doubts

    def _ask_once_more(self, doubt: Doubt) -> None:
        """Request the bars again that were requested only once, because no security of the kind had a bar yet."""
        absent = self._absent[doubt.day]
        for code in [code for code, answers in absent.items() if answers < ENOUGH_ANSWERS]:
            if str(doubt.day) in self._ask(code, doubt.day, doubt.day, doubt.day)[1]:
                del absent[code]
                self.answered.add(code)
            else:
                absent[code] += 1

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
            evidence = replace(self._run.evidence, others=others[day], answers=min(codes.values()))
            if self._counts:
                if others[day] is not Others.SAME_KIND:
                    evidence = replace(evidence, answers=max(codes.values()))
                beside = self._run.store.bars.absent_beside(day, self._run.today, list(codes))
                bars = None if self._market is None else len(self.answered.union(self._market))
                evidence = replace(evidence, absent=len(codes) + beside, bars=bars)
            verdict = judge_absence(evidence)
            if verdict is not Verdict.BELIEVED:
                doubts.append(Doubt(day, sorted(codes), verdict, evidence))
        return doubts
