from __future__ import annotations

import re
from pathlib import Path

import pytest

from ashare.errors import InvalidInput
from ashare.settings import DEFAULT_INDICES, Settings

PROJECT = Path(__file__).parents[2]


def test_a_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASHARE_MAX_ABSENT", "7")
    monkeypatch.setenv("ASHARE_INDICES", "sh.000001, sz.399001")
    settings = Settings()
    assert settings.max_absent == 7
    assert settings.indices == ("sh.000001", "sz.399001")


@pytest.mark.parametrize("value", ["0", "nan", "inf", "0.5"])
def test_a_time_limit_is_a_second_at_least(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASHARE_IDLE_TIMEOUT", value)
    with pytest.raises(InvalidInput, match="it must be a number from 1 on"):
        Settings()


def test_the_strictest_limit_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASHARE_MAX_REJECTED", "0")
    assert Settings().max_rejected == 0


@pytest.mark.parametrize("value", ["many", "-1", "1.5"])
def test_a_setting_that_cannot_be_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASHARE_MAX_ABSENT", value)
    with pytest.raises(InvalidInput, match=f"ASHARE_MAX_ABSENT is '{value}': it must be a whole number from 0 on"):
        Settings()


def test_an_index_code_without_its_exchange_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # 000001 is the Shanghai Composite with sh. and Ping An Bank with sz.
    monkeypatch.setenv("ASHARE_INDICES", "000001")
    with pytest.raises(InvalidInput, match=r"ASHARE_INDICES holds '000001'.*sh\.000001"):
        Settings()


def test_the_readme_lists_every_setting_with_its_default() -> None:
    listed = dict(re.findall(r"^\| `(ASHARE_\w+)` \| ([^|]*?) \|", (PROJECT / "README.md").read_text(), re.MULTILINE))
    source = (PROJECT / "include/ashare/settings.py").read_text()
    known = dict(re.findall(r'_number\("(ASHARE_\w+)", ([\d._]+)[,)]', source))
    for name, default in known.items():
        assert listed.get(name, "").strip("`") == f"{float(default):g}", name
    assert "ASHARE_INDICES" in listed
    assert all(code in (PROJECT / "README.md").read_text() for code in DEFAULT_INDICES)
