"""Recorded bars, securities and calendar, written straight into the tables of a test's database."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence

from psycopg import sql

from tests.conftest import SHARED_DATA, Database

MARKET = "market_20260302_20260331.csv.gz"
HS300 = "hs300_20240601_20241231.csv.gz"
JULY_2015 = "real_sz_201507.csv.gz"
JUNE_1993 = "real_sz_199306.csv.gz"
ODD_ROWS = "real_sz_odd_rows.csv"

_AS_SENT = ("open", "high", "low", "close", "preclose", "volume", "amount", "turn")
_COLUMNS = ("trade_date", "code", *_AS_SENT, "pct_chg", "is_trading", "is_st")


def recorded(file: str) -> Iterator[dict[str, str]]:
    """The rows of a recorded file, by Baostock's names."""
    path = SHARED_DATA / file
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def load_recorded(database: Database, files: Sequence[str]) -> None:
    """The recorded securities and calendar, and the bars of some files."""
    securities = [
        (row["code"], row["code_name"], "stock", row["ipoDate"] or None, row["outDate"] or None)
        for row in recorded("stock_basic_20260430.csv")
    ]
    calendar = [
        (row["calendar_date"], row["is_trading_day"] == "1")
        for row in recorded("trade_dates_20160810_20260821.csv")
    ]  # fmt: skip
    names = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO ashare.security (code, name, kind, ipo_date, out_date) VALUES (%s, %s, %s, %s, %s)",
            securities,
        )
        cursor.executemany("INSERT INTO ashare.trade_calendar VALUES (%s, %s)", calendar)
        with cursor.copy(sql.SQL("COPY ashare.daily_bar ({}) FROM STDIN").format(names)) as copy:
            for file in files:
                for row in recorded(file):
                    values = [row[name] or None for name in (*_AS_SENT, "pctChg")]
                    copy.write_row([row["date"], row["code"], *values, row["tradestatus"] == "1", row["isST"] == "1"])
        cursor.execute("ANALYZE ashare.daily_bar, ashare.security, ashare.trade_calendar")
