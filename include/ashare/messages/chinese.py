"""Puts codes with values into Chinese words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ashare.messages.catalogue import chinese_templates
from ashare.messages.understanding import Message, Part, understand

_MARKS = {". ": "。", "; ": "；", ", ": "，", ".": "。", ".\n": "。\n"}
_AT_AN_END = re.compile(r"^(?:; |, )|(?:; |\. |, |\.\n)$")
"""A mark beside words of others."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def in_chinese(text: str) -> str:
    """The text in Chinese. What the catalogue does not have stays as it is."""
    return _worded(understand(text))


def _worded(parts: Sequence[Part]) -> str:
    words = chinese_templates()
    return "".join(_sentence(part, words[part.code]) if isinstance(part, Message) else _mark(part) for part in parts)


def _sentence(message: Message, template: str) -> str:
    def value(name: re.Match[str]) -> str:
        given = message.values.get(name[1], "")
        return given if isinstance(given, str) else _worded(given)

    return _PLACEHOLDER.sub(value, template)


def _mark(text: str) -> str:
    return _MARKS.get(text) or _AT_AN_END.sub(lambda mark: _MARKS[mark[0]], text)
