"""Reads bars from a lake's yearly files: only the columns, row groups and rows that are needed, years in threads."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ashare.bar_panel import Cells, floats, in_threads
from ashare.lake import exact_decimals
from ashare.lake.layout import year_of
from ashare.lake.storage import Storage
from ashare.read_columns import KEY, PRICES
from ashare.store import arrow

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from pyarrow import parquet

    from ashare.data_source import View

    Flags = NDArray[np.bool_]
    Integers = NDArray[np.int32]

FACTOR = "hfq_factor"
"""The column of the files that has ``back_factor``."""
LIMIT_INPUTS = ("is_trading", "high", "low", "close", "limit_up", "limit_down")
"""What the view ``daily_limit`` derives its flags from."""
RENAMED = {"rule": "limit_rule"}


@dataclass(frozen=True)
class Bars:
    """Which rows and columns are read.

    :ivar files: the files of the years, oldest first.
    :ivar codes: only these; ``None``: all.
    :ivar spans: only rows within them: code, first day, end; ``None``: all.
    :ivar stocks: the codes of all stocks, for the view ``daily_limit``, which has no other securities.
    :ivar newest: the newest back factor of each stock, for forward adjustment.
    """

    storage: Storage
    files: Sequence[str]
    view: View
    types: Mapping[str, str]
    start: date
    end: date
    codes: Sequence[str] | None = None
    spans: Sequence[tuple[str, date, date | None]] | None = None
    stocks: Collection[str] | None = None
    newest: Mapping[str, float] = field(default_factory=dict)

    @property
    def values(self) -> list[str]:
        """The value columns of the result."""
        return [name for name in self.types if name not in KEY]

    @property
    def columns(self) -> list[str]:
        """The columns of the files that the value columns are made of."""
        needed: dict[str, None] = {}
        for name in self.values:
            needed |= dict.fromkeys(_inputs(self.view, name))
        return list(needed)

    @cached_property
    def chosen(self) -> list[str] | None:
        """The codes of which rows are read, sorted; ``None``: all."""
        members = None if self.spans is None else {code for code, _, _ in self.spans}
        limits = [set(each) for each in (self.codes, members, self.stocks) if each is not None]
        return sorted(set.intersection(*limits)) if limits else None


class Part(NamedTuple):
    """The rows of a row group that were read, in its order: by code, then by trade date.

    :ivar codes: the codes that the numbers of ``code`` stand for.
    """

    codes: list[str]
    code: Integers
    day: Integers
    columns: Mapping[str, Any]


def rows(bars: Bars) -> pa.Table:
    """The rows, sorted by code and trade date, each column one chunk."""
    import numpy as np
    import pyarrow as pa

    schema = arrow.schema(bars.types)
    parts = [part for part in _parts(bars) if len(part.code)]
    if not parts:
        return schema.empty_table()
    codes = sorted({code for part in parts for code in part.codes})
    place = {code: number for number, code in enumerate(codes)}
    numbers = np.concatenate(
        [np.array([place[code] for code in part.codes], dtype=np.uint16)[part.code] for part in parts]
    )
    # The years follow each other, so a stable sort by code sorts by trade date, too. A single year is sorted.
    order = None if (numbers[1:] >= numbers[:-1]).all() else np.argsort(numbers, kind="stable")

    def column(name: str) -> Any:
        if name == "code":
            ordered = numbers if order is None else numbers[order]
            return pa.DictionaryArray.from_arrays(ordered.astype(np.int32), pa.array(codes)).cast(pa.string())
        if name == "trade_date":
            days = np.concatenate([part.day for part in parts])
            return pa.array(days if order is None else days[order]).cast(pa.date32())
        joined = pa.concat_arrays([_as_arrow(part.columns[name], bars.types[name]) for part in parts])
        return joined if order is None else joined.take(pa.array(order))

    return pa.table(in_threads(column, list(bars.types)), schema=schema)


def cells(bars: Bars) -> list[Cells]:
    """The one value column as cells of a panel."""
    (name,) = bars.values
    return [Cells(part.codes, part.code, part.day, _as_floats(part.columns[name])) for part in _parts(bars)]


def _parts(bars: Bars) -> list[Part]:
    """What is read of all files, in their order."""
    found = in_threads(lambda file: _parts_of(bars, file), bars.files)
    return [part for parts in found for part in parts]


def _parts_of(bars: Bars, file: str) -> list[Part]:
    columns = ["code", "trade_date", *bars.columns]
    with bars.storage.parquet(file, read_dictionary=["code"]) as opened:
        groups = [number for number in range(opened.num_row_groups) if _may_have_rows(bars, opened, number)]
        # One by one: the columns of a row group stay in the processor's cache until they are computed with.
        tables = (opened.read_row_group(group, columns, use_threads=len(bars.files) == 1) for group in groups)
        return [_part(bars, year_of(file) or 0, table) for table in tables if len(table)]


def _part(bars: Bars, year: int, table: pa.Table) -> Part:
    import pyarrow as pa

    names = table.column("code").unify_dictionaries().combine_chunks()
    codes: list[str] = names.dictionary.to_pylist()
    code, day = names.indices.to_numpy(), table.column("trade_date").cast("int32").to_numpy()
    kept = _kept(bars, year, codes, code, day)
    if kept is not None:
        code, day, table = code[kept], day[kept], table.filter(pa.array(kept))
    inputs = {name: table.column(name) for name in bars.columns}
    return Part(codes, code, day, _computed(bars, inputs, codes, code))


def _may_have_rows(bars: Bars, file: parquet.ParquetFile, group: int) -> bool:
    """Whether the statistics of a row group's codes allow for a row that is read."""
    if bars.chosen is None:
        return True
    statistics = file.metadata.row_group(group).column(file.schema_arrow.get_field_index("code")).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    first = bisect_left(bars.chosen, statistics.min)
    return first < len(bars.chosen) and bars.chosen[first] <= statistics.max


def _kept(bars: Bars, year: int, codes: Sequence[str], code: Integers, day: Integers) -> Flags | None:
    """Which rows are read; ``None``: all."""
    import numpy as np

    kept: Flags | None = None
    if bars.chosen is not None:
        kept = np.isin(np.array(codes, dtype=str), np.array(bars.chosen, dtype=str))[code]
    if bars.start > date(year, 1, 1) or bars.end < date(year, 12, 31):
        first, last = (_number(each) for each in (bars.start, bars.end))
        within = (day >= first) & (day <= last)
        kept = within if kept is None else kept & within
    if bars.spans is not None:
        member = _within(bars.spans, codes, code, day)
        kept = member if kept is None else kept & member
    return kept


def _within(
    spans: Sequence[tuple[str, date, date | None]], codes: Sequence[str], code: Integers, day: Integers
) -> Flags:
    """Which rows lie within a span of their code. The spans are sorted by code and start, and do not overlap."""
    import numpy as np

    place = {each: number for number, each in enumerate(codes)}
    known = sorted((place[each], _number(start), end) for each, start, end in spans if each in place)
    if not known:
        return np.zeros(len(code), dtype=bool)
    wide = 1 << 32  # more than any day
    numbers = np.array([number for number, _, _ in known], dtype=np.int64)
    starts = numbers * wide + [start for _, start, _ in known]
    ends = np.array([_number(end) if end else wide - 1 for _, _, end in known], dtype=np.int64)
    last = np.searchsorted(starts, code.astype(np.int64) * wide + day, side="right") - 1
    within: Flags = (last >= 0) & (numbers[last] == code) & (day < ends[last])
    return within


def _number(day: date) -> int:
    """A day as days since 1970, as in Arrow's date32."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _inputs(view: View, name: str) -> Sequence[str]:
    """The columns of the files that a column of a view is made of."""
    if view == "daily_limit" and name.startswith(("is_", "can_")):
        return LIMIT_INPUTS
    if view in ("daily_bar_hfq", "daily_bar_qfq"):
        if name in PRICES:
            return (name, FACTOR)
        if name == "adjusted_volume":
            return ("volume", FACTOR)
        if name == "factor":
            return (FACTOR,)
    return (RENAMED.get(name, name),)


def _computed(bars: Bars, inputs: Mapping[str, Any], codes: Sequence[str], code: Integers) -> Mapping[str, Any]:
    """The value columns of a view: Arrow columns as they are, computed ones as numpy arrays."""
    if bars.view == "daily_limit":
        return _limits(bars.values, inputs)
    found = {name: inputs.get(RENAMED.get(name, name)) for name in bars.values}
    if bars.view == "daily_bar" or FACTOR not in inputs:
        return found
    back = floats(inputs[FACTOR])
    is_forward = bars.view == "daily_bar_qfq"
    factor = _forward_factors(back, codes, code, bars.newest) if is_forward else back
    prices = exact_decimals.forward_prices if is_forward else exact_decimals.back_prices
    volumes = exact_decimals.forward_volumes if is_forward else exact_decimals.back_volumes
    for name in bars.values:
        if name in PRICES:
            found[name] = prices(floats(inputs[name]), factor)
        elif name == "adjusted_volume":
            found[name] = volumes(floats(inputs["volume"]), factor)
        elif name == "factor":
            found[name] = factor
    return found


def _forward_factors(back: Any, codes: Sequence[str], code: Integers, newest: Mapping[str, float]) -> Any:
    """The factors of forward adjustment: one division per run of rows with the same code and back factor."""
    import numpy as np

    if not len(back):
        return back
    newest_of = np.array([newest.get(each, 1.0) for each in codes])
    begins = np.flatnonzero(np.concatenate([[True], (back[1:] != back[:-1]) | (code[1:] != code[:-1])]))
    factors = exact_decimals.forward_factors(back[begins], newest_of[code[begins]])
    return np.repeat(factors, np.diff(np.append(begins, len(back))))


def _limits(values: Sequence[str], inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The columns of the view ``daily_limit``."""
    found = {name: inputs[RENAMED.get(name, name)] for name in values if not name.startswith(("is_", "can_"))}
    if len(found) == len(values):
        return found
    trading = inputs["is_trading"].to_numpy()
    high, low, close, limit_up, limit_down = (floats(inputs[name]) for name in LIMIT_INPUTS[1:])
    # A comparison with a missing value is false.
    outside = trading & ((high > limit_up) | (low < limit_down))
    is_up = trading & ~outside & (close == limit_up)
    is_down = trading & ~outside & (close == limit_down)
    flags: dict[str, Callable[[], Flags]] = {
        "is_limit_up": lambda: is_up,
        "is_limit_down": lambda: is_down,
        "is_one_price": lambda: (is_up | is_down) & (high == low),
        "can_buy": lambda: trading & ~is_up,
        "can_sell": lambda: trading & ~is_down,
        "is_outside": lambda: outside,
    }
    return {name: found[name] if name in found else flags[name]() for name in values}


def _as_arrow(column: Any, kind: str) -> Any:
    """A column as one Arrow array; NaN of a computed one is a missing value."""
    import pyarrow as pa

    if hasattr(column, "combine_chunks"):
        chunks = column.combine_chunks()
        column = pa.concat_arrays(chunks.chunks) if isinstance(chunks, pa.ChunkedArray) else chunks
        return column.cast(pa.type_for_alias(kind))
    return pa.array(column, type=pa.type_for_alias(kind), from_pandas=True)


def _as_floats(column: Any) -> Any:
    import numpy as np

    return floats(column) if hasattr(column, "combine_chunks") else np.asarray(column, dtype=np.float64)
