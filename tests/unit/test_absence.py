"""The policy that says when an answer of no bar is believed: every row of its table, and its order."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ashare.datasets import BARS_ARE_FINAL
from ashare.sync.absence import LEAST_EMPTY, EmptySpan, Evidence, Others, Verdict, judge_absence

BELIEVED = (Verdict.BELIEVED, Verdict.BEFORE_FIRST_BAR)
MOST = 100
EARLY, LATE = time(19, 59), BARS_ARE_FINAL
DAY = date(2004, 3, 1)
YEARS = EmptySpan(DAY, DAY + LEAST_EMPTY)
SHORT = EmptySpan(DAY, DAY + LEAST_EMPTY - timedelta(days=1))
BEGINS = replace(SHORT, has_bar_after=True)


def evidence(**known: Any) -> Evidence:
    """One security of which an earlier day's bar did not come twice, where others of its kind have one."""
    values: dict[str, Any] = {"clock": None, "most": MOST, "answers": 2, "others": Others.SAME_KIND, **known}
    return Evidence(**values)


CASES: list[tuple[int, Evidence, Verdict]] = [
    (1, evidence(span=replace(YEARS, is_disproved=True), witness=True), Verdict.DISPROVED),
    (1, evidence(span=replace(BEGINS, is_disproved=True), answers=1), Verdict.DISPROVED),
    (2, evidence(span=BEGINS, answers=1), Verdict.ASK_AGAIN),
    (2, evidence(span=BEGINS, answers=1, absent=MOST + 1, others=Others.NONE), Verdict.ASK_AGAIN),
    (2, evidence(span=YEARS, answers=1, witness=True), Verdict.ASK_AGAIN),
    (3, evidence(span=BEGINS, absent=MOST + 1, others=Others.NONE), Verdict.BEFORE_FIRST_BAR),
    (3, evidence(span=YEARS, witness=True, others=Others.NONE), Verdict.BEFORE_FIRST_BAR),
    (4, evidence(clock=EARLY), Verdict.NOT_FINAL),
    (4, evidence(clock=EARLY, absent=MOST + 1, answers=1, others=Others.NONE), Verdict.NOT_FINAL),
    (5, evidence(clock=LATE, absent=MOST + 1), Verdict.TOO_MANY_TODAY),
    (5, evidence(clock=LATE, absent=8, bars=7, answers=1), Verdict.TOO_MANY_TODAY),
    (6, evidence(clock=LATE, absent=MOST + 1, others=Others.OTHER_KIND), Verdict.NO_OTHER_TODAY),
    (6, evidence(clock=LATE, absent=8, bars=7, answers=1, others=Others.NONE), Verdict.NO_OTHER_TODAY),
    (7, evidence(absent=MOST + 1), Verdict.TOO_MANY),
    (7, evidence(absent=MOST + 1, answers=1, others=Others.NONE), Verdict.TOO_MANY),
    (7, evidence(absent=8, bars=7), Verdict.TOO_MANY),
    (8, evidence(answers=1), Verdict.ASK_AGAIN),
    (8, evidence(answers=0, others=Others.NONE, witness=False), Verdict.ASK_AGAIN),
    (8, evidence(answers=1, clock=LATE, others=Others.NONE), Verdict.ASK_AGAIN),
    (9, evidence(witness=False), Verdict.SILENT),
    (9, evidence(witness=False, others=Others.NONE, span=YEARS), Verdict.SILENT),
    (10, evidence(clock=LATE, others=Others.NONE), Verdict.NO_OTHER_TODAY),
    (10, evidence(clock=LATE, others=Others.OTHER_KIND), Verdict.NO_OTHER_TODAY),
    (11, evidence(others=Others.NONE), Verdict.NO_OTHER),
    (11, evidence(others=Others.NONE, span=SHORT, witness=True), Verdict.NO_OTHER),
    (11, evidence(others=Others.NONE, span=YEARS), Verdict.NO_OTHER),
    (12, evidence(), Verdict.BELIEVED),
    (12, evidence(clock=LATE, absent=MOST), Verdict.BELIEVED),
    (12, evidence(others=Others.OTHER_KIND, absent=8, bars=8), Verdict.BELIEVED),
]


@pytest.mark.parametrize(("row", "found", "verdict"), CASES)
def test_every_row_of_the_table(row: int, found: Evidence, verdict: Verdict) -> None:
    assert judge_absence(found) is verdict, row


def test_the_table_in_the_docstring_is_the_one_that_is_tested() -> None:
    written = re.findall(r"^ +(\d+) +(any|today|earlier) .* ([A-Z_]+)$", judge_absence.__doc__ or "", re.MULTILINE)
    assert {(int(row), verdict) for row, _, verdict in written} == {(row, verdict.name) for row, _, verdict in CASES}
    dates = {int(row): when for row, when, _ in written}
    for row, found, _ in CASES:
        assert dates[row] in ("any", "earlier" if found.clock is None else "today")


# ---------------------------------------------------------------------- more evidence never speaks against an absence

SPANS = st.builds(
    lambda days, *facts: EmptySpan(DAY, DAY + timedelta(days=days), *facts),
    st.sampled_from([0, 89, 90, 3000]), st.booleans(), st.booleans(),
)  # fmt: skip
EVIDENCE = st.builds(
    Evidence,
    clock=st.none() | st.sampled_from([EARLY, LATE, time(22, 59)]),
    most=st.integers(0, 3),
    absent=st.integers(1, 4),
    answers=st.integers(0, 3),
    others=st.sampled_from(Others),
    bars=st.none() | st.integers(0, 4),
    witness=st.sampled_from([None, True, False]),
    span=st.none() | SPANS,
)


def stronger(found: Evidence) -> list[Evidence]:
    """The same evidence with one fact more that speaks for the absence."""
    known: list[dict[str, Any]] = [
        {"clock": None},
        {"answers": found.answers + 1},
        {"others": Others(min(found.others + 1, Others.SAME_KIND))},
        {"most": found.most + 1},
        {"absent": max(found.absent - 1, 1)},
        {"witness": None if found.witness is False else True},
        {"bars": None if found.bars is None else found.bars + 1},
    ]
    if found.clock is not None:
        known.append({"clock": max(found.clock, LATE)})
    if found.span is not None:
        known += [
            {"span": replace(found.span, last=found.span.last + LEAST_EMPTY)},
            {"span": replace(found.span, has_bar_after=True)},
            {"span": replace(found.span, is_disproved=False)},
        ]
    return [replace(found, **each) for each in known]


@given(EVIDENCE)
def test_more_evidence_never_makes_an_absence_less_believed(found: Evidence) -> None:
    if judge_absence(found) in BELIEVED:
        for more in stronger(found):
            assert judge_absence(more) in BELIEVED, more


@given(EVIDENCE)
def test_a_second_answer_is_all_that_is_asked_for_and_is_asked_for_once(found: Evidence) -> None:
    asked_twice = judge_absence(replace(found, answers=2))
    assert asked_twice is not Verdict.ASK_AGAIN
    if judge_absence(found) in BELIEVED:
        assert found.answers >= 2
        assert asked_twice in BELIEVED


@given(EVIDENCE)
def test_an_absence_of_a_day_takes_other_bars_and_a_limit(found: Evidence) -> None:
    if judge_absence(found) is Verdict.BELIEVED:
        assert found.absent <= found.most
        assert found.witness is not False
        if found.clock is None:
            assert found.others is not Others.NONE
        else:
            assert found.clock >= BARS_ARE_FINAL
            assert found.others is Others.SAME_KIND


@given(EVIDENCE)
def test_only_todays_bars_are_waited_for(found: Evidence) -> None:
    waits = (Verdict.NOT_FINAL, Verdict.NO_OTHER_TODAY, Verdict.TOO_MANY_TODAY)
    refusals = (Verdict.TOO_MANY, Verdict.NO_OTHER)
    assert judge_absence(found) not in (waits if found.clock is None else refusals)
