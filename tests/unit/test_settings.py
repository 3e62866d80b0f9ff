from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from ashare.dates import beijing_now
from ashare.errors import InvalidInput
from ashare.settings import DEFAULT_INDICES, DEFAULT_KINDS, Settings, current_settings

PROJECT = Path(__file__).parents[2]
TEXTS = ("deadline", "language", "first_date", "kinds", "indices", "lake", "lake_qlib")
NUMBERS = [name for name in Settings.model_fields if name not in TEXTS]


def variable(name: str) -> str:
    return f"ASHARE_{name.upper()}"


def refusal() -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        Settings()
    return str(refused.value).splitlines()


def test_a_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASHARE_MAX_ABSENT", " 7 ")
    monkeypatch.setenv("ASHARE_IDLE_TIMEOUT", "2.5")
    monkeypatch.setenv("ASHARE_DEADLINE", "9:30")
    monkeypatch.setenv("ASHARE_INDICES", "sh.000001, sz.399001,sh.000001,")
    monkeypatch.setenv("ASHARE_KINDS", "etf, stock,etf,")
    monkeypatch.setenv("ASHARE_FIRST_DATE", " 2020-01-02 ")
    settings = Settings()
    assert (settings.max_absent, settings.idle_timeout, settings.deadline) == (7, 2.5, time(9, 30))
    assert settings.indices == ("sh.000001", "sz.399001")
    assert settings.kinds == ("stock", "etf")
    assert settings.first_date == date(2020, 1, 2)
    assert Settings(max_absent=8).max_absent == 8


def test_the_current_settings_are_read_again_when_a_variable_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASHARE_MAX_ABSENT", "7")
    first = current_settings()
    assert first == Settings(max_absent=7)
    assert current_settings() is first
    monkeypatch.setenv("ASHARE_MAX_ABSENT", "8")
    assert current_settings().max_absent == 8
    monkeypatch.delenv("ASHARE_MAX_ABSENT")
    assert current_settings() == Settings()
    monkeypatch.setenv("ASHARE_MAX_ABSENT", "x")
    for _ in range(2):  # a refusal is not kept as if it were a value
        with pytest.raises(InvalidInput):
            current_settings()


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_variable_is_the_default(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    default = Settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(variable(name), blank)
    assert Settings() == default
    monkeypatch.setenv("ASHARE_INDICES", " , ")
    monkeypatch.setenv("ASHARE_KINDS", ",")
    assert Settings().indices == DEFAULT_INDICES
    assert Settings().kinds == DEFAULT_KINDS


def test_a_variable_of_something_else_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASHARE_STATE_DIR", "/somewhere")
    Settings()


@pytest.mark.parametrize("value", ["0", "nan", "inf", "0.5"])
def test_a_time_limit_is_a_second_at_least(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASHARE_IDLE_TIMEOUT", value)
    assert refusal() == [f"ASHARE_IDLE_TIMEOUT is '{value}': it must be a number from 1 on (the default is 90)."]


def test_the_strictest_limit_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASHARE_MAX_REJECTED", "0")
    assert Settings().max_rejected == 0


@pytest.mark.parametrize("value", ["many", "-1", "1.5"])
def test_a_setting_that_cannot_be_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASHARE_MAX_ABSENT", value)
    assert refusal() == [f"ASHARE_MAX_ABSENT is '{value}': it must be a whole number from 0 on (the default is 100)."]


@pytest.mark.parametrize("value", ["24:00", "9 pm", "21", "21:00:00", "75600"])
def test_the_deadline_is_an_hour_and_a_minute(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASHARE_DEADLINE", value)
    (said,) = refusal()
    assert said.startswith(f"ASHARE_DEADLINE is '{value}': it must be a time of day, Beijing's, for example 20:30 (")
    assert said.endswith("(the default is 21:00).")


@pytest.mark.parametrize("value", ["fr", "ZH", "zh-CN"])
def test_a_language_without_words_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASHARE_LANGUAGE", value)
    assert refusal() == [
        f"ASHARE_LANGUAGE is '{value}': it must be en (English) or zh (Chinese) (the default is en)."
    ]
    monkeypatch.setenv("ASHARE_LANGUAGE", "zh")
    assert Settings().language == "zh"


def test_an_index_code_without_its_exchange_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # 000001 is the Shanghai Composite with sh. and Ping An Bank with sz.
    monkeypatch.setenv("ASHARE_INDICES", "000001,sh.000016,sz.1")
    (said,) = refusal()
    assert said.startswith("ASHARE_INDICES holds '000001', 'sz.1': write each index with its exchange")
    assert "sz.000001 would be a stock" in said
    assert ",".join(DEFAULT_INDICES) in said


def test_a_kind_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASHARE_KINDS", "stock,bond,ETF")
    (said,) = refusal()
    assert said == (
        "ASHARE_KINDS holds 'bond', 'ETF': write a list of stock, index, etf, for example stock,index,etf "
        "(the default is stock,index)."
    )


def test_the_first_date_may_be_any_from_the_first_session_to_today() -> None:
    today = beijing_now().date()
    assert Settings().first_date is None
    for day in (date(1990, 12, 19), today):
        assert Settings(first_date=day).first_date == Settings(first_date=str(day)).first_date == day


@pytest.mark.parametrize("value", ["1990-12-18", "2025-02-29", "20250930", "yesterday"])
def test_a_first_date_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASHARE_FIRST_DATE", value)
    (said,) = refusal()
    assert said.startswith(f"ASHARE_FIRST_DATE is '{value}': it must be a date from 1990-12-19 to 2")
    assert said.endswith(" (today in Beijing), written as YYYY-MM-DD (the default is none).")


@pytest.mark.parametrize("value", [beijing_now().date() + timedelta(days=2), datetime(2025, 9, 30), 20250930])
def test_a_first_date_of_the_code_is_checked_too(value: object) -> None:
    with pytest.raises(InvalidInput, match="ASHARE_FIRST_DATE is '2"):
        Settings(first_date=value)


@pytest.mark.parametrize("value", ["/data/lake", "~/lake", "s3://bucket/lake", "file:///data/lake"])
def test_a_lake_is_an_absolute_path_or_a_url(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ASHARE_LAKE", f" {value}/ ")
    assert Settings().lake == value
    monkeypatch.setenv("ASHARE_LAKE", " ")
    assert Settings().lake is None


@pytest.mark.parametrize("value", ["bars", "./bars", "/", "s3://", "postgresql://u:secret@h/d", "host=h dbname=d"])
def test_a_lake_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    # A relative path would be another one for each of Airflow's processes.
    monkeypatch.setenv("ASHARE_LAKE", value)
    (said,) = refusal()
    assert said.startswith("ASHARE_LAKE is ") and "secret" not in said
    assert said.endswith(": it must be an absolute path, or a URL such as s3://bucket/lake (the default is none).")


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(variable(name), "wrong")
    said = refusal()
    assert [sentence.split()[0] for sentence in said] == [variable(name) for name in Settings.model_fields]
    assert all("'wrong': " in sentence and "(the default is " in sentence for sentence in said)


@pytest.mark.parametrize(
    ("given", "said"), [({"max_absent": -1}, "ASHARE_MAX_ABSENT is -1"), ({"typo": 1}, "'typo'")]
)
def test_what_the_code_gives_is_checked_as_the_variables_are(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Settings(**given)


def test_the_document_lists_every_setting_with_its_default() -> None:
    document = (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(ASHARE_\w+)` \| ([^|]*?) \|", document, re.MULTILINE))
    assert listed.keys() == {variable(name) for name in Settings.model_fields}
    for name in NUMBERS:
        assert listed[variable(name)].strip("`") == f"{Settings.model_fields[name].default:g}", name
    assert listed["ASHARE_DEADLINE"] == f"{Settings.model_fields['deadline'].default:%H:%M}"
    assert listed["ASHARE_LANGUAGE"] == Settings.model_fields["language"].default
    assert listed["ASHARE_KINDS"] == ",".join(DEFAULT_KINDS)
    assert listed["ASHARE_FIRST_DATE"] == listed["ASHARE_LAKE"] == "none"
    assert all(code in document for code in DEFAULT_INDICES)
