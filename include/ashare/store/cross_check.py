"""Cross-checks a trade date's bars against the session before, the universe and the adjust factors.

A reply can be well-formed and wrong: another day's bars under this day's date, half a market, prices of the wrong
securities. Each rule counts the bars that contradict. If there are more than the rule allows, no bar is believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from ashare import datasets
from ashare.store.queries import queries

if TYPE_CHECKING:
    import psycopg

KINDS = tuple(kind for kind in datasets.KINDS if datasets.bars_of(kind).checks)
"""The kinds that a whole-market call serves; a reply for such a kind can be wrong as a whole."""

CODES = ("unlisted", "moved_without_factor", "factor_without_move", "pct_deviating", "outside_limits")
"""The figures that are lists of codes."""

EXAMPLES = 10

DAYS_MOVE = 0.2
"""The largest price change, as a fraction, that a session missing at the source explains.

The price of another security is further off.
"""

FACTORS_TO_COME = 0.15
"""The share of a market that may go ex on one day: its precloses may move before the day's factors are known."""

WITHOUT_LIMIT = 0.05
"""The share of a market that may trade outside of its price limits, as stocks do on days that no list tells.

These are the first days of a delisting period, after a resumption of listing, and after a share reform (about 1,300
stocks in 2005 to 2007, some 4 on a session). On the recorded days it is at most one stock of 5,000.
"""


@dataclass(frozen=True)
class Tolerance:
    """How many bars may contradict.

    :ivar deviating: bars per day and rule; never more than half of the compared bars.
    :ivar rows: how many bars the day may have more or less than listings explain; ``None``: more bars may come.
    :ivar factors_in: whether the day's adjust factors are known. If so, each moved preclose needs a factor.
    """

    deviating: int
    rows: int | None
    factors_in: bool

    def of(self, compared: int) -> int:
        """How many of ``compared`` bars may deviate: at most half, as 15 would exceed a market of eight stocks."""
        return _share(self.deviating, compared)


@dataclass(frozen=True)
class CrossCheck:
    """One rule's outcome for one trade date and kind.

    :ivar says: the sentence for a failed check.
    :ivar note: what is worth knowing of a check that passed; may be empty.
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
        """Whether the check passed; ``None`` if there is nothing to compare with."""
        return self.deviating <= self.allowed if self.comparable else None


class Contradiction(Exception):
    """The merged bars contradict what is known; their transaction is rolled back."""

    def __init__(self, day: date, kind: str, checks: Sequence[CrossCheck]) -> None:
        super().__init__(sentence(checks))
        self.day, self.kind, self.checks = day, kind, checks

    @property
    def days(self) -> set[date]:
        """The date whose bars contradict, and the dates that they contradict."""
        return {
            self.day,
            *(each.compared_with for each in self.checks if each.passed is False and each.compared_with),
        }


def sentence(checks: Sequence[CrossCheck]) -> str:
    """The sentences of the failed checks; empty if none failed."""
    return "; ".join(check.says for check in checks if check.passed is False)


def neighbours(connection: psycopg.Connection[Any], day: date) -> tuple[date | None, date | None]:
    """The sessions before and after, within 31 days; ``None`` where the calendar has none."""
    row = connection.execute(queries("cross_check")["sessions"], {"day": day}).fetchone()
    assert row is not None
    return row[0], row[1]


def cross_check(connection: psycopg.Connection[Any], day: date, kind: str, tolerance: Tolerance) -> list[CrossCheck]:
    """Apply all rules to a day's bars of a kind, as this transaction sees them."""
    from psycopg.rows import dict_row

    before, _ = neighbours(connection, day)
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            queries("cross_check")["figures"],
            {
                "day": day,
                "before": before,
                "kind": kind,
                "dataset": datasets.bars_of(kind).name,
                "days_move": DAYS_MOVE,
            },
        )
        row = cursor.fetchone()
    assert row is not None
    found = row | {name: sorted(row[name]) for name in CODES}
    checks = [_universe(found, tolerance), _pct_chg(found, tolerance), _rows(found, before, tolerance)]
    if kind == "stock":
        checks.append(_limits(found, tolerance))
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

    rows = [
        asdict(check)
        | {"passed": check.passed, "figures": Jsonb(check.figures), "examples": list(check.examples)}
        | {"day": day, "kind": kind, "run_id": run_id}
        for check in checks
    ]
    with connection.cursor() as cursor:
        cursor.executemany(queries("cross_check")["record"], rows)


def _share(most: int, compared: int) -> int:
    """``most``, but at most half: above half, the reply is wrong, not some bars. One bar alone proves nothing."""
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
        # A moved price without a factor may mean a late factor: a later run asks for the day's factors again.
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


def _limits(found: Mapping[str, Any], tolerance: Tolerance) -> CrossCheck:
    outside, compared = found["outside_limits"], found["limited"]
    return CrossCheck(
        "limits",
        compared,
        len(outside),
        max(tolerance.of(compared), round(WITHOUT_LIMIT * compared)),
        f"{len(outside)} of {compared} stocks traded outside of their price limits {_named(outside)}",
        {"limited": compared},
        outside[:EXAMPLES],
        comparable=compared > 0,
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
