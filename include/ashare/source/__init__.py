"""Baostock: one session class over the ``baostock`` package, with a transport that ends, checks and counts."""

from __future__ import annotations

from include.ashare.source.session import Gate, Session, SourceConfig, Table

__all__ = ["Gate", "Session", "SourceConfig", "Table"]
