"""The small tables of a lake: securities, calendar, factors and weekly lists, each a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ashare.lake.storage import Storage
from ashare.read_columns import INDUSTRIES, LISTED, NAMES, SPANS
from ashare.store import arrow
from ashare.store.loaded_bars import ListedSpan

if TYPE_CHECKING:
    import pyarrow as pa

WITHOUT_BARS = "bj."
"""The Beijing exchange: Baostock has no bars of it."""


@dataclass(frozen=True)
class Tables:
    """The tables of a lake, read when they are needed, and only once."""

    storage: Storage

    def read(self, name: str, columns: Sequence[str]) -> pa.Table:
        """Columns of a table."""
        with self.storage.parquet(f"{name}.parquet") as file:
            found: pa.Table = file.read(list(columns)).replace_schema_metadata(None)
        return found.select(list(columns))

    @cached_property
    def securities(self) -> pa.Table:
        """The list of securities."""
        return self.read("security", [*LISTED, "gone_from"])

    @cached_property
    def calendar(self) -> Mapping[date, bool]:
        """Whether a day is a session, by day; a day may be missing."""
        days, sessions = self.read("trade_calendar", ["calendar_date", "is_trading_day"]).columns
        return dict(zip(days.to_pylist(), sessions.to_pylist(), strict=True))

    @property
    def stocks(self) -> list[str]:
        """The codes of all stocks."""
        codes, kinds = (self.securities.column(name).to_pylist() for name in ("code", "kind"))
        return [code for code, kind in zip(codes, kinds, strict=True) if kind == "stock"]

    @cached_property
    def newest_factors(self) -> Mapping[str, float]:
        """The back factor of each stock's newest ex-date."""
        rows = self.read("adjust_factor", ["code", "ex_date", "back_factor"]).sort_by("ex_date")
        return dict(zip(*(rows.column(name).to_pylist() for name in ("code", "back_factor")), strict=True))

    def weeks_loaded(self, dataset: str) -> list[date]:
        """The Mondays whose list is loaded, sorted."""
        names, weeks = self.read("snapshot", ["dataset", "as_of"]).columns
        pairs = zip(names.to_pylist(), weeks.to_pylist(), strict=True)
        return sorted(week for name, week in pairs if name == dataset)

    def list_read_at(self) -> datetime | None:
        """When the list of securities was last read from Baostock."""
        import pyarrow.compute as pc

        found: datetime | None = pc.max(self.read("security", ["updated_at"]).column(0)).as_py()
        return found

    def unlisted(self, codes: Sequence[str]) -> list[str]:
        """Those of ``codes`` that the list of securities lacks."""
        listed = set(self.securities.column("code").to_pylist())
        return [code for code in codes if code not in listed]

    def listed_span(self, codes: Sequence[str]) -> ListedSpan:
        """The kinds of some securities, and when any of them was listed."""
        names = ("kind", "ipo_date", "out_date")
        rows = {row["code"]: row for row in self.securities.select(["code", *names]).to_pylist()}
        # One that the list of securities lacks counts as a stock, as in the counts of trade dates.
        found = [rows.get(code, {"kind": "stock", "ipo_date": None, "out_date": None}) for code in codes]
        firsts, lasts = ([row[name] for row in found] for name in names[1:])
        return ListedSpan(
            sorted({row["kind"] for row in found}),
            None if None in firsts else min(firsts),
            None if None in lasts else max(lasts) - timedelta(days=1),
        )

    def listed_securities(self, day: date, kinds: Sequence[str], index: str | None = None) -> pa.Table:
        """The securities that were listed on a day, sorted by code; with ``index``, only its members."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = self.securities
        at = pa.scalar(day, pa.date32())
        end = pc.min_element_wise(rows.column("out_date"), rows.column("gone_from"))
        chosen = pc.and_(
            pc.is_in(rows.column("kind"), pa.array(list(kinds), pa.string())),
            pc.invert(pc.starts_with(rows.column("code"), WITHOUT_BARS)),
        )
        chosen = pc.and_(chosen, _or_missing(pc.less_equal(rows.column("ipo_date"), at)))
        rows = rows.filter(pc.and_(chosen, _or_missing(pc.greater(end, at))))
        if index is not None:
            members = self._in_force(self._members(index), day).column("code")
            rows = rows.filter(pc.is_in(rows.column("code"), members.combine_chunks()))
        return _sorted(rows, LISTED, "code")

    def listed_stocks(self, dataset: str, day: date) -> pa.Table:
        """``industry`` or ``security_name`` as of a day, only the stocks listed on it, sorted by code."""
        import pyarrow.compute as pc

        columns = {"industry": INDUSTRIES, "security_name": NAMES}[dataset]
        rows = self._in_force(self.read(dataset, [*columns, "start_date", "end_date"]), day)
        stocks = self.listed_securities(day, ["stock"]).column("code")
        return _sorted(rows.filter(pc.is_in(rows.column("code"), stocks.combine_chunks())), columns, "code")

    def member_spans(self, index: str, first: date, last: date) -> pa.Table:
        """The spans of an index's members that overlap a range, sorted by code and start."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = self._members(index)
        begun = pc.less_equal(rows.column("start_date"), pa.scalar(last, pa.date32()))
        lasts = _or_missing(pc.greater(rows.column("end_date"), pa.scalar(first, pa.date32())))
        return _sorted(rows.filter(pc.and_(begun, lasts)), SPANS, "code", "start_date")

    def spans_by_code(self, index: str) -> list[tuple[str, date, date | None]]:
        """The spans of an index's members: code, first day, end (exclusive; ``None`` while it lasts)."""
        columns = _sorted(self._members(index), SPANS, "code", "start_date").columns
        return list(zip(*(column.to_pylist() for column in columns[1:]), strict=True))

    def _members(self, index: str) -> pa.Table:
        import pyarrow.compute as pc

        return self.read("index_member", list(SPANS)).filter(pc.field("index_code") == index)

    def _in_force(self, rows: pa.Table, day: date) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        at = pa.scalar(day, pa.date32())
        begun = pc.less_equal(rows.column("start_date"), at)
        return rows.filter(pc.and_(begun, _or_missing(pc.greater(rows.column("end_date"), at))))


def _or_missing(flags: Any) -> Any:
    """True also where a value is missing."""
    import pyarrow.compute as pc

    return pc.fill_null(flags, True)


def _sorted(rows: pa.Table, columns: Mapping[str, str], *keys: str) -> pa.Table:
    """The columns of a result, sorted by keys."""
    found = rows.select(list(columns)).sort_by([(key, "ascending") for key in keys])
    return found.cast(arrow.schema(columns)).combine_chunks()
