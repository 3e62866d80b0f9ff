"""Python's start-up under faketime, whose library (0.9.10) breaks ``time.sleep`` when it spares the monotonic clock.

``time.sleep`` waits for an absolute time of that clock since Python 3.11, which the library refuses (EINVAL). It has
to spare that clock, or each wait of a thread with a time limit is years long.
"""

from __future__ import annotations

import select
import time
from typing import SupportsIndex


def sleep(seconds: float | SupportsIndex, /) -> None:
    """``time.sleep``, by another system call."""
    waits = float(seconds)
    if waits < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], waits)


time.sleep = sleep
