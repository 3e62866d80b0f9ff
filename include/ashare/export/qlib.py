"""Converts an export to Qlib's files, for ``qlib.init(provider_uri=...)``: expressions, Alpha158, backtests.

The layout is Qlib's. ``calendars/day.txt`` has the sessions, ``day_future.txt`` also those to come, as far as the
calendar is known. ``instruments/all.txt`` has the stocks with their first and last session, ``index.txt`` the indices
and ``etf.txt`` the ETFs; ``csi300.txt``, ``csi500.txt`` and ``sse50.txt`` have the members of these indices, with the
first and the last session of each time as a member. ``features/sh600000/close.day.bin`` is little-endian float32: the
index of the security's first session in the calendar, then one value per session.
Prices are adjusted (hfq), ``$factor`` is adjusted price / traded price, ``$volume`` is shares / factor, ``$amount``
is in CNY, ``$change`` is the day's return as a fraction. ``$limit_up`` and ``$limit_down`` are the price
limits, adjusted as prices are; NaN without a limit. A missing day is NaN, as in Qlib's own data; a suspended day,
too, except its ``$factor``.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ashare.datasets import MEMBER_LISTS
from ashare.errors import InvalidInput
from ashare.export import parquet_files
from ashare.lake.layout import BARS, file_of, year_of
from ashare.lake.storage import Storage

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Dates = NDArray[np.datetime64]

PRICES = ("open", "high", "low", "close")
LIMITS = ("limit_up", "limit_down")
READ = ("code", "trade_date", *PRICES, *LIMITS, "volume", "amount", "pct_chg", "is_trading", "hfq_factor")
FILE_OF_KIND = {"stock": "all.txt", "index": "index.txt", "etf": "etf.txt"}
FILE_OF_INDEX = {code: f"{each.name.replace(' ', '').lower()}.txt" for code, each in MEMBER_LISTS.items()}
TABLES = ("security", "index_member", "trade_calendar")
"""The tables of the source export that are read beside the bars."""
FORMAT = 3
"""Format version. Increment it with any change of the files' content."""
MADE_OF = ".ashare"
"""Marker file: a fingerprint of the source export, and the sign that the directory may be replaced."""


def write_qlib(bars: str | Path, target: Path) -> int:
    """Convert the lake in ``bars`` to Qlib's files, and replace the directory ``target`` with them.

    :param bars: a directory, or an fsspec URL.
    :returns: the number of instruments; 0 if ``target`` is up to date.
    :raises InvalidInput: ``target`` holds files other than an export for Qlib.
    :raises TransientError: ``target`` cannot be written, or another export holds the lock on ``bars``.
    """
    lake = Storage(str(bars))
    with parquet_files.claimed(lake), parquet_files.write_errors(target):
        made_of = _made_of(lake)
        if not _is_due(target, made_of):
            return 0
        beside = target.with_name(f".{target.name}{parquet_files.WRITING}")
        shutil.rmtree(beside, ignore_errors=True)
        _write(lake, beside)
        (beside / MADE_OF).write_text(made_of)
        shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)
    return len(list((target / "features").iterdir()))


def _made_of(lake: Storage) -> str:
    parts = [
        parquet_files.notes(lake, file).get("fingerprint", "") for file in (*_years(lake), *map(file_of, TABLES))
    ]
    return hashlib.sha256(" ".join([str(FORMAT), *parts]).encode()).hexdigest()


def _years(lake: Storage) -> list[str]:
    """The yearly files of bars, oldest first."""
    return [file for file in lake.files(BARS) if year_of(file)]


def _is_due(target: Path, made_of: str) -> bool:
    if not target.exists() or not any(target.iterdir()):
        return True
    if not (target / MADE_OF).exists():
        raise InvalidInput(
            f"{target} holds something else than an export for Qlib: choose an empty or a new directory."
        )
    return (target / MADE_OF).read_text() != made_of


def _rows(lake: Storage, table: str, *columns: str) -> Iterator[tuple[Any, ...]]:
    with lake.parquet(file_of(table)) as opened:
        found = opened.read(columns=list(columns))
    return zip(*(found[name].to_pylist() for name in columns), strict=True)


def _write(lake: Storage, target: Path) -> None:
    """Write all files, reading one row group at a time; a security's span continues from year to year."""
    years = _years(lake)
    calendar = _calendar(lake, years)
    future = _future(calendar[-1].item(), _rows(lake, "trade_calendar", "calendar_date", "is_trading_day"))
    (target / "calendars").mkdir(parents=True)
    _write_days(target / "calendars" / "day.txt", calendar)
    _write_days(target / "calendars" / "day_future.txt", [*calendar, *future])
    spans: dict[str, tuple[int, int]] = {}
    for year in years:
        with lake.parquet(year) as opened:
            for batch in opened.iter_batches(parquet_files.ROW_GROUP, columns=list(READ)):
                for code, columns in _by_code(batch):
                    directory = target / "features" / code.replace(".", "")
                    spans[code] = _append(directory, columns, calendar, spans.get(code))
    kinds = dict(_rows(lake, "security", "code", "kind"))
    instruments: dict[str, list[tuple[str, int, int]]] = {
        name: [] for name in (*FILE_OF_KIND.values(), *FILE_OF_INDEX.values())
    }
    for code, (first, last) in sorted(spans.items()):
        instruments[FILE_OF_KIND.get(kinds.get(code, ""), FILE_OF_KIND["stock"])].append((code, first, last))
    for index, code, start, end in _rows(lake, "index_member", "index_code", "code", "start_date", "end_date"):
        first, last = _sessions(calendar, start, end)
        if code in spans and first <= last:
            instruments[FILE_OF_INDEX[index]].append((code, first, last))
    (target / "instruments").mkdir()
    for name, members in instruments.items():
        lines = (f"{code.replace('.', '').upper()}\t{calendar[a]}\t{calendar[b]}\n" for code, a, b in members)
        (target / "instruments" / name).write_text("".join(lines))


def _write_days(file: Path, days: Iterable[object]) -> None:
    file.write_text("".join(f"{day}\n" for day in days))


def _future(last: date, calendar: Iterable[tuple[date, bool]]) -> list[date]:
    """The sessions after the last one with bars, as far as the calendar is known.

    A backtest ends a day where the next session begins, so there is at least one: where the calendar ends, the next
    weekday, except New Year's Day, stands for it.
    """
    future = [day for day, is_trading_day in calendar if is_trading_day and day > last]
    if not future:
        following = (last + timedelta(days=n) for n in range(1, 5))
        future = [next(day for day in following if day.weekday() < 5 and (day.month, day.day) != (1, 1))]
    return future


def _sessions(calendar: Dates, start: date, end: date | None) -> tuple[int, int]:
    """The indices of a span's first and last session in the calendar.

    :param end: exclusive; ``None``: the span lasts.
    :returns: the last one is before the first if no session is in the span.
    """
    import numpy as np

    first = np.searchsorted(calendar, np.datetime64(start))
    return int(first), int(len(calendar) if end is None else np.searchsorted(calendar, np.datetime64(end))) - 1


def _calendar(lake: Storage, years: Sequence[str]) -> Dates:
    import numpy as np

    found = []
    for year in years:
        with lake.parquet(year) as opened:
            found.append(opened.read(columns=["trade_date"])["trade_date"].unique())
    return np.sort(np.concatenate([days.to_numpy(zero_copy_only=False) for days in found])).astype("datetime64[D]")


def _by_code(batch: pa.RecordBatch) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each code with its columns, in the export's order; blanks are NaN."""
    import numpy as np

    names = batch.column("code").to_numpy(zero_copy_only=False)
    columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in READ[1:]}
    begins = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    for begin, end in zip(begins, np.append(begins[1:], len(names)), strict=True):
        yield names[begin], {name: values[begin:end] for name, values in columns.items()}


def _append(
    directory: Path, columns: Mapping[str, Any], calendar: Dates, span: tuple[int, int] | None
) -> tuple[int, int]:
    """Append a security's features to its files.

    :param span: indices of the first and last written session in the calendar; ``None``: nothing is written yet.
    :returns: the new span.
    """
    import numpy as np

    at = np.searchsorted(calendar, columns["trade_date"].astype("datetime64[D]"))
    begin = span[1] + 1 if span else at[0]
    if span is None:
        directory.mkdir(parents=True)
    for field, values in _features(columns).items():
        line = np.full(at[-1] - begin + 1, np.nan, dtype="<f4")
        line[at - begin] = values
        with (directory / f"{field}.day.bin").open("ab") as file:
            file.write(b"" if span else np.array(begin, dtype="<f4").tobytes())
            file.write(line.tobytes())
    return (span[0] if span else int(begin)), int(at[-1])


def _features(columns: Mapping[str, Any]) -> dict[str, Numbers]:
    import numpy as np

    factor, volume = columns["hfq_factor"], columns["volume"].astype(float)
    blank = np.where(columns["is_trading"], 1.0, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        traded = {
            **{name: columns[name] * factor for name in (*PRICES, *LIMITS)},
            "vwap": columns["amount"] / volume * factor,
            "volume": volume / factor,
            "amount": columns["amount"],
            "change": columns["pct_chg"] / 100,
        }
    return {"factor": factor, **{name: values * blank for name, values in traded.items()}}
