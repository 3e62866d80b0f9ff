"""Texts for people and for the database: truncated, without what PostgreSQL cannot store; commands to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence

MOST_CHARACTERS = 2_000
"""Maximum characters of a stored reason or error."""
NAMED = 5
"""Maximum number of items that a sentence names."""
CUT = " ..."


def storable(text: str) -> str:
    """The text without NUL, which PostgreSQL's text cannot store; lone surrogates become question marks."""
    return text.replace("\0", "").encode(errors="replace").decode()


def bounded(text: str, most: int = MOST_CHARACTERS) -> str:
    """The text, truncated to ``most`` characters; a truncated text ends with `` ...``."""
    return text if len(text) <= most else text[: max(most - len(CUT), 0)] + CUT[:most]


def joined(parts: Sequence[str], separator: str = "; ", most: int = MOST_CHARACTERS) -> str:
    """The parts joined, in ``most`` characters: if not all fit, the first ones and the number of the others."""
    whole = separator.join(parts)
    if len(whole) <= most:
        return whole
    room = most - len(f"{separator}and {len(parts)} more")
    # Truncate each part, so that one long part does not displace the others.
    kept, left = [], room + len(separator)
    for part in (bounded(part, room // min(len(parts), 3)) for part in parts):
        left -= len(separator) + len(part)
        if left < 0:
            break
        kept.append(part)
    more = [f"and {len(parts) - len(kept)} more"] if len(parts) > len(kept) else []
    return separator.join([*kept, *more])


def one_sentence(problems: Iterable[str | None]) -> str:
    """The problems as one sentence, which ends with a period; empty without any."""
    given = [problem.rstrip(".") for problem in problems if problem]
    return f"{joined(given, most=MOST_CHARACTERS - 1)}." if given else ""


def named(things: Sequence[object], most: int = NAMED) -> str:
    """The first ``most`` things, and the number of the others."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return f"{', '.join(map(str, things[:most]))}{more}"


def backfill_command(
    first: object,
    last: object,
    flag: str = "",
    conf: Mapping[str, object] | None = None,
    dag_id: str = "ashare_daily",
) -> str:
    """The command that runs ``ashare_daily`` for a range of trade dates, or another DAG for its partitions.

    :param conf: the params of each run.
    """
    options = [flag, f"--conf {shlex.quote(json.dumps(conf))}" if conf else ""]
    return " ".join(["airflow dags backfill", f"-s {first} -e {last}", *filter(None, options), dag_id])


def history_command(first: object, last: object, **params: object) -> str:
    """The command that runs ``ashare_history`` for a range of days."""
    conf = json.dumps({"start_date": str(first), "end_date": str(last), **params})
    return f"airflow dags trigger ashare_history --conf {shlex.quote(conf)}"
