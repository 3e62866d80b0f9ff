"""The sentences that people read, as codes with values, and their words in Chinese.

A sentence is composed in English where it arises, is recorded in English, and can be read with psql. The catalogue
(`catalogue/*.json`) has each sentence's English template, its code and its Chinese template. ``understand`` reads a
sentence back into codes with values, also a sentence that an earlier version has recorded. ``in_chinese`` puts these
into words.
"""

from __future__ import annotations

from ashare.messages.catalogue import chinese_templates
from ashare.messages.chinese import in_chinese
from ashare.messages.understanding import Message, Part, understand

__all__ = ["Message", "Part", "chinese_templates", "in_chinese", "understand"]
