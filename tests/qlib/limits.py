"""Prints what Qlib's exchange takes for limit up and limit down, as JSON. Python of .venv-qlib runs it."""

from __future__ import annotations

import importlib
import json
import sys


def main(provider_uri: str, start: str, end: str) -> None:
    """:param start: first day; ``end``: last day, included."""
    qlib, exchange = (importlib.import_module(name) for name in ("qlib", "qlib.backtest.exchange"))
    qlib.init(provider_uri=provider_uri, region="cn")
    codes = importlib.import_module("qlib.data").D.instruments("all")
    listed = importlib.import_module("qlib.data").D.list_instruments(codes, start, end, as_list=True)
    made = exchange.Exchange(
        codes=listed,
        start_time=start,
        end_time=end,
        deal_price="close",
        limit_threshold=("$close >= $limit_up", "$close <= $limit_down"),
    )
    quotes = made.quote_df[made.quote_df["$close"].notna()]
    found = {
        name: sorted([code, f"{day:%Y-%m-%d}"] for code, day in quotes.index[quotes[name]])
        for name in ("limit_buy", "limit_sell")
    }
    json.dump({"listed": sorted(listed), **found}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
