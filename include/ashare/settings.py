"""Settings from ``ASHARE_*`` environment variables; the README's table lists them."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from ashare.errors import InvalidInput

# The indices that people follow, each in Baostock's list of securities. It has no STAR 50 (sh.000688).
DEFAULT_INDICES = (
    "sh.000001",  # SSE Composite 上证综指
    "sh.000016",  # SSE 50 上证50
    "sh.000300",  # CSI 300 沪深300
    "sh.000852",  # CSI 1000 中证1000
    "sh.000905",  # CSI 500 中证500
    "sh.000906",  # CSI 800 中证800
    "sz.399001",  # SZSE Component 深证成指
    "sz.399005",  # SZSE SME 100 中小100
    "sz.399006",  # ChiNext 创业板指
    "sz.399106",  # SZSE Composite 深证综指
    "sz.399330",  # SZSE 100 深证100
)

POOL = "baostock"
"""In front of the one connection to Baostock: bounds how many tasks wait for it."""
POOL_SLOTS = 8

SERVICE_LIMIT = 50_000
"""Requests a day and address, after which Baostock bans; a budget cannot be larger."""


def _variable(name: str, default: Any, kind: type, least: float, most: float) -> Any:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not math.isfinite(value) or not least <= value <= most:
        upper = f"to {most}" if math.isfinite(most) else "on"
        raise InvalidInput(
            f"{name} is {text!r}: it must be a {'whole ' if kind is int else ''}number from {least} {upper} "
            f"(the default is {default})."
        )
    return value


def _number(name: str, default: float, *, least: float = 1, most: float = math.inf) -> Any:
    return field(default_factory=lambda: _variable(name, default, type(default), least, most))


def _deadline() -> time:
    text = os.environ.get("ASHARE_DEADLINE", "").strip() or "21:00"
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", text):
        raise InvalidInput(f"ASHARE_DEADLINE is {text!r}: it must be a time of day, Beijing's, for example 21:00.")
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


def _indices() -> tuple[str, ...]:
    listed = tuple(code.strip() for code in os.environ.get("ASHARE_INDICES", "").split(",") if code.strip())
    for code in listed:
        if not re.fullmatch(r"(sh|sz)\.\d{6}", code):
            raise InvalidInput(
                f"ASHARE_INDICES holds {code!r}: write each index with its exchange, for example "
                "sh.000001,sz.399001 (sz.000001 would be a stock)."
            )
    return tuple(dict.fromkeys(listed)) or DEFAULT_INDICES


@dataclass(frozen=True)
class Settings:
    """All settings, read when made."""

    connect_timeout: float = _number("ASHARE_CONNECT_TIMEOUT", 10.0)
    idle_timeout: float = _number("ASHARE_IDLE_TIMEOUT", 90.0)
    reply_timeout: float = _number("ASHARE_REPLY_TIMEOUT", 300.0)
    lock_timeout: float = _number("ASHARE_LOCK_TIMEOUT", 3600.0)
    poll_seconds: float = _number("ASHARE_POLL_SECONDS", 300.0)
    request_budget: int = _number("ASHARE_REQUEST_BUDGET", 40_000, most=SERVICE_LIMIT)
    session_requests: int = _number("ASHARE_SESSION_REQUESTS", 0, least=0, most=SERVICE_LIMIT)
    history_reserve: int = _number("ASHARE_HISTORY_RESERVE", 1_000, least=0, most=SERVICE_LIMIT)
    retries: int = _number("ASHARE_RETRIES", 3, least=0)
    retry_seconds: float = _number("ASHARE_RETRY_SECONDS", 60.0)
    max_absent: int = _number("ASHARE_MAX_ABSENT", 100, least=0)
    max_deviating: int = _number("ASHARE_MAX_DEVIATING", 15, least=0)
    max_rejected: int = _number("ASHARE_MAX_REJECTED", 20, least=0)
    recheck_days: int = _number("ASHARE_RECHECK_DAYS", 5, least=0)
    max_lag: int = _number("ASHARE_MAX_LAG", 1, least=0)
    deadline: time = field(default_factory=_deadline)
    indices: tuple[str, ...] = field(default_factory=_indices)

    @property
    def reserve(self) -> int:
        """Requests of a day that are left to the newest trade date by all others: at most half of the budget."""
        return min(self.history_reserve, self.request_budget // 2)
