"""The code in Markdown files."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import NamedTuple

FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Code(NamedTuple):
    """A fenced block: its language and its text, without indentation."""

    language: str
    text: str


def code_blocks(markdown: str) -> list[Code]:
    return [Code(language, dedent(text)) for _, language, text in FENCED.findall(markdown)]
