"""The registry of datasets: what is kept, which calls of Baostock serve it, when its rows appear, how it is checked.

Each dataset has one specification, and the code derives all else from it. Dates and times are Beijing's. Sources are
Baostock's documentation and recorded replies; tests/unit/test_datasets.py holds every other copy to this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from ashare.dates import FIRST_TRADE_DATE, SHANGHAI, monday_of


@dataclass(frozen=True)
class MarketCall:
    """A whole-market call: one request brings all rows of a trade date.

    :ivar function: the name of Baostock's function.
    :ivar first_date: the first trade date that the call serves. Earlier dates need per-security requests.
    """

    function: str
    first_date: date


@dataclass(frozen=True)
class Dataset:
    """The specification of one dataset.

    :ivar name: its key in ``DATASETS``.
    :ivar kind: the kind of securities whose daily bars it holds; ``None``: it does not hold bars.
    :ivar plural: its securities or rows, in messages.
    :ivar market_call: the whole-market call; ``None``: Baostock has none.
    :ivar code_call: the name of Baostock's function for one security over a range.
    :ivar first_date: the first trade date with rows at Baostock, by any call; ``None``: each security has its own.
    :ivar published: the time from which the rows of a trade date appear.
    :ivar final: the time from which an empty answer about today is believed.
    :ivar checks: the rules of ``store.cross_check`` that apply to a trade date's rows.
    """

    name: str
    kind: str | None
    plural: str
    market_call: MarketCall | None
    code_call: str
    first_date: date | None
    published: time
    final: time
    checks: tuple[str, ...]

    def begins_after(self, day: date) -> bool:
        """Whether Baostock has no rows up to ``day``."""
        return self.first_date is not None and day < self.first_date


ETFS_FROM = date(2026, 1, 5)

_BARS_BY_CODE = "query_history_k_data_plus"
_BARS_PUBLISHED, _BARS_FINAL = time(17, 30), time(20, 0)
_MARKET_CHECKS = ("universe", "pct_chg", "rows", "volume")
"""A reply of a whole-market call can be wrong as a whole. The bars of indices come one by one, and have no checks."""

DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="stock_bar",
            kind="stock",
            plural="stocks",
            market_call=MarketCall("query_daily_history_k_AStock", date(2010, 1, 1)),
            code_call=_BARS_BY_CODE,
            first_date=None,
            published=_BARS_PUBLISHED,
            final=_BARS_FINAL,
            checks=(*_MARKET_CHECKS, "preclose", "ex_dates", "limits"),
        ),
        Dataset(
            name="index_bar",
            kind="index",
            plural="indices",
            market_call=None,
            code_call=_BARS_BY_CODE,
            first_date=None,
            published=_BARS_PUBLISHED,
            final=_BARS_FINAL,
            checks=(),
        ),
        Dataset(
            name="etf_bar",
            kind="etf",
            plural="ETFs",
            market_call=MarketCall("query_daily_history_k_ETF", ETFS_FROM),
            code_call=_BARS_BY_CODE,
            first_date=ETFS_FROM,
            published=_BARS_PUBLISHED,
            final=_BARS_FINAL,
            checks=_MARKET_CHECKS,
        ),
        Dataset(
            name="adjust_factor",
            kind=None,
            plural="adjust factors",
            market_call=MarketCall("query_daily_adjust_factor", FIRST_TRADE_DATE),
            code_call="query_adjust_factor",
            first_date=None,
            published=time(18, 0),
            final=time(19, 0),  # on some days the factors are up to an hour late
            checks=(),
        ),
    )
}
"""Dataset by name."""

ADJUST_FACTORS = DATASETS["adjust_factor"]


@dataclass(frozen=True)
class MemberList:
    """The list of an index's members, which one request brings.

    :ivar code: the code of the index.
    :ivar name: the index, in messages.
    :ivar function: the name of Baostock's function.
    :ivar members: number of members.
    :ivar first_week: the Monday from which Baostock has lists.
    """

    code: str
    name: str
    function: str
    members: int
    first_week: date

    @property
    def fewest(self) -> int:
        """The fewest members that are believed: a delisted member may be replaced weeks later."""
        return self.members - max(self.members // 50, 1)


MEMBER_LISTS = {
    each.code: each
    for each in (
        MemberList("sh.000300", "CSI 300", "query_hs300_stocks", 300, date(2006, 1, 2)),
        MemberList("sh.000016", "SSE 50", "query_sz50_stocks", 50, date(2006, 1, 2)),
        MemberList("sh.000905", "CSI 500", "query_zz500_stocks", 500, date(2007, 1, 15)),
    )
}
"""The list of members by the code of the index. Baostock has the members of no other index."""

INDUSTRY_CALL = "query_stock_industry"


@dataclass(frozen=True)
class WeeklyDataset:
    """A dataset of lists that Baostock loads on Mondays. Its partitions are weeks, each written as its Monday.

    :ivar name: its key in ``WEEKLY_DATASETS``, and the table of its spans.
    :ivar plural: its rows, in messages.
    :ivar first_week: the Monday from which Baostock has lists.
    :ivar key: the columns of the table that identify what a span is about.
    :ivar value: the column that a span has one value of; ``None``: the spans say only that something is in the list.
    """

    name: str
    plural: str
    first_week: date
    key: tuple[str, ...]
    value: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row of the list."""
        return self.key if self.value is None else (*self.key, self.value)


WEEKLY_DATASETS = {
    dataset.name: dataset
    for dataset in (
        WeeklyDataset("index_member", "members of indices", date(2006, 1, 2), ("index_code", "code")),
        WeeklyDataset("industry", "industries", date(2009, 1, 5), ("classification", "code"), "industry"),
        WeeklyDataset("security_name", "names", date(2009, 1, 5), ("code",), "name"),
    )
}
"""Weekly dataset by name."""

INDEX_MEMBERS, INDUSTRIES, NAMES = WEEKLY_DATASETS.values()
OF_INDUSTRY_CALL = (INDUSTRIES.name, NAMES.name)
"""The datasets that one call brings together."""

REFERENCE_TABLES = ("security", "trade_calendar")
"""The tables of reference data: whole lists without partitions, which runs read again when they are stale."""

LISTS_APPEAR = time(20, 0)
"""The time of a Monday from which its lists should be out. Baostock does not publish one."""

BAR_COLUMNS = {
    **{name: name for name in ("open", "high", "low", "close", "preclose", "volume", "amount", "turn")},
    "pctChg": "pct_chg",
    "tradestatus": "is_trading",
    "isST": "is_st",
    "peTTM": "pe_ttm",
    "pbMRQ": "pb_mrq",
    "psTTM": "ps_ttm",
    "pcfNcfTTM": "pcf_ncf_ttm",
}
"""The columns of ``daily_bar`` beside its key and ``loaded_at``, by Baostock's names."""

_BARS = {dataset.kind: dataset for dataset in DATASETS.values() if dataset.kind}

KINDS = tuple(_BARS)
"""The kinds of securities whose bars are kept."""
PLURALS = {kind: dataset.plural for kind, dataset in _BARS.items()}
MARKET_DAY_FROM = {kind: dataset.market_call.first_date for kind, dataset in _BARS.items() if dataset.market_call}
"""The first trade date of each kind's whole-market call; without the kinds that have no such call."""

BARS_APPEAR = min(dataset.published for dataset in _BARS.values())
"""When Baostock starts to publish a day's bars."""
BARS_ARE_FINAL = max(dataset.final for dataset in _BARS.values())
"""From this time on, an answer of no bar today is believed if other securities of the kind have bars."""


def published_at(day: date) -> datetime:
    """The time from which a trade date's bars should be out."""
    return datetime.combine(day, BARS_APPEAR, SHANGHAI)


def newest_published(at: datetime) -> date:
    """The newest weekday whose bars should be out at ``at``."""
    day = at.astimezone(SHANGHAI).date()
    if at < published_at(day):
        day -= timedelta(days=1)
    while day.weekday() >= 5:
        day -= timedelta(days=1)
    return day


def newest_week(at: datetime) -> date:
    """The newest Monday whose lists should be out at ``at``."""
    moment = at.astimezone(SHANGHAI)
    monday = monday_of(moment.date())
    return monday if moment >= datetime.combine(monday, LISTS_APPEAR, SHANGHAI) else monday - timedelta(weeks=1)


def kept_with(kinds: Iterable[str]) -> tuple[str, ...]:
    """The names of the datasets of a trade date: the daily bars of some kinds, and the adjust factors."""
    return (*(bars_of(kind).name for kind in kinds), ADJUST_FACTORS.name)


def bars_of(kind: str) -> Dataset:
    """The dataset of the daily bars of a kind of securities.

    :raises KeyError: no bars of the kind are kept.
    """
    return _BARS[kind]
