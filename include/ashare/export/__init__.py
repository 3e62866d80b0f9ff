"""Writes the lake, the bars as Parquet files: ``ashare export DIR``, and the DAG ``ashare_export``.

``DIR/daily_bar/year=2025/part-0.parquet`` has a year's bars as traded, sorted by code and trade date, each with its
price limits and its adjust factor. ``DIR`` also has whole tables, a file each, and ``manifest.json``. Only what has
changed is read from the database. Trade dates that are not complete are a warning, or an error before any file is
written.
"""

from __future__ import annotations

from ashare.export.snapshot import NothingToExport, Summary, export
from ashare.export.tables import Selection

__all__ = ["NothingToExport", "Selection", "Summary", "export"]
