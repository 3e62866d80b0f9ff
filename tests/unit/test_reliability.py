"""docs/reliability.md names tests that exist."""

from __future__ import annotations

import re

from ashare_local import PROJECT

FILES = {
    **{file.stem.removeprefix("test_"): str(file) for file in (PROJECT / "tests").rglob("test_*.py")},
    "e2e": "tests/e2e/test_backfill.py",
    "e2e_doctor": "tests/e2e/test_doctor_command.py",
    "wire": "tests/integration/test_recorded_wire.py",
}


def test_every_promise_names_a_test_that_there_is() -> None:
    named = re.findall(r"`(\w+)::(\w+)`", (PROJECT / "docs/reliability.md").read_text(encoding="utf-8"))
    assert len(named) > 50
    for file, test in named:
        assert f"def {test}(" in (PROJECT / FILES[file]).read_text(encoding="utf-8"), f"{file}::{test}"


def test_every_fault_test_is_in_the_table() -> None:
    table = (PROJECT / "docs/reliability.md").read_text(encoding="utf-8")
    for name in ("limits", "faults", "cross_checks", "evening", "recorded_years"):
        tests = re.findall(r"^def (test_\w+)\(", (PROJECT / FILES[name]).read_text(encoding="utf-8"), re.MULTILINE)
        missing = [test for test in tests if f"{name}::{test}`" not in table and test not in UNLISTED]
        assert missing == [], name


UNLISTED = {
    # They show how, not that.
    "test_more_than_any_day_allows_is_a_clear_mistake",
    "test_what_the_market_lacked_waits_when_the_budget_does_not_allow_it",
    "test_several_refusals_of_one_ban_are_one_ban",
    "test_a_right_date_passes_every_rule_with_its_figures",
    "test_etfs_are_cross_checked_too",
    "test_pauses_grow_up_to_a_limit",
}
