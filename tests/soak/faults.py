"""Random faults of every kind, such that an attentive client can tell each from a good reply.

Left out is what no client could notice, because it would prove nothing: a number that is wrong but possible. Left out
are also the refusals (error codes 10001..., but for the lost session): there the product stops on purpose, for hours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ashare_emulator.faults import KINDS, Fault
from ashare_emulator.market import COLUMNS

MARKET_DAY = "query_daily_history_k_AStock"
BY_CODE = "query_history_k_data_plus"

METHODS = {
    MARKET_DAY: 6,
    BY_CODE: 6,
    "query_daily_adjust_factor": 3,
    "query_stock_basic": 3,
    "query_trade_dates": 2,
    "login": 2,
    "logout": 1,
    "*": 2,
}
"""Method to how often it is chosen."""

SESSION_LOST, NETWORK, SYSTEM, BAD_MESSAGE = "10001001", "10002007", "10005001", "10004019"
ERRORS = (SESSION_LOST, SESSION_LOST, NETWORK, NETWORK, SYSTEM, SYSTEM, BAD_MESSAGE)

NONSENSE = ("1.2.3", "abc", "-", "NaN", "0x1F", "99999999999999999999999999")

Args = dict[str, str]


class FaultMaker:
    """Draws faults.

    :param codes: codes of the market, for replies that speak of another security.
    :param days: its trade dates, for replies that speak of another day.
    """

    def __init__(self, rng: random.Random, codes: Sequence[str], days: Sequence[str]) -> None:
        self._rng, self._codes, self._days = rng, codes, days
        self._arguments: dict[str, Callable[[str], Args]] = {
            "delay": lambda _: {"seconds": f"{rng.uniform(0.2, 6):.1f}"},
            "error": lambda _: {"code": rng.choice(ERRORS)},
            # Never a single row: with another date or code on it, it would be a good reply to something else.
            "truncated_page": lambda _: self._sometimes("rows", ("0", "2", "20", "200")),
            "exact_rows": lambda _: self._sometimes("rows", ("2000", "1000")),
            "bad_number": self._bad_number,
            "wrong_date": self._wrong_date,
            "wrong_code": lambda _: self._sometimes("code", self._codes),
            "drop_column": lambda _: self._sometimes("column", COLUMNS),
            "rename_column": lambda _: self._sometimes("column", COLUMNS),
            "wrong_page": lambda _: self._sometimes("page", ("0", "7")),
        }

    def make(self, kinds: Sequence[str]) -> Fault:
        """One fault of one of the kinds."""
        kind = self._rng.choice(kinds)
        method = "connect" if kind == "refuse" else self._rng.choices(list(METHODS), list(METHODS.values()))[0]
        args = self._arguments[kind](method) if kind in self._arguments else {}
        return Fault(
            method, kind, times=self._rng.choice((1, 1, 1, 2, 3)), after=self._rng.choice((0, 0, 1, 4)), args=args
        )

    def _sometimes(self, name: str, values: Sequence[str]) -> Args:
        return {name: self._rng.choice(values)} if self._rng.random() < 0.6 else {}

    def _bad_number(self, method: str) -> Args:
        value = {"value": self._rng.choice(NONSENSE)}
        if method in (MARKET_DAY, BY_CODE) and self._rng.random() < 0.6:
            return value | {"column": self._rng.choice(COLUMNS)}
        return value

    def _wrong_date(self, method: str) -> Args:
        # By code, a range of dates is asked for: another day of the range would be no fault, but an answer.
        days = self._days if method == MARKET_DAY else ("2001-01-02", "2099-01-04", "2025-02-30")
        return self._sometimes("date", days)


def all_kinds(without: Sequence[str] = ()) -> list[str]:
    """The kinds to draw from."""
    return [kind for kind in KINDS if kind not in without]
