"""Loads the rows of batches, and cross-checks them within the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.datasets import bars_of
from ashare.store import cross_check, verifications
from ashare.store.bar_merge import merge, record_absent, record_absent_range, replace_rejected, save_factors
from ashare.store.batches import FACTOR_BATCH, add, add_rows, finish
from ashare.store.cross_check import Contradiction, Tolerance
from ashare.store.queries import queries
from ashare.store.rows import AbsentRange, BatchRows, MergeCounts, Plan, RejectedRow, RereadDate

if TYPE_CHECKING:
    import psycopg

    from ashare.store.store import Store


@dataclass(frozen=True)
class Bars:
    """The tables ``daily_bar`` and ``adjust_factor``: loads whole batches."""

    store: Store

    def has_bars(self, day: date, kind: str | None = None) -> bool:
        """Whether the table holds any bar of the day (of ``kind``, if given). If so, the day is published."""
        return bool(self.days_with_bars([day], kind))

    def days_with_bars(self, days: Collection[date], kind: str | None = None) -> set[date]:
        """Those of the days of which the table has a bar (of ``kind``, if given)."""
        values = {"days": list(days), "kind": kind}
        return {row[0] for row in self.store.rows("bars", "days_with_bars", values)} if days else set()

    def first_bar(self, code: str) -> date | None:
        """The day of a security's first bar in the table; ``None`` without bars."""
        found: date | None = self.store.rows("bars", "first_bar", {"code": code})[0][0]
        return found

    def absent_beside(self, day: date, today: date, codes: Sequence[str]) -> int:
        """The number of securities, beside ``codes``, whose recorded absence explains a gap of the day."""
        values = {"day": day, "today": today, "codes": list(codes)}
        found: int = self.store.rows("bars", "absent_beside", values)[0][0]
        return found

    def load(
        self,
        plan: Plan,
        batch_no: int,
        batch_rows: BatchRows,
        *,
        market: tuple[str, Tolerance] | None = None,
    ) -> MergeCounts:
        """Load rows of a batch and count them for it, in one transaction: all or nothing.

        :param market: for a whole market of a trade date: its kind, and the tolerance of its cross-check.
        :raises Contradiction: the cross-check failed; only its figures are written.
        """
        day, run_id = plan.day, plan.run_id
        try:
            with self.store.transaction() as connection:
                merged = merge(connection, batch_rows, run_id)
                record_absent(connection, batch_rows.absent, run_id)
                if market and day:
                    _verify(connection, day, *market, run_id)
                add_rows(connection, plan, batch_no, batch_rows.rows)
                for batch in batch_rows.follow_ups:
                    numbered = add(connection, plan, batch)
                    # The batch that found the follow-up counts its rows and requests.
                    finish(connection, plan, numbered.batch_no, "success", 0)
        except Contradiction as found:
            if market and day:
                with self.store.transaction() as connection:
                    cross_check.record(connection, day, market[0], found.checks, run_id)
            raise
        return merged

    def reload(self, again: Sequence[RereadDate], run_id: str) -> list[MergeCounts]:
        """Load the rows of dates that were read again, and record what differed, in one transaction: all or nothing.

        :raises Contradiction: the cross-check of one of the dates, or of the date after it, failed; nothing is
            written.
        """
        with self.store.transaction() as connection:
            merged = []
            for date_ in again:
                merged.append(merge(connection, date_.batch_rows, run_id))
                record_absent(connection, date_.batch_rows.absent, run_id)
            for date_ in again:
                _verify(connection, date_.day, date_.kind, date_.tolerance, run_id)
            for date_ in again:
                if date_.following:
                    checks = cross_check.cross_check(connection, date_.following, date_.kind, date_.tolerance_after)
                    if any(check.passed is False for check in checks):
                        raise Contradiction(date_.following, date_.kind, checks)
            for date_ in again:
                verifications.record_bars(connection, date_.day, date_.kind, date_.rows_of_day, run_id)
        return merged

    def record_absences(self, absent: Sequence[tuple[date, str]], ranges: Sequence[AbsentRange], run_id: str) -> None:
        """Record bars that do not exist at the source: date and code; and days before the first bars of indices."""
        if absent or ranges:
            with self.store.transaction() as connection:
                for absent_range in ranges:
                    record_absent_range(connection, absent_range, run_id)
                record_absent(connection, absent, run_id)

    def save_factors(
        self,
        plan: Plan,
        factors: Sequence[tuple[str, date, str, str]],
        odd: Sequence[RejectedRow] = (),
        *,
        are_verified: bool = False,
    ) -> None:
        """Write a date's adjust factors, record rejected rows, and count the rows for batch 0, in one transaction.

        :param factors: (code, ex_date, fore, back).
        :param odd: rows that broke a rule.
        :param are_verified: the factors were read again: record what differs, and leave batch 0 as it is.
        """
        assert plan.day is not None
        with self.store.transaction() as connection:
            if are_verified:
                verifications.record_factors(connection, plan.day, factors, plan.run_id)
            named = [*(code for code, *_ in factors), *(row.code for row in odd)] if factors else []
            connection.execute(queries("bars")["drop_wrong_factors"], {"codes": named, "day": plan.day})
            save_factors(connection, factors)
            replace_rejected(connection, "factor", odd, plan.run_id, day=plan.day)
            note = f"{len(odd)} adjust factors set aside (ashare.rejected_row)" if odd else None
            recorded = {"day": plan.day, "expected": len(factors), "note": note, "run_id": plan.run_id}
            connection.execute(queries("coverage")["record_factors"], recorded)
            if not are_verified:  # batch 0 loaded them, and has counted them
                add_rows(connection, plan, FACTOR_BATCH, len(factors))


def _verify(connection: psycopg.Connection[Any], day: date, kind: str, tolerance: Tolerance, run_id: str) -> None:
    checks = cross_check.cross_check(connection, day, kind, tolerance)
    if any(check.passed is False for check in checks):
        raise Contradiction(day, kind, checks)
    cross_check.record(connection, day, kind, checks, run_id)
    connection.execute(queries("coverage")["verified"], {"day": day, "dataset": bars_of(kind).name})
