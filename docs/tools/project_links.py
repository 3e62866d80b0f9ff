"""Links of the documents to files of the project, for the site: what works in a checkout works in the site, too.

A hook of MkDocs, which sees ``docs/`` alone. Links in ``docs/`` hold symbolic links to what else the site shows.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
PROJECT = DOCS.parent
SHOWN_AS = {
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
    "README.zh-CN.md": "index.md",
}
"""The page of the site by the path of a file in the project."""
LINK = re.compile(r"(?<=\]\()(?!\w+:|#|/)([^)\s#]+)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Make each link of a page relative to its place in the site."""
    place = PurePosixPath(page.file.src_uri).parent
    folder = Path(page.file.abs_src_path).resolve().parent

    def in_site(link: re.Match[str]) -> str:
        path = os.path.relpath(folder / link[1], PROJECT)
        path = path.removeprefix("docs/") if path.startswith("docs/") else SHOWN_AS.get(path, path)
        return os.path.relpath(path, place) + ("/" if link[1].endswith("/") else "")

    return LINK.sub(in_site, markdown)
