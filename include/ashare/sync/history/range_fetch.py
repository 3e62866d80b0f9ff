"""The second step, once per batch: fetch the missing bars of each code and load them page by page; or sync a date.

Loaded bars are not requested again: a batch that was killed or met the budget resumes where it stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from ashare.cost import PAGE_SESSIONS
from ashare.errors import InvalidInput
from ashare.store.rows import MergeCounts
from ashare.sync.by_code import CodeFetcher, Page
from ashare.sync.heal import sync_date
from ashare.sync.history.span import HistoryRun
from ashare.sync.history.stock_factors import StockFactors
from ashare.sync.run import batch_recorded
from ashare.sync.stream import NOTHING, Loader, fetch_stream

log = logging.getLogger(__name__)


def fetch_and_copy(history: HistoryRun, batch_no: int) -> MergeCounts:
    """Fetch the missing bars and adjust factors of a batch and load them, each page in its own transaction.

    :returns: row counts of all merges.
    :raises InvalidInput: the run has no such batch.
    :raises BadReply: some replies are not believed; the rows of the other replies are loaded.
    """
    history = history.as_planned()
    batch = history.store.batches.start(history.plan, batch_no)
    if batch is None:
        raise InvalidInput(f"There is no batch {batch_no} of {history.run_id}: clear the task plan_batches first.")
    with batch_recorded(history.store, history.plan, batch_no) as tried:
        if batch.heals:
            merged = sync_date(replace(history.on(batch.heals), fetch="auto"))
            rows = merged.inserted + merged.revised + merged.unchanged
            history.store.batches.add_rows(history.plan, batch_no, rows)
            return merged
        codes = list(batch.codes or ())
        with_factors = history.tables.wants_factors(codes)
        # Both are read here: between two requests, a question to the database would keep the source waiting.
        gaps = history.tables.gaps(codes, batch.kind)
        if not with_factors and not gaps:
            return NOTHING
        sessions = history.tables.sessions()
        tried.session = session = history.session()

        def fetch(fetcher: CodeFetcher, loader: Loader) -> None:
            factors = StockFactors(history, session, loader, with_factors)
            fetcher.fetch(
                codes, lambda code: _pages(history, batch.kind, code, gaps.get(code, ()), sessions), factors.fetch
            )
            fetcher.problems += factors.judge_doubted()

        merged, error = fetch_stream(
            history.on(history.start), history.plan, batch, session, fetch, sessions=list(map(str, sessions))
        )
        log.info(
            "%s: %d new bars, %d changed, %d as they were, %d requests.",
            *(batch.label, merged.inserted, merged.revised, merged.unchanged, session.requests),
        )
        if error:
            raise error
        return merged


def _pages(
    history: HistoryRun, kind: str, code: str, gaps: Sequence[tuple[date, date]], sessions: Sequence[date]
) -> Sequence[Page]:
    pages = cut_pages(gaps, sessions)
    if kind == "index" and pages:
        # Some indices have bars before their listing date: the first page reaches back as far as it costs nothing.
        first_bar = history.store.bars.first_bar(code)
        if first_bar is None or first_bar > pages[0].first:
            back = sessions[max(sessions.index(pages[0].last) + 1 - PAGE_SESSIONS, 0)]
            pages[0] = pages[0]._replace(first=min(back, pages[0].first))
    return pages


def cut_pages(gaps: Sequence[tuple[date, date]], sessions: Sequence[date]) -> list[Page]:
    """Cut gaps into pages for one request each: the missing sessions within a span of ``PAGE_SESSIONS``."""
    at = {day: n for n, day in enumerate(sessions)}
    pages: list[list[date]] = []
    for first, last in gaps:
        for n in range(at[first], at[last] + 1):
            if not pages or n - at[pages[-1][0]] >= PAGE_SESSIONS:
                pages.append([])
            pages[-1].append(sessions[n])
    return [Page(page[0], page[-1], page) for page in pages]
