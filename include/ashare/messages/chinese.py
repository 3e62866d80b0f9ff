"""Puts codes with values into Chinese words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ashare.messages.catalogue import chinese_templates
from ashare.messages.understanding import Message, Part, understand

_MARKS = {". ": "。", "; ": "；", ".; ": "；", ", ": "，", ": ": "：", ".": "。", ".\n": "。\n", " ": ""}
_AT_AN_END = re.compile(r"^(?:; |, |: |\.\n)|(?:\.?; |\. |, |: |\.\n)$")
"""A mark beside words of others."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_BETWEEN_SCRIPTS = re.compile(r"[\u4e00-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u4e00-\u9fff]")
"""Where a Chinese character and a Latin letter or a digit meet: a space stands between them."""


def in_chinese(text: str) -> str:
    """The text in Chinese. What the catalogue does not have stays as it is."""
    parts = understand(text)
    return text if parts == [text] else _worded(parts)


def _worded(parts: Sequence[Part]) -> str:
    words = chinese_templates()
    found = []
    for at, part in enumerate(parts):
        if isinstance(part, Message):
            found.append(_sentence(part, words[part.code]))
        elif part == ", " and 0 < at < len(parts) - 1 and _is_word(parts[at - 1]) and _is_word(parts[at + 1]):
            found.append("、")
        else:
            found.append(_mark(part))
    return "".join(found)


def _is_word(part: Part) -> bool:
    """Whether the part is a word of a list, as ``stocks, indices``: a sentence without values."""
    return isinstance(part, Message) and not part.values


def _sentence(message: Message, template: str) -> str:
    words = ""
    for at, text in enumerate(_PLACEHOLDER.split(template)):
        if at % 2:  # a placeholder's name
            given = message.values.get(text, "")
            text = given if isinstance(given, str) else _worded(given)
        words += f" {text}" if _BETWEEN_SCRIPTS.fullmatch(f"{words[-1:]}{text[:1]}") else text
    return words


def _mark(text: str) -> str:
    return _MARKS[text] if text in _MARKS else _AT_AN_END.sub(lambda mark: _MARKS[mark[0]], text)
