"""Cross-checks of a trade date: the tolerance for contradictions, and what follows beyond it."""

from __future__ import annotations

from collections.abc import Sequence

from ashare.datasets import ADJUST_FACTORS, bars_of
from ashare.errors import BadReply
from ashare.store.cross_check import KINDS, Contradiction, CrossCheck, Tolerance, sentence
from ashare.sync.run import Run


def tolerance(run: Run, *, all_there: bool, factors_in: bool | None = None) -> Tolerance:
    """How many bars of the run's date may contradict the known data.

    :param all_there: whether all bars are loaded, so that their number can be judged.
    :param factors_in: whether the date's adjust factors are in; ``None``: ask the database.
    """
    if factors_in is None:
        factors_in = run.store.coverage.factors_are_in(run.day, run.today)
    return Tolerance(run.settings.max_deviating, run.settings.max_absent if all_there else None, factors_in)


def contradiction_error(run: Run, found: Contradiction) -> BadReply:
    """The error for a whole market that contradicts the known data; the doubted known data are read again."""
    if _doubt_factors(found.checks):
        run.store.coverage.doubt(run.day, [ADJUST_FACTORS.name])
    _doubt_before(run, found.checks)
    return BadReply(
        f"Baostock's reply for {run.day} contradicts what is known, and nothing of it was written: {found} "
        f"(more than ASHARE_MAX_DEVIATING, {run.settings.max_deviating}, or than half of what was compared; figures "
        "in ashare.cross_check)."
    )


def verify(run: Run, kind: str, *, factors_in: bool, read_again: bool) -> tuple[str, str]:
    """Cross-check the date's bars of a kind in the table, and record the figures.

    :param factors_in: whether the date's adjust factors are in.
    :param read_again: have the next run read the doubted data again; ``False`` for a date accepted as it is.
    :returns: why the date is not complete, empty if it passed; and what the status of a complete date should mention.
    """
    if kind not in KINDS:
        return "", ""
    allowed = tolerance(run, all_there=True, factors_in=factors_in)
    found = run.store.corrections.cross_check(run.day, kind, allowed, run.run_id)
    contradiction = sentence(found)
    if not contradiction:
        return "", "; ".join(check.note for check in found if check.note)
    reading_again = "; the next run reads the date again" if read_again else ""
    if read_again:
        if _doubt_factors(found):
            run.store.coverage.contradict(run.day, ADJUST_FACTORS.name, contradiction)
        _doubt_before(run, found)
    return f"the bars contradict what is known: {contradiction} (see ashare.cross_check{reading_again})", ""


def _failed(checks: Sequence[CrossCheck]) -> list[CrossCheck]:
    return [check for check in checks if check.passed is False]


def _doubt_factors(checks: Sequence[CrossCheck]) -> bool:
    """Whether the adjust factors may be what is wrong."""
    return any(check.rule in ("preclose", "ex_dates") for check in _failed(checks))


def _doubt_before(run: Run, checks: Sequence[CrossCheck]) -> None:
    """Have the compared date read again: its bars may be what is wrong."""
    for before in {check.compared_with for check in _failed(checks)} - {None}:
        if before:
            run.store.coverage.doubt(before, [bars_of(kind).name for kind in KINDS])
