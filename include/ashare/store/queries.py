"""The SQL of this package lives in ``queries/*.sql``, each statement under a ``-- name:`` line."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from typing_extensions import LiteralString  # in typing since Python 3.11


@cache
def queries(file: str) -> dict[str, LiteralString]:
    """Return the named statements of ``queries/<file>.sql``."""
    text = (Path(__file__).parent / "queries" / f"{file}.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    # The files are part of the package, as literal as a string in the code.
    return cast("dict[str, LiteralString]", dict(zip(parts[::2], parts[1::2], strict=True)))
