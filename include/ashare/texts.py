"""Texts for people and for the database: bounded, and without what PostgreSQL cannot hold."""

from __future__ import annotations

from collections.abc import Sequence

MOST_CHARACTERS = 2_000
"""Of a reason or an error, wherever it is stored."""
NAMED = 5
"""How many things a list in a sentence names."""
CUT = " ..."


def storable(text: str) -> str:
    """The text without NUL, which PostgreSQL's text cannot hold, and with lone surrogates as question marks."""
    return text.replace("\0", "").encode(errors="replace").decode()


def bounded(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text, or as much of its beginning as ``most`` characters hold."""
    return text if len(text) <= most else text[: max(most - len(CUT), 0)] + CUT[:most]


def joined(parts: Sequence[str], separator: str = "; ", most: int = MOST_CHARACTERS) -> str:
    """The parts one after the other; of more than ``most`` characters hold, the first and how many more there are."""
    whole = separator.join(parts)
    if len(whole) <= most:
        return whole
    room = most - len(f"{separator}and {len(parts)} more")
    # A long one does not keep the others out.
    kept, left = [], room + len(separator)
    for part in (bounded(part, room // min(len(parts), 3)) for part in parts):
        left -= len(separator) + len(part)
        if left < 0:
            break
        kept.append(part)
    more = [f"and {len(parts) - len(kept)} more"] if len(parts) > len(kept) else []
    return separator.join([*kept, *more])


def named(things: Sequence[object], most: int = NAMED) -> str:
    """The first few things, and how many more there are."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return f"{', '.join(map(str, things[:most]))}{more}"
