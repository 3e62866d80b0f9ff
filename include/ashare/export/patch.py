"""Patches a year's file of bars: the rows of some days and codes are replaced, all others are taken as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from pyarrow import parquet

MORE_THAN_DAYS = 1_000_000


def patched(
    former: parquet.ParquetFile, days: Collection[date], codes: Collection[str], new: pa.Table
) -> Iterator[pa.Table]:
    """The rows of a file without those of ``days`` and ``codes``, with the new rows, sorted by code and trade date.

    One row group at a time is in memory, beside the new rows.

    :param new: rows of the same columns, sorted by code and trade date.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    gone_days, gone_codes = pa.array(sorted(days), pa.date32()), pa.array(sorted(codes), pa.string())
    begin = 0
    for group in range(former.num_row_groups):
        table = former.read_row_group(group).select(new.column_names).cast(new.schema)
        is_gone = pc.or_(
            pc.is_in(table["trade_date"], value_set=gone_days), pc.is_in(table["code"], value_set=gone_codes)
        )
        is_last = group == former.num_row_groups - 1
        end = len(new) if is_last or not len(table) else _end(new, table["code"][-1], table["trade_date"][-1])
        yield _sorted(pa.concat_tables([table.filter(pc.invert(is_gone)), new.slice(begin, end - begin)]))
        begin = end


def _end(new: pa.Table, code: pa.Scalar, day: pa.Scalar) -> int:
    """How many of the new rows are not after a code and day."""
    import pyarrow.compute as pc

    before = pc.less(new["code"], code)
    same = pc.and_(pc.equal(new["code"], code), pc.less_equal(new["trade_date"], day))
    return int(pc.sum(pc.or_(before, same)).as_py() or 0)


def _sorted(table: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    names = table["code"].combine_chunks().dictionary_encode()
    ranks = np.argsort(np.argsort(np.array(names.dictionary.to_pylist(), dtype="S")))
    days: NDArray[np.int32] = table["trade_date"].cast(pa.int32()).to_numpy()
    keys: NDArray[Any] = ranks[names.indices.to_numpy()].astype(np.int64) * MORE_THAN_DAYS + days
    return table.take(pa.array(np.argsort(keys, kind="stable")))
