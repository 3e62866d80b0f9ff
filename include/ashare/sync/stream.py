"""A batch of codes as a stream: each page is loaded while the next one is on its way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ashare.errors import AshareError, BadReply
from ashare.source import Session
from ashare.store import Batch
from ashare.store.rows import MergeCounts, Plan
from ashare.sync.by_code import CodeFetcher
from ashare.sync.doubts import Doubt, doubt_error, with_problems
from ashare.sync.loader import Loader
from ashare.sync.run import Run
from ashare.texts import joined


def fetch_stream(
    run: Run,
    plan: Plan,
    batch: Batch,
    session: Session,
    fetch: Callable[[CodeFetcher, Loader], None],
    **options: Any,
) -> tuple[MergeCounts, AshareError | None]:
    """Fetch a batch of codes in one session, load its pages, and record which bars do not exist.

    :param run: the run of the trade date, or of any date of a history's range.
    :param plan: whose batch it is.
    :param fetch: sends the requests.
    :param options: of ``CodeFetcher``.
    :returns: row counts of the merges, and the error: the stream broke off, and what came before is loaded; or
        something is not believed, and all other rows are loaded.
    """
    with run.store.second_store() as second, Loader(second, plan, batch.batch_no) as loader:
        try:
            with session:
                fetcher = CodeFetcher(run, batch.kind, session, loader, **options)
                doubts = _fetch_and_judge(run, plan, fetcher, lambda: fetch(fetcher, loader), loader)
        except AshareError as error:
            with suppress(AshareError):  # the original error is the one to return
                loader.wait()
            return loader.merged, error
    doubt = doubt_error(run, batch.label, batch.kind, doubts) if doubts else None
    return loader.merged, with_problems(fetcher.problems, doubt)


def _fetch_and_judge(
    run: Run, plan: Plan, fetcher: CodeFetcher, fetch: Callable[[], None], loader: Loader
) -> list[Doubt]:
    """Send the requests, and record which bars do not exist, also of those that came before an error."""
    try:
        fetch()
        loader.wait()
        absent, doubts = fetcher.judge()
    except AshareError as error:
        with suppress(AshareError):  # the original error is the one to raise
            # Else the next try would request these bars again.
            run.store.bars.record_absent(fetcher.judge(asks=False)[0], plan.run_id)
        if isinstance(error, BadReply) and fetcher.problems:
            raise BadReply(joined([*fetcher.problems, str(error)], " ")) from error
        raise
    run.store.bars.record_absent(absent, plan.run_id)
    return doubts
