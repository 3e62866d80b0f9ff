"""Checks the names of a run's params. Airflow silently accepts an unknown param and runs with the defaults."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ashare.errors import InvalidInput


def check_names(given: Iterable[str], allowed: Iterable[str], dag_id: str) -> None:
    """Refuse params that a DAG does not have.

    :raises InvalidInput: ``given`` has a name that is not in ``allowed``.
    """
    known = sorted(allowed)
    unknown = [_with_suggestion(name, known) for name in sorted(set(given) - set(known))]
    if unknown:
        raise InvalidInput(
            f"{dag_id} has no param {', '.join(unknown)}, and its run was not started: "
            f"its params are {', '.join(known)}."
        )


def _with_suggestion(name: str, known: list[str]) -> str:
    meant = get_close_matches(name.lower(), known, n=1)
    return f"{name!r} (did you mean {meant[0]!r}?)" if meant else repr(name)
