"""Loads the rows of one reply while the next request is under way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from io import StringIO

from ashare.checks import CheckedBars
from ashare.source import Session
from ashare.store import Store
from ashare.store.rows import BatchRows, MergeCounts, Plan

NOTHING = MergeCounts(0, 0, 0)


class Loader:
    """Loads the rows of a batch: one reply at a time, each in one transaction, in a thread of its own.

    What is loaded stays: a batch that is killed or postponed goes on where it stopped.

    :param store: a store with its own connection.
    :param session: the session that fetches meanwhile.
    """

    def __init__(self, store: Store, plan: Plan, batch_no: int, session: Session) -> None:
        self._store, self._plan, self._batch_no, self._session = store, plan, batch_no, session
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
        """Load the checked rows of a reply.

        :raises AshareError: the load before it has failed.
        """
        lines = StringIO("".join(checked.lines))
        batch_rows = BatchRows(lines, len(checked.lines), checked.rejects, checked.blanked)
        self.begin(lambda store: store.bars.load(self._plan, self._batch_no, batch_rows))

    def begin(self, work: Callable[[Store], MergeCounts]) -> None:
        """Begin a load, once the one before it has ended.

        :raises AshareError: the load before it has failed.
        """
        self.wait()
        self._under_way = self._thread.submit(work, self._store)

    def wait(self) -> None:
        """Wait for the running load.

        :raises AshareError: the load has failed.
        """
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            self.merged += self._session.wait_for(under_way)
