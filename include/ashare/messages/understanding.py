"""Reads an English sentence back into codes with values.

A text is one sentence of the catalogue, or several with ``; ``, ``. ``, ``, `` or a line's end between them. A value
that is text is understood in turn. What is none of the catalogue's sentences stays as it is: a name, a code, words
of a server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from ashare.messages.catalogue import Template, templates


class Message(NamedTuple):
    """A sentence of the catalogue.

    :ivar values: by the template's placeholders: text of a kind (a date, a number) as it stands, other text as parts.
    """

    code: str
    values: dict[str, Any]


Part: TypeAlias = "Message | str"
"""A sentence of the catalogue, or text that is none: words of others, and the marks between sentences."""

_MARK = re.compile(r"\.?\n+|\. |; |, |\.$")
"""What can stand between two sentences."""
LONGEST = 4_000
"""Characters. A longer text is left as it is."""


class _Read(NamedTuple):
    """
    :ivar said: how many characters of the text are words of the catalogue.
    """

    said: int
    parts: tuple[Part, ...]


def understand(text: str) -> list[Part]:
    """The sentences of a text in their order, the marks between them, and what no sentence of the catalogue says."""
    if len(text) > LONGEST:
        return [text]
    return list(_read(text).parts)


@lru_cache(maxsize=4096)
def _read(text: str) -> _Read:
    """The reading with the most words of the catalogue. Of two equal ones, the one with fewer parts."""
    readings = [_Read(0, (text,) if text else ())]
    if whole := _one(text):
        readings.append(whole)
    if whole is None or whole.said < len(text) // 2:
        readings += _several(text)
    return max(readings, key=lambda reading: (reading.said, -len(reading.parts)))


def _several(text: str) -> list[_Read]:
    """The text as a sentence and a rest, or as words of others and a rest."""
    readings = []
    for mark in _MARK.finditer(text):
        if not mark.start():
            continue
        head, between, rest = text[: mark.start()], mark[0], text[mark.end() :]
        if (first := _one(head)) is not None:
            then = _read(rest)
            readings.append(_Read(first.said + then.said, _plain((*first.parts, between, *then.parts))))
    next_mark = _MARK.search(text, 1)
    if not readings and next_mark and next_mark.end() < len(text):
        then = _read(text[next_mark.end() :])
        if then.said:
            readings.append(_Read(then.said, _plain((text[: next_mark.end()], *then.parts))))
    return readings


def _plain(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts, with neighbouring text as one part."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


@lru_cache(maxsize=8192)
def _one(text: str) -> _Read | None:
    """The text as one sentence; ``None``: it is none of the catalogue."""
    bare = text.removesuffix(".")
    best: _Read | None = None
    for template in templates():
        if best is not None and template.size + len(bare) - len(template.anchor) < best.said:
            break
        if template.anchor not in bare:
            continue
        if found := template.pattern.fullmatch(bare):
            reading = _with_values(template, found)
            if best is None or reading.said > best.said:
                best = reading
    if best is not None and bare != text:
        return _Read(best.said, (*best.parts, "."))
    return best


def _with_values(template: Template, found: re.Match[str]) -> _Read:
    said = template.size
    values: dict[str, Any] = {}
    for name, text in found.groupdict(default="").items():
        if template.kinds[name]:
            said += len(text)
            values[name] = text
            continue
        value = _read(text)
        said += value.said
        values[name] = list(value.parts)
    return _Read(said, (Message(template.code, values),))
