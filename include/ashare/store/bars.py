"""Loading what batches brought, with the cross-checks within the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.store import cross_check
from ashare.store.bar_merge import merge, record_absence, record_rejected_factors
from ashare.store.batches import FACTOR_BATCH, add, finish
from ashare.store.cross_check import Contradiction, Tolerance
from ashare.store.queries import queries
from ashare.store.rows import BatchRows, MergeCounts, RejectedRow, RereadDate

if TYPE_CHECKING:
    import psycopg

    from ashare.store.store import Store


@dataclass(frozen=True)
class Bars:
    """The table ``daily_bar`` and ``adjust_factor``: loading, whole batches at a time."""

    store: Store

    def has_bars(self, day: date, kind: str | None = None) -> bool:
        """Whether any bar of the day (of one kind) is there, which proves that the day is published."""
        return bool(self.store.rows("bars", "has_bars", {"day": day, "kind": kind})[0][0])

    def first_bar(self, code: str) -> date | None:
        """The day of a security's first bar in the table."""
        found: date | None = self.store.rows("bars", "first_bar", {"code": code})[0][0]
        return found

    def load(
        self,
        day: date,
        batch_no: int,
        batch_rows: BatchRows,
        run_id: str,
        *,
        market: tuple[str, Tolerance] | None = None,
    ) -> MergeCounts:
        """Load what a batch brought and record the batch, in one transaction: all of it or nothing.

        :param market: the kind, when it is a whole market's, and how much of it may contradict what is known.
        :raises Contradiction: more does; nothing was written but the figures.
        """
        try:
            with self.store.transaction() as connection:
                merged = merge(connection, batch_rows, run_id)
                record_absence(connection, day, batch_rows, run_id)
                if market:
                    _verify(connection, day, *market, run_id)
                finish(connection, day, batch_no, "success", batch_rows.rows, batch_rows.requests)
                for batch in batch_rows.follow_ups:
                    numbered = add(connection, day, batch, run_id)
                    # Its rows and requests are counted with the batch that found it.
                    finish(connection, day, numbered.batch_no, "success", 0, 0)
        except Contradiction as found:
            if market:
                with self.store.transaction() as connection:
                    cross_check.record(connection, day, market[0], found.checks, run_id)
            raise
        return merged

    def reload(self, again: Sequence[RereadDate], run_id: str) -> list[MergeCounts]:
        """Load what dates brought that were read again, in one transaction: all of it or nothing.

        :raises Contradiction: more than is allowed contradicts, in one of them or in the date after it; what is
            recorded of them stays as it was.
        """
        with self.store.transaction() as connection:
            merged = []
            for date_ in again:
                merged.append(merge(connection, date_.batch_rows, run_id))
                record_absence(connection, date_.day, date_.batch_rows, run_id)
            for date_ in again:
                _verify(connection, date_.day, date_.kind, date_.tolerance, run_id)
            for date_ in again:
                if date_.following:
                    checks = cross_check.cross_check(connection, date_.following, date_.kind, date_.tolerance_after)
                    if any(check.passed is False for check in checks):
                        raise Contradiction(checks)
        return merged

    def save_factors(
        self,
        day: date,
        factors: Sequence[tuple[str, date, str, str]],
        requests: int,
        odd: Sequence[RejectedRow] = (),
        run_id: str | None = None,
    ) -> None:
        """Write (code, ex_date, fore, back), and the rows that broke a rule; record batch 0: in one transaction."""
        codes, ex_dates, fore, back = ([list(c) for c in zip(*factors, strict=True)]) or ([], [], [], [])
        values = {"codes": codes, "ex_dates": ex_dates, "fore": fore, "back": back}
        with self.store.transaction() as connection:
            named = [*codes, *(row.code for row in odd)] if codes else []
            connection.execute(queries("bars")["drop_wrong_factors"], {"codes": named, "day": day})
            connection.execute(queries("bars")["save_factors"], values)
            record_rejected_factors(connection, odd, run_id, day=day)
            finish(connection, day, FACTOR_BATCH, "success", len(factors), requests)


def _verify(connection: psycopg.Connection[Any], day: date, kind: str, tolerance: Tolerance, run_id: str) -> None:
    checks = cross_check.cross_check(connection, day, kind, tolerance)
    if any(check.passed is False for check in checks):
        raise Contradiction(checks)
    cross_check.record(connection, day, kind, checks, run_id)
    connection.execute(queries("cross_check")["checked"], {"day": day})
