"""Sentences in replies: a reply says which codes with values its sentences are, for the page's words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel

from ashare.messages import understand

_MARK = "sentence"

Sentence = Annotated[str, _MARK]
"""A field's type: a sentence in English."""

CodedSentences = dict[str, list[Any]]
"""A reply's sentences, each as parts: text, or a code with its values, ``[code, {name: text or parts}]``."""


def coded_sentences(reply: object) -> CodedSentences:
    """The sentences of a reply's models that the catalogue has, read back into codes with values."""
    found = {}
    for text in set(_sentences(reply)):
        parts = understand(text)
        if any(not isinstance(part, str) for part in parts):
            found[text] = parts
    return found


def _sentences(value: object) -> Iterator[str]:
    if isinstance(value, BaseModel):
        sentences, models = _fields(type(value))
        for name in sentences:
            given = getattr(value, name)
            yield from [given] if isinstance(given, str) else given or ()
        for name in models:
            yield from _sentences(getattr(value, name))
    elif isinstance(value, list):
        for each in value:
            yield from _sentences(each)


@lru_cache(maxsize=64)
def _fields(model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """The fields that are sentences, and those that hold models."""
    sentences, models = [], []
    for name, field in model.model_fields.items():
        kinds = list(_kinds(field.annotation))
        if _MARK in field.metadata or _MARK in kinds:
            sentences.append(name)
        elif any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds):
            models.append(name)
    return sentences, models


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _kinds(argument)
