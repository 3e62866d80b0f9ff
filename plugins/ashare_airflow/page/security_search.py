"""Finds securities by what a person types: a code, a name of today or a former one, pinyin or its initials."""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import zip_longest
from operator import itemgetter
from typing import NamedTuple

from ashare.code_spellings import CodeSpelling, parse_code_spelling
from ashare.datasets import KINDS
from ashare.store.page_rows import ListedSecurity

MOST = 20
"""The most securities that are found."""

EXACT_CODE, CODE_PREFIX, NAME_PREFIX, PINYIN_PREFIX, PART, PINYIN_PART, NO_MATCH = range(7)
"""How well a security is matched: the lowest number comes first."""

Order = tuple[int, bool, int, bool, str]
"""What those found are sorted by: match, whether by a former name, kind, whether delisted, code."""

_is_pinyin = re.compile(r"[0-9]*[a-z][a-z0-9]*").fullmatch


class FoundSecurity(NamedTuple):
    """A security that was found.

    :ivar name: its name of today.
    :ivar former_name: the former name by which it was found; ``None``: the code or the name of today.
    """

    code: str
    name: str | None
    kind: str
    former_name: str | None


class SearchName(NamedTuple):
    """A name as it is compared.

    :ivar folded: without spaces, in small letters of half width.
    :ivar readings: the readings of each letter, digit and Chinese character, in pinyin without tones.
    """

    folded: str
    readings: tuple[tuple[str, ...], ...]


class SearchNames(NamedTuple):
    """The names of a security.

    :ivar today: the name of today.
    :ivar former: the former names, the newest first.
    :ivar folded: all names as one text, a name a line.
    :ivar beginnings: the first two letters of all pinyin of which a match may consist, each after a space.
    """

    today: SearchName
    former: tuple[SearchName, ...]
    folded: str
    beginnings: str


class Wanted(NamedTuple):
    """What is searched for.

    :ivar folded: the text, as ``SearchName.folded``.
    :ivar code: the text as a code or its first digits; ``None``: it is neither.
    :ivar is_pinyin: whether the text may be pinyin.
    """

    folded: str
    code: CodeSpelling | None
    is_pinyin: bool


def find_securities(securities: Iterable[ListedSecurity], typed: str) -> list[FoundSecurity]:
    """Up to ``MOST`` securities, the best matches first; of equal ones stocks, then indices, then ETFs.

    :param securities: all that can be found.
    """
    folded = _folded(typed)
    if not folded:
        return []
    wanted = Wanted(folded, parse_code_spelling(typed), bool(_is_pinyin(folded)))
    return [found for _, found in heapq.nsmallest(MOST, _matches(securities, wanted), key=itemgetter(0))]


def _matches(securities: Iterable[ListedSecurity], wanted: Wanted) -> Iterator[tuple[Order, FoundSecurity]]:
    beginning = f" {wanted.folded[:2]}"
    for security in securities:
        best, former_name = _by_code(security.code, wanted), None
        names = _search_names(security.name or "", security.former_names)
        # Few securities have a name that may match.
        if wanted.folded in names.folded or (wanted.is_pinyin and beginning in names.beginnings):
            best = min(best, _by_name(names.today, wanted))
            for name, searched in zip(security.former_names, names.former, strict=True):
                # A match by the name of today comes before an equal one by a former name.
                if (match := _by_name(searched, wanted)) < best:
                    best, former_name = match, name
        if best < NO_MATCH:
            order = (best, former_name is not None, KINDS.index(security.kind), security.is_delisted, security.code)
            yield order, FoundSecurity(security.code, security.name, security.kind, former_name)


def _by_code(code: str, wanted: Wanted) -> int:
    """How well a code is matched; ``NO_MATCH``: not at all."""
    if wanted.code is None:
        return NO_MATCH
    position = wanted.code.position_in(code)
    if position == 0:
        return EXACT_CODE if len(wanted.code.digits) == 6 else CODE_PREFIX
    return PART if position > 0 else NO_MATCH


def _by_name(name: SearchName, wanted: Wanted) -> int:
    """How well a name is matched; ``NO_MATCH``: not at all."""
    position = name.folded.find(wanted.folded)
    if position == 0:
        return NAME_PREFIX
    if wanted.is_pinyin and _spells(wanted.folded, name.readings, 0):
        return PINYIN_PREFIX
    if position > 0:
        return PART
    if wanted.is_pinyin and any(_spells(wanted.folded, name.readings, at) for at in range(1, len(name.readings))):
        return PINYIN_PART
    return NO_MATCH


def _spells(typed: str, readings: tuple[tuple[str, ...], ...], at: int) -> bool:
    """Whether a text is pinyin of a name's characters from ``at`` on.

    It has the initial or the whole reading of each character. The last reading may be cut.
    """
    ends = {0}
    for of_character in readings[at:]:
        longer = set()
        for end in ends:
            for reading in of_character:
                if reading[0] != typed[end]:
                    continue
                if reading.startswith(typed[end:]):
                    return True
                longer.add(end + 1)
                if typed.startswith(reading, end):
                    longer.add(end + len(reading))
        if not longer:
            return False
        ends = longer
    return False


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).replace("\0", "").casefold().split())


@lru_cache(maxsize=2**15)
def _search_names(today: str, former: tuple[str, ...]) -> SearchNames:
    names = [_search_name(name) for name in (today, *former)]
    beginnings = sorted({beginning for name in names for beginning in _beginnings(name.readings)})
    folded = "\n".join(name.folded for name in names)
    return SearchNames(names[0], tuple(names[1:]), folded, "".join(f" {beginning}" for beginning in beginnings))


def _search_name(name: str) -> SearchName:
    folded = _folded(name)
    return SearchName(folded, tuple(_readings(character) for character in folded if character.isalnum()))


def _beginnings(readings: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    """The first two letters of a reading, and the initials of a character and the next one."""
    for of_character, of_next in zip_longest(readings, readings[1:], fillvalue=()):
        for reading in of_character:
            yield reading[:2]
            yield from (reading[0] + following[0] for following in of_next)


@lru_cache(maxsize=2**14)
def _readings(character: str) -> tuple[str, ...]:
    """All readings of a character, whatever the word: people type the one that they know."""
    # It takes 0.2 seconds to import, and only a search needs it.
    from pypinyin import Style, pinyin

    found = pinyin(character, style=Style.NORMAL, heteronym=True)
    return tuple(dict.fromkeys(found[0]))
