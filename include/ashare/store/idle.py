"""Stores that stay connected between two readings of the page.

A new PostgreSQL session reads the catalogs first: opening one takes longer than most readings of the page.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ashare.store.store import Store

KEPT_SECONDS = 15.0
ANSWER_SECONDS = 2.0
"""How long a kept session may take to answer before it is given up."""
MOST = 4
"""How many stores are kept at a time."""


class IdleStores:
    """Lends stores, and keeps each for the next reading. A store that nobody borrows is closed after some seconds."""

    def __init__(self, seconds: float = KEPT_SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._idle: list[tuple[Hashable, Store, threading.Timer]] = []

    @contextmanager
    def lend(self, key: Hashable, open_store: Callable[[], Store]) -> Iterator[Store]:
        """A store, connected if one is kept. After an error in the block, the store is closed.

        :param key: all that decides which database is connected to, and how.
        :param open_store: makes a store of that database.
        """
        store = self._take(key) or open_store()
        try:
            yield store
        except BaseException:
            store.close()
            raise
        self._keep(key, store)

    def _take(self, key: Hashable) -> Store | None:
        with self._lock:
            found = next((entry for entry in self._idle if entry[0] == key), None)
            if found is None:
                return None
            self._idle.remove(found)
        _, store, timer = found
        timer.cancel()
        store.close_if_silent(ANSWER_SECONDS)  # its next use opens another session
        return store

    def _keep(self, key: Hashable, store: Store) -> None:
        timer = threading.Timer(self._seconds, self._close, (store,))
        timer.daemon = True
        with self._lock:
            is_kept = len(self._idle) < MOST
            if is_kept:
                self._idle.append((key, store, timer))
                timer.start()
        if not is_kept:
            store.close()

    def _close(self, store: Store) -> None:
        """Close a store that nobody has borrowed in time."""
        with self._lock:
            found = next((entry for entry in self._idle if entry[1] is store), None)
            if found is None:
                return
            self._idle.remove(found)
        store.close()
