"""The documentation as a site: built without a warning, in two languages, and without anything of another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from ashare_local import PROJECT
from tests.e2e.conftest import CHROMIUM, QUIET

LOADED = {
    **dict.fromkeys(("script", "img", "iframe", "source", "video", "audio", "embed"), ("src", "srcset")),
    "link": ("href",),
    "object": ("data",),
}
"""Attributes with the address of what a browser loads, by element."""
NOT_LOADED = {"alternate", "canonical", "next", "prev"}
"""Links of a page's head that a browser does not load."""
NEVER_REACHED = {
    "https://unpkg.com/mermaid@11/dist/mermaid.min.js",  # for diagrams of Mermaid's, of which no page has one
    "https://unpkg.com/resize-observer-polyfill",  # for browsers without ResizeObserver, of before 2020
}
"""Addresses in the theme's own script."""
QUOTED_ADDRESS = r"""["'`]((?:https?:)?//[\w.-]+/[^"'`\s]*)["'`]"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = (sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory))
    done = subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return directory


class Page(HTMLParser):
    """What an HTML page has a browser load, and the classes of its elements."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.classes: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.classes |= set(values.get("class", "").split())
        if tag != "link" or values.get("rel") not in NOT_LOADED:
            self.loads += [values[name] for name in LOADED.get(tag, ()) if name in values]
        self.loads += re.findall(r"url\(['\"]?([^)'\"]+)", values.get("style", ""))


def is_foreign(address: str) -> bool:
    return bool(re.match(r"(https?:)?//", address))


def test_no_page_loads_anything_of_another_host(site: Path) -> None:
    pages = {file: Page(file) for file in site.rglob("*.html")}
    assert len(pages) > 60
    for file, page in pages.items():
        assert [address for address in page.loads if is_foreign(address)] == [], file
        assert page.loads, file
        assert "mermaid" not in page.classes, f"{file}: the theme would load Mermaid from unpkg.com"


def test_no_style_loads_anything_of_another_host(site: Path) -> None:
    styles = list(site.rglob("*.css"))
    assert styles
    for file in styles:
        text = file.read_text(encoding="utf-8")
        addresses = re.findall(r"(?:url\(|@import)\s*['\"]?([^)'\"\s]+)", text)
        assert [address for address in addresses if is_foreign(address)] == [], file


def test_no_script_names_a_script_a_style_or_a_font_of_another_host(site: Path) -> None:
    named = {
        address
        for file in site.rglob("*.js")
        for address in re.findall(
            r"""["'`]((?:https?:)?//[\w.-]+/[^"'`\s]*)["'`]""", file.read_text(encoding="utf-8")
        )
        if re.search(r"\.(m?js|css|woff2?|png|svg)$|//(unpkg|cdn|fonts)", address)
    }
    assert named <= NEVER_REACHED


# ---------------------------------------------------------------------- in a browser


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_reader_finds_a_setting_in_both_languages_and_nothing_comes_from_elsewhere(address: str) -> None:
    assert CHROMIUM, "this test needs chromium: apt-get install chromium"
    requested: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page()
        page.on("request", lambda request: requested.append(request.url))
        for start, words, language in (
            ("/index.html", "ASHARE_REQUEST_BUDGET", "English"),
            ("/zh/index.html", "前复权", "中文"),
        ):
            page.goto(address + start)
            page.locator("input[name=query]").click()
            page.locator("input[name=query]").type(words)
            found = page.locator(".md-search-result__item h1, .md-search-result__item h2").first
            found.wait_for(timeout=10_000)
            assert page.locator(".md-search-result__item mark").first.inner_text()
            assert page.locator(f"a[hreflang]:has-text('{language}')").count() == 1
        browser.close()
    assert len(requested) > 10
    assert [url for url in requested if not url.startswith((address, "data:", "blob:"))] == []
