"""The table ``verification``: what was compared when loaded trade dates were read from Baostock again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ashare.datasets import bars_of
from ashare.store.queries import queries
from ashare.texts import named

if TYPE_CHECKING:
    import psycopg

    AnyConnection = psycopg.Connection[Any]


class Verification(NamedTuple):
    """One reading of a dataset's trade date, compared with the table.

    :ivar compared: rows of the answer that the table had.
    :ivar revised: of those, rows that had changed.
    :ivar inserted: rows of the answer that the table lacked.
    :ivar lacking: rows of the table that the answer lacked.
    """

    trade_date: date
    dataset: str
    verified_at: datetime
    compared: int
    revised: int
    inserted: int
    lacking: int
    run_id: str | None


class VerifiedDate(NamedTuple):
    """What the readings of a trade date have found, all its bars together.

    :ivar factors: adjust factors that had changed, or were lacking in the table.
    """

    trade_date: date
    compared: int
    revised: int
    inserted: int
    lacking: int
    factors: int

    @property
    def differs(self) -> bool:
        """Whether the table was not as Baostock has the date."""
        return bool(self.revised or self.inserted or self.factors)


def record_bars(connection: AnyConnection, day: date, kind: str, rows: int, run_id: str) -> None:
    """Record the comparison of a date's bars, in the transaction that has merged them.

    :param rows: number of bars of the date in the answer.
    """
    values = {"day": day, "kind": kind, "dataset": bars_of(kind).name, "rows": rows, "run_id": run_id}
    connection.execute(queries("verifications")["record_bars"], values)


def record_factors(
    connection: AnyConnection, day: date, factors: Sequence[tuple[str, date, str, str]], run_id: str
) -> None:
    """Record the comparison of a date's adjust factors, in the transaction that saves them, before they are saved.

    :param factors: (code, ex_date, fore, back).
    """
    values = {"day": day, "codes": [row[0] for row in factors], "back": [row[3] for row in factors], "run_id": run_id}
    connection.execute(queries("verifications")["record_factors"], values)


def verified_dates(connection: AnyConnection, days: Collection[date], since: datetime) -> list[VerifiedDate]:
    """What was found of some dates since a moment, by date; dates that were not read again are left out."""
    values = {"days": list(days), "since": since}
    return [VerifiedDate(*row) for row in connection.execute(queries("verifications")["totals"], values)]


def verifications(connection: AnyConnection, start: date, end: date, most: int) -> list[Verification]:
    """The verifications of a range, the newest dates first."""
    values = {"start": start, "end": end, "most": most}
    return [Verification(*row) for row in connection.execute(queries("verifications")["of_range"], values)]


def waiting_verification(connection: AnyConnection, days: Collection[date]) -> tuple[date, str] | None:
    """The earliest of some dates whose reading again waits, and for what."""
    row: tuple[date, str] | None = connection.execute(
        queries("verifications")["waiting"], {"days": list(days)}
    ).fetchone()
    return row


def summary(found: Sequence[VerifiedDate]) -> str:
    """The findings in a sentence, with the dates that differed."""
    differing = [each.trade_date for each in found if each.differs]
    compared, revised, inserted, lacking, factors = (
        sum(getattr(each, name) for each in found)
        for name in ("compared", "revised", "inserted", "lacking", "factors")
    )
    dates = _count(len(found), "date")
    where = f"on {len(differing)} of {dates} ({named(differing)})" if differing else f"on {dates}"
    parts = [f"{revised or 'none'} of {_count(compared, 'bar')} had changed"]
    if inserted:
        parts.append(f"{_count(inserted, 'bar')} had been lacking")
    if factors:
        parts.append(f"{_count(factors, 'adjust factor')} had changed or been lacking")
    if lacking:
        parts.append(f"{_count(lacking, 'loaded bar')} {'is' if lacking == 1 else 'are'} no longer at Baostock")
    return f"{', '.join(parts)}, {where}."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
