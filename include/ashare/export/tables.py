"""The files of a lake and their columns, and which bars a lake has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from ashare.dates import FIRST_TRADE_DATE, beijing_now
from ashare.read_columns import FIELDS, KEY, SPANS
from ashare.store import arrow

# float64 reproduces every price and ratio as sent (15 digits; a price has 4 decimals), and pandas, polars and Qlib
# compute with float64. Every reader would have to convert decimals at each read.
BARS = {
    **KEY,
    **FIELDS,
    "limit_up": "float64",
    "limit_down": "float64",
    "limit_rule": "string",
    "hfq_factor": "float64",
}
FACTOR_STEPS = {"code": arrow.CODE, "start_date": "date32", "hfq_factor": "float64"}
_COUNTS = ("expected", "loaded", "suspended", "missing", "rejected", "revised", "requests")
TABLES = {
    "adjust_factor": {"code": arrow.CODE, "ex_date": "date32", "fore_factor": "float64", "back_factor": "float64"},
    "factor_step": FACTOR_STEPS,
    "security": {
        "code": arrow.CODE,
        **dict.fromkeys(("name", "kind"), "string"),
        **dict.fromkeys(("ipo_date", "out_date", "gone_from"), "date32"),
        "updated_at": arrow.MOMENT,
    },
    "snapshot": {
        "dataset": "string",
        "as_of": "date32",
        "rows": "int64",
        "update_date": "date32",
        "fetched_at": arrow.MOMENT,
        "run_id": "string",
    },
    "index_member": SPANS,
    "industry": {
        "classification": "string",
        "code": arrow.CODE,
        "industry": "string",
        **dict.fromkeys(("start_date", "end_date"), "date32"),
    },
    "security_name": {
        "code": arrow.CODE,
        "name": "string",
        **dict.fromkeys(("start_date", "end_date"), "date32"),
    },
    "trade_calendar": {"calendar_date": "date32", "is_trading_day": "bool", "fetched_at": arrow.MOMENT},
    "sync_status": {
        "trade_date": "date32",
        "status": "string",
        "kinds": "string",
        **dict.fromkeys(_COUNTS, "int64"),
        "reason": "string",
        "run_id": "string",
        **dict.fromkeys(("started_at", "finished_at", "checked_at"), arrow.MOMENT),
    },
}
"""Column -> Arrow type, by table. Each table is a whole file."""


@dataclass(frozen=True)
class Selection:
    """Which bars a lake has; ``None`` means no limit.

    :ivar start: first trade date.
    :ivar end: last trade date, included.
    :ivar kinds: of ``stock``, ``index``, ``etf``.
    """

    start: date | None = None
    end: date | None = None
    kinds: tuple[str, ...] | None = None

    @property
    def options(self) -> str:
        """The selection as command-line options, which identify it."""
        given = {"--start": self.start, "--end": self.end, "--kinds": ",".join(sorted(self.kinds or ()))}
        return " ".join(f"{name} {value}" for name, value in given.items() if value)

    @property
    def values(self) -> dict[str, Any]:
        """The selection as parameters of a query, without a missing limit of the days."""
        last = self.end or max(beijing_now().date(), self.start or FIRST_TRADE_DATE)
        kinds = list(self.kinds) if self.kinds else None
        return {"start": self.start or FIRST_TRADE_DATE, "end": last, "kinds": kinds}
