"""Baostock client: one session class over the ``baostock`` package, with timeouts, checks and a request count."""

from __future__ import annotations

from ashare.source.config import SourceConfig
from ashare.source.replies import Table
from ashare.source.request_gate import Gate
from ashare.source.session import Session

__all__ = ["Gate", "Session", "SourceConfig", "Table"]
