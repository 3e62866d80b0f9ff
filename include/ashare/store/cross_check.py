"""Holds a trade date's bars against the day before, the universe and the adjust factors.

A reply can be wrong and well-formed: another day's bars under this day's date, half a market, prices of the wrong
securities. Each rule counts how many bars contradict; beyond what is allowed, none of them is believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

KINDS = ("stock", "etf")
"""What a whole-market call serves, and so what can be wrong as a whole."""

CODES = ("unlisted", "moved_without_factor", "factor_without_move", "pct_deviating")
"""The figures that are lists of codes."""

EXAMPLES = 10

DAYS_MOVE = 0.2
"""The most that a price moves on a session which the source lacks; the price of another security is further off."""

FACTORS_TO_COME = 0.15
"""The part of a market that may go ex on one day: until its factors are known, so many precloses may have moved."""


@dataclass(frozen=True)
class Tolerance:
    """How much may contradict.

    :ivar deviating: bars a day and rule, and never more than half of what is compared.
    :ivar rows: bars that the day may have more or less than listings explain; ``None``: more may come.
    :ivar factors_in: whether the day's adjust factors are known, so that a moved preclose has to be one of theirs.
    """

    deviating: int
    rows: int | None
    factors_in: bool

    def of(self, compared: int) -> int:
        """How many of so many may deviate: in a market of eight stocks, 15 would be all of them."""
        return _share(self.deviating, compared)


@dataclass(frozen=True)
class CrossCheck:
    """One rule's outcome for one trade date and kind.

    :ivar says: the sentence for when it failed; ``note``: what is worth knowing of it when it passed.
    """

    rule: str
    compared: int
    deviating: int
    allowed: int
    says: str
    figures: Mapping[str, int]
    examples: Sequence[str] = field(default=())
    compared_with: date | None = None
    comparable: bool = True
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """``None`` when there was nothing to compare with."""
        return self.deviating <= self.allowed if self.comparable else None


class Contradiction(Exception):
    """Bars that were merged contradict what is known; the transaction they came in is rolled back."""

    def __init__(self, checks: Sequence[CrossCheck]) -> None:
        super().__init__(sentence(checks))
        self.checks = checks


def sentence(checks: Sequence[CrossCheck]) -> str:
    """What the failed ones say; empty when none failed."""
    return "; ".join(check.says for check in checks if check.passed is False)


def neighbours(connection: psycopg.Connection[Any], day: date) -> tuple[date | None, date | None]:
    """The sessions before and after, as far as the calendar is known."""
    row = connection.execute(queries("cross_check")["sessions"], {"day": day}).fetchone()
    assert row is not None
    return row[0], row[1]


def cross_check(connection: psycopg.Connection[Any], day: date, kind: str, tolerance: Tolerance) -> list[CrossCheck]:
    """Apply all rules to the bars of a day as this transaction sees them."""
    from psycopg.rows import dict_row

    before, _ = neighbours(connection, day)
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            queries("cross_check")["figures"], {"day": day, "before": before, "kind": kind, "days_move": DAYS_MOVE}
        )
        row = cursor.fetchone()
    assert row is not None
    found = row | {name: sorted(row[name]) for name in CODES}
    checks = [_universe(found, tolerance), _pct_chg(found, tolerance), _rows(found, before, tolerance)]
    if before is not None:
        checks.append(_volume(found, before))
        if kind == "stock":
            checks += [_preclose(found, before, tolerance), _ex_dates(found, before, tolerance)]
    return checks


def record(
    connection: psycopg.Connection[Any], day: date, kind: str, checks: Sequence[CrossCheck], run_id: str
) -> None:
    """Write the outcomes with their figures."""
    from psycopg.types.json import Jsonb

    names = ("rule", "compared_with", "compared", "deviating", "allowed", "passed")
    rows = [
        {name: getattr(check, name) for name in names}
        | {"figures": Jsonb(dict(check.figures)), "examples": list(check.examples)}
        | {"day": day, "kind": kind, "run_id": run_id}
        for check in checks
    ]
    with connection.cursor() as cursor:
        cursor.executemany(queries("cross_check")["record"], rows)


def _share(most: int, compared: int) -> int:
    """At most half: with more, it is the reply that is wrong, and not some bars. One bar alone says nothing."""
    return min(most, max(1, compared // 2))


def _named(codes: Sequence[str]) -> str:
    more = ", ..." if len(codes) > 3 else ""
    return f"({', '.join(codes[:3])}{more})"


def _universe(found: Mapping[str, Any], tolerance: Tolerance) -> CrossCheck:
    unlisted = found["unlisted"]
    return CrossCheck(
        "universe",
        found["rows"],
        len(unlisted),
        tolerance.of(found["rows"]),
        f"{len(unlisted)} of {found['rows']} bars are of securities that were not listed that day, by the list of "
        f"securities {_named(unlisted)}",
        {"rows": found["rows"], "expected": found["expected"]},
        unlisted[:EXAMPLES],
    )


def _rows(found: Mapping[str, Any], before: date | None, tolerance: Tolerance) -> CrossCheck:
    names = ("rows", "expected", "rows_before", "expected_before")
    change, listed = found["rows"] - found["rows_before"], found["expected"] - found["expected_before"]
    return CrossCheck(
        "rows",
        found["rows_before"],
        abs(change - listed),
        _share(tolerance.rows or 0, max(found["rows"], found["rows_before"])),
        f"there are {found['rows']} bars after {found['rows_before']} on {before}, and listings explain {listed:+d}",
        {name: found[name] for name in names},
        compared_with=before,
        comparable=found["before_is_complete"] and tolerance.rows is not None,
    )


def _preclose(found: Mapping[str, Any], before: date, tolerance: Tolerance) -> CrossCheck:
    moved = found["moved_without_factor"]
    allowed = tolerance.of(found["pairs"])
    if not tolerance.factors_in:
        allowed = max(allowed, round(FACTORS_TO_COME * found["pairs"]))
    over_gap, note = found["moved_over_gap"], ""
    if over_gap:
        note = (
            f"the preclose of {over_gap} of {found['pairs']} stocks is a close of after {before}, on a session that "
            "Baostock lacks"
        )
    return CrossCheck(
        "preclose",
        found["pairs"],
        len(moved),
        allowed,
        f"the preclose of {len(moved)} of {found['pairs']} stocks is not their close of {before}, and they do not go "
        f"ex {_named(moved)}",
        {name: found[name] for name in ("pairs", "ex_dates", "moved_over_gap")},
        moved[:EXAMPLES],
        before,
        found["pairs"] > 0,
        note,
    )


def _ex_dates(found: Mapping[str, Any], before: date, tolerance: Tolerance) -> CrossCheck:
    no_factor, no_move = found["moved_without_factor"], found["factor_without_move"]
    says = (
        f"the prices of {len(no_factor)} stocks say that they go ex and the adjust factors do not, and the other way "
        f"round for {len(no_move)} {_named([*no_factor, *no_move])}"
    )
    return CrossCheck(
        "ex_dates",
        found["ex_dates"],
        len(no_factor) + len(no_move),
        tolerance.of(found["pairs"]),
        says,
        {"moved_without_factor": len(no_factor), "factor_without_move": len(no_move)},
        [*no_factor, *no_move][:EXAMPLES],
        before,
        tolerance.factors_in and found["pairs"] > 0,
        # A moved price without a factor may be a factor that is late: a later run asks for them again.
        says if no_factor or no_move else "",
    )


def _pct_chg(found: Mapping[str, Any], tolerance: Tolerance) -> CrossCheck:
    wrong = found["pct_deviating"]
    return CrossCheck(
        "pct_chg",
        found["pct"],
        len(wrong),
        tolerance.of(found["pct"]),
        f"the pct_chg of {len(wrong)} of {found['pct']} bars is not close / preclose - 1 {_named(wrong)}",
        {"trading": found["pct"]},
        wrong[:EXAMPLES],
    )


def _volume(found: Mapping[str, Any], before: date) -> CrossCheck:
    volume, volume_before = int(found["volume"]), int(found["volume_before"])
    return CrossCheck(
        "volume",
        found["pairs"],
        int(volume == volume_before),
        0,
        f"{found['pairs']} securities turned over {volume} shares together, exactly as on {before}: it is that day's "
        "bars again",
        {"volume": volume, "volume_before": volume_before},
        compared_with=before,
        comparable=volume > 0,
    )
