"""What a check of the doctor reads, and what it yields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ashare.dates import beijing_now
from ashare.settings import Settings
from ashare.source import SourceConfig
from ashare.store import Store

OK, WARN, BAD = "ok", "warn", "BAD"
NAMED = 3
"""Maximum number of things that a finding names."""
NEARLY_SPENT = 0.9
"""The share of the request budget from which on it counts as nearly spent."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    :ivar name: what was checked.
    :ivar state: ``ok``, ``warn`` or ``BAD``.
    :ivar text: the figures and what to do, in a sentence or a few.
    """

    name: str
    state: str
    text: str


@dataclass(frozen=True)
class CheckedSystem:
    """What the checks read. A part that cannot be read becomes a finding and does not stop the other checks.

    :ivar pool: returns the pool's total and taken slots, or ``None`` if the pool does not exist. The field itself
        is ``None`` without Airflow.
    :ivar alerts: returns the addresses of the connection ``ashare_alerts``; empty if the connection is not set.
    """

    store: Store
    source: Callable[[], SourceConfig]
    settings: Callable[[], Settings]
    pool: Callable[[], tuple[int, int] | None] | None
    alerts: Callable[[], Sequence[str]]
    now: Callable[[], datetime] = beijing_now
