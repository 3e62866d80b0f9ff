"""The error for bars that did not come and whose absence is not believed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from ashare.datasets import BARS_ARE_FINAL, PLURALS
from ashare.errors import AshareError, BadReply
from ashare.sync.absence import Evidence, Others, Verdict
from ashare.sync.publication import LATE_CODES, PUBLICATION, not_yet
from ashare.sync.run import Run
from ashare.texts import joined


class Doubt(NamedTuple):
    """Bars of one date that did not come, and why their absence is not believed."""

    day: date
    codes: Sequence[str]
    verdict: Verdict
    evidence: Evidence


def doubt_error(run: Run, label: str, kind: str, doubts: Sequence[Doubt]) -> AshareError:
    """The error for the first of some doubts.

    :returns: ``NotPublishedYet`` for today's bars, and ``TerminalError`` from ``GIVE_UP`` on; else ``BadReply``.
    """
    (day, codes, verdict, evidence), others = doubts[0], doubts[1:]
    code, plural, many = codes[0], PLURALS[kind], _many(doubts[0])
    if evidence.clock is not None:
        why = {
            Verdict.NOT_FINAL: f"; an absence is believed from {BARS_ARE_FINAL:%H:%M} on",
            Verdict.TOO_MANY_TODAY: many,
            Verdict.NO_OTHER_TODAY: f", and no other of the {plural} has one",
        }.get(verdict, f", and {code} was asked for only once")
        pace = LATE_CODES if evidence.others is Others.SAME_KIND else PUBLICATION
        return not_yet(run, label, f"{len(codes)} {plural} have no bar yet, {code} for one{why}", pace)
    if verdict is Verdict.SILENT:
        return BadReply(
            f"Baostock has no bar of {day} for any of {label}, and sends no bars of other securities now."
        )
    why = {
        Verdict.TOO_MANY: f" even when asked for one by one{many}: the others are loaded, these are not believed",
        Verdict.NO_OTHER: f", {code} for one, nor has any other security: the day is not published yet, or is lost",
    }.get(verdict, f", {code} for one, asked for only once: not believed")
    more = f"; {len(others)} other days likewise" if others else ""
    return BadReply(f"{len(codes)} {plural} have no bar on {day}{why}{more}.")


def with_problems(problems: Sequence[str], error: AshareError | None) -> AshareError | None:
    """The error of a batch: its bad replies, and what went wrong after them."""
    if not problems:
        return error
    return BadReply(joined([*problems, *([str(error)] if error else [])], " "))


def _many(doubt: Doubt) -> str:
    evidence = doubt.evidence
    beside = f", besides {more} recorded as absent" if (more := evidence.absent - len(doubt.codes)) else ""
    is_over = evidence.absent > evidence.most
    return beside + (f", more than ASHARE_MAX_ABSENT ({evidence.most})" if is_over else ", more than have one")
