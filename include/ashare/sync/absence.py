"""When an answer of "no bar" is believed: one policy for a trade date's run, a reread and a history.

Baostock answers alike whether a bar does not exist, is not published yet, or is lost in a fault: with no rows and no
error. The fetchers gather the evidence; ``judge_absence`` alone decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from enum import Enum, IntEnum

from ashare.datasets import BARS_ARE_FINAL

ENOUGH_ANSWERS = 2
"""Answers of no bar that an absence takes: two per-security replies, or one after a whole-market reply."""
LEAST_EMPTY = timedelta(days=90)
"""Shortest span whose empty answer shows that an index begins later. In a shorter span, the bars may be late."""


class Others(IntEnum):
    """Which other securities have a bar of the trade date, in the table or at the source."""

    NONE = 0
    OTHER_KIND = 1
    SAME_KIND = 2


@dataclass(frozen=True)
class EmptySpan:
    """An index's span without a bar, from the first wanted session on. No bar of the index before it is known.

    :ivar has_bar_after: the table or the reply has a bar of the index right after the span.
    :ivar is_disproved: another request brought a bar of the index within the span.
    """

    first: date
    last: date
    has_bar_after: bool = False
    is_disproved: bool = False


@dataclass(frozen=True)
class Evidence:
    """What is known of securities that lack a bar of one trade date.

    :ivar clock: Beijing's time, if the trade date is today; ``None`` on a later day.
    :ivar most: ``ASHARE_MAX_ABSENT``.
    :ivar absent: number of securities that lack a bar of the trade date, with those recorded before; 0: not counted
        yet.
    :ivar answers: number of answers of no bar for the security. A whole-market reply is one, too. As long as no bar
        of any security came, one cause is assumed for all: a second answer for one counts for each.
    :ivar bars: number of bars of the trade date, if all securities were asked for; else ``None``.
    :ivar witness: whether Baostock now returns a bar that it is known to have; ``None``: not asked for.
    :ivar span: the index's span without a bar; ``None`` for another kind, and for many securities.
    """

    clock: time | None
    most: int
    absent: int = 0
    answers: int = 0
    others: Others = Others.NONE
    bars: int | None = None
    witness: bool | None = None
    span: EmptySpan | None = None


class Verdict(Enum):
    """What the evidence says, and what the engine does."""

    BELIEVED = "record each absence"
    BEFORE_FIRST_BAR = "record the span as a range"
    ASK_AGAIN = "request the securities once more"
    NOT_FINAL = "wait until BARS_ARE_FINAL"
    NO_OTHER_TODAY = "wait until GIVE_UP, then fail: the kind is not published"
    TOO_MANY_TODAY = "wait until GIVE_UP, then fail: too many lack a bar"
    DISPROVED = "fail: the index has bars in the span"
    TOO_MANY = "fail: too many lack a bar"
    SILENT = "fail: the source answers nothing now"
    NO_OTHER = "fail: the day is not published, or lost"


def judge_absence(evidence: Evidence) -> Verdict:
    """Judge an answer of no bar. The first row that applies decides.

    ====  ========  ============================================================================  ================
    row   date      evidence                                                                      verdict
    ====  ========  ============================================================================  ================
    1     any       an index; another request brought a bar within the span                       DISPROVED
    2     any       an index that begins later (below), fewer than 2 answers                      ASK_AGAIN
    3     any       an index that begins later (below), 2 answers                                 BEFORE_FIRST_BAR
    4     today     before BARS_ARE_FINAL                                                         NOT_FINAL
    5     today     more absent than ``most``, or than bars; others of the kind have a bar        TOO_MANY_TODAY
    6     today     more absent than ``most``, or than bars; no other of the kind has a bar       NO_OTHER_TODAY
    7     earlier   more absent than ``most``, or than bars                                       TOO_MANY
    8     any       fewer than 2 answers                                                          ASK_AGAIN
    9     any       a bar that Baostock has does not come now                                     SILENT
    10    today     no other of the kind has a bar                                                NO_OTHER_TODAY
    11    earlier   no other security has a bar                                                   NO_OTHER
    12    any       none of these                                                                 BELIEVED
    ====  ========  ============================================================================  ================

    An index begins later if its own bar follows the span, or if a witness comes and the span has at least
    ``LEAST_EMPTY``.
    """
    is_today = evidence.clock is not None
    if evidence.span and evidence.span.is_disproved:
        return Verdict.DISPROVED
    if _begins_later(evidence):
        return Verdict.ASK_AGAIN if evidence.answers < ENOUGH_ANSWERS else Verdict.BEFORE_FIRST_BAR
    if evidence.clock is not None and evidence.clock < BARS_ARE_FINAL:
        return Verdict.NOT_FINAL
    has_others = evidence.others >= (Others.SAME_KIND if is_today else Others.OTHER_KIND)
    if evidence.absent > evidence.most or (evidence.bars is not None and evidence.absent > evidence.bars):
        if is_today:
            return Verdict.TOO_MANY_TODAY if has_others else Verdict.NO_OTHER_TODAY
        return Verdict.TOO_MANY
    if evidence.answers < ENOUGH_ANSWERS:
        return Verdict.ASK_AGAIN
    if evidence.witness is False:
        return Verdict.SILENT
    if not has_others:
        return Verdict.NO_OTHER_TODAY if is_today else Verdict.NO_OTHER
    return Verdict.BELIEVED


def _begins_later(evidence: Evidence) -> bool:
    """Whether an index begins after its span without a bar."""
    span = evidence.span
    if span is None:
        return False
    return span.has_bar_after or (evidence.witness is True and span.last - span.first >= LEAST_EMPTY)
