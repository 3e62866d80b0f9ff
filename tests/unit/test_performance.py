"""`docs/performance.md` says what `make bench` has measured, and why a target is missed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.chinese import in_chinese
from bench.figures import CHINESE, DOCUMENT, RESULTS, Figure, document, documented


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    results: dict[str, Any] = json.loads(RESULTS.read_text())
    return results


@pytest.mark.parametrize(("file", "translated"), [(DOCUMENT, str), (CHINESE, in_chinese)], ids=["en", "zh"])
def test_its_figures_are_those_that_were_measured(
    found: dict[str, Any], file: Path, translated: Callable[[str], str]
) -> None:
    text = file.read_text()
    assert documented(text, document(found, translated)) == text, (
        "Its figures were changed by hand, or are of another run."
    )


def test_every_figure_has_its_chinese_text(found: dict[str, Any]) -> None:
    """What has no translation stays English."""
    for figure in found["figures"]:
        for text in (figure["part"], figure["name"], figure["detail"]):
            assert in_chinese(text) != text or not re.search(
                r"[a-z]{5}", text.replace("airflow dags", "").replace("backfill", "")
            ), text


def test_numbers_keep_their_order_in_a_translation() -> None:
    assert in_chinese("1 y 591 ms, 20 y 650 ms") == "1 年 591 ms，20 年 650 ms"
    assert in_chinese("a date with 400 missing") == "缺 400 只证券的日期"
    assert in_chinese("a figure that nobody has translated, 5 s") == "a figure that nobody has translated, 5 s"


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
