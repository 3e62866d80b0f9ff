"""All adjust factors of the stocks of a history's batch: one request brings those of a stock, from its first on."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import date
from functools import partial

from ashare.errors import BadReply
from ashare.source import Session
from ashare.store import Store
from ashare.store.rows import MergeCounts
from ashare.sync.by_code import MOST_PROBLEMS, WITNESS
from ashare.sync.factors import FactorRows, read_factors
from ashare.sync.history.span import HistoryRun
from ashare.sync.stream import NOTHING, Loader
from ashare.texts import named

log = logging.getLogger(__name__)

FACTORS_FROM = date(1990, 1, 1)
"""A stock's factors are cumulative from its first ex-date on. Without a start date, Baostock begins in 2015."""


class StockFactors:
    """Requests the adjust factors of stocks, and judges each answer by the stock's bars while the next one comes.

    :param wanted: the stocks whose factors are to be read.
    """

    def __init__(self, history: HistoryRun, session: Session, loader: Loader, wanted: Collection[str]) -> None:
        self._history, self._session, self._loader, self._wanted = history, session, loader, wanted
        self._again: list[str] = []
        """Stocks whose first answer has bad rows, or lacks an expected ex-date."""
        self._odd: list[str] = []
        """Stocks whose answer of no factors is not confirmed by their prices or known factors."""
        self._has_factors = False

    def fetch(self, code: str) -> None:
        """Request all adjust factors of a stock, if they are wanted, and load them behind its bars.

        An answer with bad rows or without an expected ex-date is left to ``judge_doubted``.
        """
        if code in self._wanted:
            self._session.give_way()
            factors = self._ask(code)
            self._loader.begin(partial(self._judge, code=code, factors=factors, is_first=True))

    def judge_doubted(self) -> list[str]:
        """Request the doubted answers again; the second answer is believed. An answer of no factors that prices and
        known factors do not confirm is believed if Baostock sends factors of another stock.

        :returns: the problems: bad replies, and no factors of any stock.
        """
        self._loader.wait()
        problems = []
        for code in self._again:
            self._session.give_way()
            try:
                factors = self._ask(code)
            except BadReply as problem:
                problems.append(f"{code}: {problem}")
                if len(problems) == MOST_PROBLEMS:
                    return problems
                continue
            self._loader.begin(partial(self._judge, code=code, factors=factors, is_first=False))
        self._loader.wait()
        if self._odd and not self._has_factors:
            self._has_factors = bool(self._ask(WITNESS).good)
        if self._odd and not self._has_factors:
            return [*problems, f"{named(self._odd)}: Baostock sent no adjust factors, and none of {WITNESS} either."]
        for code in self._odd:
            self._loader.begin(partial(self._save, code=code, factors=FactorRows()))
        return problems

    def _ask(self, code: str) -> FactorRows:
        today = self._history.today
        table = self._session.adjust_factors(code, FACTORS_FROM, today)
        return read_factors(table, FACTORS_FROM, today, code)

    def _judge(self, store: Store, code: str, factors: FactorRows, *, is_first: bool) -> MergeCounts:
        """Hold the factors against the stock's known ex-dates and those that its bars imply, and load them."""
        tables = self._history.tables_over(store)
        known, implied = tables.known_factors(code), tables.implied_ex_dates(code)
        lacking = sorted((known | implied) - {ex_date for _, ex_date, _, _ in factors.good})
        if is_first and (factors.odd or lacking):
            self._again.append(code)
            return NOTHING
        if lacking:
            log.warning(
                "%s has no adjust factor on %s at Baostock, where one was known or its prices moved.",
                code,
                named(lacking),
            )
        if not factors.good and (known or implied or not tables.has_bars_since_listing(code)):
            self._odd.append(code)
            return NOTHING
        self._has_factors = self._has_factors or bool(factors.good)
        return self._save(store, code, factors)

    def _save(self, store: Store, code: str, factors: FactorRows) -> MergeCounts:
        self._history.tables_over(store).save_factors(code, factors.good, factors.odd)
        return NOTHING
