"""When a trade date runs, how long it waits, and until when it has to be complete."""

from __future__ import annotations
