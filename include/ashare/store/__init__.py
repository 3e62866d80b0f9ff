"""PostgreSQL: the schema ``ashare``, loading bars, the records of a trade date, the gate in front of Baostock."""

from __future__ import annotations

from ashare.store.idle import IdleStores
from ashare.store.migrate import migrate
from ashare.store.rows import Batch, Expectation
from ashare.store.source_gate import SourceGate
from ashare.store.store import Store

__all__ = ["Batch", "Expectation", "IdleStores", "SourceGate", "Store", "migrate"]
