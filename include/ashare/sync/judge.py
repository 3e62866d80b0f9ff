"""Judges trade dates: what the tables hold, against what should be there and what is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from ashare.datasets import ETFS_FROM, PLURALS, bars_of, published_at
from ashare.store.rows import BarCount, Fact
from ashare.sync.run import Run
from ashare.sync.verify import verify
from ashare.texts import joined, named, one_sentence

NO_ETFS = f"Baostock's bars of ETFs begin on {ETFS_FROM}: none is asked for before"

NAMED = 10
"""Maximum number of missing codes that a problem names."""


@dataclass(frozen=True)
class _Known:
    """What is known beside the bars.

    :ivar refreshed_at: when the list of securities was last read.
    :ivar days_with_factors: dates whose adjust factors are in.
    :ivar unlisted: by date, the indices whose absence from the list of securities was noticed then.
    :ivar odd_securities: rows of the list of securities that broke a rule: set aside, and taken all the same.
    """

    refreshed_at: datetime | None
    days_with_factors: Collection[date]
    unlisted: Mapping[date, Sequence[str]]
    odd_securities: tuple[int, int]


class CrossChecks(Enum):
    """What judging does beside counting."""

    NONE = "bars are counted only"
    RECORDED = "bars are cross-checked; of a date that is accepted as it is, nothing is read again"
    ACTED_ON = "bars are cross-checked, and the next run reads data again that contradict"


def judge(runs: Sequence[Run], *, checks: CrossChecks = CrossChecks.ACTED_ON) -> list[list[Fact]]:
    """Count what the tables hold of trade dates, and judge it: the facts of each date, one per kind of securities.

    :param runs: a run per date, all of the same kinds and settings.
    """
    first = runs[0]
    store, days = first.store, [run.day for run in runs]
    counts = {(count.day, count.kind): count for count in store.coverage.count(first.expectation, days)}
    known = _Known(
        store.universe.refreshed_at(),
        store.coverage.days_with_factors(days, first.today),
        store.universe.unlisted_by_day(),
        store.coverage.odd_securities(),
    )
    return [[_fact(run, counts[run.day, kind], known, checks) for kind in run.kinds] for run in runs]


def _fact(run: Run, count: BarCount, known: _Known, checks: CrossChecks) -> Fact:
    contradiction, note = "", ""
    if checks is not CrossChecks.NONE and count.missing <= 0:
        factors_in, read_again = run.day in known.days_with_factors, checks is CrossChecks.ACTED_ON
        contradiction, note = verify(run, count.kind, factors_in=factors_in, read_again=read_again)
    return Fact(
        bars_of(count.kind).name,
        count.day,
        expected=count.expected,
        rows=count.loaded,
        suspended=count.suspended,
        absent=count.absent,
        rejected=count.rejected,
        missing=max(count.missing, 0),
        problem=one_sentence([*_problems(run, count, known), contradiction]) or None,
        note=joined([*filter(None, [note]), *_notes(run, count, known)]) or None,
    )


def _problems(run: Run, count: BarCount, known: _Known) -> list[str]:
    problems = []
    if known.refreshed_at is None or known.refreshed_at < published_at(run.day):
        problems.append(f"the list of securities was not read since {run.day}")
    if count.missing > 0:
        codes = run.store.universe.remaining(run.expectation).get(count.kind, [])
        problems.append(
            f"{count.missing} of {count.expected} {PLURALS[count.kind]} have no bar: {named(codes, NAMED)}"
        )
    if count.rejected > run.settings.max_rejected:
        problems.append(
            f"{count.rejected} rows broke a rule, more than ASHARE_MAX_REJECTED ({run.settings.max_rejected}); see "
            "ashare.rejected_bar"
        )
    return problems


def _notes(run: Run, count: BarCount, known: _Known) -> list[str]:
    """What is worth knowing of a complete date, beside its cross-checks."""
    notes = []
    if count.absent:
        notes.append(f"{count.absent} absent at the source (ashare.absent_bar)")
    if count.rejected:
        notes.append(f"{count.rejected} rejected (ashare.rejected_bar)")
    if count.blanked:
        notes.append(f"{count.blanked} with a valuation that is no number, left blank (ashare.blanked_value)")
    if count.kind == "index" and (unlisted := known.unlisted.get(run.day)):
        notes.append(f"Baostock's list has no such index of ASHARE_INDICES, so none is asked for: {named(unlisted)}")
    if count.kind == "stock":
        aside, taken = known.odd_securities
        if aside:
            notes.append(f"{aside} rows of the list of securities set aside (ashare.rejected_row)")
        if taken:
            notes.append(f"{taken} rows of the list of securities contradict themselves (ashare.rejected_row)")
    if bars_of(count.kind).begins_after(run.day):
        notes.append(NO_ETFS)
    return notes
