"""The catalogue of sentences: complete, without a word too many, and read back as composed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ashare.messages import Message, in_chinese, understand
from ashare.messages.catalogue import KINDS, Template, templates
from ashare_local import PROJECT
from tests.sentences import COMPOSED_IN, Sentence, sentences, shape_of, texts_of

NOT_SHOWN: set[str] = set()
"""Texts of at least three words that are no words to a person, or only the command line's."""

SAMPLES = {
    "int": st.integers(0, 99_999).map(str),
    "number": st.sampled_from(["0.5", "12", "5,200"]),
    "date": st.dates().map(lambda day: f"{day.year:04d}{day:-%m-%d}"),
    "time": st.just("18:30"),
    "word": st.sampled_from(["sh.600000", "ashare_daily", "10001011"]),
    "": st.sampled_from(["sh.600000", "sz.000001 and sz.000002", "浦发银行"]),
}


def sql_texts() -> set[str]:
    """The texts in quotes of the SQL files, as shapes."""
    files = (PROJECT / "include/ashare/store").rglob("*.sql")
    return {shape_of(text) for file in files for text in re.findall(r"'((?:[^']|'')+)'", file.read_text("utf-8"))}


def test_every_sentence_of_the_code_has_its_chinese_words() -> None:
    known = {shape_of(template.english) for template in templates()}
    lacking = [each for each in sentences() if each.shape not in known | NOT_SHOWN]
    assert lacking == []


def test_every_template_is_a_sentence_of_the_code() -> None:
    of_code = {shape for name in COMPOSED_IN for file in _files(PROJECT / name) for shape, _ in texts_of(file)}
    of_sql = sql_texts()
    composed = "\n".join(of_code | of_sql)  # a sentence may be composed of several texts
    unknown = [
        template.english
        for template in templates()
        if any(words.strip() not in composed for words in re.split(r"\{[^}]*\}", template.english))
    ]
    assert unknown == []


def _files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.code)
def test_both_languages_have_the_same_values(template: Template) -> None:
    assert set(re.findall(r"\{(\w+)", template.chinese)) <= set(template.kinds)
    assert set(template.kinds.values()) <= set(KINDS)
    assert re.search(r"[\u4e00-\u9fff]", template.chinese), "the Chinese words are none"


@settings(max_examples=200, deadline=None)
@given(data=st.data(), template=st.sampled_from(templates()))
def test_a_sentence_is_read_back_as_it_was_composed(data: st.DataObject, template: Template) -> None:
    values = {name: data.draw(SAMPLES[kind]) for name, kind in template.kinds.items()}
    sentence = re.sub(r"\{(\w+)[^}]*\}", lambda name: values[name[1]], template.english)
    (message,) = understand(sentence)
    assert isinstance(message, Message)
    assert message.code == template.code
    assert {name: given for name, given in message.values.items() if template.kinds[name]} == {
        name: given for name, given in values.items() if template.kinds[name]
    }


def test_words_of_others_stay_as_they_are() -> None:
    assert understand("could not translate host name") == ["could not translate host name"]
    assert in_chinese("浦发银行 PUFA, a name") == "浦发银行 PUFA, a name"
    assert understand("") == []


def test_an_extracted_sentence_names_its_place() -> None:
    found = list(sentences())
    assert len(found) > 300
    assert all(isinstance(each, Sentence) and ":" in each.where for each in found)
