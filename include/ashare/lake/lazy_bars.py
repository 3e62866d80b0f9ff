"""The bars of a lake as a polars ``LazyFrame``: polars reads only the columns, row groups and years that it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ashare.connection import is_conninfo
from ashare.data_source import View, lake_of_environment
from ashare.errors import InvalidInput
from ashare.lake.lake_manifest import read_manifest
from ashare.lake.lake_tables import Tables
from ashare.lake.layout import BARS
from ashare.lake.storage import Storage
from ashare.read_columns import FIELDS, KEY, PRICES

if TYPE_CHECKING:
    import polars as pl

FACTOR = "hfq_factor"


def scan(view: View, source: str | Path | None) -> pl.LazyFrame:
    """The bars as traded or adjusted; see ``ashare.read.scan_bars``."""
    try:
        import polars as pl
    except ImportError:
        raise InvalidInput("scan_bars needs polars, which is not installed: pip install polars") from None
    storage = Storage(_place(source))
    read_manifest(storage)
    # Without the year of the path, which no table of the database has.
    bars = pl.scan_parquet(f"{storage.root}/{BARS}/*/*.parquet", hive_partitioning=False)
    if view == "daily_bar":
        return bars.select(*KEY, *FIELDS)
    if view == "daily_bar_hfq":
        factor = pl.col(FACTOR)
    else:
        newest = Tables(storage).newest_factors
        codes = pl.col("code").replace_strict(
            list(newest), list(newest.values()), default=1.0, return_dtype=pl.Float64
        )
        factor = (pl.col(FACTOR) / codes).round(12)
    adjusted: dict[str, Any] = {name: (pl.col(name) * factor).round(8).alias(name) for name in PRICES}
    volume = (pl.col("volume") / factor).round(4).alias("adjusted_volume")
    return bars.select(*KEY, *(adjusted.get(name, pl.col(name)) for name in FIELDS), factor.alias("factor"), volume)


def _place(source: str | Path | None) -> str:
    place = lake_of_environment() if source is None else str(source)
    if place is None:
        raise InvalidInput("scan_bars reads a lake: set ASHARE_LAKE, or give source='/data/lake'.")
    if is_conninfo(place):
        raise InvalidInput("scan_bars reads a lake, and not the database: give the path or the URL of a lake.")
    return place
