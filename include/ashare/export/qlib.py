"""Converts an export to Qlib's files, for ``qlib.init(provider_uri=...)``: expressions, Alpha158, backtests.

The layout is Qlib's. ``calendars/day.txt`` has the sessions. ``instruments/all.txt`` has the stocks with their
first and last session, ``index.txt`` the indices and ``etf.txt`` the ETFs. ``features/sh600000/close.day.bin`` is
little-endian float32: the index of the security's first session in the calendar, then one value per session.
Prices are adjusted (hfq), ``$factor`` is adjusted price / traded price, ``$volume`` is shares / factor, ``$amount``
is in CNY, ``$change`` is the day's return as a fraction. A missing day is NaN, as in Qlib's own data; a suspended
day, too, except its ``$factor``.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ashare.errors import InvalidInput
from ashare.export import parquet_files

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Dates = NDArray[np.datetime64]

PRICES = ("open", "high", "low", "close")
READ = ("code", "trade_date", *PRICES, "volume", "amount", "pct_chg", "is_trading", "hfq_factor")
FILE_OF_KIND = {"stock": "all.txt", "index": "index.txt", "etf": "etf.txt"}
MADE_OF = ".ashare"
"""Marker file: a fingerprint of the source export, and the sign that the directory may be replaced."""


def write_qlib(bars: Path, target: Path) -> int:
    """Convert the export in ``bars`` to Qlib's files, and replace the directory ``target`` with them.

    :returns: the number of instruments; 0 if ``target`` is up to date.
    :raises InvalidInput: ``target`` holds files other than an export for Qlib.
    :raises TransientError: ``target`` cannot be written, or another export holds the lock on ``bars``.
    """
    made_of = _made_of(bars)
    with parquet_files.claimed(bars), parquet_files.write_errors(target):
        if not _is_due(target, made_of):
            return 0
        beside = target.with_name(f".{target.name}{parquet_files.WRITING}")
        shutil.rmtree(beside, ignore_errors=True)
        _write(parquet_files.years(bars), _kinds(bars), beside)
        (beside / MADE_OF).write_text(made_of)
        shutil.rmtree(target, ignore_errors=True)
        beside.rename(target)
    return len(list((target / "features").iterdir()))


def _made_of(bars: Path) -> str:
    parts = [
        parquet_files.notes(file).get("fingerprint", "")
        for file in (*parquet_files.years(bars), bars / "security.parquet")
    ]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def _is_due(target: Path, made_of: str) -> bool:
    if not target.exists() or not any(target.iterdir()):
        return True
    if not (target / MADE_OF).exists():
        raise InvalidInput(
            f"{target} holds something else than an export for Qlib: choose an empty or a new directory."
        )
    return (target / MADE_OF).read_text() != made_of


def _kinds(bars: Path) -> dict[str, str]:
    from pyarrow import parquet

    securities = parquet.read_table(bars / "security.parquet", columns=["code", "kind"])
    return dict(zip(securities["code"].to_pylist(), securities["kind"].to_pylist(), strict=True))


def _write(years: Sequence[Path], kinds: Mapping[str, str], target: Path) -> None:
    """Write all files, reading one row group at a time; a security's span continues from year to year."""
    from pyarrow import parquet

    calendar = _calendar(years)
    (target / "calendars").mkdir(parents=True)
    (target / "calendars" / "day.txt").write_text("".join(f"{day}\n" for day in calendar))
    spans: dict[str, tuple[int, int]] = {}
    for year in years:
        for batch in parquet.ParquetFile(year).iter_batches(parquet_files.ROW_GROUP, columns=list(READ)):
            for code, columns in _by_code(batch):
                directory = target / "features" / code.replace(".", "")
                spans[code] = _append(directory, columns, calendar, spans.get(code))
    (target / "instruments").mkdir()
    for name in FILE_OF_KIND.values():
        (target / "instruments" / name).touch()
    for code, (first, last) in sorted(spans.items()):
        file = target / "instruments" / FILE_OF_KIND.get(kinds.get(code, ""), FILE_OF_KIND["stock"])
        with file.open("a") as lines:
            lines.write(f"{code.replace('.', '').upper()}\t{calendar[first]}\t{calendar[last]}\n")


def _calendar(years: Sequence[Path]) -> Dates:
    import numpy as np
    from pyarrow import parquet

    found = [parquet.ParquetFile(year).read(columns=["trade_date"])["trade_date"].unique() for year in years]
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
            **{name: columns[name] * factor for name in PRICES},
            "vwap": columns["amount"] / volume * factor,
            "volume": volume / factor,
            "amount": columns["amount"],
            "change": columns["pct_chg"] / 100,
        }
    return {"factor": factor, **{name: values * blank for name, values in traded.items()}}
