"""The columns of what the readers return, and their Arrow types."""

from __future__ import annotations

from ashare.store import arrow

KEY = {"trade_date": "date32", "code": arrow.CODE}
FIELDS = {
    **dict.fromkeys(("open", "high", "low", "close", "preclose"), "float64"),
    "volume": "int64",
    **dict.fromkeys(("amount", "turn", "pct_chg"), "float64"),
    **dict.fromkeys(("is_trading", "is_st"), "bool"),
    **dict.fromkeys(("pe_ttm", "pb_mrq", "ps_ttm", "pcf_ncf_ttm"), "float64"),
}
"""Value column of ``daily_bar`` -> Arrow type."""
PRICES = ("open", "high", "low", "close", "preclose")
"""The columns that the adjusted views adjust."""
ADJUSTED = {"factor": "float64", "adjusted_volume": "float64"}
"""Additional columns of the adjusted views."""
LIMITS = {
    **dict.fromkeys(("limit_up", "limit_down"), "float64"),
    **dict.fromkeys(("is_limit_up", "is_limit_down", "is_one_price", "can_buy", "can_sell", "is_outside"), "bool"),
    "rule": "string",
}
"""Value column of the view ``daily_limit`` -> Arrow type."""

SPANS = {"index_code": arrow.CODE, "code": arrow.CODE, "start_date": "date32", "end_date": "date32"}
LISTED = {"code": arrow.CODE, "name": "string", "kind": "string", "ipo_date": "date32", "out_date": "date32"}
INDUSTRIES = {"code": arrow.CODE, "industry": "string", "classification": "string"}
NAMES = {"code": arrow.CODE, "name": "string"}
