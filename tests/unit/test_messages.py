"""The catalogue of sentences: complete, without a word too many, and read back as composed."""

from __future__ import annotations

import re
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashare.messages import Message, in_chinese, understand
from ashare.messages.catalogue import KINDS, TEXTS, Template, templates
from ashare_local import PROJECT
from tests.sentences import COMPOSED_IN, Sentence, sentences, shape_of, texts_of

NOT_SHOWN: set[str] = {
    # sync: verdicts, what judging does beside counting, and a command that a sentence has as a part
    "airflow dags backfill -s {} -e {} --rerun-failed-tasks ashare_daily",
    "bars are counted only",
    "bars are cross-checked, and the next run reads data again that contradict",
    "bars are cross-checked; of a date that is accepted as it is, nothing is read again",
    "fail: the day is not published, or lost",
    "fail: the index has bars in the span",
    "fail: the source answers nothing now",
    "fail: too many lack a bar",
    "record each absence",
    "record the span as a range",
    "request the securities once more",
    "those of the settings",
    "wait until GIVE_UP, then fail: the kind is not published",
    "wait until GIVE_UP, then fail: too many lack a bar",
    # page, store and reports: headers, types, names in the log
    '<!doctype html><html lang="{}"><title>{}</title>{}',
    "private, max-age=3600",
    "A-share cancelled backfills",
    "{} had been lacking",
    "{} had changed or been lacking",
    "{} of {} had changed",
    "{} {} no longer at Baostock",
    "The message about earlier dates that are not complete",
    "The message that a trouble is over",
    "ashare weekly lists",
    (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    ),
    "dict[str, LiteralString]",
    "has no param",
    "private, max-age=31536000, immutable",
    "private, no-cache",
}
"""Texts of at least three words that are no words to a person, or only the command line's."""

OF_OTHERS = ("airflow_", "fastapi_")
"""The first words of the codes of sentences that Airflow and FastAPI compose."""
TEST_MESSAGE = "include/ashare/command/alert_test.py"
"""The command that sends a test message: its other texts are the command line's."""
MAY_BE_EMPTY = {"": st.sampled_from(["", "; sh.600000: "]), "phrase": st.sampled_from(["", " sh.600000"])}
"""Of a placeholder that may be empty, by its kind: a phrase is within one sentence."""

SAMPLES = {
    "int": st.integers(0, 99_999).map(str),
    "number": st.sampled_from(["0.5", "12", "5,200"]),
    "date": st.dates().map(lambda day: f"{day.year:04d}{day:-%m-%d}"),
    "time": st.just("18:30"),
    "moment": st.just("2026-03-02 18:30"),
    "word": st.sampled_from(["sh.600000", "ashare_daily", "10001011"]),
    "names": st.sampled_from(["stock", "stock, index, etf"]),
    **dict.fromkeys(TEXTS, st.sampled_from(["sh.600000", "sz.000001 and sz.000002", "浦发银行"])),
}


def sql_texts() -> set[str]:
    """The texts in quotes of the SQL files, as shapes."""
    files = (PROJECT / "include/ashare/store").rglob("*.sql")
    found = (text for file in files for text in re.findall(r"--[^\n]*|'((?:[^']|'')*)'", file.read_text("utf-8")))
    return {shape_of(text.replace("''", "'")) for text in found if text}


def test_every_sentence_of_the_code_has_its_chinese_words() -> None:
    known = {shape_of(template.english) for template in templates()}
    lacking = [each for each in sentences() if each.shape not in known | NOT_SHOWN]
    assert lacking == []


def test_every_template_is_a_sentence_of_the_code() -> None:
    of_code = {
        shape
        for name in (*COMPOSED_IN, TEST_MESSAGE)
        for file in _files(PROJECT / name)
        for shape, _ in texts_of(file)
    }
    of_sql = sql_texts()
    composed = "\n".join(of_code | of_sql)  # a sentence may be composed of several texts
    unknown = [
        template.english
        for template in templates()
        if not template.code.startswith(OF_OTHERS)
        and any(words.strip() not in composed for words in re.split(r"\{[^}]*\}", template.english))
    ]
    assert unknown == []


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.code)
def test_both_languages_have_the_same_values(template: Template) -> None:
    assert set(re.findall(r"\{(\w+)", template.chinese)) <= set(template.kinds)
    assert set(template.kinds.values()) <= set(KINDS)
    assert re.search(r"[\u4e00-\u9fff]|^ETF$", template.chinese), "the Chinese words are none"


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(data=st.data(), template=st.sampled_from(templates()))
def test_a_sentence_is_read_back_as_it_was_composed(data: st.DataObject, template: Template) -> None:
    values = {
        name: data.draw(MAY_BE_EMPTY[kind] if f"{{{name}?" in template.english else SAMPLES[kind])
        for name, kind in template.kinds.items()
    }
    sentence = re.sub(r"\{(\w+)[^}]*\}", lambda name: values[name[1]], template.english)
    (message,) = understand(sentence)
    assert isinstance(message, Message)
    assert message.code == template.code
    assert {name: given for name, given in message.values.items() if template.kinds[name] not in TEXTS} == {
        name: given for name, given in values.items() if template.kinds[name] not in TEXTS
    }


WITHIN = [template for template in templates() if not template.begins_open]
BESIDE = "the adjust factors of the date are not in"


@pytest.mark.parametrize(("mark", "chinese_mark"), [("; ", "；"), (". ", "。")])
@pytest.mark.parametrize("template", WITHIN, ids=lambda template: template.code)
def test_a_sentence_between_two_others_is_read_alike(template: Template, mark: str, chinese_mark: str) -> None:
    one_of_each = {
        "int": "12",
        "number": "0.5",
        "date": "2026-03-02",
        "time": "18:30",
        "moment": "2026-03-02 18:30",
        "names": "stock, index",
    }
    sentence = re.sub(
        r"\{(\w+)[^}]*\}", lambda name: one_of_each.get(template.kinds[name[1]], "sh.600000"), template.english
    ).lstrip(",; ")
    expected = chinese_mark.join([in_chinese(BESIDE), in_chinese(sentence), in_chinese(f"{BESIDE}.")])
    assert in_chinese(f"{BESIDE}{mark}{sentence}{mark}{BESIDE}.") == expected


def test_a_long_text_is_read_in_a_moment() -> None:
    batch = (
        "weeks 2016-01-04 to 2016-12-12: 2016-02-08: Baostock's list of members of CSI 300 has {}; 294 to 300 are "
    )
    text = "; ".join(f"{batch.format(number)}believed." for number in range(20))
    began = perf_counter()
    assert in_chinese(text).count("294 至 300 只才予采信") == 20
    assert in_chinese("x: y. " * 650) == ("x: y. " * 650)
    assert perf_counter() - began < 5


def test_words_of_others_stay_as_they_are() -> None:
    assert understand("could not translate host name") == ["could not translate host name"]
    assert in_chinese("浦发银行 PUFA, a name") == "浦发银行 PUFA, a name"
    assert understand("") == []


def test_an_extracted_sentence_names_its_place() -> None:
    found = list(sentences())
    assert len(found) > 300
    assert all(isinstance(each, Sentence) and ":" in each.where for each in found)
