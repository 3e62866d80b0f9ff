"""Handles Ctrl-C while the command creates a backfill and waits for it."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType

_POLL_SECONDS = 0.1


class InterruptFlag:
    """Defers Ctrl-C to the next ``sleep``: a KeyboardInterrupt can get lost in a library's clean-up.

    A second Ctrl-C before the next ``sleep`` raises at once.
    """

    def __init__(self) -> None:
        self._is_set = False

    def __enter__(self) -> InterruptFlag:
        self._previous_handler = signal.signal(signal.SIGINT, self._set)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._previous_handler)

    def _set(self, number: int, frame: FrameType | None) -> None:
        if self._is_set:
            raise KeyboardInterrupt
        self._is_set = True

    def sleep(self, seconds: float) -> None:
        """Sleep until the time is over or Ctrl-C is pressed.

        :raises KeyboardInterrupt: Ctrl-C was pressed during the sleep, or since the last one.
        """
        until = time.monotonic() + seconds
        while not self._is_set and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        if self._is_set:
            raise KeyboardInterrupt
