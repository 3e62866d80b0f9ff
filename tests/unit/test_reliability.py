"""Each row of docs/reliability.md names tests that exist."""

from __future__ import annotations

import re

from ashare_local import PROJECT

FILES = {
    **{file.stem.removeprefix("test_"): str(file) for file in (PROJECT / "tests").rglob("test_*.py")},
    "e2e": "tests/e2e/test_backfill.py",
    "e2e_doctor": "tests/e2e/test_doctor_command.py",
    "wire": "tests/integration/test_recorded_wire.py",
}


DOCUMENT = (PROJECT / "docs/reliability.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(\w+)::(\w+)`|`(tests/[\w/]+\.py)`")


def rows(document: str) -> list[str]:
    """The rows of all tables, without the heads and the lines below these."""
    lines = document.splitlines()
    below = {number for number, line in enumerate(lines) if re.fullmatch(r"\|[-|]+\|", line)}
    heads = {number - 1 for number in below}
    return [line for number, line in enumerate(lines) if line.startswith("|") and number not in below | heads]


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(DOCUMENT)
    assert len(named) > 250
    for file, test, path in named:
        if path:
            assert (PROJECT / path).is_file(), path
        else:
            text = (PROJECT / FILES[file]).read_text(encoding="utf-8")
            assert re.search(rf"^def {test}\(", text, re.MULTILINE), f"{file}::{test}"


def test_every_row_names_a_test() -> None:
    promises = rows(DOCUMENT)
    assert len(promises) > 200
    assert [row for row in promises if not NAMED.search(row)] == []


def test_what_cannot_happen_has_its_limits_and_its_tests_in_one_table() -> None:
    section = DOCUMENT.partition("## What cannot happen, and within which limits\n")[2].partition("\n## ")[0].strip()
    assert all(line.startswith("|") for line in section.splitlines()), "a sentence beside the table has no test"
    for row in rows(section):
        what, limits, tests = (cell.strip() for cell in row.strip("|").split(" | "))
        assert what and limits and NAMED.search(tests), row


def test_no_file_of_tests_is_named_twice() -> None:
    names = [file.stem for file in (PROJECT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), "`file::test` would not say which file is meant"


def test_every_fault_test_is_in_the_table() -> None:
    for name in ("limits", "faults", "cross_checks", "evening", "recorded_years"):
        tests = re.findall(r"^def (test_\w+)\(", (PROJECT / FILES[name]).read_text(encoding="utf-8"), re.MULTILINE)
        missing = [test for test in tests if f"{name}::{test}`" not in DOCUMENT and test not in UNLISTED]
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
