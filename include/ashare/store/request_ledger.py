"""The table ``source_request``: every message sent to Baostock, and whether more may be sent now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ashare.dates import clock
from ashare.errors import BudgetSpent, InvalidInput, SourceBanned

if TYPE_CHECKING:
    from ashare.store.store import Store


@dataclass(frozen=True)
class SourceLimit:
    """The limit on requests to Baostock, by the ledger: the row of the view ``ashare.source_limit``.

    :ivar used_today: messages sent since midnight, Asia/Shanghai.
    :ivar day_ends: the next midnight, Asia/Shanghai.
    :ivar bans: number of bans in the year of the last ban, which lasts from ``banned_at`` to ``banned_until``.
    """

    used_today: int
    day_ends: datetime
    banned_at: datetime | None
    bans: int
    banned_until: datetime | None
    is_banned: bool

    def check(self, requests: int, budget: int, reserved: int = 0) -> None:
        """Check that ``requests`` more requests may be sent now.

        :param reserved: the part of the budget that is kept for other sessions.
        :raises SourceBanned: a ban is in force.
        :raises BudgetSpent: the requests exceed the rest of the day's budget.
        :raises InvalidInput: the requests exceed the budget of any day.
        """
        if self.is_banned and self.banned_at and self.banned_until:
            raise SourceBanned(
                f"Baostock has blacklisted this address (10001011, ban {self.bans} of the year, on "
                f"{clock(self.banned_at)}): nothing is sent until {clock(self.banned_until)}, Beijing time; it "
                "goes on by itself then.",
                self.banned_until,
            )
        if requests > budget - reserved:
            less = f" less ASHARE_HISTORY_RESERVE, {reserved}," if reserved else ""
            raise InvalidInput(
                f"This step sends {requests} requests in one session, more than ASHARE_REQUEST_BUDGET ({budget})"
                f"{less} allows in a day: raise it, or choose a smaller batch_size where securities go one by one."
            )
        if self.used_today + requests > budget - reserved:
            left_alone = f", {reserved} are kept for the newest date (ASHARE_HISTORY_RESERVE)" if reserved else ""
            raise BudgetSpent(
                f"{self.used_today} of the day's {budget} requests to Baostock (ASHARE_REQUEST_BUDGET) are used"
                f"{left_alone}, and {requests} more are needed: it goes on by itself from {clock(self.day_ends)} "
                "on, Beijing time.",
                self.day_ends,
            )


@dataclass(frozen=True)
class RequestLedger:
    """The ledger of requests to Baostock."""

    store: Store

    def limit(self) -> SourceLimit:
        """The current limit on requests to Baostock."""
        return SourceLimit(*self.store.rows("source_gate", "limit")[0])

    def requests_of(self, who: str, seconds: float) -> tuple[int, float]:
        """How many messages ``who`` sent in the last ``seconds``, and how many seconds Baostock took for them."""
        requests, busy = self.store.rows("source_gate", "requests_of", {"who": who, "seconds": seconds})[0]
        return requests, float(busy)
