"""A batch of codes as a stream: each page is loaded while the next one is on its way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from io import StringIO
from typing import Any

from ashare.checks import CheckedBars
from ashare.errors import AshareError, BadReply
from ashare.source import Session
from ashare.store import Batch, Store
from ashare.store.rows import BatchRows, MergeCounts, Plan
from ashare.sync.by_code import CodeFetcher
from ashare.sync.doubts import doubt_error, with_problems
from ashare.sync.run import Run

NOTHING = MergeCounts(0, 0, 0)


class Loader:
    """Loads the rows of a batch: one reply at a time, each in one transaction, in a thread of its own.

    A load begins when the next message is sent: Python runs one thread at a time, and the message would wait.
    What is loaded stays: a batch that is killed or postponed goes on where it stopped.

    :param store: a store with its own connection.
    :param session: the session that fetches meanwhile.
    """

    def __init__(self, store: Store, plan: Plan, batch_no: int, session: Session) -> None:
        self._store, self._plan, self._batch_no, self._session = store, plan, batch_no, session
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._next: Callable[[Store], MergeCounts] | None = None
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
        """Load the checked rows of a reply.

        :raises AshareError: the load before it has failed.
        """
        lines = StringIO("".join(checked.lines))
        batch_rows = BatchRows(lines, len(checked.lines), checked.rejects, checked.blanked)
        self.begin(lambda store: store.bars.load(self._plan, self._batch_no, batch_rows))

    def begin(self, work: Callable[[Store], MergeCounts]) -> None:
        """Begin a load with the next message, once the load before it has ended.

        :raises AshareError: the load before it has failed.
        """
        self.wait()
        self._next = work
        self._session.begin_meanwhile(self._begin_next)

    def _begin_next(self) -> None:
        if self._next is not None:
            self._under_way, self._next = self._thread.submit(self._next, self._store), None

    def wait(self) -> None:
        """Begin the load that has not begun yet, and wait for it.

        :raises AshareError: the load has failed.
        """
        self._begin_next()
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            self.merged += self._session.wait_for(under_way)


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
