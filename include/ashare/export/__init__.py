"""The bars as Parquet files: ``ashare export DIR``.

``DIR/daily_bar/year=2025/part-0.parquet`` has a year's bars as traded, sorted by code and trade date, each with its
price limits and its adjust factor. ``DIR`` also has the whole tables ``adjust_factor``, ``security``,
``index_member``, ``industry``, ``security_name``, ``snapshot``, ``trade_calendar`` and ``sync_status``, a file each.
A file is rewritten only if its data has changed. Trade dates that are not complete are a warning, or an error before
any file is written.
"""

from __future__ import annotations

from ashare.export.snapshot import Selection, Summary, export

__all__ = ["Selection", "Summary", "export"]
