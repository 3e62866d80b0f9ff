"""Reads an English sentence back into codes with values.

A text is one sentence of the catalogue, or several with ``; ``, ``. ``, ``, ``, ``: `` or a line's end between them.
A value that is text is understood in turn, and may begin with such a mark or a space. What is none of the catalogue's
sentences stays as it is: a name, a code, words of a server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from ashare.messages.catalogue import TEXTS, Template, templates


class Message(NamedTuple):
    """A sentence of the catalogue.

    :ivar values: by the template's placeholders: text of a kind (a date, a number) as it stands, other text as parts.
    """

    code: str
    values: dict[str, Any]


Part: TypeAlias = "Message | str"
"""A sentence of the catalogue, or text that is none: words of others, and the marks between sentences."""

_ITEM = r"(?:s[hz]\.\d{6}|\d{4}-\d\d-\d\d)(?:[,;.)]|$| and )"
"""A code or a date of a list."""
_MARK = re.compile(rf"\.?\n+|\. |\.?; |: |\.$|, (?!{_ITEM})")
"""What can stand between two sentences."""
LONGEST = 4_000
"""Characters. A longer text is left as it is."""
MOST_MARKS = 300
"""A text with more marks than this is one sentence or none."""


class _Read(NamedTuple):
    """
    :ivar covered: how many characters of the text are words of the catalogue.
    """

    covered: int
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
    if known := [template for template in templates() if template.anchor in text and template.pattern.search(text)]:
        whole = _one(text, known)
        if whole:
            readings.append(whole)
        if whole is None or whole.covered < len(text.removesuffix(".")):
            readings.append(_several(text, known))
    return _best(readings)


def _several(text: str, known: Sequence[Template]) -> _Read:
    """The text as several sentences, with words of others between them."""
    marks = [mark.span() for mark in _MARK.finditer(text)]
    if text.startswith(" "):
        marks.insert(0, (0, 1))
    if len(marks) > MOST_MARKS:
        return _Read(0, (text,))
    # The last value of a sentence may be all that follows.
    closed = [template for template in known if not template.ends_open]
    begin_open = [template for template in closed if template.begins_open]
    ends = [*(start for start, _ in marks), len(text)]
    begins = [0, *(end for _, end in marks), len(text)]
    rests = [_Read(0, ())]  # the reading from each begin on, the last one first
    for at in reversed(range(len(ends))):
        begin, after = begins[at], begins[at + 1]
        # Words of others up to the next mark.
        found = [_Read(rests[-1].covered, _plain((text[begin:after], *rests[-1].parts)))]
        of_end = closed
        for to in range(at, len(ends)):
            among = known if to == len(ends) - 1 else of_end
            if sentence := _one(text[begin : ends[to]], among):
                rest, mark = rests[len(ends) - to - 1], text[ends[to] : begins[to + 1]]
                found.append(_Read(sentence.covered + rest.covered, _plain((*sentence.parts, mark, *rest.parts))))
                if sentence.covered == ends[to] - begin and mark not in (", ", ": "):
                    of_end = begin_open  # it is read to the last letter: what else begins here, begins with it
        rests.append(_best(found))
    return rests[-1]


def _best(readings: Sequence[_Read]) -> _Read:
    return max(readings, key=lambda reading: (reading.covered, -len(reading.parts)))


def _plain(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts, with neighbouring text as one part, and without empty text."""
    joined: list[Part] = []
    for part in parts:
        if part == "":
            continue
        last = joined[-1] if joined else None
        if isinstance(part, str) and isinstance(last, str):
            joined[-1] = last + part
        else:
            joined.append(part)
    return tuple(joined)


def _one(text: str, known: Sequence[Template]) -> _Read | None:
    """The text as one sentence; ``None``: it is none of these templates, the ones with the most text first."""
    bare = text.removesuffix(".")
    best: _Read | None = None
    end = ""
    for template in known:
        if best is not None and template.size + len(text) - len(template.anchor) < best.covered:
            break
        if template.anchor not in text:
            continue
        if found := template.pattern.fullmatch(bare) or (bare != text and template.pattern.fullmatch(text)):
            reading = _with_values(template, found)
            if best is None or reading.covered > best.covered:
                best, end = reading, text[len(found[0]) :]
    return best and _Read(best.covered, _plain((*best.parts, end)))


def _with_values(template: Template, found: re.Match[str]) -> _Read:
    covered = template.size
    values: dict[str, Any] = {}
    for name, text in found.groupdict(default="").items():
        if template.kinds[name] not in TEXTS:
            covered += len(text)
            values[name] = text
            continue
        value = _read(text)
        covered += value.covered
        values[name] = list(value.parts)
    return _Read(covered, (Message(template.code, values),))
