"""The calls to Baostock, each with the columns that its reply has to have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from ashare.datasets import ADJUST_FACTORS, DATASETS, INDUSTRY_CALL, MEMBER_LISTS, Dataset, bars_of
from ashare.source.replies import Table

BAR_FIELDS = (
    "date,code,open,high,low,close,preclose,volume,amount,adjustflag,turn,tradestatus,pctChg,"
    "peTTM,pbMRQ,psTTM,pcfNcfTTM,isST"
)

FACTOR_FIELDS = ("code", "dividOperateDate", "foreAdjustFactor", "backAdjustFactor")


class Calls(ABC):
    """The calls of a session. See ``Session`` for the errors."""

    @abstractmethod
    def _query(
        self,
        method: str,
        call: Callable[[], Any],
        columns: Sequence[str],
        *,
        paged: bool = True,
        echo: dict[str, str] | None = None,
    ) -> Table:
        """Send a query and return the whole, checked reply.

        :param call: calls the client's function.
        :param columns: the columns that the reply has to have.
        :param echo: the parameters that the reply has to repeat, by name.
        """

    def trade_dates(self, start: date, end: date) -> Table:
        """The calendar: ``calendar_date``, ``is_trading_day`` for each day from ``start`` to ``end``."""
        import baostock

        return self._query(
            "query_trade_dates",
            lambda: baostock.query_trade_dates(str(start), str(end)),
            ["calendar_date", "is_trading_day"],
        )

    def security_basics(self) -> Table:
        """All securities ever listed: ``code``, ``code_name``, ``ipoDate``, ``outDate``, ``type``, ``status``."""
        import baostock

        return self._query(
            "query_stock_basic",
            baostock.query_stock_basic,
            ["code", "code_name", "ipoDate", "outDate", "type", "status"],
        )

    def listed_on(self, day: date) -> Table:
        """Everything listed on ``day``: ``code``, ``tradeStatus``, ``code_name``."""
        import baostock

        return self._query("query_all_stock", lambda: baostock.query_all_stock(str(day)), ["code"])

    def market_day(self, day: date, kind: str) -> Table:
        """Unadjusted daily bars of all stocks (``kind`` ``stock``) or ETFs (``etf``) on ``day``."""
        return self._of_market(bars_of(kind), day, BAR_FIELDS.split(","))

    def _bars_of(self, code: str, start: date, end: date) -> Table:
        arguments = (code, BAR_FIELDS, str(start), str(end), "d", "3")
        return self._of_code(DATASETS["stock_bar"], arguments, BAR_FIELDS.split(","))  # one call for all kinds

    def daily_factors(self, day: date) -> Table:
        """Adjust factors of the stocks that go ex on ``day``; an empty table is a valid answer."""
        return self._of_market(ADJUST_FACTORS, day, FACTOR_FIELDS)

    def adjust_factors(self, code: str, start: date, end: date) -> Table:
        """One stock's adjust factors with ex-dates from ``start`` to ``end``; an empty table is a valid answer."""
        return self._of_code(ADJUST_FACTORS, (code, str(start), str(end)), FACTOR_FIELDS)

    def index_members(self, index: str, day: date) -> Table:
        """The members of an index as of a day: ``updateDate``, ``code``, ``code_name``."""
        import baostock

        call = MEMBER_LISTS[index].function
        return self._query(call, lambda: getattr(baostock, call)(str(day)), ["updateDate", "code", "code_name"])

    def industries(self, day: date) -> Table:
        """All stocks as of a day: ``updateDate``, code, ``code_name``, ``industry``, ``industryClassification``."""
        import baostock

        return self._query(
            INDUSTRY_CALL,
            lambda: getattr(baostock, INDUSTRY_CALL)(date=str(day)),
            ["updateDate", "code", "code_name", "industry", "industryClassification"],
        )

    def _of_market(self, dataset: Dataset, day: date, columns: Sequence[str]) -> Table:
        import baostock

        if dataset.market_call is None:
            raise ValueError(f"Baostock has no whole-market call for {dataset.plural}.")
        call = dataset.market_call.function
        return self._query(call, lambda: getattr(baostock, call)(str(day)), columns, paged=False)

    def _of_code(self, dataset: Dataset, arguments: tuple[str, ...], columns: Sequence[str]) -> Table:
        import baostock

        call = dataset.code_call
        return self._query(call, lambda: getattr(baostock, call)(*arguments), columns, echo={"code": arguments[0]})
