"""`docs/performance.md` says what `make bench` has measured, and why a target is missed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.figures import DOCUMENT, RESULTS, Figure, document, documented


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    results: dict[str, Any] = json.loads(RESULTS.read_text())
    return results


def test_its_figures_are_those_that_were_measured(found: dict[str, Any]) -> None:
    text = DOCUMENT.read_text()
    assert documented(text, document(found)) == text, "Its figures were changed by hand, or are of another run."


def test_it_has_a_reason_for_each_part(found: dict[str, Any]) -> None:
    reasons = DOCUMENT.read_text().partition("## What limits each")[2]
    headings = {
        "Requests of a trade date": "Requests",
        "Time of a trade date": "Time",
        "Overhead over empty tasks": "Overhead",
        "Parse and start": "Start",
        "The page": "Growth",
    }
    for part in {figure["part"] for figure in found["figures"]}:
        assert f"**{headings.get(part, part)}.**" in reasons


def test_a_run_is_complete_and_took_half_an_hour_at_most(found: dict[str, Any]) -> None:
    assert found["seconds"] <= 1800
    assert found["commit"]
    names = {(figure["part"], figure["name"]) for figure in found["figures"]}
    assert len(names) == len(found["figures"])


@pytest.mark.parametrize(
    ("value", "target", "at_least", "verdict"),
    [(5, 5, False, "ok"), (6, 5, False, "missed"), (5, 5, True, "ok"), (4, 5, True, "missed"), (4, None, False, "")],
)
def test_a_target_is_met_or_missed(value: float, target: float | None, at_least: bool, verdict: str) -> None:
    assert Figure("part", "name", value, "x", target, at_least).verdict == verdict
