"""All adjust factors of the stocks of a history's batch: one request brings those of a stock, from its first on."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import date

from ashare.source import Session
from ashare.store import Store
from ashare.store.rows import MergeCounts
from ashare.sync.by_code import WITNESS
from ashare.sync.factors import FactorRows, read_factors
from ashare.sync.history.span import HistoryRun
from ashare.sync.stream import NOTHING, Loader
from ashare.texts import named

log = logging.getLogger(__name__)

FACTORS_FROM = date(1990, 1, 1)
"""A stock's factors are cumulative from its first ex-date on. Without a start date, Baostock begins in 2015."""


class StockFactors:
    """Requests the adjust factors of stocks, once their bars are loaded.

    :param wanted: the stocks whose factors are to be read.
    """

    def __init__(self, history: HistoryRun, session: Session, loader: Loader, wanted: Collection[str]) -> None:
        self._history, self._session, self._loader, self._wanted = history, session, loader, wanted
        self._odd: list[str] = []
        """Stocks whose answer of no factors is not confirmed by their prices or known factors."""
        self._has_factors = False

    def fetch(self, code: str) -> None:
        """Load all adjust factors of a stock, if they are wanted.

        An answer with bad rows or without an expected ex-date is requested again; the second answer is believed.
        An answer of no factors that prices and known factors do not confirm is left to ``judge_odd``.
        """
        if code not in self._wanted:
            return
        self._session.give_way()
        tables = self._history.tables
        known = tables.known_factors(code)
        factors = self._ask(code)
        self._loader.wait()  # the stock's bars imply ex-dates, too
        implied = tables.implied_ex_dates(code)
        if factors.odd or _lacking(factors, known | implied):
            factors = self._ask(code)
        if lacking := _lacking(factors, known | implied):
            log.warning(
                "%s has no adjust factor on %s at Baostock, where one was known or its prices moved.",
                code,
                named(lacking),
            )
        if not factors.good and (known or implied or not tables.has_bars_since_listing(code)):
            self._odd.append(code)
            return
        self._has_factors = self._has_factors or bool(factors.good)
        self._load(code, factors)

    def judge_odd(self) -> list[str]:
        """Believe unconfirmed answers of no factors if Baostock sends factors of another stock.

        :returns: the problem, if it does not.
        """
        if self._odd and not self._has_factors:
            self._has_factors = bool(self._ask(WITNESS).good)
        if self._odd and not self._has_factors:
            return [f"{named(self._odd)}: Baostock sent no adjust factors, and none of {WITNESS} either."]
        for code in self._odd:
            self._load(code, FactorRows())
        return []

    def _ask(self, code: str) -> FactorRows:
        today = self._history.today
        table = self._session.adjust_factors(code, FACTORS_FROM, today)
        return read_factors(table, FACTORS_FROM, today, code)

    def _load(self, code: str, factors: FactorRows) -> None:
        def save(store: Store) -> MergeCounts:
            self._history.tables_over(store).save_factors(code, factors.good, factors.odd)
            return NOTHING

        self._loader.begin(save)


def _lacking(factors: FactorRows, ex_dates: set[date]) -> list[date]:
    return sorted(ex_dates - {ex_date for _, ex_date, _, _ in factors.good})
