"""Links of the documents, for the site: what works in a checkout works in the site, in both languages.

A hook of MkDocs, which sees ``docs/`` alone. Links in ``docs/`` hold symbolic links to what else the site shows.
"""

from __future__ import annotations

import logging
import os
import re
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from pymdownx.slugs import slugify

DOCS = Path(__file__).resolve().parents[1]
PROJECT = DOCS.parent
SHOWN_AS = {
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "CONTRIBUTING.zh-CN.md": "contributing.md",
    "deploy/README.md": "deployment.md",
    "deploy/README.zh-CN.md": "deployment.md",
    "README.md": "index.md",
    "README.zh-CN.md": "index.md",
}
"""The page of the site by the path of a file in the project."""
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)")
HEADING = re.compile(r"^( *)```.*?^ *```$|^#+ ([^\n]+)$", re.MULTILINE | re.DOTALL)
"""A heading, or a block of code, in which a line may look like one."""
MARKUP = re.compile(r"\[([^\]]*)\]\([^)]*\)|[*`]")


def on_config(config: Any) -> None:
    """Keep the search's dictionary from writing to the terminal."""
    logging.getLogger("jieba").setLevel(logging.WARNING)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Make each link of a page relative to its place in the site, and name its sections in English, too."""
    place = PurePosixPath(page.file.src_uri).parent
    source = Path(page.file.abs_src_path)
    folder = source.resolve().parent

    def in_site(link: re.Match[str]) -> str:
        path = os.path.relpath(folder / link[1], PROJECT)
        path = path.removeprefix("docs/") if path.startswith("docs/") else SHOWN_AS.get(path, path)
        return os.path.relpath(path, place) + ("/" if link[1].endswith("/") else "")

    markdown = LINK.sub(in_site, markdown)
    if source.name.endswith(".zh.md"):
        original = source.with_name(source.name.removesuffix(".zh.md") + ".md")
        markdown = with_links_to_english(markdown, place / original.name)
        return with_english_anchors(markdown, original.read_text(encoding="utf-8"))
    return markdown


def with_links_to_english(chinese: str, original: PurePosixPath) -> str:
    """The Chinese page with links to its English one as HTML: in Markdown, both have the same name in the site.

    :param original: the English page's path in the site's sources.
    """
    english = f"{'../' * len(original.parts)}{original.with_suffix('.html')}"
    return re.sub(rf"\[([^\]]+)\]\({re.escape(original.name)}(#[^)]*)?\)", rf'<a href="{english}\2">\1</a>', chinese)


def with_english_anchors(chinese: str, english: str) -> str:
    """The Chinese page with the English page's anchor before each heading.

    An English page that has no Chinese text yet links to sections of those that have one.
    """
    english_anchors, own_anchors = anchors(english), set(anchors(chinese))
    found = iter(english_anchors if len(english_anchors) == len(anchors(chinese)) else [])

    def anchored(heading: re.Match[str]) -> str:
        anchor = next(found, None) if heading[2] else None
        if anchor is None or anchor in own_anchors:
            return heading[0]
        return f'<a id="{anchor}"></a>\n\n{heading[0]}'

    return HEADING.sub(anchored, chinese)


def anchors(markdown: str) -> list[str]:
    """The anchor of each heading, as the site makes it."""
    made: list[str] = []
    for title in (heading[2] for heading in HEADING.finditer(markdown) if heading[2]):
        anchor = slugify(case="lower")(MARKUP.sub(r"\1", title), "-")
        made.append(next(name for n in count() if (name := f"{anchor}_{n}" if n else anchor) not in made))
    return made
