"""One security: its coverage over time, and its bars."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from ashare_airflow.page.models.sentence import Sentence

Adjust = Literal["none", "qfq", "hfq"]


class Span(BaseModel):
    """Consecutive sessions of a security."""

    start_date: date
    end_date: date
    sessions: int
    reason: Sentence


class StockYear(BaseModel):
    year: int
    sessions: int = Field(description="Sessions that it was listed on, since the first trade date that is recorded.")
    trading: int
    suspended: int
    explained: int = Field(description="Without a bar, for a recorded reason.")
    holes: int


class ListSpan(BaseModel):
    """The time for which the weekly lists say something of a security, as of their Mondays."""

    start_date: date = Field(description="The Monday of the first list that says so.")
    end_date: date | None = Field(
        description="Exclusive: the Monday of the first list that does not; none: the newest does."
    )


class NameSpan(ListSpan):
    name: str


class Membership(ListSpan):
    """The time for which a stock is a member of an index."""

    index_code: str
    index_name: str | None = Field(description="As of today, by the list of securities.")


class IndustrySpan(ListSpan):
    industry: str | None = Field(description="None: the list has none, as for most delisted stocks.")
    classification: str


class NewestLimit(BaseModel):
    """The price limits of a stock's newest bar."""

    trade_date: date
    limit_up: float | None = Field(description="CNY, unadjusted; none: no limit that day.")
    limit_down: float | None = Field(description="CNY, unadjusted; none: no limit that day.")
    at_limit: Literal["up", "down"] | None = Field(description="Closed at a limit.")
    is_st: bool


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
    newest_limit: NewestLimit | None = Field(description="None: not a stock, or without a bar.")
    names: list[NameSpan]
    memberships: list[Membership]
    industries: list[IndustrySpan]


Bar = tuple[date, float | None, float | None, float | None, float | None, int | None, bool]
"""date, open, close, low, high, volume, is_trading: in the order that candlestick charts take."""


class StockBars(BaseModel):
    code: str
    adjust: Adjust
    note: Sentence | None = Field(description="Where the adjusted prices do not reach.")
    bars: list[Bar] = Field(description="[date, open, close, low, high, volume, is_trading]; prices in CNY.")


class SecurityName(BaseModel):
    code: str
    name: str | None = Field(description="As of today, by the list of securities.")
    kind: str
    former_name: str | None = Field(description="The former name that was found; none: the code or the name was.")
