"""The second step, once per batch of codes: fetch the missing bars of each code, and load them page by page.

Loaded bars are not requested again: a batch that was killed or met the budget resumes where it stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date
from io import StringIO

from ashare.checks import CheckedBars, check_bars
from ashare.cost import PAGE_SESSIONS
from ashare.errors import AshareError, BadReply, InvalidInput, Postponed
from ashare.source import Session
from ashare.store.history_tables import HistoryBatch, HistoryTables
from ashare.store.rows import AbsentRange, BatchRows, MergeCounts
from ashare.sync.absence import EmptySpan, Others, Verdict, judge_absence
from ashare.sync.factors import FactorRows, read_factors
from ashare.sync.fetched_bars import ABSENT, ONE_PAGE, ask_by_code
from ashare.sync.first_bars import WITNESS
from ashare.sync.history.span import HistoryRun
from ashare.sync.run import in_words, recording
from ashare.texts import joined, named

log = logging.getLogger(__name__)

FACTORS_FROM = date(1990, 1, 1)
"""A stock's factors are cumulative from its first ex-date on. Without a start date, Baostock begins in 2015."""

MOST_PROBLEMS = 10
"""The batch is given up after this many securities with bad replies: the securities are not the cause."""

INDEX = "sh.000001"
"""An index that has a bar for every session since 2000."""

NOTHING = MergeCounts(0, 0, 0)


def fetch_and_copy(history: HistoryRun, batch_no: int) -> MergeCounts:
    """Fetch the missing bars and adjust factors of a batch and load them, each page in its own transaction.

    :returns: row counts of all merges.
    :raises InvalidInput: the run has no such batch.
    :raises BadReply: some replies are not believed; the rows of the other replies are loaded.
    """
    history = history.as_planned()
    batch = history.tables.start(batch_no)
    if batch is None:
        raise InvalidInput(f"There is no batch {batch_no} of {history.run_id}: clear the task plan_batches first.")
    session = history.session()
    with _end_recorded(history, batch, session), history.store.second_store() as second:
        loader = Loader(history.tables_over(second), batch_no)
        if _lacks_anything(history, batch):
            with session:
                _Fetcher(history, batch, session, loader).fetch()
    history.tables.finish(batch_no, "success", session.requests)
    merged = loader.merged
    log.info(
        "%s: %d new bars, %d changed, %d as they were, %d requests.",
        *(batch.label, merged.inserted, merged.revised, merged.unchanged, session.requests),
    )
    return merged


def _lacks_anything(history: HistoryRun, batch: HistoryBatch) -> bool:
    return bool(history.tables.wants_factors(batch.codes)) or any(
        history.tables.gaps(code, batch.kind) for code in batch.codes
    )


@contextmanager
def _end_recorded(history: HistoryRun, batch: HistoryBatch, session: Session) -> Iterator[None]:
    """Record in ``history_batch`` why a try failed, or what the batch waits for."""
    try:
        yield
    except Exception as error:
        status = "pending" if isinstance(error, Postponed) else "failed"
        with recording(batch.label):
            history.tables.finish(batch.batch_no, status, session.requests, in_words(error))
        raise


class Loader:
    """Loads a reply's rows while the next request is under way: one reply at a time, each in one transaction."""

    def __init__(self, tables: HistoryTables, batch_no: int) -> None:
        self._tables, self._batch_no = tables, batch_no
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._under_way: Future[MergeCounts] | None = None
        self.merged = NOTHING

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._thread.shutdown()  # waits for the running load: its rows are good

    def bars(self, checked: CheckedBars) -> None:
        """Load a page of bars."""
        lines = StringIO("".join(checked.lines))
        batch_rows = BatchRows(lines, len(checked.lines), checked.rejects, checked.blanked)
        self._begin(lambda: self._tables.load(self._batch_no, batch_rows))

    def factors(self, code: str, factors: FactorRows) -> None:
        """Load all adjust factors of a stock."""

        def save() -> MergeCounts:
            self._tables.save_factors(code, factors.good, factors.odd)
            return NOTHING

        self._begin(save)

    def wait(self) -> None:
        """Wait for the running load.

        :raises AshareError: the load has failed.
        """
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            self.merged += under_way.result()

    def _begin(self, work: Callable[[], MergeCounts]) -> None:
        self.wait()
        self._under_way = self._thread.submit(work)


class _Fetcher:
    """One try of a batch: its session, and the findings of the requests so far."""

    def __init__(self, history: HistoryRun, batch: HistoryBatch, session: Session, loader: Loader) -> None:
        self._history, self._batch, self._session, self._loader = history, batch, session, loader
        self._sessions = history.tables.sessions()
        self._session_days = frozenset(map(str, self._sessions))
        self._absent: list[tuple[date, str]] = []
        self._odd: list[str] = []
        """Stocks whose answer of no factors is not confirmed by their prices or known factors."""
        self._has_factors = False
        self._known = (INDEX, history.tables.session_of_a_week_ago(history.today))
        """Code and date of a bar that Baostock has: one of ``INDEX``, then the first of the last page with bars."""
        self._problems: list[str] = []

    def fetch(self) -> None:
        """Fetch and load the missing bars and adjust factors of the batch's securities.

        :raises BadReply: some replies are not believed; the rows of the other replies are loaded.
        """
        want_factors = self._history.tables.wants_factors(self._batch.codes)
        try:
            with self._loader:
                for code in self._batch.codes:
                    try:
                        self._fetch_one(code, wants_factors=code in want_factors)
                    except BadReply as problem:
                        self._problems.append(f"{code}: {problem}")
                        if len(self._problems) == MOST_PROBLEMS:
                            break
                self._loader.wait()
                self._judge_odd()
        except AshareError:
            with suppress(AshareError):  # the original error is the one to raise
                self._record_absent()  # else the next try would request these bars twice again
            raise
        self._judge_absent()
        if self._problems:
            raise BadReply(joined(self._problems, " "))

    def _fetch_one(self, code: str, *, wants_factors: bool) -> None:
        pages = cut_pages(self._history.tables.gaps(code, self._batch.kind), self._sessions)
        rest = self._find_first_bar(code, pages) if self._batch.kind == "index" else pages
        for page in rest:
            self._absent += [(day, code) for day in self._fetch_page(code, page, page[0])]
        if wants_factors:
            self._session.give_way()
            self._fetch_factors(code)

    def _find_first_bar(self, code: str, pages: Sequence[Sequence[date]]) -> Sequence[Sequence[date]]:
        """Request an index's first pages until one brings a bar; record the sessions before that bar as a range.

        Some indices have bars before their listing date: the first page reaches back as far as it costs nothing.

        :returns: the pages that are still to be requested.
        :raises BadReply: Baostock sends no bars of years, although the index has a bar of last week.
        """
        before: list[date] = []
        rest = list(pages)
        while rest and self._first_bar(code) > rest[0][0]:
            page = rest.pop(0)
            back = self._sessions[max(self._sessions.index(page[-1]) + 1 - PAGE_SESSIONS, 0)]
            never = self._fetch_page(code, page, page[0] if before else min(back, page[0]))
            first_bar = self._first_bar(code)
            before += [day for day in never if day < first_bar]
            self._absent += [(day, code) for day in never if day > first_bar]
        if before:
            self._judge_span(code, before)
        return rest

    def _judge_span(self, code: str, before: Sequence[date]) -> None:
        has_bars = self._first_bar(code) < date.max
        a_week_ago = self._history.tables.session_of_a_week_ago(self._history.today)
        asks = not has_bars and before[0] <= a_week_ago <= before[-1]
        is_disproved = asks and bool(self._session.bars(code, a_week_ago, a_week_ago).rows)
        span = EmptySpan(before[0], before[-1], has_bar_after=has_bars, is_disproved=is_disproved)
        # Each page was asked for twice; without a row, a known bar came.
        verdict = judge_absence(replace(self._history.evidence, witness=True, span=span))
        if verdict is Verdict.DISPROVED:
            raise BadReply(f"Baostock sends no bars of {code} of years of which it has some: not believed.")
        if verdict is Verdict.BEFORE_FIRST_BAR:
            self._history.tables.record_absent_range(AbsentRange(code, before[0], before[-1]))
            log.info("%s has no bar at Baostock from %s to %s.", code, before[0], before[-1])
        else:
            self._absent += [(day, code) for day in before]

    def _first_bar(self, code: str) -> date:
        """The date of a security's first bar in the table, after the running load; ``date.max`` without a bar."""
        self._loader.wait()
        return self._history.tables.first_bar(code) or date.max

    def _fetch_page(self, code: str, page: Sequence[date], first: date) -> list[date]:
        """Request a page's sessions, and the sessions without a good row a second time.

        :param first: first day of the request: the page's first day or an earlier one.
        :returns: the sessions of which neither answer had a row.
        :raises BadReply: no row came at all, and a bar that Baostock is known to have does not come either.
        """
        self._session.give_way()
        good, sent = self._ask(code, first, page[-1])
        wanting = [day for day in page if str(day) not in good]
        if wanting:
            sent |= self._ask(code, wanting[0], wanting[-1])[1]
        if sent:
            self._known = (code, date.fromisoformat(min(sent)))
        elif judge_absence(replace(self._history.evidence, witness=self._answers_at_all())) is Verdict.SILENT:
            raise BadReply("Baostock sends no bars now, of other securities neither: not believed.")
        return [day for day in wanting if str(day) not in sent]

    def _answers_at_all(self) -> bool:
        """Whether a bar that Baostock is known to have still comes."""
        code, day = self._known
        return bool(self._session.bars(code, day, day).rows)

    def _ask(self, code: str, first: date, last: date) -> tuple[set[str], set[str]]:
        """Fetch and load a span of sessions of a security.

        :returns: the sessions with a good row, and the sessions with any row, as sent (YYYY-MM-DD).
        """
        table = ask_by_code(self._session, code, first, last)
        kind, sessions = self._batch.kind, self._session_days
        checked = check_bars(table, code, first, last, day=first, kind=kind, sessions=sessions)
        for reject in checked.rejects[:20]:
            log.warning("Rejected %s on %s: %s.", reject.code, reject.trade_date, reject.rule)
        if checked.lines or checked.rejects:
            self._loader.bars(checked)
        sent = set(table.column("date")) & self._session_days
        return sent - {str(reject.trade_date) for reject in checked.rejects}, sent

    def _fetch_factors(self, code: str) -> None:
        """Load all adjust factors of a stock.

        An answer with bad rows or without an expected ex-date is requested again; the second answer is believed.
        An answer of no factors that prices and known factors do not confirm is left to ``_judge_odd``.
        """
        tables = self._history.tables
        known = tables.known_factors(code)
        factors = self._ask_factors(code)
        self._loader.wait()  # the stock's bars imply ex-dates, too
        implied = tables.implied_ex_dates(code)
        if factors.odd or _lacking(factors, known | implied):
            factors = self._ask_factors(code)
        if lacking := _lacking(factors, known | implied):
            log.warning(
                "%s has no adjust factor on %s at Baostock, where one was known or its prices moved.",
                code,
                named(lacking),
            )
        if not factors.good and (known or implied or not tables.has_bars_since_listing(code)):
            self._odd.append(code)
            return
        self._has_factors = self._has_factors or bool(factors.good)
        self._loader.factors(code, factors)

    def _ask_factors(self, code: str) -> FactorRows:
        today = self._history.today
        table = self._session.adjust_factors(code, FACTORS_FROM, today)
        return read_factors(table, FACTORS_FROM, today, code)

    def _judge_odd(self) -> None:
        """Believe unconfirmed answers of no factors if Baostock sends factors of another stock."""
        if self._odd and not self._has_factors:
            self._has_factors = bool(self._ask_factors(WITNESS).good)
        if self._has_factors:
            for code in self._odd:
                self._loader.factors(code, FactorRows())
        elif self._odd:
            self._problems.append(
                f"{named(self._odd)}: Baostock sent no adjust factors, and none of {WITNESS} either."
            )

    def _judge_absent(self) -> None:
        """Record the bars that never came as absent. Of days without any bar, the bars of ``INDEX`` are requested."""
        doubted = self._record_absent()
        if doubted:
            days = [day for day, _ in doubted]
            first, last = min(days), min(max(days), min(days) + ONE_PAGE)
            seen = set(map(date.fromisoformat, self._session.bars(INDEX, first, last).column("date")))
            doubted = self._record_absent(seen)
        if doubted:
            day, code = doubted[0]
            self._problems.append(
                f"{len(doubted)} bars did not come, asked for twice, {code} on {day} for one, and no other security "
                "has one of that day either: not believed."
            )

    def _record_absent(self, seen: Collection[date] = ()) -> list[tuple[date, str]]:
        if not self._absent:
            return []
        tables = self._history.tables
        published = {*seen, *tables.days_with_bars({day for day, _ in self._absent})}
        # How many lack a day is counted at the end of the run.
        others = {day: Others.OTHER_KIND if day in published else Others.NONE for day, _ in self._absent}
        verdicts = {day: judge_absence(replace(self._history.evidence, others=others[day])) for day in others}
        believed = [(day, code) for day, code in self._absent if verdicts[day] is Verdict.BELIEVED]
        tables.record_absent(believed, ABSENT)
        log.info("%d bars are absent at the source (asked for twice).", len(believed))
        self._absent = sorted(set(self._absent).difference(believed))
        return self._absent


def _lacking(factors: FactorRows, ex_dates: set[date]) -> list[date]:
    return sorted(ex_dates - {ex_date for _, ex_date, _, _ in factors.good})


def cut_pages(gaps: Sequence[tuple[date, date]], sessions: Sequence[date]) -> list[list[date]]:
    """Cut gaps into pages for one request each: the missing sessions within a span of ``PAGE_SESSIONS``."""
    at = {day: n for n, day in enumerate(sessions)}
    pages: list[list[date]] = []
    for first, last in gaps:
        for n in range(at[first], at[last] + 1):
            if not pages or n - at[pages[-1][0]] >= PAGE_SESSIONS:
                pages.append([])
            pages[-1].append(sessions[n])
    return pages
