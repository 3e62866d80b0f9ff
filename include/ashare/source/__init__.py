"""Baostock: one session class over the ``baostock`` package, with a transport that ends, checks and counts."""

from __future__ import annotations

from include.ashare.source.config import SourceConfig
from include.ashare.source.gate import Gate
from include.ashare.source.replies import Table
from include.ashare.source.session import Session

__all__ = ["Gate", "Session", "SourceConfig", "Table"]
