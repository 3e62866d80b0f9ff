"""The measured figures: how they are printed beside the last kept values, and how they are kept."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped, unused-ignore]

from ashare_local.terminal import print_columns
from bench.chinese import in_chinese

RESULTS = Path(__file__).parent / "results" / "latest.json"
DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
CHINESE = DOCUMENT.with_suffix(".zh.md")
BEGIN, END = "<!-- figures: written by make bench -->\n", "<!-- end of the figures -->\n"


@dataclass(frozen=True)
class Figure:
    """One measured value.

    :ivar target: the upper limit of the value, or with ``at_least`` the lower limit; ``None`` for a yardstick.
    :ivar detail: remarks on the value, for example its parts.
    """

    part: str
    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False
    detail: str = ""

    @property
    def verdict(self) -> str:
        """``ok`` or ``missed``; empty without a target."""
        if self.target is None:
            return ""
        return "ok" if (self.value >= self.target if self.at_least else self.value <= self.target) else "missed"


def show(figures: Sequence[Figure], before: Mapping[tuple[str, str], float]) -> None:
    """Print a table per part, beside the values ``before``, which are by (part, name)."""
    names = ("what", "value", "unit", "target", "before", "", "detail")
    for part, found in groupby(figures, key=lambda figure: figure.part):
        lines = [
            (f.name, f"{f.value:g}", f.unit, _target(f), _number(before.get((f.part, f.name))), f.verdict, f.detail)
            for f in found
        ]
        print_columns(part, names, lines, left=("what", "unit", "", "detail"))


def _target(figure: Figure) -> str | None:
    if figure.target is None:
        return None
    return f"{'≥' if figure.at_least else '≤'} {figure.target:g}"


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def values_before() -> dict[tuple[str, str], float]:
    """The last kept values by (part, name); empty if ``RESULTS`` cannot be read."""
    try:
        found = json.loads(RESULTS.read_text())["figures"]
        return {(figure["part"], figure["name"]): figure["value"] for figure in found}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def keep(figures: Iterable[Figure], postgres: str, seconds: float) -> None:
    """Write the figures, with the machine and the commit, to ``RESULTS`` as JSON, into ``DOCUMENT`` and ``CHINESE``.

    :param postgres: PostgreSQL's version.
    :param seconds: the duration of the whole benchmark.
    """
    found: dict[str, Any] = {
        "machine": {
            "cores": os.cpu_count(),
            "memory_gb": round(psutil.virtual_memory().total / 2**30),
            "system": platform.system(),
            "python": platform.python_version(),
            "postgres": postgres,
        },
        "commit": _commit(),
        "date": str(datetime.now(timezone.utc).date()),
        "seconds": round(seconds),
        "figures": [asdict(figure) | {"verdict": figure.verdict} for figure in figures],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    for file, translated in ((DOCUMENT, str), (CHINESE, in_chinese)):
        file.write_text(documented(file.read_text(), document(found, translated)))


def document(found: Mapping[str, Any], translated: Callable[[str], str] = str) -> str:
    """The figures as Markdown, for the place between the marks of `docs/performance.md`.

    :param translated: gives a text of the figures in the document's language.
    """
    machine = found["machine"]
    text = translated("{}, commit {}; {} cores, {} GiB, {}, Python {}, PostgreSQL {}; {} s in all.\n").format(
        found["date"],
        found["commit"],
        *(machine[name] for name in ("cores", "memory_gb", "system", "python", "postgres")),
        found["seconds"],
    )
    for part, figures in groupby(found["figures"], key=lambda figure: figure["part"]):
        text += f"\n**{translated(part)}**\n\n| | {translated('measured')} | {translated('target')} | | |\n"
        text += "|---|---|---|---|---|\n"
        for one in figures:
            figure = Figure(**{name: value for name, value in one.items() if name != "verdict"})
            measured = f"{figure.value:g} {figure.unit}".strip()
            name, verdict, detail = map(translated, (figure.name, figure.verdict, figure.detail))
            cells = (name, measured, _target(figure) or "", verdict, detail)
            text += f"| {' | '.join(cells)} |\n".replace("|  |", "| |").replace("|  |", "| |")
    return text


def documented(text: str, figures: str) -> str:
    """The document ``text`` with ``figures`` between its marks."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + figures + END + rest.partition(END)[2]


def _commit() -> str | None:
    """The checkout's commit, with ``-dirty`` if a tracked file has changed; ``None`` outside of a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.check_output(
            command, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL, text=True
        ).strip()
    except (OSError, subprocess.CalledProcessError):
        return None
