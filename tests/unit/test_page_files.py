"""What the status page ships: nothing from elsewhere, but the libraries of others as their authors publish them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

STATIC = Path(__file__).parents[2] / "plugins" / "ashare_airflow" / "page" / "static"


def test_vendored_files_are_unchanged_and_carry_their_licences() -> None:
    table = (STATIC / "vendor" / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|", table, re.MULTILINE))
    scripts = {file.name for file in (STATIC / "vendor").glob("*.js")}
    assert scripts == {name for name in listed if name.endswith(".js")}
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest, name
    for licence in ("echarts-LICENSE", "echarts-NOTICE", "htm-LICENSE", "preact-LICENSE"):
        assert (STATIC / "vendor" / licence).stat().st_size > 100


def test_pages_name_no_outside_host() -> None:
    for file in STATIC.iterdir():
        if file.suffix in (".js", ".css", ".html", ".svg"):
            hosts = set(re.findall(r"https?://([\w.-]+)", file.read_text(encoding="utf-8")))
            assert hosts <= {"www.w3.org"}, file.name  # a namespace, never asked for
