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
from ashare.sync.doubts import doubt_error, with_problems
from ashare.sync.loader import Loader
from ashare.sync.run import Run


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
    with run.store.second_store() as second, Loader(second, plan, batch.batch_no, session) as loader:
        fetcher = CodeFetcher(run, batch.kind, session, loader.bars, **options)
        try:
            with session:
                fetch(fetcher, loader)
                loader.wait()
                absent, doubts = fetcher.judge()
        except AshareError as error:
            # The connection to Baostock is closed before anything is recorded: the database may be what is lost.
            with suppress(AshareError):  # the original error is the one to return
                loader.wait()
            with suppress(AshareError):
                # Else the next try would request these bars again.
                run.store.bars.record_absences(fetcher.judge(asks=False)[0], fetcher.ranges, plan.run_id)
            return loader.merged, with_problems(fetcher.problems, error) if isinstance(error, BadReply) else error
        run.store.bars.record_absences(absent, fetcher.ranges, plan.run_id)
    doubt = doubt_error(run, batch.label, batch.kind, doubts) if doubts else None
    return loader.merged, with_problems(fetcher.problems, doubt)
