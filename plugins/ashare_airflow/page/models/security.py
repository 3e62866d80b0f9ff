"""One security: its coverage over time, and its bars."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

Adjust = Literal["none", "qfq", "hfq"]


class Span(BaseModel):
    """Consecutive sessions of a security."""

    start_date: date
    end_date: date
    sessions: int
    reason: str


class StockYear(BaseModel):
    year: int
    sessions: int = Field(description="Sessions that it was listed on, since the first trade date that is recorded.")
    trading: int
    suspended: int
    explained: int = Field(description="Without a bar, for a recorded reason.")
    holes: int


class Stock(BaseModel):
    """A security's coverage over time."""

    code: str
    name: str | None
    kind: str
    ipo_date: date | None
    out_date: date | None
    first_bar: date | None
    last_bar: date | None
    bars: int
    first_recorded: date | None = Field(description="The first trade date that is recorded, of any security.")
    years: list[StockYear]
    suspensions: list[Span]
    holes: list[Span]
    revisions: int
    ex_dates: list[date]


Bar = tuple[date, float | None, float | None, float | None, float | None, int | None, bool]
"""date, open, close, low, high, volume, is_trading: in the order that candlestick charts take."""


class StockBars(BaseModel):
    code: str
    adjust: Adjust
    note: str | None = Field(description="Where the adjusted prices do not reach.")
    bars: list[Bar] = Field(description="[date, open, close, low, high, volume, is_trading]; prices in CNY.")


class SecurityName(BaseModel):
    code: str
    name: str | None
    kind: str
