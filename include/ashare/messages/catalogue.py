"""The catalogue of sentences: code, English template, Chinese template.

A template's placeholder is ``{name}`` or ``{name:kind}``. The kinds ``int``, ``number``, ``date``, ``time``,
``moment`` (a date and a time), ``word`` and ``names`` (words with ``, `` between them) match such a value. A
placeholder without a kind matches any text, and a ``phrase`` matches text within one sentence; both are understood in
turn. A ``?`` after the name (``{more?}``) says that the text may be empty. A sentence may begin with a capital letter
where its template does not.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

KINDS = {
    "int": r"[-+]?\d[\d,]*",
    "number": r"-?\d[\d,]*(?:\.\d+)?",
    "date": r"\d{4}-\d\d-\d\d",
    "time": r"\d\d:\d\d(?::\d\d)?",
    "moment": r"\d{4}-\d\d-\d\d \d\d:\d\d",
    "word": r"[^\s;,]+",
    "names": r"[^\s;,]+(?:, [^\s;,]+)*",
    "phrase": r"(?:(?![;:.]\s|\n).)+?",
    "": r".+?",
}
TEXTS = ("phrase", "")
"""The kinds of values that are understood in turn."""
_PLACEHOLDER = re.compile(r"\{(\w+)(\??)(?::(\w+))?\}")


@dataclass(frozen=True)
class Template:
    """A sentence of the catalogue.

    :ivar code: the sentence's name, for example ``bars_lacking``.
    :ivar kinds: the kind of each placeholder, in the order of the English template.
    :ivar anchor: the longest text between two placeholders, without the first letter of all: a sentence without that
        text is no such sentence.
    :ivar begins_open: the first word is a value that is any text; ``ends_open``: the last word is.
    :ivar size: the number of characters outside of placeholders.
    """

    code: str
    english: str
    chinese: str

    @cached_property
    def kinds(self) -> dict[str, str]:
        return {name: kind for name, _, kind in _PLACEHOLDER.findall(self.english)}

    @cached_property
    def _texts(self) -> list[str]:
        return _PLACEHOLDER.sub("\0", self.english).split("\0")

    @cached_property
    def anchor(self) -> str:
        first, *others = self._texts
        return max((first[1:], *others), key=len)

    @cached_property
    def begins_open(self) -> bool:
        return not self._texts[0] and not next(iter(self.kinds.values()))

    @cached_property
    def ends_open(self) -> bool:
        return not self._texts[-1] and not _PLACEHOLDER.findall(self.english)[-1][2]

    @cached_property
    def size(self) -> int:
        return sum(map(len, self._texts))

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        found, at = [], 0
        seen: set[str] = set()
        for placeholder in _PLACEHOLDER.finditer(self.english):
            name, optional, kind = placeholder.groups(default="")
            found.append(re.escape(self.english[at : placeholder.start()]))
            at = placeholder.end()
            if name in seen:  # the same value once more
                found.append(f"(?P={name})")
                continue
            seen.add(name)
            found.append(f"(?P<{name}>{KINDS[kind]}){'??' if optional else ''}")
        found.append(re.escape(self.english[at:]))
        first = self.english[0]
        if first.islower():
            found[0] = f"[{first}{first.upper()}]{found[0][1:]}"
        return re.compile("".join(found), re.DOTALL)


@lru_cache(maxsize=1)
def templates() -> tuple[Template, ...]:
    """All templates, the ones with the most text first: a sentence is what says the most of it."""
    found: dict[str, Template] = {}
    for file in sorted(files(__package__).joinpath("catalogue").iterdir(), key=lambda file: file.name):
        for code, words in json.loads(file.read_text(encoding="utf-8")).items():
            if code in found:
                raise ValueError(f"The catalogue has the code {code!r} twice.")
            found[code] = Template(code, words["en"].removesuffix("."), words["zh"].removesuffix("。"))
    return tuple(sorted(found.values(), key=lambda template: -template.size))


def chinese_templates() -> dict[str, str]:
    """The Chinese template of each code, with placeholders ``{name}``."""
    return {template.code: _PLACEHOLDER.sub(r"{\1}", template.chinese) for template in templates()}
