"""Waiting for a condition, never for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(look: Callable[[], Any], wanted: Callable[[Any], object] = bool, seconds: float = 120) -> Any:
    """Look until what is seen is what is wanted, or anything at all, and return that."""
    deadline = time.monotonic() + seconds
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)
    return seen
