"""This checkout's wheel, built and installed as a person would do it: by uv, which `make install` brings along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ashare_local import PROJECT

UV = Path(sys.executable).parent / "uv"


def uv(*arguments: str) -> None:
    done = subprocess.run(
        [str(UV), *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def build(directory: Path) -> Path:
    """The source distribution, and the wheel out of that, in a directory."""
    uv("build", "--quiet", "--out-dir", str(directory), ".")
    return directory


def make_venv(directory: Path) -> Path:
    """An empty virtual environment; where its programs are."""
    uv("venv", "--quiet", "--python", sys.executable, str(directory))
    return directory / "bin"


def install(programs: Path, *requirements: str, wheels: Path) -> None:
    """As pip does, from the pinned set and the wheel."""
    where = ("--python", str(programs / "python"), "--find-links", str(wheels), "-c", "constraints.txt")
    uv("pip", "install", "--quiet", *where, *requirements)
