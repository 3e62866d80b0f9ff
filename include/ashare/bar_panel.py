"""One field of many securities and trade dates as a dense array: what ``load_panel`` returns as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int32]


@dataclass(frozen=True)
class Panel:
    """Values by code and trade date.

    :ivar codes: sorted.
    :ivar days: trade dates as days since 1970, sorted.
    :ivar values: shape (codes, days); NaN where a security has no bar.
    """

    codes: Sequence[str]
    days: Integers
    values: Floats

    def frame(self) -> pd.DataFrame:
        """The panel as a wide frame, without a copy: pandas keeps a column's values together, too."""
        import pandas as pd

        dates = pd.DatetimeIndex(self.days.astype("datetime64[D]").astype("datetime64[ns]"), name="trade_date")
        columns = pd.Index(list(self.codes), name="code", dtype=_text_type())
        return pd.DataFrame(self.values.T, index=dates, columns=columns, copy=False)


@dataclass(frozen=True)
class Cells:
    """Some cells of a panel, of any codes and days.

    :ivar codes: the codes that the numbers of ``code`` stand for.
    :ivar code: a number per cell.
    :ivar day: days since 1970, one per cell.
    """

    codes: Sequence[str]
    code: Integers
    day: Integers
    value: Floats


def joined(parts: Sequence[Cells]) -> Panel:
    """A panel of all cells. Codes and days without a cell are left out."""
    import numpy as np

    used = [_used(part) for part in parts]
    codes = sorted({part.codes[number] for part, numbers in zip(parts, used, strict=True) for number in numbers})
    place = {code: number for number, code in enumerate(codes)}
    days = _distinct_days([part.day for part in parts])
    values = np.full((len(codes), len(days)), np.nan)
    flat = values.reshape(-1)
    first = int(days[0]) if len(days) else 0
    day_places = np.zeros(int(days[-1]) - first + 1 if len(days) else 0, dtype=np.int64)
    day_places[days - first] = np.arange(len(days))

    def scatter(part: Cells) -> None:
        rows = np.array([place.get(code, 0) * len(days) for code in part.codes], dtype=np.int64)
        for begin in range(0, len(part.code), BLOCK):
            block = slice(begin, begin + BLOCK)
            flat[rows[part.code[block]] + day_places[part.day[block] - first]] = part.value[block]

    in_threads(scatter, parts)
    return Panel(codes, days, values)


BLOCK = 1 << 16
"""Cells that are placed at a time: their places stay in the processor's cache."""


def panel_of(table: pa.Table) -> Panel:
    """A panel of the one value column of a table of bars."""
    import numpy as np

    codes = table.column("code").combine_chunks().dictionary_encode()
    if hasattr(codes, "combine_chunks"):
        codes = codes.combine_chunks()
    days = table.column("trade_date").cast("int32").to_numpy()
    return joined([Cells(codes.dictionary.to_pylist(), np.asarray(codes.indices), days, floats(table.column(2)))])


def floats(column: Any) -> Floats:
    """An Arrow column as floats: NaN for a missing value, 1.0 and 0.0 for booleans."""
    import numpy as np
    import pyarrow as pa

    if column.type == pa.bool_():
        column = column.cast(pa.int8())
    return np.ascontiguousarray(column.cast(pa.float64()).to_numpy())


def in_threads(do: Any, things: Sequence[Any]) -> list[Any]:
    """The results of ``do`` for each thing, in order. numpy and pyarrow compute without Python's lock."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    if len(things) < 2:
        return [do(thing) for thing in things]
    with ThreadPoolExecutor(min(len(things), 2 * (os.cpu_count() or 1), 16)) as pool:
        return list(pool.map(do, things))


def _used(part: Cells) -> list[int]:
    import numpy as np

    counts = np.bincount(part.code, minlength=len(part.codes))
    numbers: list[int] = np.flatnonzero(counts).tolist()
    return numbers


def _distinct_days(given: Sequence[Integers]) -> Integers:
    import numpy as np

    filled = [days for days in given if len(days)]
    if not filled:
        return np.empty(0, dtype=np.int32)
    first, last = min(int(days.min()) for days in filled), max(int(days.max()) for days in filled)
    present = np.zeros(last - first + 1, dtype=bool)
    for days in filled:
        present[days - first] = True
    return (np.flatnonzero(present) + first).astype(np.int32)


def _text_type() -> Any:
    """The type that pandas gives a column of texts."""
    import pandas as pd

    return pd.Series(["a"]).dtype
