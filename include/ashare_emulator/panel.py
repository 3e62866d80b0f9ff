"""A market recorded in CSV files, served unchanged."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from ashare_emulator.market import (
    COLUMNS,
    ETF,
    INDEX,
    INDUSTRY_COLUMNS,
    MEMBER_COLUMNS,
    STOCK,
    BarKind,
    Factor,
    Row,
    Security,
    rebased,
)

_day = lru_cache(maxsize=None)(date.fromisoformat)


def kind_of(code: str) -> str:
    """Baostock's type of a security, derived from its code."""
    if code.startswith(("sh.000", "sz.399")):
        return INDEX
    return ETF if code.startswith(("sh.5", "sz.15")) else STOCK


def _read(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> Iterator[list[str]]:
    """The rows of a CSV file: the values of the required columns, then of the optional columns.

    A missing optional column gives empty strings.

    :raises OSError: the file does not exist or cannot be read.
    :raises ValueError: the file is not UTF-8 CSV (or gzip of it), lacks a required column, or has a row of another
        length; the text is one sentence that names the file.
    """
    try:
        yield from _rows(path, required, optional)
    except UnicodeDecodeError:
        raise ValueError(
            f"{path} is not UTF-8: save it as UTF-8, with or without a byte order mark (of GBK: "
            f"iconv -f GBK -t UTF-8)."
        ) from None
    except csv.Error as error:
        raise ValueError(f"{path} is not CSV: {error}.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}.".replace("..", ".")) from None


def _rows(path: Path, required: Sequence[str], optional: Sequence[str]) -> Iterator[list[str]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        # Excel, and pandas with utf-8-sig, write a byte order mark.
        rows = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        header = next(rows, [])
        for name in required:
            if name not in header:
                raise ValueError(f"{path}: the column {name!r} is missing.")
        blank = len(header)
        places = [header.index(name) if name in header else blank for name in (*required, *optional)]
        for row in rows:
            if len(row) != blank:
                raise ValueError(f"{path}, line {rows.line_num}: {len(row)} values for {blank} columns.")
            row.append("")
            yield [row[place] for place in places]


def _date_in(path: Path, text: str) -> date:
    try:
        return _day(text)
    except ValueError:
        raise ValueError(f"{path}: {text!r} is not a date (YYYY-MM-DD).") from None


class PanelMarket:
    """The bars of one or more CSV files (plain or ``.gz``) with Baostock's columns; missing columns are blank.

    On a day, exactly the securities with a bar are listed. Without ``basic``, names are blank and a security's
    ``ipoDate`` is the day before its first bar. Without ``calendar``, the days with bars are the trading days.

    :param paths: files of daily bars; if several files have the same bar, the last file wins.
    :param basic: a file with ``code, code_name, ipoDate, outDate, type, status``.
    :param calendar: a file with ``calendar_date, is_trading_day``.
    :param factors: files with ``code, dividOperateDate, backAdjustFactor``; without them there are no ex-dates.
    :param members: index code to files with ``updateDate, code, code_name``; an index without files has no members.
    :param industries: files with ``updateDate, code, code_name, industry, industryClassification``.
    :raises OSError: a file cannot be read.
    :raises ValueError: a file is not a UTF-8 CSV file with these columns; the text is one sentence that names it.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        basic: str | Path | None = None,
        calendar: str | Path | None = None,
        factors: Sequence[str | Path] = (),
        members: Mapping[str, Sequence[str | Path]] | None = None,
        industries: Sequence[str | Path] = (),
    ) -> None:
        self._by_day: dict[date, dict[str, Row]] = defaultdict(dict)
        for path in paths:
            self._load(Path(path))
        if not self._by_day:
            raise ValueError("The panel has no bars.")
        days = sorted(self._by_day)
        self._by_code: dict[str, list[tuple[date, Row]]] = defaultdict(list)
        for day in days:
            self._by_day[day] = dict(sorted(self._by_day[day].items()))
            for code, row in self._by_day[day].items():
                self._by_code[code].append((day, row))
        self._calendar = _from_calendar(Path(calendar)) if calendar else self._from_days(days[0], days[-1])
        self._calendar_days = [day for day, _ in self._calendar]
        self._end = max(days[-1], self._calendar_days[-1])
        self._securities = _from_basic(Path(basic)) if basic else self._from_bars()
        self._by_name = {security.code: security for security in self._securities}
        self._factors: dict[str, list[Factor]] = defaultdict(list)
        for path in factors:
            self._load_factors(Path(path))
        self._members = {index: _loads(files, MEMBER_COLUMNS) for index, files in (members or {}).items()}
        self._industries = _loads(industries, INDUSTRY_COLUMNS)

    def _load(self, path: Path) -> None:
        # The date and the code are the first two columns.
        for row in _read(path, COLUMNS[:2], COLUMNS[2:]):
            self._by_day[_date_in(path, row[0])][row[1]] = row

    def _load_factors(self, path: Path) -> None:
        for code, day, back in _read(path, ("code", "dividOperateDate", "backAdjustFactor")):
            self._factors[code].append(Factor(code, _date_in(path, day), "", back))
        for found in self._factors.values():
            found.sort(key=lambda factor: factor.ex_date)

    def _from_bars(self) -> list[Security]:
        return [
            Security(code, "", bars[0][0] - timedelta(days=1), None, kind_of(code), "1")
            for code, bars in sorted(self._by_code.items())
        ]

    def _from_days(self, first: date, last: date) -> list[tuple[date, bool]]:
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [(day, day in self._by_day) for day in days]

    @property
    def end(self) -> date:
        """The last day of the bars or of the calendar, whichever is later."""
        return self._end

    def trade_dates(self, start: date, end: date) -> list[tuple[date, bool]]:
        """(day, whether it is a trading day) for each day of the range that the calendar has."""
        return self._calendar[bisect_left(self._calendar_days, start) : bisect_right(self._calendar_days, end)]

    def securities(self) -> list[Security]:
        """All securities, in the order of the file ``basic``, otherwise by code."""
        return self._securities

    def listed_on(self, day: date) -> list[tuple[str, str, str]]:
        """(code, tradeStatus, name) of each security with a bar on a day; a blank status counts as trading."""
        place = COLUMNS.index("tradestatus")
        rows = self._by_day[day].items() if day in self._by_day else ()
        return [(code, row[place] or "1", self._name(code)) for code, row in rows]

    def _name(self, code: str) -> str:
        security = self._by_name.get(code)
        return security.name if security else ""

    def _type(self, code: str) -> str:
        security = self._by_name.get(code)
        return security.type if security else kind_of(code)

    def bars_on(self, day: date, kind: BarKind) -> list[Row]:
        """One day's bars of all stocks or all ETFs, ordered by code."""
        wanted = STOCK if kind == "stock" else ETF
        rows = self._by_day[day].items() if day in self._by_day else ()
        return [row for code, row in rows if self._type(code) == wanted]

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        """One security's bars, ordered by date."""
        return [row for day, row in self._by_code.get(code, ()) if start <= day <= end]

    def factors_on(self, day: date) -> list[Factor]:
        """The ex-dates of a day as published on that day: each is its stock's newest, so its fore factor is 1."""
        codes = [code for code, found in self._factors.items() if any(factor.ex_date == day for factor in found)]
        return [
            factor
            for code in sorted(codes, key=lambda code: code[3:])
            for factor in self.factors_of(code, day, day, as_of=day)
        ]

    def factors_of(self, code: str, start: date, end: date, as_of: date | None = None) -> list[Factor]:
        """One stock's ex-dates of a range, with fore factors relative to its newest ex-date up to ``as_of``.

        :param as_of: by default the market's last day.
        """
        factors = rebased(self._factors.get(code, ()), as_of or self._end)
        return [factor for factor in factors if start <= factor.ex_date <= end]

    def member_rows(self, index: str, day: date) -> list[tuple[str, ...]]:
        """The newest recorded load of an index's members on or before a day, in the order of the files."""
        return _newest(self._members.get(index, {}), day)

    def industry_rows(self, day: date) -> list[tuple[str, ...]]:
        """The newest recorded load of industries on or before a day, in the order of the files."""
        return _newest(self._industries, day)


Loads = dict[date, list[tuple[str, ...]]]
"""Day of a load (``updateDate``) to its rows."""


def _loads(paths: Sequence[str | Path], columns: Sequence[str]) -> Loads:
    loads: Loads = defaultdict(list)
    for path in map(Path, paths):
        for row in _read(path, columns):
            loads[_date_in(path, row[0])].append(tuple(row))
    return loads


def _newest(loads: Loads, day: date) -> list[tuple[str, ...]]:
    return loads[max(known)] if (known := [load for load in loads if load <= day]) else []


def _from_basic(path: Path) -> list[Security]:
    securities = []
    columns = ("code", "code_name", "ipoDate", "outDate", "type", "status")
    for code, name, ipo, out, kind, status in _read(path, columns):
        out_date = _date_in(path, out) if out else None
        securities.append(Security(code, name, _date_in(path, ipo), out_date, kind, status))
    return securities


def _from_calendar(path: Path) -> list[tuple[date, bool]]:
    days = [
        (_date_in(path, day), is_open == "1") for day, is_open in _read(path, ("calendar_date", "is_trading_day"))
    ]
    if not days:
        raise ValueError(f"{path}: the calendar has no days.")
    return sorted(days)
